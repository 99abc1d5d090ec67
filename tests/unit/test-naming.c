/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

static const CarriedSet none;

static void what_an_entry_names_is_called_by_its_content(void **state) {
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

static void two_files_of_one_name_are_refused_without_looking_at_case(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "a");
        want(&s, ROLE_MISC, "/efi/boot/bootx64.efi", "b");
        assert_int_equal(naming_apply(&s, &none, &reason), -EEXIST);
        assert_non_null(strstr(reason, "BOOTX64.EFI"));
        free(reason);
        wanted_set_done(&s);
}

static void a_file_where_another_needs_a_folder_is_refused(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_REQUIRED, "/EFI/a/b/c", "a");
        want(&s, ROLE_BOOTER, "/efi/A", "b");
        assert_int_equal(naming_apply(&s, &none, &reason), -ENOTDIR);
        assert_non_null(
                strstr(reason, "/efi/A on the helper would be both a file and the directory of /EFI/a/b/c"));
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

static void an_entry_that_is_no_text_is_named(void **state) {
        WantedSet s = {};
        char *reason = NULL;

        want(&s, ROLE_ENTRY, "/e.conf", "linux x\n");
        s.items[0].text[3] = 0;
        assert_int_equal(naming_apply(&s, &none, &reason), -EINVAL);
        assert_non_null(strstr(reason, "/e.conf"));
        free(reason);
        wanted_set_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_an_entry_names_is_called_by_its_content),
                cmocka_unit_test(a_name_is_never_given_to_two_contents),
                cmocka_unit_test(two_files_of_one_name_are_refused_without_looking_at_case),
                cmocka_unit_test(a_file_where_another_needs_a_folder_is_refused),
                cmocka_unit_test(an_entry_that_is_no_text_is_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
