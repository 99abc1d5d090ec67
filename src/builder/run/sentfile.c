/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/sentfile.h"

#include <fcntl.h>

#include "base/error.h"

int sentfile_open(int fd, const char *mode, FILE **ret) {
        assert(fd >= 0 && mode && ret);
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        FILE *f = copy < 0 ? NULL : fdopen(copy, mode);
        if (!f) {
                closep(&copy);
                return error_origin(-ENOMEM);
        }
        *ret = f;
        return 0;
}
