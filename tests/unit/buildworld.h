/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A volume in a folder, SCRATCH/v, with its stamps in SCRATCH/state and a builder that writes something new
 * each time; and its helper, a disk that is mounted on SCRATCH/helper so that a test can see and change it.
 */

#include <linux/magic.h>
#include <sys/vfs.h>

#include "disk.h"

#include "freshness/freshness.h"
#include "tree/root.h"

typedef struct BuildWorld {
        Scratch *s;
        Disk disk;
        char fs_uuid[64];
        Root root;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
        FreshnessContext context;
        Helper helper;
        bool covered;
} BuildWorld;

/* The same volume with another manifest, given as what is between its outer tags. */
static inline void buildworld_want(BuildWorld *w, const char *manifest) {
        char text[8192], *why = NULL;
        int size = snprintf(text, sizeof(text), "<bootcaches version=\"1\">%s</bootcaches>", manifest);
        assert_true(size > 0 && (size_t) size < sizeof(text));
        w->plan = plan_free(w->plan);
        w->manifest = manifest_free(w->manifest);
        assert_int_equal(manifest_parse("test", text, (size_t) size, &w->manifest, &why), 0);
        assert_int_equal(plan_new(&(Walk){.root = w->root.fd}, w->manifest, w->definitions, &w->plan, &why),
                         0);
        w->context = (FreshnessContext){.root = &w->root, .plan = w->plan, .trust_ctime = true};
}

/* Reads the builders in SCRATCH/builders; the plan of the manifest has to be made again. */
static inline void buildworld_load(BuildWorld *w) {
        char directory[128], *directories[] = {directory, NULL};
        w->plan = plan_free(w->plan);
        w->definitions = definition_set_free(w->definitions);
        (void) snprintf(directory, sizeof(directory), "%s/builders", w->s->path);
        assert_int_equal(definition_set_load(directories, &w->definitions, NULL), 0);
}

static inline void buildworld_start(BuildWorld *w, Scratch *s, const char *manifest) {
        static char partuuid[] = "12-34", name[] = "test", device[] = "sdx1", disk[] = "sdx";
        *w = (BuildWorld){.s = s};
        shell("mkdir -p %s/v %s/state/caches %s/state/helpers", s->path, s->path, s->path);
        scratch_write(s, "builders/b.conf",
                      "[Builder]\nExec=/bin/cp /proc/sys/kernel/random/uuid %o\nRoot=host\n");
        buildworld_load(w);
        w->root.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.state_fd = openat(s->fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->root.name = name;
        assert_int_equal(strprintf(&w->root.mount.target, "%s/v", s->path), 0);
        w->helper = (Helper){.device = device, .disk = disk, .type = HELPER_ESP, .partuuid = partuuid};
        buildworld_want(w, manifest);
}

static inline void buildworld_end(BuildWorld *w) {
        (void) plan_free(w->plan);
        (void) manifest_free(w->manifest);
        (void) definition_set_free(w->definitions);
        close(w->root.fd);
        close(w->root.state_fd);
        free(w->root.mount.target);
}

/* ---- the disk ---- */

static inline bool scratch_is_in_memory(const Scratch *s) {
        struct statfs st;
        return fstatfs(s->fd, &st) >= 0 && st.f_type == TMPFS_MAGIC;
}

/* All of it is in memory, so that thousands of updates that each sync many times do not take minutes. True if
 * that required a mount. */
static inline bool scratch_cover(Scratch *s) {
        if (scratch_is_in_memory(s))
                return false;
        shell("mount -t tmpfs tmpfs %s", s->path);
        close(s->fd);
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return true;
}

static inline void scratch_uncover(Scratch *s) {
        close(s->fd);
        shell("umount %s", s->path);
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* With a disk; the test needs root. */
static inline void buildworld_start_with_disk(BuildWorld *w, Scratch *s, const char *manifest) {
        static char fs_type[] = "ext4";
        char command[128];
        scratch_unshare(s);
        bool covered = scratch_cover(s);
        buildworld_start(w, s, manifest);
        w->covered = covered;
        disk_attach(&w->disk, s, "20M", NULL, false);
        shell("mkfs.ext4 -q %s && mkdir %s/helper && mount %s %s/helper", w->disk.node, s->path, w->disk.node,
              s->path);
        (void) snprintf(command, sizeof(command), "blkid -p -o value -s UUID %s", w->disk.node);
        shell_line(command, w->fs_uuid, sizeof(w->fs_uuid));
        w->helper.node = w->disk.node;
        w->helper.devno = disk_devno(w->disk.node);
        w->helper.fs_uuid = w->fs_uuid;
        w->helper.fs_type = fs_type;
}

static inline void buildworld_end_with_disk(BuildWorld *w) {
        bool covered = w->covered;
        Scratch *s = w->s;
        buildworld_end(w);
        shell("umount %s/helper", s->path);
        disk_detach(&w->disk);
        if (covered)
                scratch_uncover(s);
}
