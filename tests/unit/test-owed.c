/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/owed.h"

#include "fixture.h"
#include "journal.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

static void assert_key(const char *uuid, const char *name, const char *expected) {
        _cleanup_free_ char *key = NULL;
        assert_int_equal(owed_make_key(uuid, name, &key), 0);
        assert_string_equal(key, expected);
}

static void a_key_is_the_file_system_and_the_root_in_it(void **state) {
        assert_key(UUID, "sda2", UUID);
        assert_key(UUID, "sdb2", UUID);
        assert_key(UUID, "sda2[/@home]", UUID "_5b_2f_40home_5d");
        assert_key("", "sda2", "__sda2");
        assert_key(NULL, "../x", "___2e_2e_2fx");
        assert_key("../../etc", "sda2", "__sda2"); /* not a UUID */
        assert_key("-x", "sda2", "__sda2");
        assert_key(UUID, "sda2[/\xc3\xa9]", UUID "_5b_2f_3f_3f_5d"); /* as the bus may have it */
        assert_key(UUID, "sda2[/??]", UUID "_5b_2f_3f_3f_5d");
}

static void a_long_key_is_still_a_file_name(void **state) {
        char name[2000] = "sda2[/", other[2000];
        _cleanup_free_ char *one = NULL, *two = NULL;
        memset(name + 6, '@', sizeof(name) - 8);
        memcpy(other, name, sizeof(name));
        other[1500] = '!';
        assert_int_equal(owed_make_key(UUID, name, &one), 0);
        assert_int_equal(owed_make_key(UUID, other, &two), 0);
        assert_true(strlen(one) < 255 && startswith(one, UUID "_"));
        assert_string_not_equal(one, two);
}

static OwedList read_below(const Scratch *s) {
        OwedList list = {};
        char *dir = outer_path(s, "owed");
        assert_int_equal(owed_read(dir, &list), 0);
        free(dir);
        return list;
}

static void write_one(const Scratch *s, const OwedView *view) {
        char *dir = outer_path(s, "owed");
        assert_int_equal(owed_write(dir, view), 0);
        free(dir);
}

static void nothing_is_owed_where_nothing_was_written(void **state) {
        _cleanup_(owed_list_done) OwedList list = read_below(*state);
        assert_int_equal(list.n, 0);
}

static void what_is_written_is_read(void **state) {
        const OwedView view = {
                .volume = "sda2[/a \xff\n]", .uuid = UUID, .reason = "two\nlines \033[1m größer"};
        uint64_t before = realtime_usec();
        write_one(*state, &view);
        _cleanup_(owed_list_done) OwedList list = read_below(*state);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.items[0].volume, view.volume);
        assert_string_equal(list.items[0].uuid, UUID);
        assert_string_equal(list.items[0].reason, "two\\x0alines \\x1b[1m größer");
        assert_true(list.items[0].since >= before && list.items[0].since <= realtime_usec());
}

static void the_last_reason_counts(void **state) {
        OwedView view = {.volume = "sda2", .uuid = UUID, .reason = "not finished"};
        write_one(*state, &view);
        view.volume = "sdb2"; /* another name after a reboot, the same file system */
        view.reason = "failed";
        write_one(*state, &view);
        _cleanup_(owed_list_done) OwedList list = read_below(*state);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.items[0].reason, "failed");
        assert_string_equal(list.items[0].volume, "sdb2");
}

static void what_is_removed_is_gone(void **state) {
        write_one(*state, &(OwedView){.volume = "sda2", .uuid = UUID, .reason = "failed"});
        write_one(*state, &(OwedView){.volume = "sdb2", .uuid = "", .reason = "failed"});
        char *dir = outer_path(*state, "owed");
        assert_int_equal(owed_remove(dir, UUID), 0);
        assert_int_equal(owed_remove(dir, UUID), 0); /* as it should be */
        _cleanup_(owed_list_done) OwedList list = read_below(*state);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.items[0].key, "__sdb2");
        assert_int_equal(owed_remove("/nowhere/owed", UUID), 0);
        free(dir);
}

static void what_stands_in_the_way_of_a_record_is_replaced(void **state) {
        const Scratch *s = *state;
        make_link(s, "owed/.new", "../victim");
        make_link(s, "owed/" UUID, "../victim");
        scratch_write(s, "victim", "untouched");
        write_one(s, &(OwedView){.volume = "sda2", .uuid = UUID, .reason = "failed"});
        shell("test \"$(cat %s/victim)\" = untouched", s->path);
        _cleanup_(owed_list_done) OwedList list = read_below(s);
        assert_int_equal(list.n, 1);
}

