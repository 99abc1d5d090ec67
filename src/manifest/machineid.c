/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads /etc/machine-id of a volume. It refuses to make one up: if there is none, nothing can be named after
 * it. */

#include "manifest/machineid.h"

#include "base/error.h"
#include "tree/contain.h"

#define MACHINE_ID_DIGITS 32U
#define FILE_SIZE_MAX 64U

/* TEXT is the content of the file: 32 hex digits that are not all 0, and a newline. */
static bool machine_id_is_valid(const char *text, size_t size) {
        size_t n = strspn(text, "0123456789abcdef");
        return n == MACHINE_ID_DIGITS && (size == n || (size == n + 1 && text[n] == '\n')) &&
               strspn(text, "0") < n;
}

int machine_id_read(const Walk *walk, char **ret) {
        assert(walk && ret);
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL, *text = NULL;
        size_t size = 0;
        int r = walk_resolve(walk, MACHINE_ID_PATH, NULL, &fd, &resolved);
        if (r >= 0)
                r = contain_read(fd, FILE_SIZE_MAX, &text, &size);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EINVAL && r != -EFBIG)
                return r;
        if (r < 0 || !machine_id_is_valid(text, size)) {
                *ret = NULL;
                return 0;
        }
        char *id = strndup(text, MACHINE_ID_DIGITS);
        if (!id)
                return error_origin(-ENOMEM);
        *ret = id;
        return 0;
}
