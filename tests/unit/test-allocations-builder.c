/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/builder fails in turn: in the build of a cache and the update of a helper as
 * wholes, because a helper must carry a complete set after each of these failures as after any other. */

#include "allocations.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "disk.h"

#include "base/log.h"
#include "builder/cachebuild.h"
#include "builder/run/linecutter.h"
#include "builder/transaction/decision.h"
#include "builder/transaction/nextrecord.h"
#include "builder/transaction/recordlines.h"
#include "builder/transaction/update.h"

#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\">"                                                                         \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"/out\"/></cache>"             \
        "<copy role=\"required\" from=\"/src/kernel\" to=\"/os/linux\"/>"                                    \
        "<copy role=\"entry\" from=\"/entry\" to=\"/loader/entries/os.conf\"/>"                              \
        "<copy role=\"misc\" from=\"/tree\" to=\"/os/tree\"/>"                                               \
        "</bootcaches>"

/* A volume in a folder, SCRATCH/v, its stamps in SCRATCH/state; its helper is a disk mounted on
 * SCRATCH/helper. */
typedef struct World {
        Scratch *s;
        Disk disk;
        char fs_uuid[64];
        Root root;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
        FreshnessContext context;
        Helper helper;
        unsigned runs;
        bool covered;
} World;

static bool is_in_memory(const Scratch *s) {
        struct statfs st;
        return fstatfs(s->fd, &st) >= 0 && st.f_type == TMPFS_MAGIC;
}

/* All of it is in memory, so that thousands of updates that each sync many times do not take minutes. True if
 * that required a mount. */
static bool scratch_cover(Scratch *s) {
        if (is_in_memory(s))
                return false;
        shell("mount -t tmpfs tmpfs %s", s->path);
        close(s->fd);
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return true;
}

static void scratch_uncover(Scratch *s) {
        close(s->fd);
        shell("umount %s", s->path);
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void world_start(World *w, Scratch *s) {
        static char partuuid[] = "12-34", fs_type[] = "ext4", name[] = "test", disk[] = "disk";
        char directory[128], *why = NULL, command[128];
        char *directories[] = {directory, NULL};
        *w = (World){.s = s};
        scratch_unshare(s);
        w->covered = scratch_cover(s);
        disk_attach(&w->disk, s, "20M", NULL, false);
        shell("mkfs.ext4 -q %s && mkdir %s/helper && mount %s %s/helper", w->disk.node, s->path, w->disk.node,
              s->path);
        (void) snprintf(command, sizeof(command), "blkid -p -o value -s UUID %s", w->disk.node);
        shell_line(command, w->fs_uuid, sizeof(w->fs_uuid));
        scratch_write(s, "v/src/kernel", "first");
        scratch_write(s, "v/entry", "title an OS\nlinux /os/linux\n");
        scratch_write(s, "v/tree/a", "a");
        scratch_write(s, "v/tree/b/c", "c");
        scratch_write(s, "state/caches/.keep", "");
        scratch_write(s, "state/helpers/.keep", "");
        scratch_write(s, "builders/b.conf",
                      "[Builder]\nExec=/bin/cp /proc/sys/kernel/random/uuid %o\nRoot=host\n");
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        w->root.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.state_fd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.name = name;
        assert_true(asprintf(&w->root.mount.target, "%s/v", s->path) > 0);
        w->helper = (Helper){
                .device = w->disk.name,
                .node = w->disk.node,
                .devno = disk_devno(w->disk.node),
                .disk = disk,
                .type = HELPER_ESP,
                .partuuid = partuuid,
                .fs_uuid = w->fs_uuid,
                .fs_type = fs_type,
        };
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
        free(w->root.mount.target);
        shell("umount %s/helper", w->s->path);
        disk_detach(&w->disk);
        if (w->covered)
                scratch_uncover(w->s);
}

/* Each run has a different kernel to copy. */
static void world_change(World *w) {
        char text[32];
        int n = snprintf(text, sizeof(text), "kernel %u", w->runs++);
        int fd = openat(w->root.fd, "src/kernel", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, (size_t) n), 0);
        close(fd);
}

