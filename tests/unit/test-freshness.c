/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: freshness/freshness.c freshness/explain.c freshness/outputcheck.c freshness/survey.c */
/* tests: freshness/subject.c */

#include "freshnessworld.h"

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
                {"touch src", NULL}, /* for a directory only its content counts */
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

static void without_trust_in_ctime_no_time_is_reported(void **state) {
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
        static const struct {
                const char *stamp, *expected;
        } all[] = {
                {"", "never brought up to date"},
                {"garbage\n", "never brought up to date"},
                {"bootkeep-stamp 1\n", "never brought up to date"},
                {"bootkeep-stamp 1\nbuilder b 00\n", "never brought up to date"},
                {"bootkeep-stamp 1\nfingerprint zz\n", "builder b changed"},
                {"bootkeep-stamp 1\nfingerprint zz\nbuilder b 00\n", "builder b changed"},
        };
        World *w = world_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                scratch_write(w->s, "state/caches/c.stamp", all[i].stamp);
                check_cache(w, all[i].expected);
        }
        world_build(w);
        shell("sed -i 's/^fingerprint .*/fingerprint zz/' %s/state/caches/c.stamp", w->s->path);
        check_cache(w, "list of sources changed");
        world_free(w);
}

/* Whoever builds now would otherwise record what nobody has seen. */
static void fingerprint_is_of_what_could_be_examined_whole(void **state) {
        static const char *const commands[] = {"true", "rm -r src", "ln -s src src"};
        static const Fingerprint none;
        World *w = world_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                Freshness f = FRESHNESS_NULL;
                shell("cd %s/v && %s", w->s->path, commands[i]);
                assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
                assert_int_equal(fingerprint_equal(&f.now, &none), i > 0);
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
        assert_int_equal(
                all.n,
                without.n + 2); /* the root for /missing, and once more as the place where it is missing */
        w->context.arm = &(Arm){refuse_arm, NULL};
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), -ENOSPC);
        world_free(w);
}

#define TWO_OUTPUTS                                                                                          \
        "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"                  \
        "<output path=\"/out1\"/><output path=\"/out2\"/></cache>"                                           \
        "<copy role=\"required\" helper=\"xbootldr\" from=\"/out1\" to=\"/a\"/>"                             \
        "<copy role=\"required\" from=\"/out2\" to=\"/b\"/></bootcaches>"

static World *world_with_two_outputs(const Scratch *s) {
        World *w = world_new(s);
        scratch_write(s, "v/out1", "one");
        scratch_write(s, "v/out2", "another");
        world_plan(w, TWO_OUTPUTS);
        w->helper.disk_has_xbootldr = true;
        world_build(w);
        return w;
}

static void each_output_has_its_own_line(void **state) {
        World *w = world_with_two_outputs(*state);
        check_cache(w, "up to date");
        check_helper(w, "up to date"); /* the first copy is not for it */
        scratch_write(w->s, "v/out2", "longer than before");
        check_cache(w, "/out2 changed (since it was built: size, mtime, TIME)");
        check_helper(w, "/out2 changed (size, mtime, TIME)");
        scratch_write(w->s, "v/out1", "longer than before");
        check_cache(w, "/out1 changed (since it was built: size, mtime, TIME)");
        shell("rm %s/v/out2", w->s->path);
        check_cache(w, "/out1 changed (since it was built: size, mtime, TIME)"); /* the first counts */
        world_free(w);
}

static void helper_without_a_stamp_is_stale_if_any_copy_is_for_it(void **state) {
        World *w = world_with_two_outputs(*state);
        shell("rm %s/state/helpers/*.stamp", w->s->path);
        check_helper(w, "never brought up to date");
        w->helper.type = HELPER_XBOOTLDR;
        check_helper(w, "never brought up to date");
        world_plan(
                w,
                "<bootcaches version=\"1\"><copy role=\"required\" from=\"/out1\" to=\"/a\"/></bootcaches>");
        check_helper(w, "up to date");
        w->helper.type = HELPER_ESP;
        check_helper(w, "never brought up to date");
        world_free(w);
}

