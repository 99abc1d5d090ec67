/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/packages.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct LockedFile {
        unsigned major, minor;
        unsigned long long inode;
} LockedFile;

/* One line: `1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`; a waiter's has `->` behind the number and
 * counts for nothing. */
static bool parse_line(const char *line, LockedFile *ret) {
        return !strstr(line, " -> ") &&
               sscanf(line, "%*s %*s %*s %*s %*s %x:%x:%llu", &ret->major, &ret->minor, &ret->inode) == 3;
}

/* A btrfs subvolume shows another anonymous number to stat(2) than to /proc/locks, so there the inode
 * decides. */
static bool is_file(const LockedFile *l, const struct stat *st) {
        bool anonymous = l->major == 0 && major(st->st_dev) == 0;
        return l->inode == st->st_ino &&
               (anonymous || (l->major == major(st->st_dev) && l->minor == minor(st->st_dev)));
}

static bool is_locked(const struct stat *st) {
        _cleanup_fclose_ FILE *f = fopen("/proc/locks", "re");
        char line[256];
        LockedFile l;
        while (f && fgets(line, sizeof(line), f))
                if (parse_line(line, &l) && is_file(&l, st))
                        return true;
        return false;
}

const char *packages_locked(char *const *paths) {
        struct stat st;
        for (; paths && *paths; paths++)
                if (stat(*paths, &st) >= 0 && is_locked(&st))
                        return *paths;
        return NULL;
}
