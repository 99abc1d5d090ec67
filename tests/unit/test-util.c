/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

#include <sys/wait.h>
#include <time.h>

#include "interpose.h"

#define MANY 200000U

/* What was asked of libc. */
static struct {
        size_t room; /* bytes of the array that grew last */
        unsigned grown;
        unsigned interruptions; /* of the next calls of write */
        bool empty;             /* the next one takes nothing */
        size_t piece;           /* that write takes at most; 0: as much as there is */
} world;

void *reallocarray(void *ptr, size_t nmemb, size_t size) {
        world.room = nmemb * size;
        world.grown++;
        return REAL(reallocarray)(ptr, nmemb, size);
}

ssize_t write(int fd, const void *buf, size_t n) {
        if (world.interruptions > 0) {
                world.interruptions--;
                errno = EINTR;
                return -1;
        }
        if (world.empty) {
                world.empty = false;
                return 0;
        }
        return REAL(write)(fd, buf, world.piece > 0 ? MIN(n, world.piece) : n);
}

static void a_vector_of_strings_is_terminated_at_each_length(void **state) {
        _cleanup_strv_free_ char **v = NULL;
        assert_int_equal(strv_length(v), 0);
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(i % 2 ? strv_extendf(&v, "%u", i) : strv_extend(&v, "even"), 0);
                assert_int_equal(strv_length(v), i + 1);
                assert_null(v[i + 1]);
        }
        for (unsigned i = 0; i < 100; i++) {
                char text[16];
                (void) snprintf(text, sizeof(text), "%u", i);
                assert_string_equal(v[i], i % 2 ? text : "even");
        }
        assert_int_equal(strv_push(&v, NULL), -ENOMEM);
        assert_int_equal(strv_length(v), 100);
}

static void a_vector_grows_before_it_is_full_and_seldom(void **state) {
        _cleanup_strv_free_ char **v = NULL;
        world.grown = 0;
        for (size_t n = 1; n <= 1000; n++) {
                assert_int_equal(strv_extend(&v, "x"), 0);
                assert_true(world.room >= (n + 1) * sizeof(char *));
                assert_true(world.room <= 2 * n * sizeof(char *));
        }
        assert_true(world.grown <= 11);
}

static void nothing_is_no_vector(void **state) {
        assert_null(strv_free(NULL));
        assert_int_equal(strv_length(NULL), 0);
        char **v = calloc(1, sizeof(char *));
        assert_non_null(v);
        assert_int_equal(strv_length(v), 0);
        assert_null(strv_free(v));
}

static void a_vector_contains_whole_strings(void **state) {
        _cleanup_strv_free_ char **v = NULL;
        assert_false(strv_contains(NULL, "a"));
        assert_int_equal(strv_extend(&v, "ab"), 0);
        assert_int_equal(strv_extend(&v, "c"), 0);
        assert_true(strv_contains(v, "ab"));
        assert_true(strv_contains(v, "c"));
        assert_false(strv_contains(v, "a"));
        assert_false(strv_contains(v, ""));
}

static void a_builder_makes_the_same_vector(void **state) {
        _cleanup_(strv_builder_done) StrvBuilder b = {};
        _cleanup_strv_free_ char **v = NULL;
        assert_int_equal(strv_builder_finish(&b, &v), 0);
        assert_null(v);
        for (size_t n = 1; n < 40; n++) {
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(strv_builder_extend(&b, i % 2 ? "odd" : "even"), 0);
                assert_int_equal(strv_builder_push(&b, NULL), -ENOMEM);
                assert_int_equal(strv_builder_finish(&b, &v), 0);
                assert_int_equal(b.n, 0);
                assert_null(b.items);
                assert_int_equal(strv_length(v), n);
                for (size_t i = 0; i < n; i++)
                        assert_string_equal(v[i], i % 2 ? "odd" : "even");
                v = strv_free(v);
        }
        assert_int_equal(strv_builder_extend(&b, "left over"), 0);
}

static void a_builder_has_room_for_the_end(void **state) {
        for (size_t n = 1; n <= 20; n++) {
                _cleanup_(strv_builder_done) StrvBuilder b = {};
                _cleanup_strv_free_ char **v = NULL;
                for (size_t i = 0; i < n; i++) {
                        assert_int_equal(strv_builder_extend(&b, "x"), 0);
                        assert_true(world.room >= (i + 1) * sizeof(char *));
                }
                assert_int_equal(strv_builder_finish(&b, &v), 0);
                assert_true(world.room >= (n + 1) * sizeof(char *));
        }
}

static void a_builder_that_is_dropped_is_empty(void **state) {
        StrvBuilder b = {};
        assert_int_equal(strv_builder_extend(&b, "x"), 0);
        strv_builder_done(&b);
        assert_null(b.items);
        assert_int_equal(b.n, 0);
        strv_builder_done(&b);
}

/* This took 30 s of CPU when each push counted the strings before it, and takes a hundredth of a second
 * now. */
static void many_strings_take_linear_time(void **state) {
        _cleanup_(strv_builder_done) StrvBuilder b = {};
        _cleanup_strv_free_ char **v = NULL;
        clock_t start = clock();
        for (unsigned i = 0; i < MANY; i++)
                assert_int_equal(strv_builder_push(&b, strdup("x")), 0);
        assert_int_equal(strv_builder_finish(&b, &v), 0);
        assert_int_equal(strv_length(v), MANY);
        assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
}

