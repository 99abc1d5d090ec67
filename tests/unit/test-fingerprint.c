/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: tree/fingerprint.c tree/hasher.c */

#include "tree/fingerprint.h"

#include "interpose.h"

/* What reading content returns first, this many times. */
static struct {
        unsigned n;
        int error;
} reading;

/* As called where files may be large. */
ssize_t pread64(int fd, void *buffer, size_t size, off_t offset) {
        if (reading.n > 0) {
                reading.n--;
                errno = reading.error;
                return -1;
        }
        return REAL(pread64)(fd, buffer, size, offset);
}

typedef struct Taken {
        Fingerprint f;
        char *description; /* of the last entry */
        Hasher *h;
        bool trust_ctime;
} Taken;

static int take_entry(const WalkEntry *entry, void *userdata) {
        Taken *t = userdata;
        free(t->description);
        t->description = NULL;
        assert_int_equal(fingerprint_describe(entry, t->trust_ctime, &t->description), 0);
        fingerprint_add(t->h, entry, t->trust_ctime);
        return 0;
}

static Taken take(const Scratch *s, const char *path, bool trust_ctime) {
        Taken t = {.h = hasher_new(), .trust_ctime = trust_ctime};
        assert_non_null(t.h);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, path, &(Visitor){take_entry, &t}), 0);
        t.f = hasher_digest(t.h);
        t.h = hasher_free(t.h);
        return t;
}

/* Does COMMAND, run in the folder, change the fingerprint of /t? WHAT: the difference in the last entry in
 * words, NULL: not checked. */
static void check_change(const Scratch *s, bool trust_ctime, const char *command, bool changes,
                         const char *what) {
        Taken before = take(s, "/t", trust_ctime);
        shell("cd %s && %s", s->path, command);
        Taken after = take(s, "/t", trust_ctime);
        if (fingerprint_equal(&before.f, &after.f) == changes)
                fail_msg("%s: expected %s", command, changes ? "a change" : "no change");
        if (changes && what) {
                char *words = NULL;
                unsigned difference = fingerprint_difference(before.description, after.description);
                assert_int_equal(reason_detail_changed(difference, NULL, &words), 0);
                assert_string_equal(words, what);
                free(words);
        }
        free(before.description);
        free(after.description);
}

/* Stamps hold descriptions: they must not change between versions of the program. */
static void descriptions_are_as_stamps_have_them(void **state) {
        static const struct {
                struct statx stx;
                bool trust_ctime;
                const char *expected;
        } all[] = {
                {{.stx_mode = S_IFREG}, true, "100000:0:0:0:0.000000000:0:0.000000000"},
                {{.stx_mode = S_IFREG | 0644,
                  .stx_uid = 1000,
                  .stx_gid = 10,
                  .stx_size = 12345,
                  .stx_mtime = {.tv_sec = 1577836800, .tv_nsec = 100},
                  .stx_ino = 77,
                  .stx_ctime = {.tv_sec = 5, .tv_nsec = 999999999}},
                 true,
                 "100644:1000:10:12345:1577836800.000000100:77:5.999999999"},
                {{.stx_mode = S_IFLNK | 0777, .stx_mtime = {.tv_sec = -1, .tv_nsec = 1}},
                 false,
                 "120777:0:0:0:-1.000000001:0:-"},
                {{.stx_mode = S_IFDIR | 01777, .stx_uid = 1, .stx_size = 4096}, true, "41777:1:0:-:-:-:-"},
                {{.stx_mode = UINT16_MAX,
                  .stx_uid = UINT32_MAX,
                  .stx_gid = UINT32_MAX,
                  .stx_size = UINT64_MAX,
                  .stx_mtime = {.tv_sec = INT64_MIN, .tv_nsec = UINT32_MAX},
                  .stx_ino = UINT64_MAX,
                  .stx_ctime = {.tv_sec = INT64_MAX, .tv_nsec = UINT32_MAX}},
                 true,
                 "177777:4294967295:4294967295:18446744073709551615:-9223372036854775808.4294967295:"
                 "18446744073709551615:9223372036854775807.4294967295"},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                char *text = NULL;
                const WalkEntry entry = {.path = "/x", .stx = &all[i].stx};
                assert_int_equal(fingerprint_describe(&entry, all[i].trust_ctime, &text), 0);
                assert_string_equal(text, all[i].expected);
                free(text);
        }
}

