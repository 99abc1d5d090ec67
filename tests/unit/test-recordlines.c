/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "freshness/recordlines.h"

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
                {"carries", "booter /a " HEX " 1 b /a s d e"},
                {"adopts", "booter /a " HEX " 1 b /a s"},
                {"adopts", "boss /a " HEX " 1 b /a s d"},
                {"previous", "booter /a " HEX " 1"},
                {"previous", "booter /a " HEX " 1 b c"},
                {"previous", "boss /a " HEX " 1 b"},
                {"previous", "booter a " HEX " 1 b"},
                {"previous", "booter /a 0 1 b"},
                {"previous", "booter /a " HEX " x b"},
                {"state", "intent more"},
                {"made", "/a /b"},
                {"made", "a"},
                {"ours", "../x"},
                {"ours", "/a /b"},
                {"made", "\\xzz"},
                {"filesystem", "a b"},
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                HelperRecord r = {.filesystem = copy("as before")};
                Stamp *stamp = stamp_new();
                assert_non_null(stamp);
                assert_int_equal(stamp_add(stamp, "ours", "/good"), 0);
                assert_int_equal(stamp_add(stamp, bad[i].key, "%s", bad[i].value), 0);
                assert_int_equal(stamp_add(stamp, "ours", "/good"), 0);
                if (record_lines_read(stamp, &r) != -EBADMSG)
                        fail_msg("taken: %s %s", bad[i].key, bad[i].value);
                assert_string_equal(r.filesystem, "as before");
                assert_int_equal(r.carried.n, 0);
                assert_null(r.ours);
                helper_record_done(&r);
                (void) stamp_free(stamp);
        }
}

static HelperRecord written_and_read(const HelperRecord *in) {
        HelperRecord out = {.filesystem = copy("replaced")};
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        assert_int_equal(record_lines_add(in, stamp), 0);
        assert_int_equal(record_lines_read(stamp, &out), 0);
        return out;
}

static void assert_same_file(const CarriedFile *a, const CarriedFile *b) {
        assert_int_equal(a->role, b->role);
        assert_string_equal(a->path, b->path);
        assert_true(fingerprint_equal(&a->content, &b->content));
        assert_int_equal(a->size, b->size);
        assert_string_equal(a->boot, b->boot);
        assert_string_equal(a->to, b->to);
        assert_string_equal(a->source, b->source);
        assert_string_equal(a->description, b->description);
        assert_int_equal(a->adopted, b->adopted);
}

/* Each has a text of its own in every place, and all that a name may have. */
static void every_word_is_read_back_in_its_place(void **state) {
        HelperRecord in = HELPER_RECORD_NULL;
        for (unsigned i = 0; i < 2; i++) {
                CarriedFile *f = carry(&in.carried, ROLE_MISC, "/t o", "/p\\ath", i == 0 ? "one" : "three");
                f->adopted = i == 1;
                assert_true(free_and_strdup(&f->source, "/so\nurce") >= 0);
                assert_true(free_and_strdup(&f->description, "d e s") >= 0);
                assert_true(free_and_strdup(&f->boot, "b t") >= 0);
                KeptFile *k = keep(&in.kept, ROLE_ENTRY, i == 0 ? "/k 1" : "/k 2", "kept for");
                k->size = UINT64_MAX - i;
                assert_int_equal(strv_extend(&in.ours, i == 0 ? "/o 1" : "/o 2"), 0);
                assert_int_equal(strv_extend(&in.made, i == 0 ? "/m 1" : "/m 2"), 0);
        }
        HelperRecord out = written_and_read(&in);
        assert_false(out.intent);
        assert_null(out.filesystem);
        assert_int_equal(out.carried.n, 2);
        assert_int_equal(out.kept.n, 2);
        for (size_t i = 0; i < 2; i++) {
                const KeptFile *a = &in.kept.items[i], *b = &out.kept.items[i];
                assert_same_file(&in.carried.items[i], &out.carried.items[i]);
                assert_int_equal(b->role, ROLE_ENTRY);
                assert_string_equal(b->path, a->path);
                assert_true(fingerprint_equal(&b->content, &a->content));
                assert_true(b->size == a->size);
                assert_string_equal(b->boot, a->boot);
                assert_null(b->text);
        }
        assert_list(out.ours, "/o 1", "/o 2");
        assert_list(out.made, "/m 1", "/m 2");
        helper_record_done(&in);
        helper_record_done(&out);
}

/* A stamp of a cache has other lines. */
static void a_line_that_is_there_twice_or_not_ours_does_no_harm(void **state) {
        HelperRecord out = HELPER_RECORD_NULL;
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(stamp_add(stamp, "filesystem", "AB-CD"), 0);
                assert_int_equal(stamp_add(stamp, "state", "intent"), 0);
                assert_int_equal(stamp_add(stamp, "output", "a b c"), 0);
        }
        assert_int_equal(record_lines_read(stamp, &out), 0);
        assert_string_equal(out.filesystem, "AB-CD");
        assert_true(out.intent);
        helper_record_done(&out);
}

static void nothing_is_read_from_nothing(void **state) {
        HelperRecord out = written_and_read(&HELPER_RECORD_NULL);
        assert_true(!out.filesystem && !out.ours && !out.made && !out.intent);
        assert_int_equal(out.carried.n + out.kept.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_recorded_is_read_back),
                cmocka_unit_test(a_bad_line_makes_it_no_record),
                cmocka_unit_test(every_word_is_read_back_in_its_place),
                cmocka_unit_test(a_line_that_is_there_twice_or_not_ours_does_no_harm),
                cmocka_unit_test(nothing_is_read_from_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
