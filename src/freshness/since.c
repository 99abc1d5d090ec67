/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/since.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/path.h"
#include "tree/walk.h"

int since_absence(int root, const char *path, struct statx_timestamp *ret) {
        assert(root >= 0 && path && ret);
        _cleanup_free_ char *above = strdup(path);
        if (!above)
                return error_origin(-ENOMEM);
        while (path_cut_last(above)) {
                _cleanup_close_ int fd = -EBADF;
                _cleanup_free_ char *resolved = NULL;
                struct statx stx;
                int r = walk_resolve(&(Walk){.root = root}, above, NULL, &fd, &resolved);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue;
                if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MTIME, &stx) < 0 ||
                    !S_ISDIR(stx.stx_mode))
                        return error_origin(-ENOENT); /* there is a file where the directory was */
                *ret = stx.stx_mtime;
                return 0;
        }
        return error_origin(-ENOENT);
}