static void every_property_of_a_file_counts(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t", "12345");
        shell("touch -d '2020-01-01 00:00:00.1' %s/t", s->path);
        check_change(s, false, "true", false, NULL);
        check_change(s, false, "cat t >/dev/null", false, NULL);
        check_change(s, false, "chmod 600 t", true, "mode");
        check_change(s, false, "chown 1 t", true, "owner");
        check_change(s, false, "chgrp 1 t", true, "owner");
        check_change(s, false, "touch -d '2020-01-01 00:00:00.2' t", true, "mtime");
        check_change(s, false, "printf 123456 >t", true, "size, mtime");
        check_change(s, false, "chown 2:2 t", true, "owner");
        check_change(s, true, "chmod 755 t && chown 3 t", true, "mode, owner");
        check_change(s, false, "printf 1 >u && chmod 700 u && mv u t", true, "size, mtime, mode");
        check_change(s, false, "cp -p t u && mv u t", true, "replaced");
        check_change(s, false, "rm t && mkfifo t", true, "replaced");
}

static void ctime_counts_where_it_is_trusted(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t", "12345");
        shell("touch -d 2020-01-01 %s/t", s->path);
        /* the same size and mtime: only ctime tells */
        check_change(s, true, "printf 54321 >t && touch -d 2020-01-01 t", true, "ctime");
        check_change(s, false, "printf 98765 >t && touch -d 2020-01-01 t", false, NULL);
}

static Fingerprint fingerprint_of_one(const char *path, const char *target) {
        static const struct statx stx = {.stx_mode = S_IFLNK | 0777, .stx_size = 1};
        Hasher *h = hasher_new();
        const WalkEntry entry = {.path = path, .stx = &stx, .target = target};
        fingerprint_add(h, &entry, true);
        Fingerprint f = hasher_digest(h);
        (void) hasher_free(h);
        return f;
}

/* One that is recreated with the same inode, within one tick of the clock, differs in nothing else. */
static void where_a_link_points_counts(void **state) {
        Fingerprint a = fingerprint_of_one("/l", "x"), same = fingerprint_of_one("/l", "x");
        Fingerprint others[] = {fingerprint_of_one("/l", "y"), fingerprint_of_one("/l", NULL),
                                fingerprint_of_one("/m", "x"), fingerprint_of_one("/l", "x/")};
        assert_true(fingerprint_equal(&a, &same));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(fingerprint_equal(&a, &others[i]));
}

static Fingerprint fingerprint_of_ctime(uint32_t ns) {
        const struct statx stx = {.stx_mode = S_IFREG, .stx_ctime = {.tv_sec = 1, .tv_nsec = ns}};
        Hasher *h = hasher_new();
        fingerprint_add(h, &(WalkEntry){.path = "/f", .stx = &stx}, true);
        Fingerprint f = hasher_digest(h);
        (void) hasher_free(h);
        return f;
}

static void the_last_digit_counts(void **state) {
        Fingerprint a = fingerprint_of_ctime(1), b = fingerprint_of_ctime(2), c = fingerprint_of_ctime(10);
        assert_false(fingerprint_equal(&a, &b));
        assert_false(fingerprint_equal(&a, &c));
}

static void a_string_ends_at_its_end(void **state) {
        Hasher *a = hasher_new(), *b = hasher_new();
        hasher_update_string(a, "ab\0x");
        hasher_update_string(b, "ab\0y");
        Fingerprint x = hasher_digest(a), y = hasher_digest(b);
        assert_true(fingerprint_equal(&x, &y));
        assert_null(hasher_free(a));
        assert_null(hasher_free(b));
        assert_null(hasher_free(NULL));
}

