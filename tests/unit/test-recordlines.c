/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "builder/transaction/recordlines.h"

#define HEX "0123456789abcdef0123456789abcdef"

static void what_is_recorded_is_read_back(void **state) {
        HelperRecord in = {.intent = true, .filesystem = copy("ABCD-1234")}, out = HELPER_RECORD_NULL;
        Stamp *stamp = stamp_new();

        assert_non_null(stamp);
        carry(&in.carried, ROLE_BOOTER, "/a b\\", "/a b\\", "x")->adopted = true;
        carry(&in.carried, ROLE_ENTRY, "/to", "/path", "y")->source[0] = '-';
        keep(&in.kept, ROLE_REQUIRED, "/m/linux-0\n 1", BOOT_BEFORE)->size = 5;
        assert_int_equal(strv_extend(&in.ours, "/o"), 0);
        assert_int_equal(strv_extend(&in.made, "/d"), 0);
        assert_int_equal(stamp_add(stamp, "fingerprint", "%s", HEX), 0);
        assert_int_equal(record_lines_add(&in, stamp), 0);
        assert_int_equal(stamp_add(stamp, "file", "/x d"), 0);

        assert_int_equal(record_lines_read(stamp, &out), 0);
        assert_true(out.intent);
        assert_string_equal(out.filesystem, "ABCD-1234");
        assert_int_equal(out.carried.n, 2);
        assert_int_equal(out.carried.items[0].role, ROLE_BOOTER);
        assert_string_equal(out.carried.items[0].path, "/a b\\");
        assert_string_equal(out.carried.items[0].boot, BOOT_BEFORE);
        assert_true(out.carried.items[0].adopted);
        assert_true(fingerprint_equal(&out.carried.items[0].content, &in.carried.items[0].content));
        assert_int_equal(out.kept.n, 1);
        assert_string_equal(out.kept.items[0].path, "/m/linux-0\n 1");
        assert_int_equal(out.kept.items[0].size, 5);
        assert_string_equal(out.ours[0], "/o");
        assert_string_equal(out.made[0], "/d");
        helper_record_done(&in);
        helper_record_done(&out);
        (void) stamp_free(stamp);
}

static void a_bad_line_makes_it_no_record(void **state) {
        static const struct {
                const char *key, *value;
        } bad[] = {
                {"carries", "booter /a " HEX " 1 b /a"},
                {"carries", "boss /a " HEX " 1 b /a s d"},
                {"carries", "booter a " HEX " 1 b /a s d"},
                {"carries", "booter /a/../b " HEX " 1 b /a s d"},
                {"carries", "booter /a " HEX "0 1 b /a s d"},
                {"carries", "booter /a " HEX " -1 b /a s d"},
                {"carries", "booter /a " HEX " 1x b /a s d"},
                {"carries", "booter /a " HEX " 99999999999999999999 b /a s d"},
                {"carries", "booter /a " HEX " 1 b ../a s d"},
                {"previous", "booter /a " HEX " 1"},
                {"ours", "../x"},
                {"ours", "/a /b"},
                {"made", "\\xzz"},
                {"filesystem", "a b"},
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                HelperRecord r = HELPER_RECORD_NULL;
                Stamp *stamp = stamp_new();
                assert_non_null(stamp);
                assert_int_equal(stamp_add(stamp, bad[i].key, "%s", bad[i].value), 0);
                if (record_lines_read(stamp, &r) != -EBADMSG)
                        fail_msg("taken: %s %s", bad[i].key, bad[i].value);
                assert_int_equal(r.carried.n, 0);
                assert_null(r.ours);
                (void) stamp_free(stamp);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_recorded_is_read_back),
                cmocka_unit_test(a_bad_line_makes_it_no_record),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
