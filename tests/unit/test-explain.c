/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/explain.h"

#include "freshnessworld.h"

#define SOURCES(sources)                                                                                     \
        "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\">" sources                                 \
        "<output path=\"/out\"/></cache></bootcaches>"

static void explained(const World *w, const char *expected) {
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(explain_difference(&cache, &f), 0);
        check(&f, expected);
}

/* Explains what COMMAND, run on the volume, changes after a build. */
static void change_is_explained(World *w, const char *command, const char *expected) {
        world_build(w);
        shell("cd %s/v && %s", w->s->path, command);
        explained(w, expected);
}

static void first_difference_in_byte_order_is_told(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/src/b/d", "1");
        scratch_write(w->s, "v/src/b/e", "1");
        scratch_write(w->s, "v/src/b/f", "1");
        scratch_write(w->s, "v/src/b-x", "1"); /* before "b/", and walked after it */
        change_is_explained(w, "echo 12 >src/b/d; echo 12 >src/b/e; echo 12 >src/b-x",
                            "/src/b-x changed (size, mtime, TIME)");
        change_is_explained(w, "echo 1 >src/b/f; rm src/b/d src/b/e", "/src/b/d is gone (by TIME)");
        change_is_explained(w, "echo 12 >src/b/f; touch src/b/d", "/src/b/d is new (TIME)");
        change_is_explained(w, "touch src/b/e; echo 1 >src/b/d", "/src/b/d changed (size, mtime, TIME)");
        change_is_explained(w, "rm src/b/d; echo 1 >src/a", "/src/a changed (size, mtime, TIME)");
        world_free(w);
}

/* Neither the order of the sources nor a difference of one byte between their names matters. */
static void first_difference_is_told_whatever_the_order_of_sources(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/src/1", "1");
        scratch_write(w->s, "v/src/2", "1");
        scratch_write(w->s, "v/src/9", "1");
        world_plan(w, SOURCES("<source path=\"/src/2\"/><source path=\"/src/9\"/><source path=\"/src/1\"/>"));
        change_is_explained(w, "echo 12 >src/1; echo 12 >src/2; echo 12 >src/9",
                            "/src/1 changed (size, mtime, TIME)");
        change_is_explained(w, "touch -d 2001-01-01 src/2; chmod 600 src/9", "/src/2 changed (mtime, TIME)");
        world_free(w);
}

static void each_file_is_found_in_the_stamp(void **state) {
        World *w = world_new(*state);
        shell("cd %s/v/src && touch d e f g h i j", w->s->path);
        for (char name = 'd'; name <= 'j'; name++) {
                char command[64], expected[64];
                (void) snprintf(command, sizeof(command), "chmod 600 src/%c && chmod 644 src/%c", name, name);
                (void) snprintf(expected, sizeof(expected), "/src/%c changed (ctime, TIME)", name);
                change_is_explained(w, command, expected);
        }
        world_free(w);
}

static void target_of_a_link_comes_before_its_age(void **state) {
        World *w = world_new(*state);
        assert_int_equal(symlinkat("one", w->s->fd, "v/src/link"), 0);
        change_is_explained(w, "ln -sfn two src/link", "/src/link changed (target, TIME)");
        change_is_explained(w, "touch -h -d 2001-01-01 src/link", "/src/link changed (mtime, TIME)");
        change_is_explained(w, "rm src/link && touch src/link", "/src/link changed (target, TIME)");
        change_is_explained(w, "rm src/link && ln -s one src/link", "/src/link changed (target, TIME)");
        world_free(w);
}

static void link_that_is_known_without_a_target_had_another(void **state) {
        World *w = world_new(*state);
        assert_int_equal(symlinkat("one", w->s->fd, "v/src/link"), 0);
        world_build(w);
        shell("sed -i 's/^\\(file .src.link [^ ]*\\) .*/\\1/' %s/state/caches/c.stamp", w->s->path);
        explained(w, "/src/link changed (target, TIME)");
        world_free(w);
}

static void file_no_longer_named_is_not_gone(void **state) {
        World *w = world_new(*state);
        world_build(w);
        world_plan(w, SOURCES("<source path=\"/src/b\"/>"));
        explained(w, "/src is gone (from the list of sources)");
        shell("rm -r %s/v/src/a", w->s->path);
        explained(w, "/src is gone (from the list of sources)");
        world_free(w);
}

