/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/match.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A name below /dev may be a link that udev does not know of. /dev is safe to read, but not the places that
 * such a link, or a "..", may lead to: anybody may ask, and there may be no answer (autofs, NFS). */
static bool is_node_of(const char *path, dev_t devno) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
        };
        const char *below = startswith(path, "/dev/");
        struct stat st;
        if (isempty(below))
                return false;
        _cleanup_close_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = dev < 0 ? -EBADF : (int) syscall(SYS_openat2, dev, below, &how, sizeof(how));
        return fstat(fd, &st) >= 0 && S_ISBLK(st.st_mode) && st.st_rdev == devno;
}

/* Is ARGUMENT a tag at all? Then *RET is whether it is that of D. */
static bool matches_tag(const DeviceInfo *d, const char *argument, bool *ret) {
        const struct {
                const char *prefix, *value;
                bool fold; /* hexadecimal: the case does not matter */
        } tags[] = {
                {"UUID=", d->uuid, true},
                {"LABEL=", d->label, false},
                {"PARTUUID=", d->partuuid, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(tags); i++) {
                const char *value = startswith(argument, tags[i].prefix);
                if (!value)
                        continue;
                *ret = tags[i].value &&
                       (tags[i].fold ? strcasecmp(value, tags[i].value) : strcmp(value, tags[i].value)) == 0;
                return true;
        }
        return false;
}

static bool is_mount_point_of(const char *argument, const char *target) {
        const char *rest = startswith(argument, target);
        return *target && rest && rest[strspn(rest, "/")] == 0;
}

/* The source as findmnt(8) writes it: `/dev/sda2[/@]`. */
static bool is_source_of(const char *argument, const MountEntry *m) {
        const char *root = startswith(argument, m->node);
        const char *end = root && *root == '[' ? startswith(root + 1, m->root) : NULL;
        return end && streq(end, "]");
}

bool match_volume(const Record *record, const char *argument) {
        assert(argument);
        bool tag;
        if (streq(argument, record->name))
                return true;
        if (matches_tag(&record->device, argument, &tag))
                return tag;
        for (size_t i = 0; i < record->n_mounts; i++) {
                const MountEntry *m = &record->mounts[i];
                if (is_mount_point_of(argument, m->target) || streq(argument, m->device) ||
                    is_source_of(argument, m) || is_node_of(argument, m->devno))
                        return true;
        }
        return streq_ptr(argument, record->device.node) || strv_contains(record->device.links, argument);
}
