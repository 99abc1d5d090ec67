/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/freshness.h"

#include <time.h>

#include "scratch.h"

/* A volume in a folder: SCRATCH/v, its stamps in SCRATCH/state, the host's builders in SCRATCH/builders. */
typedef struct World {
        const Scratch *s;
        Root root;
        Manifest *manifest;
        DefinitionSet *builders;
        Plan *plan;
        FreshnessContext context;
        Helper helper;
} World;

#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\">"                                                                         \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><source path=\"/opt\" optional=\"yes\"/>"    \
        "<output path=\"/out\"/></cache>"                                                                    \
        "<copy role=\"required\" from=\"/out\" to=\"/linux\"/>"                                              \
        "<copy role=\"misc\" from=\"/splash\" to=\"/splash\"/>"                                              \
        "</bootcaches>"

static void world_plan(World *w, const char *manifest) {
        char directory[128], *reason = NULL;
        char *directories[] = {directory, NULL};
        (void) snprintf(directory, sizeof(directory), "%s/builders", w->s->path);
        w->plan = plan_free(w->plan);
        w->manifest = manifest_free(w->manifest);
        w->builders = definition_set_free(w->builders);
        assert_int_equal(manifest_parse("test", manifest, strlen(manifest), &w->manifest, &reason), 0);
        assert_int_equal(definition_set_load(directories, &w->builders, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = w->root.fd}, w->manifest, w->builders, &w->plan, &reason),
                         0);
        w->context = (FreshnessContext){.root = &w->root, .plan = w->plan, .trust_ctime = true};
}

static World *world_new(const Scratch *s) {
        World *w = calloc(1, sizeof(World));
        w->s = s;
        scratch_write(s, "v/src/a", "a");
        scratch_write(s, "v/src/b/c", "c");
        scratch_write(s, "v/out", "built");
        scratch_write(s, "state/caches/.keep", "");
        scratch_write(s, "state/helpers/.keep", "");
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        w->root.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.state_fd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(w->root.fd >= 0 && w->root.state_fd >= 0);
        w->helper = (Helper){.type = HELPER_ESP, .partuuid = (char *) "12-34", .fs_uuid = (char *) "AB-CD"};
        world_plan(w, MANIFEST);
        return w;
}

static void world_free(World *w) {
        (void) plan_free(w->plan);
        (void) manifest_free(w->manifest);
        (void) definition_set_free(w->builders);
        close(w->root.fd);
        close(w->root.state_fd);
        free(w);
}

/* What a build does: stamps before, outputs behind. */
static void world_build(World *w) {
        Stamp *stamp = NULL;
        int fd = openat(w->root.state_fd, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, NULL), 0);
        assert_int_equal(stamp_write(fd, "c.stamp", stamp), 0);
        (void) stamp_free(stamp);
        close(fd);
        fd = openat(w->root.state_fd, "helpers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        stamp = NULL;
        assert_int_equal(freshness_stamp_helper(&w->context, &w->helper, &stamp, NULL), 0);
        assert_int_equal(stamp_add(stamp, "filesystem", "%s", w->helper.fs_uuid), 0);
        assert_int_equal(stamp_write(fd, "12-34.stamp", stamp), 0);
        (void) stamp_free(stamp);
        close(fd);
}

/* Puts TIME in the place of each time in TEXT, and looks whether that is one of this test. time(2) may lie a
 * tick behind what a file system takes, and so in the second before. */
static void hide_times(char *text) {
        struct timespec now;
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        for (char *p = text; *p; p++) {
                struct tm tm = {.tm_isdst = -1};
                const char *end = strptime(p, "%Y-%m-%d %H:%M:%S", &tm);
                if (!end || end - p != 19)
                        continue;
                assert_in_range(mktime(&tm), now.tv_sec - 60, now.tv_sec);
                memcpy(p, "TIME", 4);
                memmove(p + 4, end, strlen(end) + 1);
        }
}

static void check(Freshness *f, const char *expected) {
        char *text = freshness_describe(f);
        hide_times(text);
        assert_string_equal(text, expected);
        free(text);
        freshness_done(f);
}

static void check_cache(World *w, const char *expected) {
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
        check(&f, expected);
}

static void check_helper(World *w, const char *expected) {
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_helper(&w->context, &w->helper, &f), 0);
        check(&f, expected);
}

static void what_was_built_is_fresh(void **state) {
        World *w = world_new(*state);
        check_cache(w, "never brought up to date");
        check_helper(w, "never brought up to date");
        world_build(w);
        check_cache(w, "up to date");
        check_helper(w, "up to date");
        world_free(w);
}

