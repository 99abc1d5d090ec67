/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helper.h"

#include <blkid.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"

DEFINE_CLEANUP(blkid_probe, blkid_free_probe);

void helper_done(Helper *h) {
        free(h->device);
        free(h->node);
        free(h->disk);
        free(h->partuuid);
        free(h->fs_uuid);
        free(h->fs_type);
        *h = HELPER_NULL;
}

int helper_open_device(const char *node, dev_t devno, int *ret_fd) {
        struct stat st;
        assert(node && ret_fd);
        _cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return error_origin(-errno);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISBLK(st.st_mode) || st.st_rdev != devno)
                return error_origin(-ENODEV);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int copy_probed_value(blkid_probe probe, const char *name, char **ret) {
        const char *value;
        if (blkid_probe_lookup_value(probe, name, &value, NULL) < 0)
                return 0;
        *ret = strdup(value);
        return *ret ? 0 : error_origin(-ENOMEM);
}

int helper_probe_filesystem(Helper *h) {
        _cleanup_close_ int fd = -EBADF;
        assert(h && h->node && !h->fs_type && !h->fs_uuid);
        int r = helper_open_device(h->node, h->devno, &fd);
        if (r < 0)
                return r;
        _cleanup_(blkid_free_probep) blkid_probe probe = blkid_new_probe();
        if (!probe)
                return error_origin(-ENOMEM);
        /* superblocks are what is probed for by default, with type and UUID */
        if (blkid_probe_set_device(probe, fd, 0, 0) < 0 || blkid_do_safeprobe(probe) != 0)
                return 0;
        r = copy_probed_value(probe, "TYPE", &h->fs_type);
        return r < 0 ? r : copy_probed_value(probe, "UUID", &h->fs_uuid);
}
