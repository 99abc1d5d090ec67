/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/console.h"

#include <pty.h>

#include "fixture.h"

static OwedView view(const char *doing, uint32_t percent) {
        return (OwedView){.volume = "sda2", .uuid = "", .doing = doing, .reason = "", .percent = percent};
}

static Snapshot snapshot_of(OwedView *views, size_t n, uint64_t left) {
        return (Snapshot){.left_usec = left, .views = views, .n = n};
}

static void a_line_has_volume_cache_percent_and_seconds(void **state) {
        OwedView views[] = {view("waiting to be built", OWED_PERCENT_UNKNOWN), view("building uki", 33)};
        Snapshot one = snapshot_of(views, 1, 88 * USEC_PER_SEC + 1), two = snapshot_of(views, 2, 0);
        _cleanup_free_ char *doing = NULL, *numbers = NULL, *both = NULL, *numbers_of_both = NULL;
        assert_int_equal(console_describe(&one, &doing, &numbers), 0);
        assert_string_equal(doing, "sda2: waiting to be built");
        assert_string_equal(numbers, ", 89 s left");
        assert_int_equal(console_describe(&two, &both, &numbers_of_both), 0);
        assert_string_equal(both, "sda2: building uki (and 1 more)"); /* what is being done comes first */
        assert_string_equal(numbers_of_both, ", 33%, 0 s left");
}

/* A log is not flooded. */
static void what_is_not_a_terminal_gets_a_line_for_each_news(void **state) {
        const Scratch *s = *state;
        OwedView views[] = {view("building uki", 33)};
        char *path = outer_path(s, "console");
        Console c = {.path = path};
        scratch_write(s, "console", "");
        for (uint64_t left = 90; left > 60; left--) {
                Snapshot shown = snapshot_of(views, 1, left * USEC_PER_SEC);
                console_show(&c, &shown);
        }
        views[0].doing = "building grub";
        Snapshot other = snapshot_of(views, 1, 60 * USEC_PER_SEC);
        console_show(&c, &other);
        console_say(&c, "all is %s", "well");
        shell("printf '%%s\\n' 'bootkeep: sda2: building uki, 33%%, 90 s left' "
              "'bootkeep: sda2: building grub, 33%%, 60 s left' 'bootkeep: all is well' | cmp - %s",
              path);
        console_done(&c);
        free(path);
}

static void a_terminal_gets_one_line_that_is_renewed(void **state) {
        static const char expected[] = "\r\033[Kbootkeep: sda2: building uki, 33%, 9 s left"
                                       "\r\033[Kbootkeep: sda2: building uki, 33%, 8 s left"
                                       "\r\r\nbootkeep: done\r\r\n";
        char name[64], text[sizeof(expected)] = "";
        OwedView views[] = {view("building uki", 33)};
        int controller, terminal;
        assert_int_equal(openpty(&controller, &terminal, name, NULL, NULL), 0);
        Console c = {.path = name};
        for (uint64_t left = 9; left > 7; left--) {
                Snapshot shown = snapshot_of(views, 1, left * USEC_PER_SEC);
                console_show(&c, &shown);
        }
        console_say(&c, "done");
        for (size_t n = 0; n < sizeof(expected) - 1;) { /* it comes in pieces */
                ssize_t r = read(controller, text + n, sizeof(expected) - 1 - n);
                assert_true(r > 0);
                n += (size_t) r;
        }
        assert_string_equal(text, expected);
        console_done(&c);
        close(controller);
        close(terminal);
}

static void a_console_that_is_not_there_is_done_without(void **state) {
        OwedView views[] = {view("building uki", 33)};
        Snapshot shown = snapshot_of(views, 1, USEC_PER_SEC), nothing = {};
        Console c = {.path = "/nowhere/console"};
        console_show(&c, &shown);
        console_show(&c, &nothing);
        console_say(&c, "done");
        console_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_has_volume_cache_percent_and_seconds),
                scratch_test(what_is_not_a_terminal_gets_a_line_for_each_news),
                cmocka_unit_test(a_terminal_gets_one_line_that_is_renewed),
                cmocka_unit_test(a_console_that_is_not_there_is_done_without),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