static void a_copy_replaces_what_differs(void **state) {
        _cleanup_free_ char *s = NULL;
        assert_int_equal(free_and_strdup(&s, NULL), 0);
        assert_null(s);
        assert_int_equal(free_and_strdup(&s, "a"), 1);
        assert_string_equal(s, "a");
        char *before = s;
        assert_int_equal(free_and_strdup(&s, "a"), 0);
        assert_ptr_equal(s, before);
        assert_int_equal(free_and_strdup(&s, "b"), 1);
        assert_string_equal(s, "b");
        assert_int_equal(free_and_strdup(&s, s + 1), 1); /* a part of itself */
        assert_string_equal(s, "");
        assert_int_equal(free_and_strdup(&s, NULL), 1);
        assert_null(s);
}

static void texts_are_formatted_into_memory_of_their_own(void **state) {
        char *s = NULL;
        assert_int_equal(strprintf(&s, "%s-%i", "a", 5), 0);
        assert_string_equal(s, "a-5");
        free(s);
        assert_int_equal(strprintf(&s, "%s", ""), 0);
        assert_string_equal(s, "");
        free(s);
}

static void strings_may_be_compared_with_null(void **state) {
        char a[] = "a", b[] = "a";
        assert_true(streq_ptr(a, b));
        assert_true(streq_ptr(NULL, NULL));
        assert_false(streq_ptr(a, NULL));
        assert_false(streq_ptr(NULL, a));
        assert_false(streq_ptr(a, "b"));
        assert_string_equal(startswith("abc", "ab"), "c");
        assert_string_equal(startswith("abc", ""), "abc");
        assert_null(startswith("ab", "abc"));
        assert_null(startswith("abc", "b"));
        assert_string_equal(strempty(NULL), "");
        assert_true(isempty(NULL) && isempty("") && !isempty("a"));
}

static void grown_arrays_keep_what_they_hold(void **state) {
        unsigned *a = NULL, n;
        world.grown = 0;
        for (n = 0; n < 1000 && grow(a, n) >= 0; n++) {
                assert_true(world.room >= (n + 1) * sizeof(*a));
                a[n] = n;
        }
        assert_int_equal(n, 1000);
        assert_int_equal(world.grown, 11); /* 1, 2, 4, … 1024 */
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(a[i], i);
        free(a);
}

/* The child sees whether the SIZE bytes from FD are those that fill_pattern() made. */
static pid_t fork_reader(int fd, int write_end, size_t size) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        close(write_end);
        char buffer[1000];
        size_t n = 0;
        for (ssize_t k; (k = read(fd, buffer, sizeof(buffer))) > 0; n += (size_t) k)
                for (ssize_t i = 0; i < k; i++)
                        if (buffer[i] != (char) ((n + (size_t) i) % 251))
                                _exit(2);
        _exit(n == size ? 0 : 1);
}

static void fill_pattern(char *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                data[i] = (char) (i % 251);
}

static void all_is_written_in_however_many_pieces(void **state) {
        static char data[100 * 1024];
        int fds[2], status;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid_t pid = fork_reader(fds[0], fds[1], sizeof(data));
        fill_pattern(data, sizeof(data));
        world.piece = 999;
        world.interruptions = 2;
        world.empty = true;
        int r = write_all(fds[1], data, sizeof(data)), nothing = write_all(fds[1], NULL, 0);
        world.piece = 0;
        close(fds[1]);
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(r, 0);
        assert_int_equal(nothing, 0);
        assert_true(world.interruptions == 0 && !world.empty);
        assert_int_equal(status, 0);
}

static void what_cannot_be_written_is_reported(void **state) {
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC),
            read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(write_all(full, "x", 1), -ENOSPC);
        assert_int_equal(write_all(read_only, "x", 1), -EBADF);
        close(full);
        close(read_only);
}

static void the_clock_counts_microseconds_since_boot(void **state) {
        struct timespec ts;
        uint64_t before = now_usec();
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
        uint64_t now = (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000, after = now_usec();
        assert_true(before <= now && now <= after);
        before = realtime_usec();
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
        now = (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
        assert_true(before <= now && now <= realtime_usec());
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_vector_of_strings_is_terminated_at_each_length),
                cmocka_unit_test(a_vector_grows_before_it_is_full_and_seldom),
                cmocka_unit_test(nothing_is_no_vector),
                cmocka_unit_test(a_vector_contains_whole_strings),
                cmocka_unit_test(a_builder_makes_the_same_vector),
                cmocka_unit_test(a_builder_has_room_for_the_end),
                cmocka_unit_test(a_builder_that_is_dropped_is_empty),
                cmocka_unit_test(many_strings_take_linear_time),
                cmocka_unit_test(a_copy_replaces_what_differs),
                cmocka_unit_test(texts_are_formatted_into_memory_of_their_own),
                cmocka_unit_test(strings_may_be_compared_with_null),
                cmocka_unit_test(grown_arrays_keep_what_they_hold),
                cmocka_unit_test(all_is_written_in_however_many_pieces),
                cmocka_unit_test(what_cannot_be_written_is_reported),
                cmocka_unit_test(the_clock_counts_microseconds_since_boot),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
