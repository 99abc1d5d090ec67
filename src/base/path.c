/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

/* The part of B that follows A, which is at or above it; NULL if it is not. */
static const char *path_rest(const char *a, const char *b) {
        assert(a && b);
        if (streq(a, "/"))
                return b[0] == '/' ? b + 1 : NULL;
        const char *rest = startswith(b, a);
        return rest && (*rest == 0 || *rest == '/') ? rest : NULL;
}

bool path_is_at_or_above(const char *a, const char *b) {
        return path_rest(a, b) != NULL;
}

bool path_is_above(const char *a, const char *b) {
        return !isempty(path_rest(a, b));
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
