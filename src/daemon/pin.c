/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/pin.h"

#include <fcntl.h>
#include <sys/stat.h>

int pin_mount(const char *target, uint64_t mount_id, int *ret) {
        _cleanup_close_ int fd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        struct statx stx;
        if (fd < 0)
                return -errno;
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_MNT_ID) || stx.stx_mnt_id != mount_id)
                return -ESTALE;
        *ret = TAKE_FD(fd);
        return 0;
}
