/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buildfolder.h"

#include <sys/stat.h>

#include "unitworld.h"

static void arguments_arrive_whatever_is_in_them(void **state) {
        const Scratch *s = *state;
        char *argv[] = {(char *) "--force", (char *) "", (char *) "a b\nc\"\\", (char *) "\xff", NULL};
        _cleanup_strv_free_ char **read = NULL;
        assert_int_equal(buildfolder_write_arguments(s->fd, argv), 0);
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), 0);
        assert_int_equal(strv_length(read), 4);
        for (size_t i = 0; i < 4; i++)
                assert_string_equal(read[i], argv[i]);
        assert_int_equal(faccessat(s->fd, ".arguments", F_OK, 0), -1);
}

static void what_is_no_list_of_arguments_is_refused(void **state) {
        const Scratch *s = *state;
        char **read = NULL;
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), -ENOENT);
        write_bytes(s, "arguments", "", 0);
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), -EBADMSG);
        write_bytes(s, "arguments", "--force", 7);
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), -EBADMSG);
        assert_int_equal(unlinkat(s->fd, "arguments", 0), 0);
        make_link(s, "arguments", "/etc/passwd");
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), -ELOOP);
        assert_null(read);
}

static void size_has_a_limit(void **state) {
        const Scratch *s = *state;
        static char big[BUILDFOLDER_SIZE_MAX + 1];
        char *argv[] = {big, NULL}, *data = NULL, **read = NULL;
        size_t size;
        memset(big, 'x', BUILDFOLDER_SIZE_MAX - 1);
        assert_int_equal(buildfolder_write_arguments(s->fd, argv), 0);
        assert_int_equal(buildfolder_read_arguments(s->fd, &read), 0);
        strv_free(read);
        big[BUILDFOLDER_SIZE_MAX - 1] = 'x';
        assert_int_equal(buildfolder_write_arguments(s->fd, argv), -E2BIG);
        write_bytes(s, "end", big, BUILDFOLDER_SIZE_MAX + 1);
        assert_int_equal(buildfolder_read(s->fd, "end", &data, &size), -EFBIG);
        assert_null(data);
}

static void a_write_replaces_and_is_for_root_alone(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        struct stat st;
        assert_int_equal(buildfolder_write(s->fd, "end", "a longer text", 13), 0);
        assert_int_equal(buildfolder_write(s->fd, "end", "short", 5), 0);
        assert_int_equal(buildfolder_read(s->fd, "end", &data, &size), 0);
        assert_int_equal(size, 5);
        assert_string_equal(data, "short");
        assert_int_equal(fstatat(s->fd, "end", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void claim_says_who_runs_and_ends_with_it(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "report", "");
        int fd = openat(s->fd, "report", O_RDWR | O_CLOEXEC);
        assert_int_equal(buildfolder_claimed_by(fd), 0);
        pid_t pid = unit_build_begin(s->path, "RESULT success\n");
        assert_int_equal(buildfolder_claimed_by(fd), pid);
        assert_int_equal(buildfolder_claim(fd), -EAGAIN);
        unit_build_end(s->path, pid, NULL);
        assert_int_equal(buildfolder_claimed_by(fd), 0);
        assert_int_equal(buildfolder_claim(fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(arguments_arrive_whatever_is_in_them),
                scratch_test(what_is_no_list_of_arguments_is_refused),
                scratch_test(size_has_a_limit),
                scratch_test(a_write_replaces_and_is_for_root_alone),
                scratch_test(claim_says_who_runs_and_ends_with_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
