/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: helper/helperrecord.c */

#include "helper/helperrecord.h"

#include "helperworld.h"

/* ---- sets ---- */

static void wanted_set_takes_files_over_and_finds_them(void **state) {
        WantedSet s = {};
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        WantedFile a = {.role = ROLE_MISC, .path = copy("/a")}, b = {.path = copy("/b")};
        assert_int_equal(wanted_set_add(&s, &a), 0);
        assert_int_equal(wanted_set_add(&s, &b), 0);
        assert_true(!a.path && a.role == 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(wanted_set_map(&s, &m), 0);
        assert_ptr_equal(name_map_get(&m, "/A"), &s.items[0]);
        assert_ptr_equal(name_map_get(&m, "/b"), &s.items[1]);
        wanted_set_done(&s);
        assert_true(!s.items && s.n == 0);
}

static void carried_set_takes_files_over_and_finds_them(void **state) {
        CarriedSet s = {};
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        CarriedFile a = {.role = ROLE_MISC, .path = copy("/a")}, b = {.path = copy("/b")};
        assert_int_equal(carried_set_add(&s, &a), 0);
        assert_int_equal(carried_set_add(&s, &b), 0);
        assert_true(!a.path && a.role == 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(carried_set_map(&s, &m), 0);
        assert_ptr_equal(name_map_get(&m, "/A"), &s.items[0]);
        assert_ptr_equal(name_map_get(&m, "/b"), &s.items[1]);
        carried_set_done(&s);
        assert_true(!s.items && s.n == 0);
}

static void kept_set_takes_files_over_and_finds_them(void **state) {
        KeptSet s = {};
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        KeptFile a = {.role = ROLE_MISC, .path = copy("/a")}, b = {.path = copy("/b")};
        assert_int_equal(kept_set_add(&s, &a), 0);
        assert_int_equal(kept_set_add(&s, &b), 0);
        assert_true(!a.path && a.role == 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(kept_set_map(&s, &m), 0);
        assert_ptr_equal(name_map_get(&m, "/A"), &s.items[0]);
        assert_ptr_equal(name_map_get(&m, "/b"), &s.items[1]);
        kept_set_done(&s);
        assert_true(!s.items && s.n == 0);
}

static void seen_set_takes_files_over_and_finds_them(void **state) {
        SeenSet s = {};
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        SeenFile a = {.size = 7, .path = copy("/a")}, b = {.path = copy("/b")};
        assert_int_equal(seen_set_add(&s, &a), 0);
        assert_int_equal(seen_set_add(&s, &b), 0);
        assert_true(!a.path && a.size == 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(seen_set_map(&s, &m), 0);
        assert_ptr_equal(name_map_get(&m, "/A"), &s.items[0]);
        assert_ptr_equal(name_map_get(&m, "/b"), &s.items[1]);
        seen_set_done(&s);
        assert_true(!s.items && s.n == 0);
}

static void released_file_is_empty(void **state) {
        WantedFile w = {.role = ROLE_MISC, .path = copy("/a"), .size = 7};
        CarriedFile c = {.role = ROLE_MISC, .path = copy("/a"), .adopted = true};
        KeptFile k = {.role = ROLE_MISC, .path = copy("/a"), .size = 7};
        SeenFile s = {.path = copy("/a"), .size = 7};
        wanted_file_done(&w);
        carried_file_done(&c);
        kept_file_done(&k);
        seen_file_done(&s);
        assert_true(!w.path && w.role == 0 && w.size == 0);
        assert_true(!c.path && c.role == 0 && !c.adopted);
        assert_true(!k.path && k.role == 0 && k.size == 0);
        assert_true(!s.path && s.size == 0);
}

static void released_record_is_empty(void **state) {
        HelperRecord r = {.intent = true, .filesystem = copy("uuid")};
        (void) carry(&r.carried, ROLE_MISC, "/a", "/a", "");
        (void) keep(&r.kept, ROLE_MISC, "/b", BOOT_NOW);
        assert_int_equal(strv_extend(&r.ours, "/c"), 0);
        assert_int_equal(strv_extend(&r.made, "/d"), 0);
        helper_record_done(&r);
        assert_true(!r.intent && !r.filesystem && !r.ours && !r.made);
        assert_true(r.carried.n == 0 && r.kept.n == 0);
}

/* ---- names ---- */

static void set_is_named_when_every_file_has_a_path_and_every_entry_its_text(void **state) {
        static char path[] = "/a", text[] = "text";
        static const struct {
                WantedFile f;
                bool named;
        } cases[] = {
                {{.role = ROLE_REQUIRED, .path = path}, true},
                {{.role = ROLE_REQUIRED}, false},
                {{.role = ROLE_REQUIRED, .path = path, .text = text}, false},
                {{.role = ROLE_ENTRY, .path = path, .text = text}, true},
                {{.role = ROLE_ENTRY, .path = path}, false},
                {{.role = ROLE_ENTRY, .text = text}, false},
        };
        assert_true(wanted_set_is_named(&(WantedSet){}));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WantedFile items[] = {cases[0].f, cases[i].f};
                assert_int_equal(wanted_set_is_named(&(WantedSet){items, 2}), cases[i].named);
                WantedFile first[] = {cases[i].f, cases[0].f};
                assert_int_equal(wanted_set_is_named(&(WantedSet){first, 2}), cases[i].named);
        }
}

static void set_is_gathered_while_no_file_has_a_path(void **state) {
        static char to[] = "/a";
        WantedFile gathered = {.to = to}, named = {.to = to, .path = to}, nameless = {};
        assert_true(wanted_set_is_gathered(&(WantedSet){}));
        assert_true(wanted_set_is_gathered(&(WantedSet){(WantedFile[]){gathered, gathered}, 2}));
        assert_false(wanted_set_is_gathered(&(WantedSet){(WantedFile[]){named, gathered}, 2}));
        assert_false(wanted_set_is_gathered(&(WantedSet){(WantedFile[]){gathered, named}, 2}));
        assert_false(wanted_set_is_gathered(&(WantedSet){(WantedFile[]){gathered, nameless}, 2}));
}

static void only_a_required_file_under_another_name_is_named_by_its_content(void **state) {
        static char to[] = "/linux", same[] = "/linux", other[] = "/linux-01234567";
        static const struct {
                CopyRole role;
                char *path;
                bool by_content;
        } cases[] = {
                {ROLE_REQUIRED, other, true}, {ROLE_REQUIRED, same, false}, {ROLE_ENTRY, other, false},
                {ROLE_BOOTER, other, false},  {ROLE_MISC, other, false},    {ROLE_MISC, same, false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const WantedFile w = {.role = cases[i].role, .to = to, .path = cases[i].path};
                const CarriedFile c = {.role = cases[i].role, .to = to, .path = cases[i].path};
                assert_int_equal(wanted_file_is_named_by_content(&w), cases[i].by_content);
                assert_int_equal(carried_file_is_named_by_content(&c), cases[i].by_content);
        }
}

static void seen_entries_name_the_files_in_their_text(void **state) {
        SeenSet s = {};
        assert_false(seen_set_names(&s, "/linux"));
        see(&s, "/linux", NULL); /* no entry: it has no text */
        assert_false(seen_set_names(&s, "/linux"));
        see(&s, "/a.conf", "linux /linux\n");
        see(&s, "/b.conf", "linux /linux-2\n");
        assert_true(seen_set_names(&s, "/linux"));
        assert_true(seen_set_names(&s, "/linux-2"));
        assert_false(seen_set_names(&s, "/linux-3"));
        seen_set_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wanted_set_takes_files_over_and_finds_them),
                cmocka_unit_test(carried_set_takes_files_over_and_finds_them),
                cmocka_unit_test(kept_set_takes_files_over_and_finds_them),
                cmocka_unit_test(seen_set_takes_files_over_and_finds_them),
                cmocka_unit_test(released_file_is_empty),
                cmocka_unit_test(set_is_gathered_while_no_file_has_a_path),
                cmocka_unit_test(released_record_is_empty),
                cmocka_unit_test(set_is_named_when_every_file_has_a_path_and_every_entry_its_text),
                cmocka_unit_test(only_a_required_file_under_another_name_is_named_by_its_content),
                cmocka_unit_test(seen_entries_name_the_files_in_their_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
