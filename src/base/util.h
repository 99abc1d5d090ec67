/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The small vocabulary of ownership that all files share. Nothing here knows what bootkeep is. */

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _printf_(a, b) __attribute__((__format__(printf, a, b)))
#define _unused_ __attribute__((__unused__))

/* TAKE_PTR(p), TAKE_FD(fd): pass the value on; nothing is left in the variable to clean up. */
#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) _taken = (p);                                                                  \
                (p) = NULL;                                                                                  \
                _taken;                                                                                      \
        })
#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int _taken = (fd);                                                                           \
                (fd) = -EBADF;                                                                               \
                _taken;                                                                                      \
        })

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* DEFINE_CLEANUP(Type *, type_free): makes type_freep for _cleanup_(type_freep). */
#define DEFINE_CLEANUP(type, func)                                                                           \
        static inline void func##p(type *p) {                                                                \
                if (*p)                                                                                      \
                        (void) func(*p);                                                                     \
        }                                                                                                    \
        struct swallow_semicolon_##func

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

DEFINE_CLEANUP(FILE *, fclose);
DEFINE_CLEANUP(DIR *, closedir);

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool streq_ptr(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}

/* The rest of S after PREFIX, or NULL if S does not begin with it. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);
        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static inline const char *strempty(const char *s) {
        return s ? s : "";
}

static inline bool isempty(const char *s) {
        return !s || !*s;
}

/* grow(array, n): makes room for one more element after the N that ARRAY holds (amortised). Returns 0 or
 * -ENOMEM; on failure the array is as it was. Use as: if (grow(x->items, x->n) < 0) ... */
#define grow(array, n) util_grow((void **) &(array), (n), sizeof((array)[0]))

static inline int util_grow(void **array, size_t n, size_t size) {
        /* there is room up to the next power of two: only at one is there anything to do */
        if (n == 0 || (n & (n - 1)) == 0) {
                void *p = reallocarray(*array, n == 0 ? 1 : n * 2, size);
                if (!p)
                        return -ENOMEM;
                *array = p;
        }
        return 0;
}

/* A vector of strings, NULL-terminated, every string owned. NULL is the empty vector. */
char **strv_free(char **v); /* returns NULL */
size_t strv_length(char *const *v);
/* Takes S, even on failure; -ENOMEM. Counts the elements each time, so only for small vectors; see
 * StrvBuilder. */
int strv_push(char ***v, char *s);
int strv_extend(char ***v, const char *s);
int strv_extendf(char ***v, const char *format, ...) _printf_(2, 3);
bool strv_contains(char *const *v, const char *s);
DEFINE_CLEANUP(char **, strv_free);
#define _cleanup_strv_free_ _cleanup_(strv_freep)

/* A vector of strings that grows in linear time, however many there are (there is no telling what strangers
 * wrote). {} is empty. */
typedef struct StrvBuilder {
        char **items; /* not terminated while it grows */
        size_t n;
} StrvBuilder;

int strv_builder_push(StrvBuilder *b, char *s); /* takes S, even on failure; -ENOMEM */
int strv_builder_extend(StrvBuilder *b, const char *s);
/* Passes on all of them (NULL if none), and is empty afterwards. -ENOMEM. */
int strv_builder_finish(StrvBuilder *b, char ***ret);
void strv_builder_done(StrvBuilder *b);

/* Replaces *P by a copy of S (NULL: by NULL). Returns 1 if that changed it, 0 if not, -ENOMEM. */
int free_and_strdup(char **p, const char *s);

/* Like asprintf, but leaves *RET alone on failure and returns 0 or -ENOMEM. */
int strprintf(char **ret, const char *format, ...) _printf_(2, 3);
int vstrprintf(char **ret, const char *format, va_list ap) _printf_(2, 0);

/* Writes all of DATA to FD, retrying short writes. 0 or negative errno. */
int write_all(int fd, const void *data, size_t size);

/* CLOCK_BOOTTIME in microseconds: the only clock that bootkeep waits by. */
uint64_t now_usec(void);

/* CLOCK_REALTIME in microseconds, for people and records. */
uint64_t realtime_usec(void);

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX
