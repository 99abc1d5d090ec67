/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/kernelfile.h"

#include "base/error.h"

#define KERNEL_LINE_MAX 4096U /* the longest command line of most architectures */

int kernelfile_read_line(const char *file, char **ret) {
        assert(file && ret);
        _cleanup_fclose_ FILE *f = fopen(file, "re");
        char line[KERNEL_LINE_MAX + 1] = "";
        if (!f)
                return error_origin(-errno);
        if (!fgets(line, sizeof(line), f) && ferror(f))
                return error_origin(-EIO);
        line[strcspn(line, "\n")] = 0;
        char *copy = strdup(line);
        if (!copy)
                return error_origin(-ENOMEM);
        *ret = copy;
        return 0;
}