static void output_of_another_type_was_replaced(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        shell("cd %s/v && rm out && mkdir out && touch out/x", s->path);
        world_build(w);
        check_cache(w, "up to date");
        shell("cd %s/v && rm -r out && touch out", s->path);
        check_cache(w, "/out changed (since it was built: replaced, TIME)");
        world_free(w);
}

/* A tree is walked by name, so "a/c" comes before "a-b"; paths are compared as a whole. */
static void files_are_found_in_a_stamp_whatever_their_order(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "v/src/b-x", "1");
        scratch_write(s, "v/src/b.x", "1");
        scratch_write(s, "v/src/b/d/e", "1");
        world_build(w);
        scratch_write(s, "v/src/b.x", "12");
        check_cache(w, "/src/b.x changed (size, mtime, TIME)");
        scratch_write(s, "v/src/b-x", "12"); /* the first in byte order */
        scratch_write(s, "v/src/b/d/e", "12");
        check_cache(w, "/src/b-x changed (size, mtime, TIME)");
        world_free(w);
}

static void file_of_two_sources_is_known_once(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src/a\"/>"
                      "<source path=\"/src\"/><output path=\"/out\"/></cache></bootcaches>");
        world_build(w);
        scratch_write(s, "v/src/b/c", "changed");
        check_cache(w, "/src/b/c changed (size, mtime, TIME)"); /* and /src/a is not gone */
        shell("rm %s/v/src/b/c && cd %s/v/src && cp -p a a2 && mv a2 a", s->path, s->path);
        check_cache(w, "/src/a changed (replaced, TIME)");
        world_free(w);
}

static void a_dangling_link_counts_as_present(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        assert_int_equal(symlinkat("nowhere", s->fd, "v/link"), 0);
        world_plan(w,
                   "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                   "<source path=\"/link\" optional=\"yes\"/><output path=\"/out\"/></cache></bootcaches>");
        world_build(w);
        check_cache(w, "up to date");
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<output path=\"/out\"/></cache></bootcaches>");
        check_cache(w, "/link is gone (from the list of sources)");
        assert_int_equal(unlinkat(s->fd, "v/link", 0), 0);
        check_cache(w, "/link is gone (by TIME)");
        world_free(w);
}

static void a_path_through_a_file_is_missing(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        char *missing = NULL;
        Stamp *stamp = NULL;
        world_plan(
                w,
                "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src/a/x\"/>"
                "<source path=\"/opt/x\" optional=\"yes\"/><output path=\"/out/y\"/></cache></bootcaches>");
        check_cache(w, "/src/a/x is missing");
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, &missing), -ENOENT);
        assert_string_equal(missing, "/src/a/x");
        free(missing);
        missing = NULL;
        stamp = stamp_new();
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, &missing), -ENOENT);
        assert_string_equal(missing, "/out/y");
        assert_int_equal(stamp->n_lines, 0);
        free(missing);
        stamp_free(stamp);
        world_free(w);
}

static void stamp_names_its_builder(void **state) {
        World *w = world_new(*state);
        Stamp *stamp = NULL;
        char hex[FINGERPRINT_HEX_MAX], expected[64];
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        (void) snprintf(expected, sizeof(expected), "b %s",
                        fingerprint_to_hex(&w->plan->caches[0].definition->fingerprint, hex));
        assert_string_equal(stamp_get(stamp, "builder"), expected);
        stamp = stamp_free(stamp);
        assert_int_equal(freshness_stamp_helper(&w->context, &w->helper, &stamp, NULL), 0);
        assert_null(stamp_get(stamp, "builder"));
        stamp = stamp_free(stamp);
        char odd[] = "100%s";
        Definition renamed = *w->plan->caches[0].definition;
        renamed.name = odd;
        w->plan->caches[0].definition = &renamed;
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        (void) snprintf(expected, sizeof(expected), "%s %s", odd, hex);
        assert_string_equal(stamp_get(stamp, "builder"), expected);
        stamp_free(stamp);
        world_free(w);
}

