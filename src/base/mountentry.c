/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the mount table says about one volume. It never opens or stats the mount point, which may be on a disk
 * or server that does not respond. Only /sys and /dev are asked whether something is block-backed. */

#include "base/mountentry.h"

#include <libmount.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/path.h"

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table);
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter);

void mount_entry_done(MountEntry *e) {
        assert(e);
        free(e->device);
        free(e->node);
        free(e->root);
        free(e->target);
        free(e->fstype);
        *e = MOUNT_ENTRY_NULL;
}

/* The kernel's name of the block device DEVNO. 1, or 0: there is none. */
static int kernel_name(dev_t devno, char **ret) {
        char path[64], link[PATH_MAX];
        (void) snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(devno), minor(devno));
        ssize_t n = readlink(path, link, sizeof(link) - 1);
        if (n < 0)
                return 0;
        link[n] = 0;
        char *name = strdup(path_last(link));
        if (!name)
                return error_origin(-ENOMEM);
        for (char *p = name; *p; p++)
                if (*p == '!')
                        *p = '/'; /* sysfs writes cciss/c0d0 so */
        *ret = name;
        return 1;
}

/* The block device at SOURCE; 0, which is the number of none, if there is none. */
static dev_t source_devno(const char *source) {
        struct stat st;
        bool found = source && startswith(source, "/dev/") && stat(source, &st) >= 0 && S_ISBLK(st.st_mode);
        return found ? st.st_rdev : 0;
}

static bool has_foreign_type(const char *type) {
        return isempty(type) || startswith(type, "fuse") || streq(type, "swap") ||
               mnt_fstype_is_pseudofs(type) || mnt_fstype_is_netfs(type);
}

static bool has_option(const char *options, const char *name) {
        return mnt_optstr_get_option(options, name, NULL, NULL) == 0; /* not in NULL either */
}

/* The block device that it is on. btrfs and the like show an anonymous number (major 0): theirs is that of
 * the source. */
static dev_t find_devno(const MountFacts *f) {
        return major(f->devno) == 0 ? source_devno(f->source) : f->devno;
}

/* The source as mounted; "/dev/root" and devices renamed since are replaced by the kernel's name. */
static int find_node(const char *source, dev_t devno, const char *device, char **ret) {
        if (source_devno(source) == devno)
                return strprintf(ret, "%s", source);
        return strprintf(ret, "/dev/%s", device);
}

/* A partition has none of its own, but is in the folder of its disk. */
static uint64_t find_diskseq(dev_t devno) {
        static const char *const places[] = {"", "/.."};
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                char path[64];
                uint64_t seq;
                (void) snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s/diskseq", major(devno),
                                minor(devno), places[i]);
                if (parse_file_u64(path, &seq) >= 0)
                        return seq;
        }
        return 0;
}

