/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/ancestors.h"

/* A line as `1234 (a name) S 1 …`, where the name may contain anything. 0: it is gone, or has no parent here.
 */
static pid_t parent_of(pid_t pid) {
        char path[32], text[256];
        (void) snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
        text[n] = 0;
        const char *name_end = strrchr(text, ')');
        pid_t parent = 0;
        return name_end && sscanf(name_end + 1, " %*c %i", &parent) == 1 ? parent : 0;
}

size_t ancestors_of(pid_t pid, pid_t ret[static ANCESTORS_MAX]) {
        size_t n = 0;
        for (; pid > 1 && n < ANCESTORS_MAX; pid = parent_of(pid))
                ret[n++] = pid;
        return n;
}
