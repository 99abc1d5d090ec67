/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/subject.h"

#include "freshnessworld.h"

#define HEAD "bootkeep-stamp 1\nfingerprint 00\n"
#define WHOLE HEAD "file /a 1\n"

static Subject the_cache(const World *w) {
        return (Subject){.context = &w->context, .cache = &w->plan->caches[0]};
}

static Subject the_helper(const World *w) {
        return (Subject){.context = &w->context, .helper = &w->helper};
}

/* Whether there is a stamp, and whether all of it, and only as much as was asked for, was read. */
static void stamps_are_there(const Subject *subject, bool expected) {
        Stamp *head = NULL, *whole = NULL;
        assert_int_equal(subject_read_head(subject, &head), 0);
        assert_int_equal(subject_read_whole(subject, &whole), 0);
        assert_int_equal(head != NULL, expected);
        assert_int_equal(whole != NULL, expected);
        if (expected) {
                assert_int_equal(head->n_lines, 1);
                assert_int_equal(whole->n_lines, 2);
        }
        stamp_free(head);
        stamp_free(whole);
}

static void stamps_are_found_by_name(void **state) {
        World *w = world_new(*state);
        Subject cache = the_cache(w), helper = the_helper(w);
        stamps_are_there(&cache, false);
        stamps_are_there(&helper, false);
        scratch_write(w->s, "state/helpers/c.stamp", WHOLE);
        scratch_write(w->s, "state/caches/12-34.stamp", WHOLE);
        stamps_are_there(&cache, false);
        stamps_are_there(&helper, false);
        scratch_write(w->s, "state/caches/c.stamp", WHOLE);
        stamps_are_there(&cache, true);
        scratch_write(w->s, "state/helpers/12-34.stamp", WHOLE);
        stamps_are_there(&helper, true);
        world_free(w);
}

static void each_instance_has_its_stamp(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/kernels/1", "");
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\" each=\"/kernels/*\">"
                      "<source path=\"/src\"/><output path=\"/out-%i\"/></cache></bootcaches>");
        Subject cache = the_cache(w);
        scratch_write(w->s, "state/caches/c.stamp", WHOLE);
        stamps_are_there(&cache, false);
        scratch_write(w->s, "state/caches/c@1.stamp", WHOLE);
        stamps_are_there(&cache, true);
        world_free(w);
}

/* What stands in the place of the directory is neither followed nor waited for. */
static void stamps_are_in_a_directory_or_nowhere(void **state) {
        static const char *const commands[] = {
                "mkfifo caches", "touch caches", "ln -s elsewhere caches", "ln -s /nowhere caches", "true",
        };
        World *w = world_new(*state);
        Subject cache = the_cache(w);
        scratch_write(w->s, "state/elsewhere/c.stamp", WHOLE);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                shell("cd %s/state && rm -rf caches && %s", w->s->path, commands[i]);
                stamps_are_there(&cache, false);
        }
        world_free(w);
}

static void room_is_shared_by_caches_alone(void **state) {
        World *w = world_new(*state);
        Subject cache = the_cache(w), helper = the_helper(w);
        scratch_write(w->s, "state/caches/c.stamp", WHOLE);
        scratch_write(w->s, "state/helpers/12-34.stamp", WHOLE);
        /* the line at which the head ends is read, too */
        StampRoom room = {.heads = strlen(WHOLE), .wholes = strlen(WHOLE)};
        w->context.room = &room;
        stamps_are_there(&cache, true);
        assert_int_equal(room.heads, 0);
        assert_int_equal(room.wholes, 0);
        stamps_are_there(&helper, true);
        Stamp *stamp = NULL;
        assert_int_equal(subject_read_head(&cache, &stamp), 0); /* it is stale, then */
        assert_int_equal(subject_read_whole(&cache, &stamp), -EFBIG);
        assert_null(stamp);
        world_free(w);
}

static void room_is_for_a_few_of_the_largest_stamps(void **state) {
        const StampRoom room = STAMP_ROOM_FULL;
        assert_int_equal(room.heads, 8 * (size_t) STAMP_SIZE_MAX);
        assert_int_equal(room.wholes, 2 * (size_t) STAMP_SIZE_MAX);
}

static void shortage_is_not_mistaken_for_no_stamp(void **state) {
        struct rlimit old;
        World *w = world_new(*state);
        Subject cache = the_cache(w);
        Stamp *stamp = NULL;
        scratch_write(w->s, "state/caches/c.stamp", WHOLE);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, old.rlim_max}), 0);
        int head = subject_read_head(&cache, &stamp), whole = subject_read_whole(&cache, &stamp);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(head, -EMFILE);
        assert_int_equal(whole, -EMFILE);
        assert_null(stamp);
        world_free(w);
}

static void builder_is_described_by_its_command(void **state) {
        World *w = world_new(*state);
        Subject cache = the_cache(w);
        char *before = NULL, *after = NULL, hex[FINGERPRINT_HEX_MAX], expected[64];
        assert_int_equal(subject_describe_builder(&cache, &before), 0);
        (void) snprintf(expected, sizeof(expected), "b %s",
                        fingerprint_to_hex(&cache.cache->definition->fingerprint, hex));
        assert_string_equal(before, expected);
        scratch_write(w->s, "builders/b.conf", "[Builder]\nExec=/bin/false\n");
        world_plan(w, MANIFEST);
        cache = the_cache(w);
        assert_int_equal(subject_describe_builder(&cache, &after), 0);
        assert_string_not_equal(before, after);
        free(before);
        free(after);
        world_free(w);
}

static void list_is_of_sources_or_of_copies(void **state) {
        World *w = world_new(*state);
        Subject cache = the_cache(w), helper = the_helper(w);
        assert_string_equal(subject_list_name(&cache), "list of sources");
        assert_string_equal(subject_list_name(&helper), "list of copies");
        world_free(w);
}

static void helper_needs_a_stamp_if_anything_is_for_it(void **state) {
        World *w = world_new(*state);
        Subject cache = the_cache(w), helper = the_helper(w);
        assert_true(subject_needs_stamp(&cache));
        assert_true(subject_needs_stamp(&helper));
        w->helper.type = HELPER_XBOOTLDR;
        assert_false(subject_needs_stamp(&helper));
        world_plan(w, "<bootcaches version=\"1\"><copy role=\"misc\" from=\"/a\" to=\"/a\"/>"
                      "<copy role=\"misc\" helper=\"xbootldr\" from=\"/b\" to=\"/b\"/></bootcaches>");
        assert_true(subject_needs_stamp(&helper)); /* the second is for it */
        world_plan(w, "<bootcaches version=\"1\"><copy role=\"misc\" helper=\"xbootldr\" from=\"/b\" "
                      "to=\"/b\"/></bootcaches>");
        w->helper.type = HELPER_ESP;
        assert_true(subject_needs_stamp(&helper));
        w->helper.disk_has_xbootldr = true;
        assert_false(subject_needs_stamp(&helper));
        world_plan(w, "<bootcaches version=\"1\"></bootcaches>");
        assert_false(subject_needs_stamp(&helper));
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(stamps_are_found_by_name),
                scratch_test(each_instance_has_its_stamp),
                scratch_test(stamps_are_in_a_directory_or_nowhere),
                scratch_test(room_is_shared_by_caches_alone),
                cmocka_unit_test(room_is_for_a_few_of_the_largest_stamps),
                scratch_test(shortage_is_not_mistaken_for_no_stamp),
                scratch_test(builder_is_described_by_its_command),
                scratch_test(list_is_of_sources_or_of_copies),
                scratch_test(helper_needs_a_stamp_if_anything_is_for_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
