/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/cachebuild.h"

#include <signal.h>

#include "base/log.h"
#include "buildworld.h"
#include "fixture.h"

/* Its instances are the names in v/each; the builder is the script SCRATCH/build.sh, which runs what
 * SCRATCH/behaviour says. */
#define CACHE                                                                                                \
        "<cache name=\"c\" builder=\"script\" each=\"/each/*\">"                                             \
        "<source path=\"/src/%i\"/><source path=\"/common\"/>"                                               \
        "<output path=\"/out/%i\"/><output path=\"/out/more-%i\"/></cache>"

typedef struct World {
        BuildWorld b;
        CacheBuild build;
        Progress progress;
        CacheOutcome outcome;
        char *reason;
        Scratch *s;
} World;

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        char text[256];
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        const Scratch *s = w->s;
        (void) snprintf(text, sizeof(text),
                        "[Builder]\nExec=%s/build.sh %%r %%i %%s %%O\nRoot=host\nTimeoutSec=10\n", s->path);
        scratch_write(s, "builders/script.conf", text);
        scratch_write(s, "builders/inside.conf",
                      "[Builder]\nExec=/bin/sh -c 'echo \"$@\"; false' sh %r %i %s %O\nRoot=chroot\n");
        (void) snprintf(text, sizeof(text),
                        "#!/bin/sh\ncd %s\necho \"$@\" >arguments\nenv | grep BOOTKEEP | sort >environment\n"
                        "outputs=\"$4 $5\"\n. ./behaviour\n",
                        s->path);
        scratch_write(s, "build.sh", text);
        scratch_write(s, "behaviour", "for o in $outputs; do cat /proc/sys/kernel/random/uuid >$o; done");
        scratch_write(s, "v/each/1", "");
        scratch_write(s, "v/src/1", "source");
        scratch_write(s, "v/common", "source");
        shell("chmod 755 %s/build.sh", s->path);
        buildworld_start(&w->b, w->s, CACHE);
        w->build = (CacheBuild){.context = &w->b.context, .progress = &w->progress};
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        free(w->reason);
        buildworld_end(&w->b);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

static CacheOutcome build(World *w) {
        free(w->reason);
        w->reason = NULL;
        assert_int_equal(w->b.plan->n_caches, 1);
        assert_int_equal(cachebuild_run(&w->build, &w->b.plan->caches[0], &w->outcome, &w->reason), 0);
        assert_true(!w->reason == (w->outcome == CACHE_FRESH || w->outcome == CACHE_BUILT));
        return w->outcome;
}

static CacheOutcome build_as(World *w, const char *behaviour) {
        scratch_write(w->s, "behaviour", behaviour);
        w->build.force = true;
        return build(w);
}