static void every_digit_is_asked_for(void **state) {
        char hex[FINGERPRINT_HEX_MAX] = "0123456789abcdef0123456789abcdef", again[FINGERPRINT_HEX_MAX];
        Fingerprint f;
        assert_int_equal(fingerprint_from_hex(hex, &f), 0);
        assert_string_equal(fingerprint_to_hex(&f, again), hex);
        static const char bad[] = "gA /:\xff";
        for (size_t i = 0; i < strlen(hex); i++)
                for (size_t k = 0; k < strlen(bad); k++) {
                        char before = hex[i];
                        hex[i] = bad[k];
                        assert_int_equal(fingerprint_from_hex(hex, &f), -EINVAL);
                        hex[i] = before;
                }
        assert_int_equal(fingerprint_from_hex(hex + 1, &f), -EINVAL);
        assert_string_equal(fingerprint_to_hex(&f, again), hex); /* as it was */
}

static void only_whole_descriptions_are_compared(void **state) {
        static const struct {
                const char *before, *after;
                unsigned difference;
        } all[] = {
                {"100644:0:0:1:0.0:0:-", "100644:0:0:12:0.0:0:-", CHANGE_SIZE},
                {"100644:0:0:12:0.0:0:-", "100644:0:0:1:0.0:0:-", CHANGE_SIZE},
                {"100644:0:0:1:0.0:0:-", "100644:0:0:2:0.0:0:-", CHANGE_SIZE},
                {"100644:0:0:1:0.0:0:-:x", "100644:0:0:2:0.0:0:-:x", CHANGE_REPLACED},
                {"100644:0:0:1:0.0:0:-", "100644:0:0:2:0.0:0:-:x", CHANGE_REPLACED},
                {"100644:0:0:1:0.0:0", "100644:0:0:1:0.0:0:-", CHANGE_REPLACED},
                {"120777:0:0:1:0.0:0:-", "100644:0:0:1:0.0:0:-", CHANGE_REPLACED},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(fingerprint_difference(all[i].before, all[i].after), all[i].difference);
}

static void what_differs_in_times_and_inode_is_like_it(void **state) {
        static const struct {
                const char *before, *after;
                bool like;
        } all[] = {
                {"100644:0:0:1:0.0:0:-", "100644:0:0:1:0.0:0:-", true},
                {"100644:0:0:1:0.0:0:3.1", "100644:0:0:1:7.5:9:4.0", true},
                {"100644:0:0:1:0.0:0:-", "100600:0:0:1:0.0:0:-", false},
                {"100644:0:0:1:0.0:0:-", "120644:0:0:1:0.0:0:-", false},
                {"100644:0:0:1:0.0:0:-", "100644:1:0:1:0.0:0:-", false},
                {"100644:0:0:1:0.0:0:-", "100644:0:1:1:0.0:0:-", false},
                {"100644:0:0:1:0.0:0:-", "100644:0:0:10:0.0:0:-", false},
                {"40755:0:0:-:-:-:-", "40755:0:0:-:-:-:-", true},
                {"nonsense", "nonsense", false},
                {"100644:0:0:1:0.0:0:-", "100644:0:0:1:0.0:0", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(fingerprint_is_like(all[i].before, all[i].after), all[i].like);
        assert_int_equal(fingerprint_type("100644:0:0:1:0.0:0:-"), S_IFREG);
        assert_int_equal(fingerprint_type("120777:0:0:1:0.0:0:-"), S_IFLNK);
        assert_int_equal(fingerprint_type("nonsense"), 0);
}

static void every_bit_of_a_fingerprint_counts(void **state) {
        Fingerprint a = fingerprint_of_one("/l", "x");
        for (size_t i = 0; i < sizeof(a.bytes); i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        Fingerprint b = a;
                        b.bytes[i] ^= (uint8_t) (1U << bit);
                        assert_false(fingerprint_equal(&a, &b));
                        b.bytes[i] ^= (uint8_t) (1U << bit);
                        assert_true(fingerprint_equal(&a, &b));
                }
}

/* Stamps hold fingerprints: they must not change between versions of the program. */
static void fingerprints_are_as_stamps_have_them(void **state) {
        char hex[FINGERPRINT_HEX_MAX];
        Hasher *h = hasher_new();
        Fingerprint f = hasher_digest(h);
        assert_string_equal(fingerprint_to_hex(&f, hex), "99aa06d3014798d86001c324468d497f"); /* of nothing */
        hasher_update(h, "ab", 2);
        hasher_update(h, "c", 1);
        f = hasher_digest(h);
        assert_string_equal(fingerprint_to_hex(&f, hex), "06b05ab6733a618578af5f94892f3950"); /* of "abc" */
        hasher_update_string(h, "");
        Fingerprint with_nul = hasher_digest(h);
        assert_false(fingerprint_equal(&f, &with_nul));
        (void) hasher_free(h);
}

static void tree_counts_by_what_is_in_it(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/b/c", "");
        check_change(s, true, "touch t/x && rm t/x", false, NULL); /* mtime of a directory */
        check_change(s, true, "touch t/x", true, NULL);
        check_change(s, true, "mv t/x t/y", true, NULL);
        check_change(s, true, "mv t/y t/b", true, NULL);
        check_change(s, true, "chmod 700 t/b", true, NULL);
        check_change(s, true, "mkdir t/empty", true, NULL);
        check_change(s, true, "ln -s a t/link", true, NULL);
        check_change(s, false, "ln -sfn b t/link", true, NULL);
        check_change(s, true, "rmdir t/empty", true, NULL);
}

static void description_is_one_word(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t", "");
        Taken t = take(s, "/t", true);
        assert_int_equal(strcspn(t.description, " \n\\"), strlen(t.description));
        assert_memory_equal(t.description, "100644:0:0:0:", 13);
        free(t.description);
        t = take(s, "/", true);
        assert_int_equal(fingerprint_difference("nonsense", t.description), CHANGE_REPLACED);
        assert_int_equal(fingerprint_difference("", ""), CHANGE_REPLACED);
        free(t.description);
}

static void strings_are_kept_apart(void **state) {
        Hasher *a = hasher_new(), *b = hasher_new();
        hasher_update_string(a, "ab");
        hasher_update_string(a, "c");
        hasher_update_string(b, "a");
        hasher_update_string(b, "bc");
        Fingerprint x = hasher_digest(a), y = hasher_digest(b);
        assert_false(fingerprint_equal(&x, &y));
        hasher_free(a);
        hasher_free(b);
}

static void content_is_read_from_its_start(void **state) {
        const Scratch *s = *state;
        Fingerprint a, b, c;
        uint64_t size = 0;
        char hex[FINGERPRINT_HEX_MAX];
        shell("cd %s && head -c 3000000 /dev/zero >a && cp a b && (head -c 2999999 /dev/zero; printf x) >c",
              s->path);
        int x = openat(s->fd, "a", O_RDONLY | O_CLOEXEC), y = openat(s->fd, "b", O_RDONLY | O_CLOEXEC);
        int z = openat(s->fd, "c", O_RDONLY | O_CLOEXEC);
        assert_int_equal(lseek(x, 17, SEEK_SET), 17);
        errno = EINTR; /* of long ago */
        assert_int_equal(fingerprint_content(x, NULL, NULL, &a, &size), 0);
        assert_int_equal(size, 3000000);
        assert_int_equal(fingerprint_content(y, NULL, NULL, &b, NULL), 0);
        assert_int_equal(fingerprint_content(z, NULL, NULL, &c, NULL), 0);
        assert_true(fingerprint_equal(&a, &b));
        assert_false(fingerprint_equal(&a, &c));
        close(x);
        close(y);
        close(z);
        assert_int_equal(fingerprint_content(s->fd, NULL, NULL, &a, NULL), -EISDIR);
        /* the published value of XXH3-128 of nothing: it must be the same on every machine and version */
        int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fingerprint_content(empty, NULL, NULL, &a, NULL), 0);
        assert_string_equal(fingerprint_to_hex(&a, hex), "99aa06d3014798d86001c324468d497f");
        close(empty);
}

static void reading_content_goes_on_after_an_interruption(void **state) {
        const Scratch *s = *state;
        Fingerprint a, b = {{7}};
        uint64_t size = 5;
        char hex[FINGERPRINT_HEX_MAX];
        scratch_write(s, "a", "abc");
        _cleanup_close_ int fd = openat(s->fd, "a", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fingerprint_content(fd, NULL, NULL, &a, NULL), 0);
        assert_string_equal(fingerprint_to_hex(&a, hex), "06b05ab6733a618578af5f94892f3950");
        reading = (__typeof__(reading)){.n = 3, .error = EINTR};
        assert_int_equal(fingerprint_content(fd, NULL, NULL, &b, NULL), 0);
        assert_int_equal(reading.n, 0);
        assert_true(fingerprint_equal(&a, &b));
        reading = (__typeof__(reading)){.n = 1, .error = EIO};
        assert_int_equal(fingerprint_content(fd, NULL, NULL, &b, &size), -EIO);
        assert_true(fingerprint_equal(&a, &b)); /* as it was */
        assert_int_equal(size, 5);
}

static bool stop_at_third(void *userdata) {
        unsigned *n = userdata;
        return ++*n == 3;
}

static void reading_content_can_be_stopped(void **state) {
        const Scratch *s = *state;
        Fingerprint f;
        unsigned n = 0;
        shell("truncate -s 1T %s/a", s->path);
        int fd = openat(s->fd, "a", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fingerprint_content(fd, stop_at_third, &n, &f, NULL), -EINTR);
        assert_int_equal(n, 3);
        close(fd);
}

static void hex_comes_back(void **state) {
        Fingerprint f, g;
        char hex[FINGERPRINT_HEX_MAX];
        for (size_t i = 0; i < sizeof f.bytes; i++)
                f.bytes[i] = (uint8_t) (i * 17);
        assert_int_equal(fingerprint_from_hex(fingerprint_to_hex(&f, hex), &g), 0);
        assert_true(fingerprint_equal(&f, &g));
        const char *bad[] = {"", "00", "0011223344556677889900112233445g",
                             "00112233445566778899001122334455 ", "00112233445566778899AABBCCDDEEFF"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(fingerprint_from_hex(bad[i], &g), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_whole_descriptions_are_compared),
                cmocka_unit_test(what_differs_in_times_and_inode_is_like_it),
                cmocka_unit_test(the_last_digit_counts),
                cmocka_unit_test(a_string_ends_at_its_end),
                cmocka_unit_test(every_digit_is_asked_for),
                cmocka_unit_test(where_a_link_points_counts),
                cmocka_unit_test(every_bit_of_a_fingerprint_counts),
                cmocka_unit_test(fingerprints_are_as_stamps_have_them),
                cmocka_unit_test(descriptions_are_as_stamps_have_them),
                scratch_test(every_property_of_a_file_counts),
                scratch_test(ctime_counts_where_it_is_trusted),
                scratch_test(tree_counts_by_what_is_in_it),
                scratch_test(description_is_one_word),
                cmocka_unit_test(strings_are_kept_apart),
                scratch_test(content_is_read_from_its_start),
                scratch_test(reading_content_goes_on_after_an_interruption),
                scratch_test(reading_content_can_be_stopped),
                cmocka_unit_test(hex_comes_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
