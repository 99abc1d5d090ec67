/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/scan fails in turn. (The sandbox makes none of its own.) */

#include "allocations.h"

#include <bootkeep.h>

#include "scan/ending.h"
#include "scan/lockfiles.h"
#include "scan/places.h"
#include "scan/watcher.h"

static int see_nothing(const WalkEntry *entry, void *userdata) {
        return 0;
}

static int arm_places(void *userdata) {
        const Scratch *s = userdata;
        Watcher w;
        watcher_init(&w, -EBADF);
        int r = walk_source(&(Walk){s->fd, &(Arm){watcher_arm, &w}}, "/d", &(Visitor){see_nothing, NULL});
        watcher_done(&w);
        return r;
}

static void places_are_armed_or_the_error_is_returned(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "d/a/b/c/d/e", "");
        scratch_write(s, "d/f/g", "");
        allocations_fail_in_turn(arm_places, (void *) s);
}

/* lockfiles: a path on the host that exists, one that does not, and one on the volume. */

typedef struct Locks {
        const Scratch *s;
        char host[128], missing[128];
} Locks;

static int look_for_lock_files(void *userdata) {
        Locks *l = userdata;
        char own[] = "/lock", *paths[] = {l->host, l->missing, own, NULL};
        _cleanup_(lock_files_done) LockFiles files = LOCK_FILES_NULL;
        const Root root = {.fd = l->s->fd, .mount.target = (char *) "/mnt"};
        FILE *f = fopen("/dev/null", "we");
        if (!f)
                return -ENOMEM;
        int r = lock_files_add(&files, paths, false);
        if (r >= 0)
                r = lock_files_add(&files, paths, true);
        if (r >= 0)
                r = lock_files_report(&files, &root, NULL, f);
        (void) fclose(f);
        return r;
}

static void lock_files_are_reported_or_the_error_is_told(void **state) {
        const Scratch *s = *state;
        Locks l = {.s = s};
        (void) snprintf(l.host, sizeof(l.host), "%s/host/lock", s->path);
        (void) snprintf(l.missing, sizeof(l.missing), "%s/host/none/lock", s->path);
        scratch_write(s, "host/lock", "");
        scratch_write(s, "lock", "");
        shell("touch -d 1970-01-02 %s/lock", s->path);
        allocations_fail_in_turn(look_for_lock_files, &l);
}

/* places */

typedef struct Planned {
        int root;
        size_t max;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
} Planned;

#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"                  \
        "<source path=\"/none\"/><output path=\"/out\"/></cache>"                                            \
        "<cache name=\"d\" builder=\"b\"><source path=\"/src\"/><output path=\"/second\"/></cache>"          \
        "<copy role=\"required\" from=\"/out\" to=\"/linux\"/></bootcaches>"

static int list_places(void *userdata) {
        const Planned *p = userdata;
        char **places = UNTOUCHED;
        return OUTCOME(places_of_plan(p->root, p->plan, p->max, &places), places, strv_free);
}

static void places_are_listed_or_the_error_is_told(void **state) {
        const Scratch *s = *state;
        char directory[128], *why = NULL, *directories[] = {directory, NULL};
        Planned p = {.root = s->fd};
        scratch_write(s, "src", "");
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        assert_int_equal(manifest_parse("test", MANIFEST, strlen(MANIFEST), &p.manifest, &why), 0);
        assert_int_equal(definition_set_load(directories, &p.definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = s->fd}, p.manifest, p.definitions, &p.plan, &why), 0);
        for (p.max = 1; p.max <= 3; p.max++)
                allocations_fail_in_turn(list_places, &p);
        plan_free(p.plan);
        manifest_free(p.manifest);
        definition_set_free(p.definitions);
}

/* ending: a scan ends, and says that something is not watched, even where it cannot say why. */

static char records[4096];

static int end_stopped(void *userdata) {
        const Watcher w = {.n_watches = 2, .n_armed = 1};
        const Ending e = {.watcher = &w, .manifest = "/m", .quiet = true};
        FILE *before = stdout;
        rewind(userdata);
        stdout = userdata;
        int status = ending_say_stopped(&e, -E2BIG, "Failed");
        (void) fputc(0, stdout);
        (void) fflush(stdout);
        stdout = before;
        assert_non_null(strstr(records, "\nUNWATCHED"));
        assert_non_null(strstr(records, "\nREASON"));
        assert_non_null(strstr(records, "\nRESULT"));
        if (status == BOOTKEEP_SCAN_ERROR)
                return -ENOMEM;
        assert_int_equal(status, BOOTKEEP_SCAN_REFUSED);
        assert_non_null(strstr(records, "\nRESULT refused\n"));
        return 0;
}

static void scan_ends_with_a_result_without_memory_too(void **state) {
        FILE *f = fmemopen(records, sizeof(records), "w");
        assert_non_null(f);
        allocations_fail_or_cope(end_stopped, f);
        (void) fclose(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(places_are_armed_or_the_error_is_returned),
                scratch_test(lock_files_are_reported_or_the_error_is_told),
                scratch_test(places_are_listed_or_the_error_is_told),
                cmocka_unit_test(scan_ends_with_a_result_without_memory_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