static void a_folder_that_cannot_be_is_an_error(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "owed", "a file");
        char *dir = outer_path(s, "owed");
        assert_true(owed_write(dir, &(OwedView){.volume = "sda2", .uuid = UUID, .reason = "failed"}) < 0);
        OwedList list = {};
        assert_true(owed_read(dir, &list) < 0);
        assert_int_equal(list.n, 0);
        free(dir);
}

static void records_are_bounded_in_number(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "owed/x", "");
        for (size_t i = 0; i < OWED_MAX + 10; i++) {
                char name[32], volume[16], text[128];
                (void) snprintf(volume, sizeof(volume), "sd%zu", i);
                (void) snprintf(name, sizeof(name), "owed/__%s", volume);
                (void) snprintf(text, sizeof(text), "bootkeep-owed 1\nvolume %s\nuuid \nreason x\n", volume);
                scratch_write(s, name, text);
        }
        _cleanup_(owed_list_done) OwedList list = read_below(s);
        assert_int_equal(list.n, OWED_MAX);
}

static void a_folder_full_of_something_else_does_not_fill_the_journal(void **state) {
        size_t lines = 0;
        for (size_t i = 0; i < 100; i++) {
                char name[64];
                (void) snprintf(name, sizeof(name), "owed/other-%zu", i);
                scratch_write(*state, name, "");
        }
        scratch_write(*state, "owed/" UUID, "bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nreason x\n");
        journal_begin(LOG_INFO);
        _cleanup_(owed_list_done) OwedList list = read_below(*state);
        assert_int_equal(list.n, 1);
        for (const char *p = journal.text; (p = strchr(p, '\n')); p++)
                lines++;
        assert_int_equal(lines, 21);
        assert_non_null(strstr(journal.text, "4 Ignoring 80 more records of what was owed\n"));
}

/* What a record may say: the rest of its lines, and whether it is one. */
static void a_record_is_whole_or_ignored(void **state) {
        static const struct {
                const char *text;
                bool good;
        } all[] = {
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nsince 5\nreason x\n", true},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nreason \n", true},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nreason x\nlater key\n", true},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nreason x", true},
                {"bootkeep-owed 2\nvolume sda2\nuuid " UUID "\nreason x\n", false},
                {"bootkeep-owed 1", false},
                {"bootkeep-owed 1\n", false},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\n", false},
                {"bootkeep-owed 1\nuuid " UUID "\nreason x\n", false},
                {"bootkeep-owed 1\nvolume sda2\nvolume sda2\nuuid " UUID "\nreason x\n", false},
                {"bootkeep-owed 1\nvolume a b\nuuid " UUID "\nreason x\n", false},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nsince x\nreason x\n", false},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nsince 99999999999999999999\nreason x\n",
                 false},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nsince 5\nsince 5\nreason x\n", false},
                {"bootkeep-owed 1\nvolume sda2\nuuid " UUID "\nnoise\nreason x\n", false},
                {"bootkeep-owed 1\nvolume sda2\nuuid other\nreason x\n", false}, /* not its name */
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                scratch_write(*state, "owed/" UUID, all[i].text);
                _cleanup_(owed_list_done) OwedList list = read_below(*state);
                if (list.n != all[i].good)
                        print_error("# %s", all[i].text);
                assert_int_equal(list.n, all[i].good);
        }
}

static void a_record_is_forgotten_in_its_place(void **state) {
        _cleanup_(owed_list_done) OwedList list = {};
        static const char *const names[] = {"a", "b", "c"};
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(owed_list_add(&list, &(Owed){.volume = (char *) (uintptr_t) names[i]}), 0);
        owed_list_drop(&list, 1);
        assert_int_equal(list.n, 2);
        assert_string_equal(list.items[0].volume, "a");
        assert_string_equal(list.items[1].volume, "c");
        owed_list_drop(&list, 1);
        owed_list_drop(&list, 0);
        assert_int_equal(list.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_is_the_file_system_and_the_root_in_it),
                cmocka_unit_test(a_long_key_is_still_a_file_name),
                scratch_test(nothing_is_owed_where_nothing_was_written),
                scratch_test(what_is_written_is_read),
                scratch_test(the_last_reason_counts),
                scratch_test(what_is_removed_is_gone),
                scratch_test(what_stands_in_the_way_of_a_record_is_replaced),
                scratch_test(a_folder_that_cannot_be_is_an_error),
                scratch_test(records_are_bounded_in_number),
                scratch_test(a_folder_full_of_something_else_does_not_fill_the_journal),
                scratch_test(a_record_is_whole_or_ignored),
                cmocka_unit_test(a_record_is_forgotten_in_its_place),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