static void damaged_lines_of_files_count_as_none(void **state) {
        World *w = world_new(*state);
        world_build(w);
        replace_files(w, "file /src\nfile /src/a \\q\nfile \\x\nfile /src/b/c 1 2 3 4\n");
        check_cache(w, "/src is new (TIME)");
        replace_files(w, "more 3\nfile /src\nfile /src/a nonsense\n");
        check_cache(w, "/src/a changed (replaced, TIME)");
        replace_files(w, "more 3\nfile /zzz nonsense\n");
        check_cache(w, "/zzz is gone (by TIME)");
        replace_files(w, "more 3\n");
        check_cache(w, "one of the files that the stamp has no room for changed");
        world_free(w);
}

static void room_for_stamps_is_shared_and_lack_of_it_is_reported(void **state) {
        World *w = world_new(*state);
        struct stat st;
        world_build(w);
        scratch_write(w->s, "v/src/a", "changed");
        assert_int_equal(fstatat(w->s->fd, "state/caches/c.stamp", &st, 0), 0);
        size_t size = (size_t) st.st_size;
        StampRoom room = {.heads = 2 * size, .wholes = size};
        w->context.room = &room;
        check_cache(w, "/src/a changed (size, mtime, TIME)");
        assert_int_equal(room.wholes, 0);
        assert_in_range(room.heads, size, 2 * size - 1);
        check_cache(w, "something changed (the stamps are too large to say what)");
        check_helper(w, "up to date");
        room.heads = 10;
        check_cache(w, "never brought up to date");
        check_helper(w, "up to date"); /* the stamp of a helper is not that of a cache */
        world_free(w);
}

/* Fails after this many calls. */
typedef struct FailingArm {
        size_t left;
        int r;
} FailingArm;

static int fail_arm_later(int fd, ArmKind kind, void *userdata) {
        FailingArm *f = userdata;
        return f->left-- == 0 ? f->r : 0;
}

static int stamp_all(World *w, char **missing) {
        Stamp *stamp = NULL;
        int r = freshness_stamp_helper(&w->context, &w->helper, &stamp, missing);
        stamp = stamp_free(stamp);
        if (r >= 0)
                r = freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, missing);
        if (r >= 0)
                r = freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, missing);
        stamp_free(stamp);
        return r;
}

static int compare_all(World *w) {
        Freshness f = FRESHNESS_NULL;
        int r = freshness_of_cache(&w->context, &w->plan->caches[0], &f);
        assert_true(r == 0 || f.difference == DIFFERENCE_NONE);
        freshness_done(&f);
        if (r >= 0)
                r = freshness_of_helper(&w->context, &w->helper, &f);
        freshness_done(&f);
        return r;
}

/* Running out of watches ends a comparison, wherever it is, and is not mistaken for a missing file. */
static void a_shortage_anywhere_ends_the_comparison(void **state) {
        static const int shortages[] = {-ENOMEM, -ENOSPC, -E2BIG, -EMFILE, -ENFILE};
        World *w = world_with_two_outputs(*state);
        FailingArm failing;
        char *missing = NULL;
        w->context.arm = &(Arm){fail_arm_later, &failing};
        for (size_t i = 0; i < ELEMENTSOF(shortages); i++) {
                size_t n = 0;
                do {
                        failing = (FailingArm){n++, shortages[i]};
                        int r = compare_all(w);
                        assert_int_equal(r, failing.left == SIZE_MAX ? shortages[i] : 0);
                } while (failing.left == SIZE_MAX);
                assert_in_range(n, 10, 100);
                n = 0;
                do {
                        failing = (FailingArm){n++, shortages[i]};
                        int r = stamp_all(w, n % 2 ? &missing : NULL);
                        assert_int_equal(r, failing.left == SIZE_MAX ? shortages[i] : 0);
                        assert_null(missing);
                } while (failing.left == SIZE_MAX);
        }
        world_free(w);
}

/* Any other error belongs to the path, and the rest is examined all the same. */
static void errors_of_a_path_are_outcomes(void **state) {
        World *w = world_with_two_outputs(*state);
        FailingArm failing = {0, -EIO};
        w->context.arm = &(Arm){fail_arm_later, &failing};
        check_cache(w, "/src cannot be read (Input/output error)");
        assert_true(failing.left < SIZE_MAX - 3); /* the outputs were armed */
        char *missing = NULL;
        Stamp *stamp = NULL;
        failing.left = 0;
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, &missing), -EIO);
        assert_string_equal(missing, "/src");
        free(missing);
        missing = NULL;
        failing.left = 0;
        stamp = stamp_new();
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, &missing), -EIO);
        assert_string_equal(missing, "/out1");
        free(missing);
        failing.left = 0;
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, NULL), -EIO);
        stamp_free(stamp);
        world_free(w);
}

