/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "helper/namemap.h"

static void names_are_found_whatever_their_case(void **state) {
        NameMap m = NAME_MAP_NULL;
        char names[1000][16], name[16];
        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(names[i], sizeof(names[i]), "/File%u", i);
                assert_int_equal(name_map_put(&m, names[i], &names[i]), 1);
        }
        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(name, sizeof(name), "/fILE%u", i);
                assert_ptr_equal(name_map_get(&m, name), &names[i]);
        }
        assert_null(name_map_get(&m, "/File"));
        assert_null(name_map_get(&m, "/File1000"));
        name_map_done(&m);
        assert_null(name_map_get(&m, "/File1"));
        name_map_done(&m);
}

static void a_name_keeps_its_first_value(void **state) {
        NameMap m = NAME_MAP_NULL;
        assert_int_equal(name_map_put(&m, "/a", "first"), 1);
        assert_int_equal(name_map_put(&m, "/A", "second"), 0);
        assert_string_equal(name_map_get(&m, "/a"), "first");
        name_map_done(&m);
}

static void an_exact_map_distinguishes_case(void **state) {
        char a[] = "/a", b[] = "/A", c[] = "/a", *names[] = {a, b, c, NULL};
        NameMap m = NAME_MAP_EXACT;
        assert_int_equal(name_map_put_all(&m, names), 0);
        assert_int_equal(name_map_put_all(&m, NULL), 0);
        assert_ptr_equal(name_map_get(&m, "/a"), names[0]);
        assert_ptr_equal(name_map_get(&m, "/A"), names[1]);
        assert_null(name_map_get(&m, "/b"));
        name_map_done(&m);
        assert_true(m.exact);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_found_whatever_their_case),
                cmocka_unit_test(a_name_keeps_its_first_value),
                cmocka_unit_test(an_exact_map_distinguishes_case),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
