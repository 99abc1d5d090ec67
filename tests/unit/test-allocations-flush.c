/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/flush, and of the records that it writes, fails in turn. */

#include "allocations.h"

#include "base/owed.h"
#include "flush/console.h"
#include "flush/snapshot.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define VIEW                                                                                                 \
        { .volume = "sda2[/@]", .uuid = UUID, .doing = "building uki", .reason = "failed", .percent = 3 }

static int make_key(void *userdata) {
        char *key = UNTOUCHED;
        return OUTCOME_FREE(owed_make_key(UUID, "sda2[/@home]", &key), key);
}

static int write_record(void *userdata) {
        const OwedView view = VIEW;
        return owed_write(userdata, &view);
}

static int read_records(void *userdata) {
        OwedList list = {};
        int r = owed_read(userdata, &list);
        assert_int_equal(list.n, r < 0 ? 0 : 1);
        owed_list_done(&list);
        return r;
}

static int copy_record(void *userdata) {
        OwedList list = {};
        static char volume[] = "sda2", uuid[] = UUID, reason[] = "failed", key[] = UUID;
        const Owed owed = {.key = key, .volume = volume, .uuid = uuid, .reason = reason};
        int r = owed_list_add(&list, &owed);
        assert_int_equal(list.n, r < 0 ? 0 : 1);
        owed_list_done(&list);
        return r;
}

static void records_are_whole_or_the_error_is_told(void **state) {
        char *dir = outer_path(*state, "owed");
        allocations_fail_in_turn(make_key, NULL);
        allocations_fail_in_turn(write_record, dir);
        allocations_fail_in_turn(read_records, dir);
        allocations_fail_in_turn(copy_record, NULL);
        free(dir);
}

static int take_lines(void *userdata) {
        static const char *const lines[] = {"LEFT 5", "OWED sda2 " UUID " 3 building\\x20uki failed",
                                            "SHOWN"};
        _cleanup_(snapshot_done) Snapshot s = {};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(lines); i++)
                r = snapshot_take_line(&s, lines[i]);
        assert_true(r == -ENOMEM || s.n == 1);
        return r;
}

static int describe_snapshot(void *userdata) {
        OwedView view = VIEW;
        const Snapshot s = {.views = &view, .n = 1};
        char *doing = UNTOUCHED, *numbers = UNTOUCHED;
        int r = console_describe(&s, &doing, &numbers);
        if (r >= 0)
                free(doing);
        return OUTCOME_FREE(r, numbers);
}

static int show_snapshot(void *userdata) {
        OwedView view = VIEW;
        const Snapshot s = {.views = &view, .n = 1};
        Console c = {.path = userdata};
        console_show(&c, &s);
        console_say(&c, "%s", "done");
        console_done(&c);
        return 0;
}

static void what_is_shown_is_whole_or_not_shown(void **state) {
        scratch_write(*state, "console", "");
        char *path = outer_path(*state, "console");
        allocations_fail_in_turn(take_lines, NULL);
        allocations_fail_in_turn(describe_snapshot, NULL);
        allocations_fail_or_cope(show_snapshot, path);
        free(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(records_are_whole_or_the_error_is_told),
                scratch_test(what_is_shown_is_whole_or_not_shown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