/* The entry on the helper names a kernel that exists. */
static void assert_complete(const World *w) {
        char path[128], text[1024] = "", name[64] = "";
        (void) snprintf(path, sizeof(path), "%s/helper/loader/entries/os.conf", w->s->path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                assert_int_equal(errno, ENOENT);
                return; /* nothing was ever written */
        }
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        close(fd);
        const char *kernel = strstr(text, "linux ");
        assert_non_null(kernel);
        assert_int_equal(sscanf(kernel, "linux %63s", name), 1);
        (void) snprintf(path, sizeof(path), "%s/helper%s", w->s->path, name);
        assert_int_equal(access(path, F_OK), 0);
}

static int update(World *w, bool force) {
        const Updater updater = {
                .context = &w->context,
                .boot_id = "22222222-2222-2222-2222-222222222222",
                .cmdline = "quiet",
                .running = true,
                .force = force,
        };
        UpdateResult result = {};
        char *why = NULL;
        int r = update_helper(&updater, &w->helper, &result, &why);
        free(why);
        assert_complete(w);
        return r;
}

static void prepare_same(void *userdata) {
        assert_int_equal(update(userdata, false), 0);
}

/* Another kernel than the helper carries. */
static void prepare_change(void *userdata) {
        prepare_same(userdata);
        world_change(userdata);
}

static int update_changed(void *userdata) {
        return update(userdata, false);
}

static int update_by_force(void *userdata) {
        return update(userdata, true);
}

static void helper_is_complete_whatever_fails(void **state) {
        World w;
        world_start(&w, *state);
        allocations_fail_or_cope_prepared(&(AllocationsCase){prepare_change, update_changed, &w});
        allocations_fail_or_cope_prepared(&(AllocationsCase){prepare_same, update_by_force, &w});
        world_end(&w);
}

static int build_cache(void *userdata) {
        World *w = userdata;
        const CacheBuild build = {.context = &w->context, .force = true};
        CacheOutcome outcome = CACHE_FRESH;
        char *why = NULL;
        int r = cachebuild_run(&build, &w->plan->caches[0], &outcome, &why);
        assert_true(r < 0 || outcome == CACHE_BUILT || (outcome == CACHE_FAILED && why));
        free(why);
        return r;
}

static void cache_is_built_or_the_error_is_told(void **state) {
        World w;
        world_start(&w, *state);
        int level = log_set_max_level(LOG_ERR);
        allocations_fail_or_cope(build_cache, &w);
        log_set_max_level(level);
        world_end(&w);
}

/* A record for which there is no memory is not the same as none: then everything would belong to somebody
 * else. */
static int read_record(void *userdata) {
        HelperRecord record = HELPER_RECORD_NULL;
        int r = record_lines_read(userdata, &record);
        if (r >= 0)
                assert_int_equal(record.carried.n, 2);
        helper_record_done(&record);
        return r;
}

static int write_record(void *userdata) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        return stamp ? record_lines_add(userdata, stamp) : -ENOMEM;
}

static void record_is_read_and_written_or_the_error_is_told(void **state) {
        static const char hex[] = "0123456789abcdef0123456789abcdef";
        Stamp *stamp = stamp_new();
        HelperRecord record = HELPER_RECORD_NULL;
        assert_non_null(stamp);
        assert_int_equal(stamp_add(stamp, "state", "intent"), 0);
        assert_int_equal(stamp_add(stamp, "filesystem", "AB-CD"), 0);
        assert_int_equal(stamp_add(stamp, "carries", "required /os/linux %s 5 boot /os/linux /src d", hex),
                         0);
        assert_int_equal(stamp_add(stamp, "adopts", "booter /EFI/x %s 5 boot /EFI/x /src d", hex), 0);
        assert_int_equal(stamp_add(stamp, "previous", "required /os/old %s 5 boot", hex), 0);
        assert_int_equal(stamp_add(stamp, "ours", "/os/left"), 0);
        assert_int_equal(stamp_add(stamp, "made", "/os"), 0);
        allocations_fail_in_turn(read_record, stamp);
        assert_int_equal(record_lines_read(stamp, &record), 0);
        allocations_fail_in_turn(write_record, &record);
        helper_record_done(&record);
        stamp_free(stamp);
}

/* A decision for which there is no memory is not made: with files kept, in the way, left over, and without
 * room. */
