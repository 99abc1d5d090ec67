/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/freshness fails in turn. */

#include "allocations.h"

#include "freshness/booted.h"
#include "freshness/cover.h"
#include "freshness/explain.h"
#include "freshness/freshness.h"
#include "freshness/learnedcheck.h"
#include "freshness/learnedorder.h"
#include "freshness/since.h"
#include "freshness/survey.h"

#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\">"                                                                         \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><source path=\"/opt\" optional=\"yes\"/>"    \
        "<output path=\"/out\"/></cache>"                                                                    \
        "<cache name=\"d\" builder=\"b\"><source path=\"/src/a\"/><output path=\"/other/d\"/></cache>"       \
        "<copy role=\"required\" from=\"/out\" to=\"/linux\"/>"                                              \
        "<copy role=\"misc\" from=\"/splash\" to=\"/splash\"/>"                                              \
        "</bootcaches>"

/* A volume in a folder: SCRATCH/v, its stamps in SCRATCH/state. */
typedef struct World {
        Root root;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
        FreshnessContext context;
        Helper helper;
        int caches, helpers;
        bool stale; /* what a comparison has to find */
} World;

static void world_start(World *w, const Scratch *s) {
        static char partuuid[] = "12-34", fs_uuid[] = "AB-CD";
        char directory[128], *why = NULL;
        char *directories[] = {directory, NULL};
        *w = (World){.helper = {.type = HELPER_ESP, .partuuid = partuuid, .fs_uuid = fs_uuid}};
        scratch_write(s, "v/src/a", "a");
        scratch_write(s, "v/src/b/c", "c");
        assert_true(symlinkat("a", s->fd, "v/src/link") >= 0 || errno == EEXIST);
        scratch_write(s, "v/out", "built");
        scratch_write(s, "state/caches/.keep", "");
        scratch_write(s, "state/helpers/.keep", "");
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        w->root.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.state_fd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->caches = openat(w->root.state_fd, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->helpers = openat(w->root.state_fd, "helpers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(manifest_parse("test", MANIFEST, strlen(MANIFEST), &w->manifest, &why), 0);
        assert_int_equal(definition_set_load(directories, &w->definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = w->root.fd}, w->manifest, w->definitions, &w->plan, &why),
                         0);
        w->context = (FreshnessContext){.root = &w->root, .plan = w->plan, .trust_ctime = true};
}

static void world_end(World *w) {
        plan_free(w->plan);
        manifest_free(w->manifest);
        definition_set_free(w->definitions);
        close(w->root.fd);
        close(w->root.state_fd);
        close(w->caches);
        close(w->helpers);
}

static int stamp_cache(void *userdata) {
        World *w = userdata;
        Stamp *stamp = UNTOUCHED;
        char *missing = NULL;
        int r = freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, &missing);
        assert_null(missing);
        if (r < 0) {
                assert_ptr_equal(stamp, UNTOUCHED);
                return r;
        }
        r = freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, &missing);
        assert_null(missing);
        if (r >= 0)
                r = stamp_write(w->caches, "c.stamp", stamp);
        stamp_free(stamp);
        return r;
}

static int stamp_helper(void *userdata) {
        World *w = userdata;
        Stamp *stamp = UNTOUCHED;
        char *missing = NULL;
        int r = freshness_stamp_helper(&w->context, &w->helper, &stamp, &missing);
        assert_null(missing);
        if (r < 0) {
                assert_ptr_equal(stamp, UNTOUCHED);
                return r;
        }
        r = stamp_add(stamp, "filesystem", "%s", w->helper.fs_uuid);
        if (r >= 0)
                r = stamp_write(w->helpers, "12-34.stamp", stamp);
        stamp_free(stamp);
        return r;
}

static int end_comparison(const World *w, int r, Freshness *f) {
        char *text = NULL;
        if (r >= 0) {
                assert_true((f->difference != DIFFERENCE_NONE) == w->stale);
                text = freshness_describe(f);
                r = text ? 0 : -ENOMEM;
        }
        free(text);
        freshness_done(f);
        return r;
}

static int compare_cache(void *userdata) {
        World *w = userdata;
        Freshness f = FRESHNESS_NULL;
        return end_comparison(w, freshness_of_cache(&w->context, &w->plan->caches[0], &f), &f);
}

static int compare_helper(void *userdata) {
        World *w = userdata;
        Freshness f = FRESHNESS_NULL;
        return end_comparison(w, freshness_of_helper(&w->context, &w->helper, &f), &f);
}

