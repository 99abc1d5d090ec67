/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

#include <stdarg.h>
#include <time.h>

char **strv_free(char **v) {
        if (v)
                for (char **s = v; *s; s++)
                        free(*s);
        free(v);
        return NULL;
}

size_t strv_length(char *const *v) {
        size_t n = 0;
        while (v && v[n])
                n++;
        return n;
}

int strv_push(char ***v, char *s) {
        _cleanup_free_ char *owned = s;
        if (!owned)
                return -ENOMEM;
        size_t n = strv_length(*v);
        char **bigger = *v;
        /* room for n strings and the NULL, doubled whenever n + 1 is a power of two */
        if (n == 0 || ((n + 1) & n) == 0)
                bigger = reallocarray(*v, (n + 1) * 2, sizeof(char *));
        if (!bigger)
                return -ENOMEM;
        bigger[n] = TAKE_PTR(owned);
        bigger[n + 1] = NULL;
        *v = bigger;
        return 0;
}

int strv_extend(char ***v, const char *s) {
        return strv_push(v, strdup(s));
}

int strv_extendf(char ***v, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        return strv_push(v, n < 0 ? NULL : s);
}

bool strv_contains(char *const *v, const char *s) {
        for (; v && *v; v++)
                if (streq(*v, s))
                        return true;
        return false;
}

int free_and_strdup(char **p, const char *s) {
        if (streq_ptr(*p, s))
                return 0;
        char *copy = NULL;
        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }
        free(*p);
        *p = copy;
        return 1;
}

int strprintf(char **ret, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int write_all(int fd, const void *data, size_t size) {
        const char *p = data;
        while (size > 0) {
                ssize_t n = write(fd, p, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

uint64_t now_usec(void) {
        struct timespec ts;
        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