typedef struct Case {
        WantedSet wanted;
        HelperView views[2];
        HelperRecord record;
        Claim claim;
        SeenSet entries, left;
} Case;

static void case_start(Case *c) {
        WantedFile wanted[] = {
                {.role = ROLE_REQUIRED, .to = strdup("/d/linux"), .path = strdup("/d/linux"), .size = 4096},
                {.role = ROLE_ENTRY,
                 .to = strdup("/e.conf"),
                 .path = strdup("/e.conf"),
                 .text = strdup("new")},
        };
        CarriedFile carried[] = {
                {.role = ROLE_MISC, .path = strdup("/d"), .to = strdup("/d"), .boot = strdup("1")},
                {.role = ROLE_REQUIRED, .path = strdup("/l-1"), .to = strdup("/l"), .boot = strdup("1")},
                {.role = ROLE_ENTRY, .path = strdup("/e.conf"), .to = strdup("/e.conf"), .boot = strdup("1")},
        };
        KeptFile kept[] = {
                {.role = ROLE_REQUIRED, .path = strdup("/k"), .size = 4096, .boot = strdup("2")},
                {.role = ROLE_ENTRY, .path = strdup("/k.conf"), .size = 4096, .boot = strdup("2")},
        };
        SeenFile entry = {
                .path = strdup("/e.conf"), .text = strdup("l /l-1"), .size = 6, .boot = strdup("1")};
        SeenFile left = {.path = strdup("/left"), .size = 4096};
        *c = (Case){.views = {{STANDING_OTHER, .blocked = true}, {STANDING_OTHER}}};
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                assert_int_equal(wanted_set_add(&c->wanted, &wanted[i]), 0);
        for (size_t i = 0; i < ELEMENTSOF(carried); i++)
                assert_int_equal(carried_set_add(&c->record.carried, &carried[i]), 0);
        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                assert_int_equal(kept_set_add(&c->record.kept, &kept[i]), 0);
        assert_int_equal(seen_set_add(&c->entries, &entry), 0);
        assert_int_equal(seen_set_add(&c->left, &left), 0);
        assert_int_equal(strv_extend(&c->record.ours, "/left"), 0);
        assert_int_equal(claim_init(&c->claim, &c->record), 0);
}

static void case_end(Case *c) {
        claim_done(&c->claim);
        wanted_set_done(&c->wanted);
        helper_record_done(&c->record);
        seen_set_done(&c->entries);
        seen_set_done(&c->left);
}

static int decide_case(void *userdata) {
        const Case *c = userdata;
        const HelperPlanInput in = {
                .wanted = &c->wanted,
                .views = c->views,
                .record = &c->record,
                .claim = &c->claim,
                .entries = &c->entries,
                .left = &c->left,
                .boot_id = "2",
                .cmdline = "",
                .running = true,
                .block_size = 4096,
                .available = 4096,
        };
        HelperPlan *plan = UNTOUCHED;
        int r = decision_make(&in, &plan, NULL);
        if (r < 0) {
                assert_ptr_equal(plan, UNTOUCHED);
                return r;
        }
        HelperRecord intent = HELPER_RECORD_NULL;
        r = next_record_intent(&c->record, plan, NULL, &intent);
        helper_record_done(&intent);
        helper_plan_free(plan);
        return r;
}

static void decision_is_whole_or_none(void **state) {
        Case c;
        case_start(&c);
        allocations_fail_in_turn(decide_case, &c);
        case_end(&c);
}

/* output */

static void keep_line(const char *line, void *userdata) {
        (void) snprintf(userdata, 32, "%s", line);
}

static int cut_line_off(void *userdata) {
        char line[32] = "";
        LineCutter c = {.line = keep_line, .userdata = line};
        linecutter_feed(&c, "output\n", 7);
        if (streq(line, "(out of memory)"))
                return -ENOMEM;
        assert_string_equal(line, "output");
        return 0;
}

static void line_is_logged_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(cut_line_off, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helper_is_complete_whatever_fails),
                scratch_test(cache_is_built_or_the_error_is_told),
                cmocka_unit_test(record_is_read_and_written_or_the_error_is_told),
                cmocka_unit_test(decision_is_whole_or_none),
                cmocka_unit_test(line_is_logged_or_the_error_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