static void each_change_is_named(void **state) {
        static const struct {
                const char *command, *expected;
        } cases[] = {
                {"echo longer >src/a", "/src/a changed (size, mtime, TIME)"},
                {"touch -d 2001-01-01 src/a", "/src/a changed (mtime, TIME)"},
                {"chmod 600 src/b/c", "/src/b/c changed (mode, TIME)"},
                {"chown 7 src/b/c", "/src/b/c changed (owner, TIME)"},
                {"chmod 700 src/b", "/src/b changed (mode, TIME)"},
                {"cp -p src/a src/n && mv src/n src/a", "/src/a changed (replaced, TIME)"},
                {"touch src/b/new", "/src/b/new is new (TIME)"},
                {"rm src/b/c", "/src/b/c is gone (by TIME)"},
                {"ln -s a src/link", "/src/link is new (TIME)"},
                {"touch src/z && rm src/b/c", "/src/b/c is gone (by TIME)"}, /* the first of two */
                {"mkdir opt", "/opt is new (TIME)"},
                {"rm -r src", "/src is missing (by TIME)"},
                {"rm out", "/out is missing (by TIME)"},
                {"echo foreign >out", "/out changed (since it was built: size, mtime, TIME)"},
                {"touch -d 2001-01-01 out", "/out changed (since it was built: mtime, TIME)"},
                {"rm out && mkdir out", "/out changed (since it was built: replaced)"},
                {"echo 1 >src/a && chmod 700 src/a && chown 1 src/a",
                 "/src/a changed (size, mtime, mode, TIME)"},
                {"rm -r src/b && touch -d 2001-01-01 out", "/src/b is gone (by TIME)"},
                {"touch src", NULL}, /* of a directory only what is in it counts */
                {"cat src/a src/b/c out >/dev/null", NULL},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World *w = world_new(s);
                world_build(w);
                shell("cd %s/v && %s", s->path, cases[i].command);
                check_cache(w, cases[i].expected ? cases[i].expected : "up to date");
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

static void changed_target_of_a_link_is_named(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        shell("cd %s/v && ln -s one src/link", s->path);
        world_build(w);
        shell("cd %s/v && ln -sfn two src/link", s->path);
        check_cache(w, "/src/link changed (target, TIME)");
        world_free(w);
}

static void optional_source_counts_when_it_goes(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "v/opt/x", "");
        world_build(w);
        check_cache(w, "up to date");
        shell("rm -r %s/v/opt", s->path);
        check_cache(w, "/opt is gone (by TIME)");
        world_free(w);
}

static void changed_builder_is_named(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        world_build(w);
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true --other\n");
        world_plan(w, MANIFEST);
        check_cache(w, "builder b changed");
        world_free(w);
}

static void changed_manifest_makes_stale(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/more", "");
        world_build(w);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<source path=\"/more\"/><output path=\"/out\"/></cache></bootcaches>");
        check_cache(w, "/more is new (TIME)");
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src/b\"/>"
                      "<output path=\"/out\"/></cache></bootcaches>");
        check_cache(w, "/src is gone (from the list of sources)");
        world_plan(w,
                   "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                   "<source path=\"/opt\" optional=\"yes\"/><output path=\"/more\"/></cache></bootcaches>");
        check_cache(w, "/more is new (TIME)"); /* never written by the builder */
        world_free(w);
}

static void link_out_of_the_volume_is_unreadable_not_fatal(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        world_build(w);
        shell("cd %s/v && rm -r src && ln -s src src", s->path);
        check_cache(w, "/src cannot be read (too many symbolic links)");
        char *missing = NULL;
        Stamp *stamp = NULL;
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, &missing), -ELOOP);
        assert_string_equal(missing, "/src");
        free(missing);
        assert_null(stamp);
        world_free(w);
}

static void missing_files_stop_a_stamp(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char *missing = NULL;
        Stamp *stamp = NULL;
        shell("rm %s/v/out", s->path);
        assert_int_equal(freshness_stamp_helper(&w->context, &w->helper, &stamp, &missing), -ENOENT);
        assert_string_equal(missing, "/out");
        free(missing);
        missing = NULL;
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, &missing), -ENOENT);
        assert_string_equal(missing, "/out");
        free(missing);
        (void) stamp_free(stamp);
        check_helper(w, "/out is missing (by TIME)");
        world_free(w);
}

static void helper_is_stale_with_another_file_system(void **state) {
        World *w = world_new(*state);
        world_build(w);
        w->helper.fs_uuid = (char *) "EF-01";
        check_helper(w, "it holds another file system");
        w->helper.fs_uuid = NULL;
        check_helper(w, "it holds another file system");
        world_free(w);
}

