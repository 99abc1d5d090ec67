/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

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
        assert(v);
        _cleanup_free_ char *owned = s;
        if (!owned)
                return -ENOMEM;
        size_t n = strv_length(*v);
        char **bigger = *v;
        /* room for n strings and the NULL, doubled whenever n + 1 is a power of two */
        if (((n + 1) & n) == 0)
                bigger = reallocarray(*v, (n + 1) * 2, sizeof(*bigger));
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
        int r = vstrprintf(&s, format, ap);
        va_end(ap);
        return r < 0 ? r : strv_push(v, s);
}

bool strv_contains(char *const *v, const char *s) {
        assert(s);
        for (; v && *v; v++)
                if (streq(*v, s))
                        return true;
        return false;
}

int strv_builder_push(StrvBuilder *b, char *s) {
        assert(b && (b->n == 0 || b->items));
        _cleanup_free_ char *owned = s;
        if (!owned || grow(b->items, b->n) < 0)
                return -ENOMEM;
        b->items[b->n++] = TAKE_PTR(owned);
        return 0;
}

int strv_builder_extend(StrvBuilder *b, const char *s) {
        assert(s);
        return strv_builder_push(b, strdup(s));
}

int strv_builder_finish(StrvBuilder *b, char ***ret) {
        assert(b && ret);
        if (b->n > 0) {
                if (grow(b->items, b->n) < 0)
                        return -ENOMEM;
                b->items[b->n] = NULL;
        }
        *ret = TAKE_PTR(b->items);
        b->n = 0;
        return 0;
}

void strv_builder_done(StrvBuilder *b) {
        assert(b);
        for (size_t i = 0; i < b->n; i++)
                free(b->items[i]);
        free(b->items);
        *b = (StrvBuilder){};
}

int free_and_strdup(char **p, const char *s) {
        assert(p);
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

int vstrprintf(char **ret, const char *format, va_list ap) {
        assert(ret && format);
        char *s = NULL;
        if (vasprintf(&s, format, ap) < 0) /* S is undefined then */
                return -ENOMEM;
        *ret = s;
        return 0;
}

int strprintf(char **ret, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        int r = vstrprintf(ret, format, ap);
        va_end(ap);
        return r;
}

int write_all(int fd, const void *data, size_t size) {
        assert(fd >= 0 && (data || size == 0));
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

static uint64_t clock_usec(clockid_t clock) {
        struct timespec ts;
        int r = clock_gettime(clock, &ts);
        assert(r >= 0);
        (void) r; /* there are such clocks since Linux 2.6.39 */
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

uint64_t now_usec(void) {
        return clock_usec(CLOCK_BOOTTIME);
}

uint64_t realtime_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}