static int compare_sources(void *userdata) {
        World *w = userdata;
        Fingerprint f = {{7}};
        return freshness_of_sources(&w->context, w->manifest, &f);
}

static int find_cover(void *userdata) {
        World *w = userdata;
        char *covered = UNTOUCHED;
        return OUTCOME_FREE(cover_find(&w->context, &w->plan->caches[0], &covered), covered);
}

/* Without memory it may not say what differs, but it must say that something does. */
static void compare_changed(World *w) {
        w->stale = true;
        allocations_fail_or_cope(compare_cache, w);
        allocations_fail_or_cope(compare_helper, w);
}

static void compare_all(World *w, bool stale) {
        w->stale = stale;
        allocations_fail_in_turn(compare_cache, w);
        allocations_fail_in_turn(compare_helper, w);
        allocations_fail_in_turn(compare_sources, w);
        allocations_fail_in_turn(find_cover, w);
}

static void what_is_stale_is_found_or_the_error_is_returned(void **state) {
        const Scratch *s = *state;
        World w;
        world_start(&w, s);
        compare_all(&w, true); /* never built */
        allocations_fail_in_turn(stamp_cache, &w);
        allocations_fail_in_turn(stamp_helper, &w);
        compare_all(&w, false);
        scratch_write(s, "v/src/a", "changed");
        scratch_write(s, "v/splash", "new");
        scratch_write(s, "v/out", "changed");
        compare_changed(&w);
        shell("rm -r %s/v/src/b %s/v/out", s->path, s->path);
        compare_changed(&w);
        world_end(&w);
}

static unsigned n_something; /* how often nothing more could be said */

/* Without memory it says "something changed", but nothing that is not so. */
static int explain_change(void *userdata) {
        const World *w = userdata;
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        Freshness f = FRESHNESS_NULL;
        int r = explain_difference(&cache, &f);
        if (r >= 0) {
                assert_int_equal(f.difference, DIFFERENCE_CHANGED);
                n_something += streq(f.path, REASON_SOMETHING);
                assert_true(streq(f.path, "/src/a") || (streq(f.path, REASON_SOMETHING) && !f.detail));
        }
        freshness_done(&f);
        return r;
}

static int describe_builder(void *userdata) {
        const World *w = userdata;
        char *text = UNTOUCHED;
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        return OUTCOME_FREE(subject_describe_builder(&cache, &text), text);
}

static int start_survey(void *userdata) {
        const World *w = userdata;
        Survey survey;
        int r = survey_start(&survey, &w->context, NULL, NULL);
        survey_done(&survey);
        return r;
}

static void explanation_is_true_or_none(void **state) {
        const Scratch *s = *state;
        World w;
        world_start(&w, s);
        assert_int_equal(stamp_cache(&w), 0);
        scratch_write(s, "v/src/a", "changed");
        allocations_fail_or_cope(explain_change, &w);
        assert_true(n_something > 0); /* it is stale all the same */
        allocations_fail_in_turn(describe_builder, &w);
        allocations_fail_in_turn(start_survey, &w);
        world_end(&w);
}

static int find_absence(void *userdata) {
        const Scratch *s = userdata;
        struct statx_timestamp when;
        return since_absence(s->fd, "/a/none/x", &when);
}

static int note_absence(void *userdata) {
        const Scratch *s = userdata;
        Freshness f = FRESHNESS_NULL;
        int r = finding_note_absence(&f, s->fd, DIFFERENCE_GONE, "/a/none/x");
        if (r >= 0)
                assert_non_null(f.detail);
        else
                assert_int_equal(f.difference, DIFFERENCE_NONE);
        freshness_done(&f);
        return r;
}

static void absence_is_dated_or_the_error_is_told(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "a/file", "");
        allocations_fail_in_turn(find_absence, (void *) s);
        allocations_fail_in_turn(note_absence, (void *) s);
}

/* stamp */

static int read_stamp(void *userdata) {
        const Scratch *s = userdata;
        Stamp *stamp = UNTOUCHED;
        return OUTCOME(stamp_read(s->fd, "x.stamp", NULL, &stamp), stamp, stamp_free);
}

static int read_head(void *userdata) {
        const Scratch *s = userdata;
        Stamp *stamp = UNTOUCHED;
        return OUTCOME(stamp_read_head(s->fd, "x.stamp", NULL, &stamp), stamp, stamp_free);
}

