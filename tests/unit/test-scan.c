/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whole scans of a real volume, each in a child, as it has no privileges left afterwards. */

#include "scan/scan.h"

#include <bootkeep.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "disk.h"
#include "fixture.h"
#include "freshness/freshness.h"

#define ESP_UUID "11111111-aaaa-4000-8000-000000000001"
#define GPT                                                                                                  \
        "label: gpt\\nsize=8M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=" ESP_UUID                    \
        "\\nsize=32M, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\\n"

#define MANIFEST BOOTKEEP_MANIFEST_ADMIN
#define BOOTCACHES(rest) "<bootcaches version=\"1\">" rest "</bootcaches>"
#define CACHE "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"/out\"/></cache>"
#define COPY "<copy role=\"required\" from=\"/out\" to=\"/linux\"/>"

/* A volume on the second partition of a disk, mounted at SCRATCH/mnt; the first is its helper. */
typedef struct World {
        Scratch *s;
        Disk disk;
        char mnt[128], builders[128];
        char *dirs[2];
        ScanOptions options;
        int inotify;
        char *records, *log;
        int status;
        bool no_volume;     /* the scan may end at opening it */
        rlim_t descriptors; /* how many it may have; 0: as many as it likes */
} World;

static void world_start(World *w, Scratch *s) {
        *w = (World){.s = s};
        scratch_unshare(s);
        disk_attach(&w->disk, s, "48M", GPT, true);
        (void) snprintf(w->mnt, sizeof(w->mnt), "%s/mnt", s->path);
        (void) snprintf(w->builders, sizeof(w->builders), "%s/builders", s->path);
        shell("mkfs.ext4 -q %sp2 && mkfs.vfat %sp1 >/dev/null && mkdir %s && mount %sp2 %s", w->disk.node,
              w->disk.node, w->mnt, w->disk.node, w->mnt);
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        scratch_write(s, "mnt/src/a", "a");
        scratch_write(s, "mnt/out", "built");
        scratch_write(s, "mnt" MANIFEST, BOOTCACHES(CACHE COPY));
        w->dirs[0] = w->builders;
        w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        w->options = (ScanOptions){.mountpoint = w->mnt, .inotify_fd = w->inotify, .trust_ctime = true};
        w->options.builders = w->dirs;
}

static void world_end(World *w) {
        free(w->records);
        free(w->log);
        close(w->inotify);
        shell("umount -R %s", w->mnt);
        disk_detach(&w->disk);
}

static void run_scan(const World *w, int output) {
        int log = openat(w->s->fd, "log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
                _exit(100);
        if (w->descriptors > 0 &&
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){w->descriptors, w->descriptors}) < 0)
                _exit(102);
        int status = scan_run(&w->options);
        /* where the volume could be opened, no rights are left, not even those to write to nothing */
        _exit(w->no_volume || open("/dev/null", O_WRONLY | O_CLOEXEC) < 0 ? status : 101);
}

static char *read_all(int fd) {
        char buffer[65536];
        size_t size = 0;
        for (ssize_t n; (n = read(fd, buffer + size, sizeof(buffer) - 1 - size)) > 0;)
                size += (size_t) n;
        buffer[size] = 0;
        return strdup(buffer);
}