static void assert_file(const World *w, const char *name, const char *expected) {
        char text[1024] = "";
        _cleanup_close_ int fd = openat(w->s->fd, name, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
        assert_string_equal(text, expected);
}

static bool has_stamp(const World *w) {
        return faccessat(w->s->fd, "state/caches/c@1.stamp", F_OK, 0) >= 0;
}

static void what_is_stale_is_built_once(void **state) {
        World *w = *state;
        assert_int_equal(build(w), CACHE_BUILT);
        assert_true(has_stamp(w));
        assert_int_equal(build(w), CACHE_FRESH);
        scratch_write(w->s, "v/src/1", "another");
        assert_int_equal(build(w), CACHE_BUILT);
        assert_int_equal(build(w), CACHE_FRESH);
        w->build.force = true;
        assert_int_equal(build(w), CACHE_BUILT);
}

/* As the builder sees them: on the host below the mount point. */
static void the_builder_is_told_what_to_build(void **state) {
        World *w = *state;
        char expected[512];
        const char *p = w->s->path;
        assert_int_equal(build(w), CACHE_BUILT);
        (void) snprintf(expected, sizeof(expected), "%s/v 1 %s/v/src/1 %s/v/out/1 %s/v/out/more-1\n", p, p, p,
                        p);
        assert_file(w, "arguments", expected);
        assert_file(w, "environment", "BOOTKEEP_CACHE=c\nBOOTKEEP_INSTANCE=1\nBOOTKEEP_VOLUME=test\n");
}

static void each_end_of_a_builder_is_an_outcome(void **state) {
        World *w = *state;
        assert_int_equal(build_as(w, "exit 3"), CACHE_FAILED);
        assert_string_equal(w->reason, "builder script exited with status 3");
        assert_int_equal(build_as(w, "exit 75"), CACHE_NOT_NOW);
        assert_string_equal(w->reason, "builder script asked to be run later (exit status 75)");
        assert_int_equal(build_as(w, "exit 0"), CACHE_FAILED);
        assert_contains(w->reason, "the builder reported success but did not write /out/1");
        assert_false(has_stamp(w));
}

/* Notes whether the output is there. */
static void note_between(void *userdata, bool between) {
        const World *w = userdata;
        shell("cd %s && echo %i $(ls v/out 2>/dev/null) >>told", w->s->path, between);
}

static void while_the_builder_runs_its_outputs_are_between_two_sets(void **state) {
        World *w = *state;
        const Between between = {note_between, w};
        w->build.between = &between;
        assert_int_equal(build(w), CACHE_BUILT);
        assert_file(w, "told", "1\n0 1 more-1\n");
        assert_int_equal(build(w), CACHE_FRESH); /* nobody is told */
        assert_int_equal(build_as(w, "exit 3"), CACHE_FAILED);
        assert_file(w, "told", "1\n0 1 more-1\n1 1 more-1\n0 1 more-1\n");
}

static void an_interrupted_build_is_told_apart(void **state) {
        World *w = *state;
        char behaviour[64];
        assert_int_equal(interrupt_new(&w->build.interrupt), 0);
        (void) snprintf(behaviour, sizeof(behaviour), "kill -TERM %i; exec sleep 1000", getpid());
        assert_int_equal(build_as(w, behaviour), CACHE_INTERRUPTED);
        assert_false(has_stamp(w));
        (void) interrupt_free(w->build.interrupt);
}

static void a_build_that_takes_too_long_has_failed(void **state) {
        char text[256];
        World *w = *state;
        (void) snprintf(text, sizeof(text), "[Builder]\nExec=/bin/sleep 1000\nRoot=host\nTimeoutSec=1\n");
        scratch_write(w->s, "builders/slow.conf", text);
        buildworld_load(&w->b);
        buildworld_want(
                &w->b,
                "<cache name=\"c\" builder=\"slow\"><source path=\"/common\"/><output path=\"/o\"/></cache>");
        assert_int_equal(build(w), CACHE_FAILED);
        assert_string_equal(w->reason, "builder slow did not finish within 1 s and was stopped");
}

/* What was built from the old source is stale. */
static void a_change_while_the_builder_runs_is_not_lost(void **state) {
        World *w = *state;
        assert_int_equal(build_as(w, "for o in $outputs; do echo $$ >$o; done; echo changed >v/common"),
                         CACHE_BUILT);
        w->build.force = false;
        assert_int_equal(build(w), CACHE_BUILT);
}

static void what_cannot_be_built_is_not_begun(void **state) {
        World *w = *state;
        shell("rm %s/v/common", w->s->path);
        assert_int_equal(build(w), CACHE_FAILED);
        assert_string_equal(w->reason, "source /common is missing");
        scratch_write(w->s, "v/common", "source");
        scratch_write(w->s, "v/out", "a file");
        assert_int_equal(build(w), CACHE_FAILED);
        assert_string_equal(w->reason, "cannot open the directory of /out/1: Not a directory");
        assert_int_equal(faccessat(w->s->fd, "arguments", F_OK, 0), -1);
}

static void a_build_without_a_stamp_has_failed(void **state) {
        World *w = *state;
        shell("rmdir %s/state/caches", w->s->path);
        assert_int_equal(build(w), CACHE_FAILED);
        assert_string_equal(w->reason, "cannot write its stamp: No such file or directory");
}

static void what_a_builder_says_is_logged(void **state) {
        World *w = *state;
        Capture capture = capture_begin();
        CacheOutcome outcome =
                build_as(w, "echo this; echo that >&2; for o in $outputs; do echo $$ >$o; done");
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(outcome, CACHE_BUILT);
        assert_contains(log, "Building c 1: ");
        assert_contains(log, "c 1: this\n");
        assert_contains(log, "c 1: that\n");
}

/* There it sees its own paths, whatever the mount point is; the running system is not left for that. */
static void a_builder_of_the_volume_sees_its_own_paths(void **state) {
        World *w = *state;
        buildworld_want(&w->b, "<cache name=\"c\" builder=\"inside\"><source path=\"/common\"/>"
                               "<output path=\"/out/x\"/></cache>");
        w->build.running = true; /* so that there is a shell */
        Capture capture = capture_begin();
        CacheOutcome outcome = build(w);
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(outcome, CACHE_FAILED);
        assert_contains(log, "c: /  /common /out/x\n");
        w->build.running = false;
        assert_int_equal(build(w), CACHE_FAILED);
        assert_string_equal(w->reason, "builder inside: /bin/sh: No such file or directory");
}

/* The builder goes on until RECORD is reported. */
static void assert_reports(World *w, const char *record, const char *meanwhile) {
        char script[512], path[128];
        (void) snprintf(path, sizeof(path), "%s/progress", w->s->path);
        (void) snprintf(script, sizeof(script),
                        "until grep -q '%s' %s; do %s; done; for o in $outputs; do echo $$ >$o; done", record,
                        path, meanwhile);
        w->progress.f = fopen(path, "we");
        assert_non_null(w->progress.f);
        assert_int_equal(build_as(w, script), CACHE_BUILT);
        (void) fclose(w->progress.f);
}

static void a_build_gives_signs_of_life_while_its_builder_does(void **state) {
        assert_reports(*state, "^PROGRESS 0 0$", "sleep 0.1; echo alive");
        /* longer each time: on a slow machine the loop itself is work */
        assert_reports(*state, "^IDLE builder script$", "sleep ${n:-1}; n=$((${n:-1} * 2))");
}

int main(void) {
        log_setup("test");
        const struct CMUnitTest tests[] = {
                world_test(what_is_stale_is_built_once),
                world_test(the_builder_is_told_what_to_build),
                world_test(each_end_of_a_builder_is_an_outcome),
                world_test(while_the_builder_runs_its_outputs_are_between_two_sets),
                world_test(an_interrupted_build_is_told_apart),
                world_test(a_build_that_takes_too_long_has_failed),
                world_test(a_change_while_the_builder_runs_is_not_lost),
                world_test(what_cannot_be_built_is_not_begun),
                world_test(a_build_without_a_stamp_has_failed),
                world_test(what_a_builder_says_is_logged),
                world_test(a_builder_of_the_volume_sees_its_own_paths),
                world_test(a_build_gives_signs_of_life_while_its_builder_does),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
