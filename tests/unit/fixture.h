/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* More helpers on top of scratch.h: arbitrary bytes, links, and capturing stderr. */

#include "scratch.h"

static inline void write_bytes(const Scratch *s, const char *name, const void *data, size_t size) {
        scratch_write(s, name, "");
        int fd = openat(s->fd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, data, size), 0);
        close(fd);
}

/* Creates the symbolic link NAME and the directories above it. */
static inline void make_link(const Scratch *s, const char *name, const char *target) {
        scratch_write(s, name, "");
        assert_int_equal(unlinkat(s->fd, name, 0), 0);
        assert_int_equal(symlinkat(target, s->fd, name), 0);
}

/* The path of NAME from outside the scratch folder; to be freed. */
static inline char *outer_path(const Scratch *s, const char *name) {
        char *path = NULL;
        assert_int_equal(strprintf(&path, "%s/%s", s->path, name), 0);
        return path;
}

/* Captures stderr from capture_begin() to capture_end(), which returns what was written; to be freed. */
typedef struct Capture {
        FILE *file;
        int saved;
} Capture;

static inline Capture capture_begin(void) {
        Capture c = {.file = tmpfile(), .saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
        assert_non_null(c.file);
        assert_true(c.saved >= 0);
        (void) fflush(stderr);
        assert_true(dup2(fileno(c.file), STDERR_FILENO) >= 0);
        return c;
}

static inline char *capture_end(Capture *c) {
        char buffer[65536];
        (void) fflush(stderr);
        assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
        close(c->saved);
        ssize_t n = pread(fileno(c->file), buffer, sizeof(buffer) - 1, 0);
        assert_true(n >= 0);
        (void) fclose(c->file);
        return strndup(buffer, (size_t) n);
}
