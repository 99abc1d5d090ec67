/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

static const CarriedSet none;

static void files_that_an_entry_names_are_named_by_their_content(void **state) {
        WantedSet s = {};
        char *expected = NULL, hex[FINGERPRINT_HEX_MAX];
        Fingerprint f = content("kernel 1");

        want(&s, ROLE_REQUIRED, "/m/linux", "kernel 1");
        want(&s, ROLE_REQUIRED, "/m/unnamed", "other");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /m/linux\noptions /m/linux.old\n");
        want(&s, ROLE_BOOTER, "/m/linux.old", "booter");
        assert_int_equal(naming_apply(&s, &none, NULL), 0);
        assert_int_equal(strprintf(&expected, "/m/linux-%.8s", fingerprint_to_hex(&f, hex)), 0);
        assert_string_equal(wanted_to(&s, "/m/linux")->path, expected);
        assert_string_equal(wanted_to(&s, "/m/unnamed")->path, "/m/unnamed");
        assert_string_equal(wanted_to(&s, "/m/linux.old")->path, "/m/linux.old");

        const WantedFile *e = wanted_to(&s, "/e.conf");
        assert_string_equal(e->path, "/e.conf");
        assert_int_equal(e->size, ENTRY_SECTOR);
        assert_true(entry_has_word(e->text, e->size, expected));
        assert_true(entry_has_word(e->text, e->size, "/m/linux.old"));
        assert_false(entry_has_word(e->text, e->size, "/m/linux"));
        f = content(e->text);
        assert_true(fingerprint_equal(&e->content, &f));
        wanted_set_done(&s);
        free(expected);
}

static void a_name_is_never_given_to_two_contents(void **state) {
        WantedSet s = {};
        CarriedSet old = {};

        want(&s, ROLE_REQUIRED, "/linux", "kernel 1");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(naming_apply(&s, &none, NULL), 0);
        size_t usual = strlen(wanted_to(&s, "/linux")->path);

        /* the old set has different content under that very name */
        (void) carry(&old, ROLE_REQUIRED, "/linux", wanted_to(&s, "/linux")->path, "kernel 0");
        wanted_set_done(&s);
        want(&s, ROLE_REQUIRED, "/linux", "kernel 1");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(naming_apply(&s, &old, NULL), 0);
        assert_int_equal(strlen(wanted_to(&s, "/linux")->path), usual + 8);
        wanted_set_done(&s);
        carried_set_done(&old);
}

/* The name of a kernel if the old set has other contents under its N shortest names. */
static char *name_after(unsigned n, bool same_content) {
        static const unsigned digits[] = {8, 16, 24, 32};
        char hex[FINGERPRINT_HEX_MAX], name[64];
        Fingerprint f = content("kernel");
        WantedSet s = {};
        CarriedSet old = {};
        (void) fingerprint_to_hex(&f, hex);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(name, sizeof(name), "/LINUX-%.*s", (int) digits[i], hex);
                (void) carry(&old, ROLE_REQUIRED, "/linux", name, same_content ? "kernel" : "other");
        }
        want(&s, ROLE_REQUIRED, "/linux", "kernel");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(naming_apply(&s, &old, NULL), 0);
        char *path = copy(wanted_to(&s, "/linux")->path);
        assert_begins(path, "/linux-");
        assert_int_equal(strncmp(path + strlen("/linux-"), hex, strlen(path) - strlen("/linux-")), 0);
        wanted_set_done(&s);
        carried_set_done(&old);
        return path;
}

static void a_name_gets_as_many_digits_as_it_needs(void **state) {
        static const unsigned digits[] = {8, 16, 24, 32, 32};
        for (unsigned n = 0; n < ELEMENTSOF(digits); n++) {
                _cleanup_free_ char *path = name_after(MIN(n, 4U), false),
                                    *same = name_after(MIN(n, 4U), true);
                assert_int_equal(strlen(path), strlen("/linux-") + digits[n]);
                assert_int_equal(strlen(same), strlen("/linux-") + 8);
        }
}

/* In whatever order they come; one name may begin with another. */
static void each_of_many_words_is_the_file_of_that_name(void **state) {
        static const char *const names[] = {"/m", "/b/initrd", "/linux-2", "/a", "/linux", "/z", "/linux2"};
        static const char *const others[] = {"/linu", "/linux-", "/linux-2/", "linux", "/zz", "/"};
        WantedSet s = {};
        char text[256] = "";
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                want(&s, ROLE_REQUIRED, names[i], names[i]);
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "x %s\n", names[i]);
        }
        want(&s, ROLE_REQUIRED, "/unnamed", "u");
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "y %s\n", others[i]);
        want(&s, ROLE_ENTRY, "/1.conf", "z /a\n");
        want(&s, ROLE_ENTRY, "/2.conf", text);
        assert_int_equal(naming_apply(&s, &none, NULL), 0);
        const WantedFile *e = wanted_to(&s, "/2.conf");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const WantedFile *f = wanted_to(&s, names[i]);
                assert_int_equal(strlen(f->path), strlen(f->to) + strlen("-01234567"));
                assert_begins(f->path, f->to);
                assert_true(entry_has_word(e->text, e->size, f->path));
                assert_false(entry_has_word(e->text, e->size, f->to));
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_true(entry_has_word(e->text, e->size, others[i]));
        e = wanted_to(&s, "/1.conf");
        assert_true(entry_has_word(e->text, e->size, wanted_to(&s, "/a")->path));
        assert_string_equal(wanted_to(&s, "/unnamed")->path, "/unnamed");
        wanted_set_done(&s);
}

