/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program's calls of libc come here first: they are counted, made to fail, or something else happens, as
 * a kernel or another process would do it at that moment. Our own functions are never replaced. */

#include <dlfcn.h>
#include <sys/syscall.h>

#include "scratch.h"

/* The next definition of NAME: libc's own, or that of a sanitizer. */
#define REAL(name) ((__typeof__(name) *) interpose_find(#name))

static inline void *interpose_find(const char *name) {
        void *f = dlsym(RTLD_NEXT, name);
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