static bool is_octal(const char *s) {
        return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* Is A, in which the kernel writes odd bytes as \NNN, the text B? */
static bool equals_escaped(const char *a, const char *b) {
        while (*b) {
                bool escaped = a[0] == '\\' && is_octal(a + 1);
                int c = escaped ? (a[1] - '0') * 64 + (a[2] - '0') * 8 + a[3] - '0' : (unsigned char) *a;
                if (c != (unsigned char) *b++)
                        return false;
                a += escaped ? 4 : 1;
        }
        return !*a;
}

/* The last option of btrfs says which subvolume a mount shows (a part of). libmount has unescaped it. */
static bool is_inside_subvolume(const MountFacts *f) {
        static const char option[] = "subvol=";
        const char *found = f->options && streq(f->fstype, "btrfs") ? strstr(f->options, option) : NULL;
        if (!found)
                return false;
        const char *subvolume = found + strlen(option);
        return !streq(subvolume, f->root) && !equals_escaped(subvolume, f->root);
}

int mount_entry_copy(const MountEntry *e, MountEntry *ret) {
        assert(e && ret);
        _cleanup_(mount_entry_done) MountEntry copy = {
                .id = e->id,
                .devno = e->devno,
                .diskseq = e->diskseq,
                .read_only = e->read_only,
                .inside_subvolume = e->inside_subvolume,
        };
        if (free_and_strdup(&copy.device, e->device) < 0 || free_and_strdup(&copy.node, e->node) < 0 ||
            free_and_strdup(&copy.root, e->root) < 0 || free_and_strdup(&copy.target, e->target) < 0 ||
            free_and_strdup(&copy.fstype, e->fstype) < 0)
                return error_origin(-ENOMEM);
        *ret = copy;
        copy = MOUNT_ENTRY_NULL;
        return 0;
}

void mount_facts_from_fs(struct libmnt_fs *fs, MountFacts *ret) {
        assert(fs && ret);
        *ret = (MountFacts){
                .id = (uint64_t) mnt_fs_get_id(fs),
                .devno = mnt_fs_get_devno(fs),
                .source = mnt_fs_get_source(fs),
                .root = strempty(mnt_fs_get_root(fs)),
                .target = strempty(mnt_fs_get_target(fs)),
                .fstype = strempty(mnt_fs_get_fstype(fs)),
                .options = mnt_fs_get_fs_options(fs),
                .read_only = has_option(mnt_fs_get_vfs_options(fs), "ro") ||
                             has_option(mnt_fs_get_fs_options(fs), "ro"),
        };
}

int mount_entry_from_facts(const MountFacts *f, MountEntry *ret) {
        assert(f && f->root && f->target && ret);
        if (has_foreign_type(f->fstype))
                return 0;
        _cleanup_(mount_entry_done) MountEntry e = {
                .id = f->id,
                .devno = find_devno(f),
                .read_only = f->read_only,
                .inside_subvolume = is_inside_subvolume(f),
        };
        int r = kernel_name(e.devno, &e.device);
        if (r <= 0)
                return r;
        r = find_node(f->source, e.devno, e.device, &e.node);
        if (r < 0)
                return r;
        e.root = strdup(f->root);
        e.target = strdup(f->target);
        e.fstype = strdup(f->fstype);
        if (!e.root || !e.target || !e.fstype)
                return error_origin(-ENOMEM);
        e.diskseq = find_diskseq(e.devno);
        *ret = e;
        e = MOUNT_ENTRY_NULL;
        return 1;
}

/* NULL: not there. */
static struct libmnt_fs *find_mount(struct libmnt_table *table, struct libmnt_iter *it, uint64_t id) {
        struct libmnt_fs *fs;
        while (mnt_table_next_fs(table, it, &fs) == 0)
                if ((uint64_t) mnt_fs_get_id(fs) == id)
                        return fs;
        return NULL;
}

static int find_in_table(struct libmnt_table *table, uint64_t id, MountEntry *ret) {
        _cleanup_(mnt_free_iterp) struct libmnt_iter *it = mnt_new_iter(MNT_ITER_FORWARD);
        if (!it)
                return error_origin(-ENOMEM);
        struct libmnt_fs *fs = find_mount(table, it, id);
        if (!fs)
                return 0;
        MountFacts facts;
        mount_facts_from_fs(fs, &facts);
        return mount_entry_from_facts(&facts, ret);
}

int mount_entry_find(uint64_t id, MountEntry *ret) {
        assert(ret);
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table =
                mnt_new_table_from_file("/proc/self/mountinfo");
        if (!table)
                return error_origin(errno > 0 ? -errno : -ENOMEM);
        return find_in_table(table, id, ret);
}

int mount_entry_find_in(FILE *mountinfo, uint64_t id, MountEntry *ret) {
        assert(mountinfo && ret);
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = mnt_new_table();
        if (!table)
                return error_origin(-ENOMEM);
        if (mnt_table_parse_stream(table, mountinfo, "mountinfo") != 0)
                return error_origin(-EIO);
        return find_in_table(table, id, ret);
}

int mount_entry_volume_name(const MountEntry *e, char **ret) {
        assert(e && e->device && ret);
        bool whole = isempty(e->root) || streq(e->root, "/");
        return whole ? strprintf(ret, "%s", e->device) : strprintf(ret, "%s[%s]", e->device, e->root);
}
