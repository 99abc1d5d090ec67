/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf8.h"

/* By length, shortest first: the bits of the first byte that indicate it, and the first code point that needs
 * that many bytes. */
static const struct {
        unsigned char mask, lead;
        uint32_t first;
} forms[UTF8_CHARACTER_MAX] = {
        {0x80, 0x00, 0},
        {0xe0, 0xc0, 0x80},
        {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000},
};

static bool is_character(uint32_t c) {
        return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

size_t utf8_decode(const char *s, uint32_t *ret) {
        assert(s && *s && ret);
        unsigned char first = (unsigned char) s[0];
        for (size_t n = 1; n <= UTF8_CHARACTER_MAX; n++) {
                if ((first & forms[n - 1].mask) != forms[n - 1].lead)
                        continue;
                uint32_t c = first & (unsigned char) ~forms[n - 1].mask;
                for (size_t i = 1; i < n; i++) {
                        if ((s[i] & 0xc0) != 0x80) /* also at the end of S */
                                return 0;
                        c = c << 6 | (s[i] & 0x3f);
                }
                if (c < forms[n - 1].first || !is_character(c))
                        return 0;
                *ret = c;
                return n;
        }
        return 0;
}

size_t utf8_encode(uint32_t c, char buffer[static UTF8_CHARACTER_MAX]) {
        size_t n = UTF8_CHARACTER_MAX;
        if (!is_character(c))
                return 0;
        while (c < forms[n - 1].first)
                n--;
        buffer[0] = (char) (forms[n - 1].lead | c >> (6 * (n - 1)));
        for (size_t i = 1; i < n; i++)
                buffer[i] = (char) (0x80 | ((c >> (6 * (n - 1 - i))) & 0x3f));
        return n;
}

bool utf8_is_valid(const char *s) {
        assert(s);
        uint32_t c;
        while (*s) {
                size_t n = utf8_decode(s, &c);
                if (n == 0)
                        return false;
                s += n;
        }
        return true;
}