static void helper_is_stale_when_its_copies_change(void **state) {
        World *w = world_new(*state);
        world_build(w);
        scratch_write(w->s, "v/splash", "appeared");
        check_helper(w, "/splash is new (TIME)");
        shell("rm %s/v/splash", w->s->path);
        check_helper(w, "up to date");
        world_plan(w, "<bootcaches version=\"1\"><copy role=\"required\" from=\"/out\" to=\"/other\"/>"
                      "<copy role=\"misc\" from=\"/splash\" to=\"/splash\"/></bootcaches>");
        check_helper(w, "list of copies changed");
        world_plan(w, MANIFEST);
        scratch_write(w->s, "v/splash", "");
        world_build(w);
        world_plan(
                w,
                "<bootcaches version=\"1\"><copy role=\"required\" from=\"/out\" to=\"/out\"/></bootcaches>");
        check_helper(w, "/splash is gone (from the list of copies)");
        world_free(w);
}

static void helper_for_which_there_is_nothing_is_fresh(void **state) {
        World *w = world_new(*state);
        w->helper.type = HELPER_XBOOTLDR;
        w->helper.disk_has_xbootldr = true;
        check_helper(w, "up to date");
        world_free(w);
}

static void without_trust_in_ctime_it_is_not_told(void **state) {
        World *w = world_new(*state);
        w->context.trust_ctime = false;
        world_build(w);
        shell("chmod 600 %s/v/src/a", w->s->path);
        check_cache(w, "/src/a changed (mode)");
        shell("rm %s/v/src/a", w->s->path);
        check_cache(w, "/src/a is gone (by TIME)");
        world_free(w);
}

static void damaged_stamps_mean_stale(void **state) {
        static const char *const stamps[] = {
                "",
                "garbage\n",
                "bootkeep-stamp 1\n",
                "bootkeep-stamp 1\nfingerprint zz\nbuilder b 00\n",
        };
        World *w = world_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(stamps); i++) {
                Freshness f = FRESHNESS_NULL;
                scratch_write(w->s, "state/caches/c.stamp", stamps[i]);
                assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
                assert_int_not_equal(f.difference, DIFFERENCE_NONE);
                freshness_done(&f);
        }
        world_free(w);
}

static void any_byte_may_be_in_a_name(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "v/src/new\nline \\x20 \xff", "1");
        world_build(w);
        check_cache(w, "up to date");
        scratch_write(s, "v/src/new\nline \\x20 \xff", "12");
        check_cache(w, "/src/new\nline \\x20 \xff changed (size, mtime, TIME)");
        world_free(w);
}

static void output_directory_counts_whole(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        shell("cd %s/v && rm out && mkdir -p out/sub && echo x >out/sub/f", s->path);
        world_build(w);
        check_cache(w, "up to date");
        shell("cd %s/v && echo yy >out/sub/f", s->path);
        check_cache(w, "/out changed (since it was built)");
        world_free(w);
}

typedef struct Armed {
        size_t n;
} Armed;

static int count_arm(int fd, ArmKind kind, void *userdata) {
        ((Armed *) userdata)->n++;
        return 0;
}

static int refuse_arm(int fd, ArmKind kind, void *userdata) {
        return -ENOSPC;
}

static void everything_is_armed_though_the_first_is_missing(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        Armed all = {}, without = {};
        Freshness f = FRESHNESS_NULL;
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/missing\"/>"
                      "<source path=\"/src\"/><output path=\"/out\"/></cache></bootcaches>");
        w->context.arm = &(Arm){count_arm, &all};
        check_cache(w, "/missing is missing (by TIME)");
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<output path=\"/out\"/></cache></bootcaches>");
        w->context.arm = &(Arm){count_arm, &without};
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
        freshness_done(&f);
        assert_int_equal(all.n,
                         without.n + 2); /* the root for /missing, and once more as where it is missing */
        w->context.arm = &(Arm){refuse_arm, NULL};
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), -ENOSPC);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_was_built_is_fresh),
                scratch_test(each_change_is_named),
                scratch_test(changed_target_of_a_link_is_named),
                scratch_test(optional_source_counts_when_it_goes),
                scratch_test(changed_builder_is_named),
                scratch_test(changed_manifest_makes_stale),
                scratch_test(link_out_of_the_volume_is_unreadable_not_fatal),
                scratch_test(missing_files_stop_a_stamp),
                scratch_test(helper_is_stale_with_another_file_system),
                scratch_test(helper_is_stale_when_its_copies_change),
                scratch_test(helper_for_which_there_is_nothing_is_fresh),
                scratch_test(without_trust_in_ctime_it_is_not_told),
                scratch_test(damaged_stamps_mean_stale),
                scratch_test(any_byte_may_be_in_a_name),
                scratch_test(output_directory_counts_whole),
                scratch_test(everything_is_armed_though_the_first_is_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
