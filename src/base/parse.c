/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <limits.h>
#include <sys/sysmacros.h>

int parse_digit(char c, unsigned base) {
        assert(base == 8 || base == 10 || base == 16);
        unsigned value = UINT_MAX;
        if (c >= '0' && c <= '9')
                value = (unsigned) (c - '0');
        else if (c >= 'a')
                value = (unsigned) (c - 'a') + 10;
        return value < base ? (int) value : -EINVAL;
}

int parse_digits(const char **s, unsigned base, uint64_t *ret) {
        assert(s && *s && ret);
        const char *p = *s;
        uint64_t value = 0;
        for (int digit; (digit = parse_digit(*p, base)) >= 0; p++)
                if (__builtin_mul_overflow(value, base, &value) ||
                    __builtin_add_overflow(value, (uint64_t) digit, &value))
                        return -ERANGE;
        if (p == *s)
                return -EINVAL;
        *s = p;
        *ret = value;
        return 0;
}

int parse_u64_max(const char *s, uint64_t max, uint64_t *ret) {
        assert(s && ret);
        uint64_t value;
        if (s[strspn(s, "0123456789")] != 0)
                return -EINVAL;
        int r = parse_digits(&s, 10, &value);
        if (r < 0)
                return r;
        if (value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_u64(const char *s, uint64_t *ret) {
        return parse_u64_max(s, UINT64_MAX, ret);
}

int parse_unsigned(const char *s, unsigned *ret) {
        assert(ret);
        uint64_t value;
        int r = parse_u64_max(s, UINT_MAX, &value);
        if (r >= 0)
                *ret = (unsigned) value;
        return r;
}

/* Removes "8:1" from the beginning of *S. */
static int parse_take_devno(const char **s, unsigned base, dev_t *ret) {
        uint64_t number[2] = {};
        const char *p = *s;
        int r = parse_digits(&p, base, &number[0]);
        if (r >= 0)
                r = *p == ':' ? 0 : -EINVAL;
        if (r >= 0) {
                p++;
                r = parse_digits(&p, base, &number[1]);
        }
        if (r >= 0 && (number[0] > UINT_MAX || number[1] > UINT_MAX))
                r = -ERANGE;
        if (r < 0)
                return r;
        *s = p;
        *ret = makedev((unsigned) number[0], (unsigned) number[1]);
        return 0;
}

int parse_devno(const char *s, dev_t *ret) {
        assert(s && ret);
        dev_t devno;
        int r = parse_take_devno(&s, 10, &devno);
        if (r < 0)
                return r;
        if (*s)
                return -EINVAL;
        *ret = devno;
        return 0;
}

int parse_locked_file(const char *s, dev_t *ret_devno, uint64_t *ret_inode) {
        assert(s && ret_devno && ret_inode);
        dev_t devno;
        int r = parse_take_devno(&s, 16, &devno);
        if (r < 0)
                return r;
        if (*s != ':')
                return -EINVAL;
        r = parse_u64(s + 1, ret_inode);
        if (r >= 0)
                *ret_devno = devno;
        return r;
}

int parse_file_u64(const char *file, uint64_t *ret) {
        assert(file && ret);
        char text[32];
        _cleanup_fclose_ FILE *f = fopen(file, "re");
        if (!f)
                return -errno;
        if (!fgets(text, sizeof(text), f))
                return -ENODATA;
        const char *p = text;
        return parse_digits(&p, 10, ret) < 0 ? -ENODATA : 0;
}