static Fingerprint sources_of(World *w) {
        Fingerprint f;
        assert_int_equal(freshness_of_sources(&w->context, w->manifest, &f), 0);
        return f;
}

static bool sources_change(World *w, const char *command) {
        Fingerprint before = sources_of(w);
        shell("cd %s/v && %s", w->s->path, command);
        Fingerprint after = sources_of(w);
        return !fingerprint_equal(&before, &after);
}

static void a_volume_where_nothing_was_ever_built_has_no_stamp(void **state) {
        World *w = world_new(*state);
        int fd = w->root.state_fd;
        world_build(w);
        w->root.state_fd = -ENOENT;
        check_cache(w, "never brought up to date");
        check_helper(w, "never brought up to date");
        w->root.state_fd = fd;
        check_cache(w, "up to date");
        shell("rm -r %s/state/caches", w->s->path);
        check_cache(w, "never brought up to date");
        world_free(w);
}

static void output_is_what_a_link_leads_to(void **state) {
        World *w = world_new(*state);
        shell("cd %s/v && mv out real && ln -s real out", w->s->path);
        world_build(w);
        check_cache(w, "up to date");
        scratch_write(w->s, "v/real", "other content");
        check_cache(w, "/out changed (since it was built: size, mtime, TIME)");
        world_free(w);
}

/* Moves the line that begins with KEY to the top of the stamp. */
static void move_to_top(World *w, const char *key) {
        shell("cd %s/state/caches && { echo bootkeep-stamp 1; grep '^%s ' c.stamp; sed 1d c.stamp | grep -v "
              "'^%s '; }"
              " >new && mv new c.stamp",
              w->s->path, key, key);
}

static void lines_of_a_stamp_may_be_in_any_order(void **state) {
        static const char *const keys[] = {"fingerprint", "builder", "output"};
        World *w = world_new(*state);
        world_build(w);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                move_to_top(w, keys[i]);
                check_cache(w, "up to date");
        }
        world_free(w);
}

static void lines_that_come_twice_are_one_file(void **state) {
        World *w = world_new(*state);
        world_build(w);
        shell("cd %s/state/caches && grep '^file' c.stamp >twice && cat twice >>c.stamp && "
              "sed -i 's/^fingerprint .*/fingerprint 00000000000000000000000000000000/' c.stamp",
              w->s->path);
        check_cache(w, "list of sources changed");
        world_free(w);
}

static void absence_of_an_optional_source_counts_by_its_path(void **state) {
        World *w = world_new(*state);
        world_plan(
                w,
                "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                "<source path=\"/src/a/no\" optional=\"yes\"/><output path=\"/out\"/></cache></bootcaches>");
        world_build(w);
        check_cache(w, "up to date"); /* although there is a file in its path */
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<source path=\"/src/a/none\" optional=\"yes\"/><output "
                      "path=\"/out\"/></cache></bootcaches>");
        check_cache(w, "list of sources changed");
        world_plan(w, MANIFEST);
        shell("ln -s opt %s/v/opt", w->s->path);
        check_cache(w, "/opt cannot be read (too many symbolic links)"); /* it exists, somehow */
        world_free(w);
}

static void sources_of_every_cache_and_missing_ones_count(void **state) {
        World *w = world_new(*state);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src/b\"/>"
                      "<output path=\"/x\"/></cache><cache name=\"d\" builder=\"b\"><source path=\"/none\"/>"
                      "<source path=\"/src/a\"/><output path=\"/y\"/></cache></bootcaches>");
        assert_true(sources_change(w, "echo longer >src/a"));
        assert_true(sources_change(w, "echo longer >src/b/c"));
        Fingerprint before = sources_of(w);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src/b\"/>"
                      "<output path=\"/x\"/></cache><cache name=\"d\" builder=\"b\"><source path=\"/gone\"/>"
                      "<source path=\"/src/a\"/><output path=\"/y\"/></cache></bootcaches>");
        Fingerprint after = sources_of(w); /* another one is missing */
        assert_false(fingerprint_equal(&before, &after));
        world_free(w);
}

