/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

bool path_is_at_or_above(const char *a, const char *b) {
        assert(a && b);
        if (streq(a, "/"))
                return b[0] == '/';
        const char *rest = startswith(b, a);
        return rest && (*rest == 0 || *rest == '/');
}

bool path_meets(const char *a, const char *b) {
        return path_is_at_or_above(a, b) || path_is_at_or_above(b, a);
}

const char *path_last(const char *path) {
        assert(path);
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

bool path_cut_last(char *path) {
        assert(path && path[0] == '/');
        if (path[1] == 0)
                return false;
        char *slash = strrchr(path, '/');
        slash[slash == path ? 1 : 0] = 0;
        return true;
}
