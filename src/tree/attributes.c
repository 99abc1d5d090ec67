/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/attributes.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#include "base/error.h"

static int compare_attribute_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The names in LIST, SIZE bytes with a NUL behind each, in byte order. */
static int attribute_names(const char *list, size_t size, const char ***ret, size_t *ret_n) {
        _cleanup_free_ const char **names = NULL;
        size_t n = 0;
        for (const char *name = list; name < list + size; name += strlen(name) + 1) {
                if (startswith(name, "trusted."))
                        continue;
                if (grow(names, n) < 0)
                        return error_origin(-ENOMEM);
                names[n++] = name;
        }
        if (n > 0)
                qsort(names, n, sizeof(*names), compare_attribute_names);
        *ret = TAKE_PTR(names);
        *ret_n = n;
        return 0;
}

static int hash_attributes(int fd, const char *const *names, size_t n, Fingerprint *f) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        _cleanup_free_ char *value = malloc(XATTR_SIZE_MAX);
        if (!h || !value)
                return error_origin(-ENOMEM);
        hasher_update(h, f->bytes, sizeof(f->bytes));
        for (size_t i = 0; i < n; i++) {
                ssize_t size = fgetxattr(fd, names[i], value, XATTR_SIZE_MAX);
                if (size < 0)
                        return error_origin(-errno);
                const uint64_t length = (uint64_t) size;
                hasher_update_string(h, names[i]);
                hasher_update(h, &length, sizeof(length));
                hasher_update(h, value, (size_t) size);
        }
        *f = hasher_digest(h);
        return 0;
}

int attributes_add(int fd, Fingerprint *f) {
        assert(fd >= 0 && f);
        _cleanup_free_ char *list = NULL;
        _cleanup_free_ const char **names = NULL;
        size_t n = 0;
        ssize_t size = flistxattr(fd, NULL, 0);
        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : error_origin(-errno);
        list = malloc(XATTR_LIST_MAX);
        if (!list)
                return error_origin(-ENOMEM);
        size = flistxattr(fd, list, XATTR_LIST_MAX);
        if (size < 0)
                return error_origin(-errno);
        int r = attribute_names(list, (size_t) size, &names, &n);
        return r < 0 || n == 0 ? r : hash_attributes(fd, names, n, f);
}
