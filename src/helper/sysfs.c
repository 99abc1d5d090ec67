/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/path.h"

#define ATTRIBUTE_ROOM 64U

/* Reading an attribute whose device went away while it was open gives ENODEV. */
bool sysfs_is_gone(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -ENODEV || r == -ENXIO;
}

/* The first line of DIRECTORY/NAME. Allocates nothing: without memory a disk would look as if it had fewer
 * partitions. */
static int sysfs_read(const char *directory, const char *name, char buffer[static ATTRIBUTE_ROOM]) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int) sizeof(path))
                return error_origin(-ENAMETOOLONG);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno; /* most have no such attribute */
        ssize_t n = read(fd, buffer, ATTRIBUTE_ROOM - 1);
        if (n <= 0)
                return error_origin(n < 0 ? -errno : -ENODATA);
        buffer[n] = 0;
        buffer[strcspn(buffer, "\n")] = 0;
        return 0;
}

int sysfs_read_number(const char *directory, const char *name, uint64_t *ret) {
        char text[ATTRIBUTE_ROOM];
        assert(directory && name && ret);
        int r = sysfs_read(directory, name, text);
        if (r < 0)
                return r;
        r = parse_u64(text, ret);
        return r < 0 ? error_origin(r) : 0;
}

int sysfs_read_devno(const char *directory, dev_t *ret) {
        char text[ATTRIBUTE_ROOM];
        assert(directory && ret);
        int r = sysfs_read(directory, "dev", text);
        if (r < 0)
                return r;
        r = parse_devno(text, ret);
        return r < 0 ? error_origin(r) : 0;
}

bool sysfs_is_partition(const char *directory) {
        uint64_t number;
        return sysfs_read_number(directory, "partition", &number) >= 0;
}

static int select_visible(const struct dirent *d) {
        return d->d_name[0] != '.';
}

int sysfs_list(const char *directory, const char *name, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder names = {};
        _cleanup_free_ char *path = NULL;
        struct dirent **found = NULL;
        assert(directory && name && ret && !*ret);
        int r = strprintf(&path, "%s/%s", directory, name);
        if (r < 0)
                return r;
        int n = scandir(path, &found, select_visible, alphasort);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : error_origin(-errno);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = strv_builder_extend(&names, found[i]->d_name);
                free(found[i]);
        }
        free(found);
        return r < 0 ? r : strv_builder_finish(&names, ret);
}

int sysfs_follow(const char *directory, const char *name, char **ret) {
        _cleanup_free_ char *link = NULL;
        assert(directory && name && ret);
        int r = strprintf(&link, "%s/%s", directory, name);
        if (r < 0)
                return r;
        char *real = realpath(link, NULL);
        if (!real)
                return error_origin(-errno);
        *ret = real;
        return 0;
}

int sysfs_device_name(const char *directory, char **ret) {
        assert(directory && ret);
        char *name = strdup(path_last(directory));
        if (!name)
                return error_origin(-ENOMEM);
        for (char *p = name; *p; p++)
                if (*p == '!')
                        *p = '/'; /* which no name of a folder may have */
        *ret = name;
        return 0;
}