static void nothing_wanted_needs_no_names(void **state) {
        WantedSet s = {};
        assert_int_equal(naming_apply(&s, &none, NULL), 0);
}

/* Their contents would tell them apart, but the entry cannot say which it means. */
static void two_files_for_one_word_of_an_entry_are_refused(void **state) {
        WantedSet s = {};
        char *reason = NULL;
        want(&s, ROLE_REQUIRED, "/linux", "one");
        want(&s, ROLE_REQUIRED, "/Linux", "two");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(naming_apply(&s, &none, &reason), -EEXIST);
        assert_string_equal(reason, "/linux and /Linux would both be /Linux on the helper");
        free(reason);
        wanted_set_done(&s);
}

/* The name that another file got from its content. */
static void two_files_of_one_final_name_are_refused(void **state) {
        WantedSet s = {};
        char taken[64], hex[FINGERPRINT_HEX_MAX], *reason = NULL;
        Fingerprint f = content("kernel");
        (void) snprintf(taken, sizeof(taken), "/linux-%.8s", fingerprint_to_hex(&f, hex));
        want(&s, ROLE_REQUIRED, "/linux", "kernel");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        want(&s, ROLE_MISC, taken, "misc");
        assert_int_equal(naming_apply(&s, &none, &reason), -EEXIST);
        assert_begins(reason, "/linux and /linux-");
        free(reason);
        wanted_set_done(&s);
}

static void an_entry_that_is_too_large_is_named(void **state) {
        WantedSet s = {};
        char *reason = NULL, *text = malloc(ENTRY_SIZE_MAX + 2);
        memset(text, 'x', ENTRY_SIZE_MAX + 1);
        text[ENTRY_SIZE_MAX + 1] = 0;
        want(&s, ROLE_ENTRY, "/small.conf", "x");
        want(&s, ROLE_ENTRY, "/e.conf", text);
        assert_int_equal(naming_apply(&s, &none, &reason), -EFBIG);
        assert_string_equal(reason, "/e.conf is larger than 64 KiB: not an entry");
        free(reason);
        free(text);
        wanted_set_done(&s);
}

static void two_files_whose_names_differ_only_in_case_are_refused(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "a");
        want(&s, ROLE_MISC, "/efi/boot/bootx64.efi", "b");
        assert_int_equal(naming_apply(&s, &none, &reason), -EEXIST);
        assert_contains(reason, "BOOTX64.EFI");
        free(reason);
        wanted_set_done(&s);
}

static void a_file_where_another_needs_a_folder_is_refused(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_REQUIRED, "/EFI/a/b/c", "a");
        want(&s, ROLE_BOOTER, "/efi/A", "b");
        assert_int_equal(naming_apply(&s, &none, &reason), -ENOTDIR);
        assert_contains(reason, "/efi/A on the helper would be both a file and the directory of /EFI/a/b/c");
        free(reason);
        wanted_set_done(&s);

        /* with a name derived from its content it is not in the way */
        want(&s, ROLE_REQUIRED, "/linux", "kernel");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        want(&s, ROLE_REQUIRED, "/linux/more", "m");
        want(&s, ROLE_REQUIRED, "/linux.more/x", "m");
        want(&s, ROLE_MISC, "/e.conf/x", "misc is left out, as ever it fails nothing");
        want(&s, ROLE_MISC, "/EFI", "misc");
        want(&s, ROLE_BOOTER, "/EFI/x", "b");
        assert_int_equal(naming_apply(&s, &none, NULL), 0);
        wanted_set_done(&s);
}

static void an_entry_that_is_not_text_is_refused_by_name(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_ENTRY, "/e.conf", "linux x\n");
        s.items[0].text[3] = 0;
        assert_int_equal(naming_apply(&s, &none, &reason), -EINVAL);
        assert_string_equal(reason, "/e.conf contains a NUL byte: not an entry");
        free(reason);
        wanted_set_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_that_an_entry_names_are_named_by_their_content),
                cmocka_unit_test(a_name_is_never_given_to_two_contents),
                cmocka_unit_test(a_name_gets_as_many_digits_as_it_needs),
                cmocka_unit_test(each_of_many_words_is_the_file_of_that_name),
                cmocka_unit_test(nothing_wanted_needs_no_names),
                cmocka_unit_test(two_files_for_one_word_of_an_entry_are_refused),
                cmocka_unit_test(two_files_of_one_final_name_are_refused),
                cmocka_unit_test(an_entry_that_is_too_large_is_named),
                cmocka_unit_test(two_files_whose_names_differ_only_in_case_are_refused),
                cmocka_unit_test(a_file_where_another_needs_a_folder_is_refused),
                cmocka_unit_test(an_entry_that_is_not_text_is_refused_by_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