static void nothing_that_differs_is_the_list(void **state) {
        World *w = world_new(*state);
        world_build(w);
        explained(w, "list of sources changed");
        shell("sed -i 's/^more .*//; /^fingerprint/a more 3' %s/state/caches/c.stamp", w->s->path);
        explained(w, "one of the files that the stamp has no room for changed");
        world_free(w);
}

/* A new one may be one of those that the stamp had no room for. */
static void new_file_is_told_only_if_all_were_known(void **state) {
        World *w = world_new(*state);
        change_is_explained(w, "touch src/0", "/src/0 is new (TIME)");
        shell("sed -i '/^fingerprint/a more 3' %s/state/caches/c.stamp", w->s->path);
        explained(w, "one of the files that the stamp has no room for changed");
        scratch_write(w->s, "v/src/a", "longer than before");
        explained(w, "/src/a changed (size, mtime, TIME)");
        world_free(w);
}

/* Whatever the order of the lines. */
static void files_are_known_from_the_first_line_on(void **state) {
        World *w = world_new(*state);
        world_build(w);
        shell("cd %s/state/caches && { echo bootkeep-stamp 1; grep '^file' c.stamp; grep -v '^file\\|^boot' "
              "c.stamp; } "
              ">new && mv new c.stamp",
              w->s->path);
        explained(w, "list of sources changed");
        world_free(w);
}

static void damaged_line_is_of_no_file(void **state) {
        static const struct {
                const char *line, *expected;
        } all[] = {
                {"file /src/a", "/src/a is new (TIME)"},
                {"file /src/a \\q", "/src/a is new (TIME)"},
                {"file \\q 1", "/src/a is new (TIME)"},
                {"file /src/a nonsense", "/src/a changed (replaced, TIME)"},
        };
        World *w = world_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                world_build(w);
                shell("cd %s/state/caches && { grep -v '^file /src/a ' c.stamp; echo '%s'; } >new && mv new "
                      "c.stamp",
                      w->s->path, all[i].line);
                explained(w, all[i].expected);
        }
        world_free(w);
}

static void without_a_stamp_it_was_never_built(void **state) {
        World *w = world_new(*state);
        explained(w, "never brought up to date");
        world_free(w);
}

static void copies_of_a_helper_are_explained_too(void **state) {
        World *w = world_new(*state);
        const Subject helper = {.context = &w->context, .helper = &w->helper};
        Freshness f = FRESHNESS_NULL;
        world_build(w);
        assert_int_equal(explain_difference(&helper, &f), 0);
        check(&f, "list of copies changed");
        scratch_write(w->s, "v/out", "longer than before");
        assert_int_equal(explain_difference(&helper, &f), 0);
        check(&f, "/out changed (size, mtime, TIME)");
        world_free(w);
}

static int count_arm(int fd, ArmKind kind, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

/* It is only for people: everything was armed before. */
static void explaining_arms_nothing(void **state) {
        World *w = world_new(*state);
        size_t n = 0;
        world_build(w);
        w->context.arm = &(Arm){count_arm, &n};
        explained(w, "list of sources changed");
        assert_int_equal(n, 0);
        world_free(w);
}

static void running_out_of_descriptors_is_an_error(void **state) {
        World *w = world_new(*state);
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        Freshness f = FRESHNESS_NULL;
        struct rlimit old;
        world_build(w);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, old.rlim_max}), 0);
        int r = explain_difference(&cache, &f);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(f.difference, DIFFERENCE_NONE);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(first_difference_in_byte_order_is_told),
                scratch_test(first_difference_is_told_whatever_the_order_of_sources),
                scratch_test(each_file_is_found_in_the_stamp),
                scratch_test(target_of_a_link_comes_before_its_age),
                scratch_test(link_that_is_known_without_a_target_had_another),
                scratch_test(file_no_longer_named_is_not_gone),
                scratch_test(nothing_that_differs_is_the_list),
                scratch_test(new_file_is_told_only_if_all_were_known),
                scratch_test(files_are_known_from_the_first_line_on),
                scratch_test(damaged_line_is_of_no_file),
                scratch_test(without_a_stamp_it_was_never_built),
                scratch_test(copies_of_a_helper_are_explained_too),
                scratch_test(explaining_arms_nothing),
                scratch_test(running_out_of_descriptors_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
