/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/scan fails in turn. (The sandbox makes none of its own.) */

#include "allocations.h"

#include <bootkeep.h>

#include "scan/bootfacts.h"
#include "scan/bootline.h"
#include "scan/ending.h"
#include "scan/lockfiles.h"
#include "scan/places.h"
#include "scan/sourcelist.h"
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

/* sourcelist: of one cache all that can be learned, of the other that nothing was. */

typedef struct Listed {
        Planned planned;
        FreshnessContext context;
        FILE *f;
} Listed;

static int list_sources(void *userdata) {
        const Listed *l = userdata;
        return source_list_print(&l->context, NULL, l->f);
}

static void sources_are_listed_or_the_error_is_told(void **state) {
        static const char text[] =
                "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                "<source path=\"/none\" optional=\"yes\"/><output path=\"/out\"/></cache>"
                "<cache name=\"d\" builder=\"b\"><source cache=\"c\"/><output path=\"/second\"/></cache>"
                "<cache name=\"e\" builder=\"b\"><source path=\"/src\"/><output path=\"/third\"/></cache>"
                "</bootcaches>";
        static const char stamp[] = "bootkeep-stamp 1\nfingerprint 00\nlearned opens\nread /etc/a 1 -\n"
                                    "list /etc 00\nlink /etc/l x\nlook /etc/b 1\nmiss /etc/none\n"
                                    "skip /tmp/x temporary\n";
        const Scratch *s = *state;
        char directory[128], *why = NULL, *directories[] = {directory, NULL};
        const Root root = {.fd = s->fd, .state_fd = s->fd};
        Listed l = {.f = fopen("/dev/null", "we")};
        Planned *p = &l.planned;
        assert_non_null(l.f);
        scratch_write(s, "src/x", "");
        scratch_write(s, "out", "");
        scratch_write(s, "etc/a", "");
        scratch_write(s, "etc/b", "");
        assert_int_equal(symlinkat("x", s->fd, "etc/l"), 0);
        scratch_write(s, "caches/c.stamp", stamp);
        scratch_write(s, "caches/e.stamp", "bootkeep-stamp 1\nfingerprint 00\nlearned no a\\x20reason\n");
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        assert_int_equal(manifest_parse("test", text, strlen(text), &p->manifest, &why), 0);
        assert_int_equal(definition_set_load(directories, &p->definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = s->fd}, p->manifest, p->definitions, &p->plan, &why), 0);
        l.context = (FreshnessContext){.root = &root, .plan = p->plan};
        allocations_fail_in_turn(list_sources, &l);
        (void) fclose(l.f);
        plan_free(p->plan);
        manifest_free(p->manifest);
        definition_set_free(p->definitions);
}

/* bootfacts, bootline: two helpers that agree, and one that the boot loader told. */

static int read_boot_facts(void *userdata) {
        const Scratch *s = userdata;
        BootFacts facts = {.boot_id = UNTOUCHED};
        int r = boot_facts_read(s->path, &facts);
        if (r < 0) {
                assert_ptr_equal(facts.boot_id, UNTOUCHED);
                return r;
        }
        assert_non_null(facts.entry);
        boot_facts_done(&facts);
        return r;
}

static void boot_facts_are_read_or_the_error_is_told(void **state) {
        const Scratch *s = *state;
        shell("cd %s && printf '\\7\\0\\0\\0a\\0' >LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
              s->path);
        allocations_fail_in_turn(read_boot_facts, (void *) s);
}

typedef struct Booting {
        FreshnessContext context;
        HelperList helpers;
        BootFacts facts;
} Booting;

static int judge_boot(void *userdata) {
        const Booting *b = userdata;
        Booted booted = {.text = UNTOUCHED};
        int r = bootline_judge(&b->context, &b->helpers, &b->facts, &booted);
        if (r < 0) {
                assert_ptr_equal(booted.text, UNTOUCHED);
                return r;
        }
        assert_true(booted.state == BOOTED_CURRENT || booted.text);
        booted_done(&booted);
        return r;
}

static void boot_is_judged_or_the_error_is_told(void **state) {
        static char a[] = "sda1", b[] = "sdb1", on_a[] = "sda", on_b[] = "sdb", uuid_a[] = "aa",
                    uuid_b[] = "bb", id[] = "now", release[] = "6.1", started[] = "/6.1/linux-aaaaaaaa",
                    nothing[] = "";
        static const char text[] = "<bootcaches version=\"1\"><copy role=\"required\" from=\"/x\" "
                                   "to=\"/6.1/linux\"/></bootcaches>";
        static const char stamp[] =
                "bootkeep-stamp 1\n"
                "carries required /6.1/linux-bbbbbbbb 0123456789abcdef0123456789abcdef 6 now "
                "/6.1/linux /x d\n"
                "previous required /6.1/linux-aaaaaaaa 0123456789abcdef0123456789abcdef 6 now\n";
        const Scratch *s = *state;
        char directory[128], *why = NULL, *directories[] = {directory, NULL};
        Planned p = {.root = s->fd};
        Helper helpers[] = {{.device = a, .disk = on_a, .partuuid = uuid_a},
                            {.device = b, .disk = on_b, .partuuid = uuid_b}};
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        scratch_write(s, "helpers/aa.stamp", stamp);
        scratch_write(s, "helpers/bb.stamp", stamp);
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        assert_int_equal(manifest_parse("test", text, strlen(text), &p.manifest, &why), 0);
        assert_int_equal(definition_set_load(directories, &p.definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = s->fd}, p.manifest, p.definitions, &p.plan, &why), 0);
        const Root root = {.fd = s->fd, .state_fd = s->fd};
        Booting booting = {.context = {.root = &root, .plan = p.plan},
                           .helpers = {.items = helpers, .n = 2},
                           .facts = {.boot_id = id, .release = release, .started = started}};
        allocations_fail_in_turn(judge_boot, &booting);
        booting.facts.partuuid = uuid_b;
        allocations_fail_in_turn(judge_boot, &booting);
        booting.facts.started = nothing;
        allocations_fail_in_turn(judge_boot, &booting);
        booting.facts.partuuid = id; /* of no helper */
        allocations_fail_in_turn(judge_boot, &booting);
        booting.facts.contained = true;
        allocations_fail_in_turn(judge_boot, &booting);
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
                scratch_test(sources_are_listed_or_the_error_is_told),
                scratch_test(places_are_listed_or_the_error_is_told),
                scratch_test(boot_facts_are_read_or_the_error_is_told),
                scratch_test(boot_is_judged_or_the_error_is_told),
                cmocka_unit_test(scan_ends_with_a_result_without_memory_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