static void scan(World *w) {
        int pipe_fds[2], status = 0;
        free(w->records);
        free(w->log);
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        (void) fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
                run_scan(w, pipe_fds[1]);
        close(pipe_fds[1]);
        w->records = read_all(pipe_fds[0]);
        close(pipe_fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        int log = openat(w->s->fd, "log", O_RDONLY | O_CLOEXEC);
        w->log = read_all(log);
        close(log);
        w->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Hides what differs from run to run: the disk, and how much is watched. */
static void hide(char *text, const char *what) {
        size_t n = strlen(what);
        for (char *p = text; n > 0 && (p = strstr(p, what));) {
                *p++ = '@';
                memmove(p, p + n - 1, strlen(p + n - 1) + 1);
        }
}

static void hide_number_after(char *text, const char *key) {
        char *p = strstr(text, key);
        if (!p)
                return;
        p += strlen(key);
        size_t n = strcspn(p, " \n");
        *p++ = '#';
        memmove(p, p + n - 1, strlen(p + n - 1) + 1);
}

static void scan_is(World *w, int status, const char *records) {
        scan(w);
        hide(w->records, w->disk.name);
        hide(w->records, w->s->path);
        hide_number_after(w->records, "WATCHES ");
        hide_number_after(w->records, "SOURCES ");
        assert_string_equal(w->records, records);
        assert_int_equal(w->status, status);
}

static void volume_without_a_manifest_is_none(void **state) {
        World w;
        world_start(&w, *state);
        shell("rm %s" MANIFEST, w.mnt);
        scan_is(&w, BOOTKEEP_SCAN_NO_MANIFEST, "WATCHES #\nRESULT none\n");
        assert_string_equal(w.log, "");
        world_end(&w);
}

#define STALE                                                                                                \
        "MANIFEST " MANIFEST                                                                                 \
        "\nCACHE c - stale - never\nLEARNED c - no never built\nHELPER @p1 esp " ESP_UUID                    \
        " stale - never\nSOURCES #\nPLACE /out\nPLACE /src\nWATCHES #\nRESULT stale\n"

static void what_was_never_built_is_stale(void **state) {
        World w;
        world_start(&w, *state);
        scan_is(&w, BOOTKEEP_SCAN_STALE, STALE);
        world_end(&w);
}

/* Records what is there, as a build does. */
static void stamp_all(World *w) {
        static char partuuid[] = ESP_UUID;
        char fs_uuid[64], command[64], *reason = NULL;
        Root *root = NULL;
        Manifest *m = NULL;
        DefinitionSet *definitions = NULL;
        Plan *plan = NULL;
        (void) snprintf(command, sizeof(command), "blkid -p -o value -s UUID %sp1", w->disk.node);
        shell_line(command, fs_uuid, sizeof(fs_uuid));
        assert_int_equal(root_open(w->mnt, 0, &root), 0);
        assert_int_equal(root_make_state(root), 0);
        const Walk walk = {.root = root->fd};
        assert_int_equal(manifest_load(&walk, &m, &reason), 0);
        assert_int_equal(definition_set_load(w->dirs, &definitions, NULL), 0);
        assert_int_equal(plan_new(&walk, m, definitions, &plan, &reason), 0);
        const FreshnessContext c = {.root = root, .plan = plan, .trust_ctime = w->options.trust_ctime};
        const Helper helper = {.type = HELPER_ESP, .partuuid = partuuid, .fs_uuid = fs_uuid};
        for (size_t i = 0; i <= plan->n_caches; i++) {
                bool cache = i < plan->n_caches;
                Stamp *stamp = NULL;
                char *name = NULL;
                int dir = openat(root->state_fd, cache ? "caches" : "helpers",
                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (cache) {
                        const PlanCache *pc = &plan->caches[i];
                        assert_int_equal(freshness_stamp_cache(&c, pc, &stamp, NULL), 0);
                        assert_int_equal(freshness_stamp_outputs(&c, pc, stamp, NULL), 0);
                        assert_int_equal(stamp_name(pc->cache->name, pc->instance, &name), 0);
                } else {
                        assert_int_equal(freshness_stamp_helper(&c, &helper, &stamp, NULL), 0);
                        assert_int_equal(stamp_add(stamp, "filesystem", "%s", fs_uuid), 0);
                        assert_int_equal(stamp_name(partuuid, NULL, &name), 0);
                }
                assert_int_equal(stamp_write(dir, name, stamp), 0);
                close(dir);
                free(name);
                stamp_free(stamp);
        }
        plan_free(plan);
        definition_set_free(definitions);
        manifest_free(m);
        root_free(root);
}

static void what_was_built_is_fresh(void **state) {
        World w;
        world_start(&w, *state);
        stamp_all(&w);
        scan_is(&w, BOOTKEEP_SCAN_FRESH,
                "MANIFEST " MANIFEST "\nCACHE c - fresh\nLEARNED c - no not built since it can be "
                "learned\nHELPER @p1 esp " ESP_UUID
                " fresh\nPLACE /out\nPLACE /src\nWATCHES #\nRESULT fresh\n");
        shell("rm %s/src/a", w.mnt);
        scan(&w);
        assert_non_null(strstr(w.records, "\nCACHE c - stale /src/a gone by "));
        assert_non_null(strstr(w.records, "\nHELPER"));
        assert_non_null(strstr(w.records, ESP_UUID " fresh\nSOURCES "));
        world_end(&w);
}

static void each_instance_is_a_record(void **state) {
        World w;
        world_start(&w, *state);
        scratch_write(w.s, "mnt/kernels/1", "");
        scratch_write(w.s, "mnt/kernels/2", "");
        scratch_write(w.s, "mnt" MANIFEST,
                      BOOTCACHES("<cache name=\"c\" builder=\"b\" each=\"/kernels/*\"><source "
                                 "path=\"/src\"/><output path=\"/out-%i\"/></cache>"));
        scan_is(&w, BOOTKEEP_SCAN_STALE,
                "MANIFEST " MANIFEST "\nCACHE c 1 stale - never\nLEARNED c 1 no never built\n"
                "CACHE c 2 stale - never\nLEARNED c 2 no never built\n"
                "HELPER @p1 esp " ESP_UUID " fresh\nSOURCES #\nPLACE /out-1\nPLACE /out-2\nPLACE /src\n"
                "WATCHES #\nRESULT stale\n");
        world_end(&w);
}

static void ctime_alone_counts_where_it_is_trusted(void **state) {
        World w;
        world_start(&w, *state);
        for (int trust = 0; trust < 2; trust++) {
                w.options.trust_ctime = trust;
                stamp_all(&w);
                shell("chmod 600 %s/src/a && chmod 644 %s/src/a", w.mnt, w.mnt);
                scan(&w);
                assert_int_equal(w.status, trust ? BOOTKEEP_SCAN_STALE : BOOTKEEP_SCAN_FRESH);
        }
        world_end(&w);
}

static void mount_over_an_output_is_told(void **state) {
        World w;
        world_start(&w, *state);
        scratch_write(w.s, "mnt/covered/out", "built");
        scratch_write(w.s, "mnt" MANIFEST,
                      BOOTCACHES("<cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                                 "<output path=\"/covered/out\"/></cache>"));
        scan(&w);
        assert_null(strstr(w.records, "\nCOVERED "));
        shell("mount -t tmpfs none %s/covered", w.mnt);
        scan(&w);
        assert_non_null(strstr(w.records, "\nCOVERED /covered"));
        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
        world_end(&w);
}

#define OTHER_UUID "22222222-AAAA-4000-8000-000000000002"

/* A partition that the kernel does not know yet is no helper. */
static void each_helper_is_a_record_and_what_is_missing_a_note(void **state) {
        World w;
        world_start(&w, *state);
        shell("echo 'size=1M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=" OTHER_UUID
              "' | sfdisk -q --append --no-reread --no-tell-kernel %s >/dev/null 2>&1",
              w.disk.node);
        scan(&w);
        assert_non_null(strstr(w.records, "\nNOTE "));
        assert_null(strstr(w.records, "p3 esp"));
        shell("partx -a --nr 3 %s", w.disk.node);
        scan(&w);
        assert_null(strstr(w.records, "\nNOTE "));
        assert_non_null(strstr(w.records, "p1 esp " ESP_UUID " stale - never\nHELPER "));
        assert_non_null(strstr(w.records, "p3 esp 22222222-aaaa-4000-8000-000000000002 stale - never\n"));
        world_end(&w);
}

static void reason_of_a_stale_helper_is_told_whole(void **state) {
        World w;
        world_start(&w, *state);
        stamp_all(&w);
        scratch_write(w.s, "mnt/out", "longer than before");
        scan(&w);
        assert_non_null(strstr(w.records, " esp " ESP_UUID " stale /out changed size, mtime, "));
        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
        world_end(&w);
}

/* It never ends in less than is so. */
static void running_out_of_descriptors_is_an_error_or_makes_no_difference(void **state) {
        World w;
        unsigned errors = 0;
        world_start(&w, *state);
        scan(&w);
        char *whole = strdup(w.records);
        w.no_volume = true; /* with few of them */
        for (w.descriptors = (rlim_t) w.inotify + 1; w.descriptors < 64; w.descriptors++) {
                scan(&w);
                if (w.status == BOOTKEEP_SCAN_ERROR) {
                        assert_non_null(strstr(w.records, "\nREASON "));
                        assert_non_null(strstr(w.records, "\nRESULT error\n"));
                        errors++;
                } else {
                        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
                        assert_string_equal(w.records, whole);
                }
        }
        assert_true(errors > 3);
        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
        free(whole);
        world_end(&w);
}

#define ANOTHER_CACHE(name, output)                                                                          \
        "<cache name=\"" name "\" builder=\"b\"><source path=\"/src\"/><output path=\"" output "\"/></"      \
        "cache>"

/* Of stamps that somebody made as large as they may be, the third is not read whole. */
static void stamps_share_their_room(void **state) {
        World w;
        world_start(&w, *state);
        scratch_write(w.s, "mnt/out2", "built");
        scratch_write(w.s, "mnt/out3", "built");
        scratch_write(w.s, "mnt" MANIFEST,
                      BOOTCACHES(CACHE ANOTHER_CACHE("d", "/out2") ANOTHER_CACHE("e", "/out3")));
        stamp_all(&w);
        shell("cd %s" BOOTKEEP_VOLUME_STATE "/caches && yes 'file /zzz %0100d' | head -n 35000 >/%s/many && "
              "for s in c d e; do sed -i 's/^fingerprint .*/fingerprint 00000000000000000000000000000000/' "
              "$s.stamp && cat /%s/many >>$s.stamp; done",
              w.mnt, 0, w.s->path, w.s->path);
        scan(&w);
        assert_non_null(strstr(w.records, "\nCACHE c - stale /zzz gone "));
        assert_non_null(strstr(w.records, "\nCACHE d - stale /zzz gone "));
        assert_non_null(strstr(w.records, "\nCACHE e - stale something changed the stamps are too large"));
        world_end(&w);
}

static void refused(World *w, const char *manifest, const char *reason) {
        scratch_write(w->s, "mnt" MANIFEST, manifest);
        scan(w);
        assert_int_equal(w->status, BOOTKEEP_SCAN_REFUSED);
        assert_non_null(strstr(w->records, reason));
        assert_non_null(strstr(w->records, "\nRESULT refused\n"));
}

static void manifest_is_refused_with_the_reason(void **state) {
        World w;
        world_start(&w, *state);
        refused(&w, "nonsense", "REASON " MANIFEST);
        assert_null(strstr(w.records, "MANIFEST " MANIFEST));
        refused(&w,
                BOOTCACHES("<cache name=\"c\" builder=\"none\"><source path=\"/src\"/>"
                           "<output path=\"/out\"/></cache>"),
                "MANIFEST " MANIFEST "\nWATCHES");
        assert_non_null(strstr(w.records, "none"));
        assert_non_null(strstr(w.log, "none"));
        world_end(&w);
}

static void quiet_scan_says_nothing_on_stderr(void **state) {
        World w;
        world_start(&w, *state);
        scratch_write(w.s, "builders/b.conf", "[Builder]\nExec=/bin/true\nOdd=1\n");
        scan(&w);
        assert_non_null(strstr(w.log, "Odd"));
        w.options.quiet = true;
        scan(&w);
        assert_string_equal(w.log, "");
        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
        scratch_write(w.s, "mnt" MANIFEST, "nonsense");
        scan(&w);
        assert_int_equal(w.status, BOOTKEEP_SCAN_REFUSED);
        assert_string_equal(w.log, "");
        world_end(&w);
}

static void where_stamps_cannot_be_kept_is_an_error(void **state) {
        World w;
        world_start(&w, *state);
        scratch_write(w.s, "mnt/var", "");
        scan_is(&w, BOOTKEEP_SCAN_ERROR,
                "MANIFEST " MANIFEST "\nWATCHES #\nREASON " BOOTKEEP_VOLUME_STATE
                ": a component of this path is not a directory\nRESULT error\n");
        world_end(&w);
}

static void what_is_no_volume_is_told(void **state) {
        World w;
        char below[160], none[160], memory[160];
        world_start(&w, *state);
        (void) snprintf(below, sizeof(below), "%s/src", w.mnt);
        (void) snprintf(none, sizeof(none), "%s/none", w.mnt);
        (void) snprintf(memory, sizeof(memory), "%s/memory", w.s->path);
        shell("mkdir %s && mount -t tmpfs none %s", memory, memory);
        w.no_volume = true;
        w.options.mountpoint = below;
        scan_is(&w, BOOTKEEP_SCAN_ERROR, "WATCHES #\nREASON @/mnt/src is not a mount point\nRESULT error\n");
        w.options.mountpoint = none;
        scan_is(&w, BOOTKEEP_SCAN_ERROR,
                "WATCHES #\nREASON @/mnt/none: No such file or directory\nRESULT error\n");
        w.options.mountpoint = memory;
        scan_is(&w, BOOTKEEP_SCAN_ERROR,
                "WATCHES #\nREASON @/memory is not on a block device\nRESULT error\n");
        w.options.mountpoint = w.mnt;
        w.options.mount_id = UINT32_MAX;
        scan_is(&w, BOOTKEEP_SCAN_ERROR, "WATCHES #\nREASON @/mnt is a different mount now\nRESULT error\n");
        shell("umount %s", memory);
        world_end(&w);
}

static void lock_files_come_last(void **state) {
        World w;
        char locked[] = "/locked", exists[] = "/exists";
        char *hold_locked[] = {locked, NULL}, *hold_exists[] = {exists, NULL};
        world_start(&w, *state);
        scratch_write(w.s, "mnt/locked", "");
        scratch_write(w.s, "mnt/exists", "");
        w.options.hold_locked = hold_locked;
        w.options.hold_exists = hold_exists;
        scan(&w);
        const char *hold = strstr(w.records, "\nPLACE /src\nHOLD /locked ");
        assert_non_null(hold);
        hold = strstr(hold, " locked\nHOLD /exists ");
        assert_non_null(hold);
        assert_non_null(strstr(hold, " exists\nWATCHES "));
        assert_int_equal(w.status, BOOTKEEP_SCAN_STALE);
        world_end(&w);
}

static bool anything_queued(const World *w) {
        char buffer[65536] __attribute__((__aligned__(8)));
        bool any = false;
        while (read(w->inotify, buffer, sizeof(buffer)) > 0)
                any = true;
        return any;
}

/* Everything that was read is watched, and nothing that the scan did is an event. */
static void what_was_examined_is_watched(void **state) {
        static const char *const changes[] = {"src/a", "out", &MANIFEST[1]};
        World w;
        world_start(&w, *state);
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                scan(&w);
                assert_null(strstr(w.records, "WATCHES 0\n"));
                assert_null(strstr(w.records, "UNWATCHED"));
                assert_false(anything_queued(&w));
                shell("touch %s/%s", w.mnt, changes[i]);
                assert_true(anything_queued(&w));
        }
        world_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(volume_without_a_manifest_is_none),
                scratch_test(what_was_never_built_is_stale),
                scratch_test(what_was_built_is_fresh),
                scratch_test(each_instance_is_a_record),
                scratch_test(ctime_alone_counts_where_it_is_trusted),
                scratch_test(mount_over_an_output_is_told),
                scratch_test(each_helper_is_a_record_and_what_is_missing_a_note),
                scratch_test(reason_of_a_stale_helper_is_told_whole),
                scratch_test(running_out_of_descriptors_is_an_error_or_makes_no_difference),
                scratch_test(stamps_share_their_room),
                scratch_test(manifest_is_refused_with_the_reason),
                scratch_test(quiet_scan_says_nothing_on_stderr),
                scratch_test(where_stamps_cannot_be_kept_is_an_error),
                scratch_test(what_is_no_volume_is_told),
                scratch_test(lock_files_come_last),
                scratch_test(what_was_examined_is_watched),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
