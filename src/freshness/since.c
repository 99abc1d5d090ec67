/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/since.h"

#include <fcntl.h>
#include <time.h>

#include "base/error.h"
#include "tree/walk.h"

/* Cuts the last name off PATH: "/a/b", "/a", "/". */
static bool go_up(char *path) {
        char *slash = strrchr(path, '/');
        if (!slash || streq(path, "/"))
                return false;
        slash[slash == path] = 0;
        return true;
}

int since_absence(int root, const char *path, struct statx_timestamp *ret) {
        _cleanup_free_ char *above = strdup(path);
        if (!above)
                return error_origin(-ENOMEM);
        while (go_up(above)) {
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
                        return error_origin(-ENOENT); /* a file stands where the directory was */
                *ret = stx.stx_mtime;
                return 0;
        }
        return error_origin(-ENOENT);
}

/* Not strftime(3), which reads the time zone again. */
static bool describe_time(const struct statx_timestamp *when, char buffer[static 64]) {
        time_t t = when->tv_sec;
        struct tm tm;
        if (!localtime_r(&t, &tm))
                return false;
        (void) snprintf(buffer, 64, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        return true;
}

int since_describe(const char *what, const char *before, const struct statx_timestamp *when, char **ret) {
        char time[64];
        if (!when || !describe_time(when, time)) {
                *ret = NULL;
                return what ? free_and_strdup(ret, what) : 0;
        }
        return strprintf(ret, "%s%s%s%s", strempty(what), what ? ", " : "", strempty(before), time);
}