static int make_stamp(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        int r = stamp ? 0 : -ENOMEM;
        if (r >= 0)
                r = stamp_add(stamp, "file", "%s", "/a");
        if (r >= 0)
                r = stamp_add(stamp, "fingerprint", "%s", "00");
        return r < 0 ? r : stamp_write(s->fd, "y.stamp", stamp);
}

static int name_stamp(void *userdata) {
        char *name = UNTOUCHED;
        return OUTCOME_FREE(stamp_name("initramfs", userdata, &name), name);
}

static void stamps_are_whole_or_not_there(void **state) {
        const Scratch *s = *state;
        char instance[] = "6.1.0 /odd\n", longest[400];
        scratch_write(s, "x.stamp",
                      "bootkeep-stamp 1\nfingerprint 00\noutput /a 1 2\nfile /a b\nfile /c d\nfile /e f\n");
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = 0;
        allocations_fail_in_turn(read_stamp, (void *) s);
        allocations_fail_in_turn(read_head, (void *) s);
        allocations_fail_in_turn(make_stamp, (void *) s);
        allocations_fail_in_turn(name_stamp, NULL);
        allocations_fail_in_turn(name_stamp, instance);
        allocations_fail_in_turn(name_stamp, longest);
}

/* booted: a newer kernel, which is looked for last. */

static int judge_newer_kernel(void *userdata) {
        static char id[] = "now", before[] = "before", release[] = "6.1", nothing[] = "", old[] = "/6.1",
                    new[] = "/6.2";
        static CarriedFile files[] = {{.role = ROLE_REQUIRED, .path = old, .to = old, .boot = before},
                                      {.role = ROLE_REQUIRED, .path = new, .to = new, .boot = id}};
        const char *instances[] = {"6.1", "6.2"};
        const BootFacts facts = {.boot_id = id, .release = release, .started = nothing};
        const BootedHelpers helpers = {.record.carried = {.items = files, .n = 2}, .instances = instances};
        Booted booted = {.text = UNTOUCHED};
        int r = booted_judge(&facts, &helpers, &booted);
        if (r < 0)
                assert_ptr_equal(booted.text, UNTOUCHED);
        else
                booted_done(&booted);
        return r;
}

static void booted_set_is_judged_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(judge_newer_kernel, NULL);
}

/* learned lists */

static int compare_list(void *userdata) {
        World *w = userdata;
        const Subject subject = {.context = &w->context, .cache = &w->plan->caches[0]};
        Freshness f = FRESHNESS_NULL;
        Stamp *head = NULL;
        int r = subject_read_head(&subject, &head);
        if (r >= 0)
                r = learned_compare(&subject, head, &f);
        stamp_free(head);
        return end_comparison(w, r, &f);
}

/* With its room, as a scan has it. */
static int compare_list_in_room(void *userdata) {
        World *w = userdata;
        StampRoom room = STAMP_ROOM_FULL;
        w->context.room = &room;
        int r = compare_list(w);
        w->context.room = NULL;
        return r;
}

static int read_order(void *userdata) {
        World *w = userdata;
        PlanEdge *edges = UNTOUCHED;
        size_t n = 0;
        return OUTCOME_FREE(learned_order_read(&w->context, &edges, &n), edges);
}

static void learned_list_is_compared_or_the_error_is_returned(void **state) {
        const Scratch *s = *state;
        static const char *const lists[] = {
                "learned opens\nread /src/a 1 -\nlist /src 00\nlink /src/link x\nlook /src/b/c 1\nmiss /z\n",
                "learned no such\\x20thing\nraced /src/a\nlist /src/b 00\nread /none/x 1 -\nmiss /none\n",
                "learned from x\nraced /src/a\nlist x\n",
                "learned lookups\nlist /other 00\nread /other/d 1 -\n", /* what d makes */
        };
        World w;
        world_start(&w, s);
        w.stale = true;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                char text[1024];
                (void) snprintf(text, sizeof(text), "bootkeep-stamp 1\nfingerprint 00\n%s", lists[i]);
                scratch_write(s, "state/caches/c.stamp", text);
                allocations_fail_in_turn(compare_list, &w);
                allocations_fail_in_turn(compare_list_in_room, &w);
                allocations_fail_in_turn(read_order, &w);
        }
        world_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(booted_set_is_judged_or_the_error_is_told),
                scratch_test(what_is_stale_is_found_or_the_error_is_returned),
                scratch_test(explanation_is_true_or_none),
                scratch_test(learned_list_is_compared_or_the_error_is_returned),
                scratch_test(absence_is_dated_or_the_error_is_told),
                scratch_test(stamps_are_whole_or_not_there),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
