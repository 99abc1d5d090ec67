/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program's calls of libc come here first: they are counted, made to fail, or something else happens, as
 * a kernel or another process would do it at that moment. Our own functions are never replaced. */

#include <dlfcn.h>
#include <sys/syscall.h>

#include "scratch.h"

/* The next definition of NAME: libc's own, or that of a sanitizer. */
#define REAL(name) ((__typeof__(name) *) interpose_find(#name))

/* What the headers call where a long is too short for sizes and times. */
static inline const char *interpose_name(const char *name) {
        static const char *const wide[][2] = {
                {"clock_gettime", "__clock_gettime64"},
                {"fstat", "__fstat64_time64"},
                {"fstatvfs", "fstatvfs64"},
                {"ioctl", "__ioctl_time64"},
                {"lstat", "__lstat64_time64"},
                {"openat", "openat64"},
                {"posix_fadvise", "posix_fadvise64"},
                {"readdir", "readdir64"},
                {"stat", "__stat64_time64"},
        };
        for (size_t i = 0; sizeof(long) < sizeof(off_t) && i < ELEMENTSOF(wide); i++)
                if (streq(wide[i][0], name))
                        return wide[i][1];
        return name;
}

static inline void *interpose_find(const char *name) {
        void *f = dlsym(RTLD_NEXT, interpose_name(name));
        assert_non_null(f);
        return f;
}

/* Which directories were synced. */
typedef struct Synced {
        ino_t inodes[32];
        size_t n;
} Synced;

static inline void synced_note(Synced *s, int fd) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(s->n < ELEMENTSOF(s->inodes));
        s->inodes[s->n++] = st.st_ino;
}

static inline bool synced_has(const Synced *synced, const Scratch *s, const char *name) {
        struct stat st;
        assert_int_equal(fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        for (size_t i = 0; i < synced->n; i++)
                if (synced->inodes[i] == st.st_ino)
                        return true;
        return false;
}
