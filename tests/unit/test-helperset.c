/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "builder/transaction/entry.h"

static const HelperSet none;

static void what_an_entry_names_is_called_by_its_content(void **state) {
        HelperSet s = HELPER_SET_NULL;
        char *expected = NULL, hex[FINGERPRINT_HEX_MAX];
        Fingerprint f = content("kernel 1");

        want(&s, ROLE_REQUIRED, "/m/linux", "kernel 1");
        want(&s, ROLE_REQUIRED, "/m/unnamed", "other");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /m/linux\noptions /m/linux.old\n");
        want(&s, ROLE_BOOTER, "/m/linux.old", "booter");
        assert_int_equal(helper_set_name(&s, &none, NULL), 0);
        assert_int_equal(strprintf(&expected, "/m/linux-%.8s", fingerprint_to_hex(&f, hex)), 0);
        assert_string_equal(file_of(&s, "/m/linux")->path, expected);
        assert_string_equal(file_of(&s, "/m/unnamed")->path, "/m/unnamed");
        assert_string_equal(file_of(&s, "/m/linux.old")->path, "/m/linux.old");

        const HelperFile *e = file_of(&s, "/e.conf");
        assert_string_equal(e->path, "/e.conf");
        assert_int_equal(e->size, ENTRY_SECTOR);
        assert_true(entry_has_word(e->text, e->size, expected));
        assert_true(entry_has_word(e->text, e->size, "/m/linux.old"));
        assert_false(entry_has_word(e->text, e->size, "/m/linux"));
        f = content(e->text);
        assert_true(fingerprint_equal(&e->content, &f));
        helper_set_done(&s);
        free(expected);
}

static void a_name_is_never_given_to_two_contents(void **state) {
        HelperSet s = HELPER_SET_NULL, old = HELPER_SET_NULL;

        want(&s, ROLE_REQUIRED, "/linux", "kernel 1");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(helper_set_name(&s, &none, NULL), 0);
        size_t usual = strlen(file_of(&s, "/linux")->path);

        /* the old set has another content under that very name */
        want(&old, ROLE_REQUIRED, "/linux", "kernel 0");
        old.items[0].path = copy(file_of(&s, "/linux")->path);
        helper_set_done(&s);
        want(&s, ROLE_REQUIRED, "/linux", "kernel 1");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        assert_int_equal(helper_set_name(&s, &old, NULL), 0);
        assert_int_equal(strlen(file_of(&s, "/linux")->path), usual + 8);
        helper_set_done(&s);
        helper_set_done(&old);
}

static void two_files_of_one_name_are_refused_without_looking_at_case(void **state) {
        HelperSet s = HELPER_SET_NULL;
        char *reason = NULL;

        want(&s, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "a");
        want(&s, ROLE_MISC, "/efi/boot/bootx64.efi", "b");
        assert_int_equal(helper_set_name(&s, &none, &reason), -EEXIST);
        assert_non_null(strstr(reason, "BOOTX64.EFI"));
        free(reason);
        helper_set_done(&s);
}

static void a_file_where_another_needs_a_folder_is_refused(void **state) {
        HelperSet s = HELPER_SET_NULL;
        char *reason = NULL;

        want(&s, ROLE_REQUIRED, "/EFI/a/b/c", "a");
        want(&s, ROLE_BOOTER, "/efi/A", "b");
        assert_int_equal(helper_set_name(&s, &none, &reason), -ENOTDIR);
        assert_non_null(
                strstr(reason, "/efi/A on the helper would be both a file and the directory of /EFI/a/b/c"));
        free(reason);
        helper_set_done(&s);

        /* under the name of its content it is in nobody's way */
        want(&s, ROLE_REQUIRED, "/linux", "kernel");
        want(&s, ROLE_ENTRY, "/e.conf", "linux /linux\n");
        want(&s, ROLE_REQUIRED, "/linux/more", "m");
        want(&s, ROLE_REQUIRED, "/linux.more/x", "m");
        want(&s, ROLE_MISC, "/e.conf/x", "misc is left out, as ever it fails nothing");
        want(&s, ROLE_MISC, "/EFI", "misc");
        want(&s, ROLE_BOOTER, "/EFI/x", "b");
        assert_int_equal(helper_set_name(&s, &none, NULL), 0);
        helper_set_done(&s);
}

static void an_entry_that_is_no_text_is_named(void **state) {
        HelperSet s = HELPER_SET_NULL;
        char *reason = NULL;

        want(&s, ROLE_ENTRY, "/e.conf", "linux x\n");
        s.items[0].text[3] = 0;
        assert_int_equal(helper_set_name(&s, &none, &reason), -EINVAL);
        assert_non_null(strstr(reason, "/e.conf"));
        free(reason);
        helper_set_done(&s);
}

static void names_are_found_without_case(void **state) {
        HelperSet s = HELPER_SET_NULL;
        HelperIndex x = HELPER_INDEX_NULL;
        char name[16];

        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(name, sizeof(name), "/File%u", i);
                want(&s, ROLE_MISC, name, "x");
        }
        assert_int_equal(helper_set_name(&s, &none, NULL), 0);
        assert_int_equal(helper_index_init(&x, &s, HELPER_KEY_PATH), 0);
        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(name, sizeof(name), "/fILE%u", i);
                assert_ptr_equal(helper_index_find(&x, name), &s.items[i]);
        }
        assert_null(helper_index_find(&x, "/File"));
        assert_null(helper_index_find(&x, "/File1000"));
        helper_index_done(&x);
        helper_set_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_an_entry_names_is_called_by_its_content),
                cmocka_unit_test(a_name_is_never_given_to_two_contents),
                cmocka_unit_test(two_files_of_one_name_are_refused_without_looking_at_case),
                cmocka_unit_test(a_file_where_another_needs_a_folder_is_refused),
                cmocka_unit_test(an_entry_that_is_no_text_is_named),
                cmocka_unit_test(names_are_found_without_case),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
