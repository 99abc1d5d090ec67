/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the names refer to is not examined: whoever only lists a folder has not seen it either. */

#include "tree/names.h"

#include <fcntl.h>

#include "base/error.h"
#include "tree/contain.h"

int names_read(int fd, Listing *ret) {
        assert(fd >= 0 && ret);
        _cleanup_close_ int dirfd = -EBADF;
        _cleanup_free_ ListingBuffer *buffer = malloc(sizeof(*buffer));
        if (!buffer)
                return error_origin(-ENOMEM);
        int r = contain_open_nolinks(fd, "/", O_RDONLY | O_DIRECTORY, 0, &dirfd);
        return r < 0 ? r : listing_read(dirfd, buffer, ret);
}

/* Some file systems do not say it when a folder is read. */
static unsigned char name_type(int fd, const char *name) {
        struct statx stx;
        if (listing_type(name) != DT_UNKNOWN)
                return listing_type(name);
        if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0)
                return DT_UNKNOWN; /* gone: the folder is armed */
        return (unsigned char) IFTODT(stx.stx_mode);
}

int names_fingerprint(int fd, const Listing *listing, const NameFilter *filter, Fingerprint *ret) {
        assert(fd >= 0 && listing && ret);
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        if (!h)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < listing->n_names; i++) {
                const char *name = listing->names[i];
                _cleanup_free_ char *target = NULL;
                if (filter && filter->leaves_out(name, filter->userdata))
                        continue;
                unsigned char type = name_type(fd, name);
                int r = type == DT_LNK ? place_read_link(fd, name, &target) : 0;
                if (r == -ENOMEM)
                        return r;
                hasher_update_string(h, name);
                hasher_update(h, &type, sizeof(type));
                hasher_update_string(h, strempty(target));
        }
        *ret = hasher_digest(h);
        return 0;
}
