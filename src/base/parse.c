/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <limits.h>
#include <sys/sysmacros.h>

int parse_digit(char c, unsigned base) {
        assert(base == 8 || base == 10 || base == 16);
        unsigned value = UINT_MAX;
        if (c >= '0' && c <= '9')
                value = (unsigned) (c - '0');
        else if (c >= 'a' && c <= 'f')
                value = (unsigned) (c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
                value = (unsigned) (c - 'A') + 10;
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
        if (s[0] == 0 || s[strspn(s, "0123456789")] != 0)
                return -EINVAL;
        int r = parse_digits(&s, 10, &value);
        if (r >= 0 && value > max)
                r = -ERANGE;
        if (r < 0)
                return r;
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

int parse_devno(const char *s, dev_t *ret) {
        assert(s && ret);
        uint64_t major_number, minor_number = 0;
        int r = parse_digits(&s, 10, &major_number);
        if (r < 0)
                return r;
        if (*s != ':')
                return -EINVAL;
        r = parse_u64_max(s + 1, UINT_MAX, &minor_number);
        if (r >= 0 && major_number > UINT_MAX)
                r = -ERANGE;
        if (r >= 0)
                *ret = makedev((unsigned) major_number, (unsigned) minor_number);
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