/* Whether they changed is asked about what was armed already. */
static void fingerprint_of_sources_arms_nothing(void **state) {
        World *w = world_new(*state);
        Armed armed = {};
        w->context.arm = &(Arm){count_arm, &armed};
        (void) sources_of(w);
        assert_int_equal(armed.n, 0);
        world_free(w);
}

static void sources_are_what_no_cache_writes(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        assert_true(sources_change(w, "echo longer >src/a"));
        assert_true(sources_change(w, "touch splash")); /* a copy that is not an output of a cache */
        assert_true(sources_change(w, "rm splash"));
        assert_true(sources_change(w, "mkdir opt"));
        assert_true(sources_change(w, "rm -r src")); /* missing ones count as missing */
        assert_false(sources_change(w, "echo longer >out; touch other"));
        assert_false(sources_change(w, "rm out"));
        Fingerprint before = sources_of(w);
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true --other\n");
        world_plan(w, MANIFEST);
        Fingerprint after = sources_of(w);
        assert_false(fingerprint_equal(&before, &after));
        /* written by another cache, as a whole or in a part */
        shell("mkdir -p %s/v/src/b %s/v/made", s->path, s->path);
        world_plan(
                w,
                "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                "<output path=\"/made/x\"/></cache><cache name=\"d\" builder=\"b\"><source path=\"/made\"/>"
                "<output path=\"/out\"/></cache></bootcaches>");
        assert_false(sources_change(w, "touch made/x made/y"));
        assert_true(sources_change(w, "touch src/q"));
        /* by any of them, not only the first */
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/made\"/>"
                      "<output path=\"/x\"/></cache><cache name=\"d\" builder=\"b\"><source path=\"/src\"/>"
                      "<output path=\"/y\"/><output path=\"/made/x\"/></cache></bootcaches>");
        assert_false(sources_change(w, "touch made/z"));
        assert_true(sources_change(w, "touch src/r"));
        world_plan(w, "<bootcaches version=\"1\"><copy role=\"required\" from=\"/splash\" "
                      "to=\"/a\"/></bootcaches>");
        assert_true(sources_change(w, "touch splash")); /* the only one */
        shell("cd %s/v && rm -r src && ln -s src src", s->path);
        (void) sources_of(w); /* what cannot be examined is not an error */
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
                scratch_test(without_trust_in_ctime_no_time_is_reported),
                scratch_test(damaged_stamps_mean_stale),
                scratch_test(fingerprint_is_of_what_could_be_examined_whole),
                scratch_test(any_byte_may_be_in_a_name),
                scratch_test(output_directory_counts_whole),
                scratch_test(everything_is_armed_though_the_first_is_missing),
                scratch_test(each_output_has_its_own_line),
                scratch_test(helper_without_a_stamp_is_stale_if_any_copy_is_for_it),
                scratch_test(output_of_another_type_was_replaced),
                scratch_test(files_are_found_in_a_stamp_whatever_their_order),
                scratch_test(file_of_two_sources_is_known_once),
                scratch_test(a_dangling_link_counts_as_present),
                scratch_test(a_path_through_a_file_is_missing),
                scratch_test(stamp_names_its_builder),
                scratch_test(damaged_lines_of_files_count_as_none),
                scratch_test(room_for_stamps_is_shared_and_lack_of_it_is_reported),
                scratch_test(a_shortage_anywhere_ends_the_comparison),
                scratch_test(errors_of_a_path_are_outcomes),
                scratch_test(a_volume_where_nothing_was_ever_built_has_no_stamp),
                scratch_test(output_is_what_a_link_leads_to),
                scratch_test(lines_of_a_stamp_may_be_in_any_order),
                scratch_test(lines_that_come_twice_are_one_file),
                scratch_test(absence_of_an_optional_source_counts_by_its_path),
                scratch_test(sources_of_every_cache_and_missing_ones_count),
                scratch_test(fingerprint_of_sources_arms_nothing),
                scratch_test(sources_are_what_no_cache_writes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
