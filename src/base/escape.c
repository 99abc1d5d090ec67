/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words of a line. Every string has exactly one escaped form, and only that form is read back: so two lines
 * are equal exactly if their contents are, and a reader can reject what our writers never wrote. */

#include "base/escape.h"

#include "base/parse.h"
#include "base/utf8.h"

static const char hex_digits[] = "0123456789abcdef";

static bool is_plain(unsigned char c) {
        return c > 0x20 && c < 0x7f && c != '\\';
}

static char *append_hex(char *p, unsigned char c) {
        *p++ = '\\';
        *p++ = 'x';
        *p++ = hex_digits[c >> 4];
        *p++ = hex_digits[c & 15];
        return p;
}

char *escape_word(const char *s) {
        assert(s);
        if (!*s)
                return strdup("\\x");
        char *word = malloc(strlen(s) * 4 + 1), *p = word;
        if (!word)
                return NULL;
        for (; *s; s++)
                if (is_plain((unsigned char) *s))
                        *p++ = *s;
                else
                        p = append_hex(p, (unsigned char) *s);
        *p = 0;
        return word;
}

/* The byte that the \xHH at S (SIZE bytes left) stands for, if escape_word would have escaped it. */
static int unescape_byte(const char *s, size_t size) {
        if (size < 4 || s[1] != 'x')
                return -EINVAL;
        int high = parse_digit(s[2], 16), low = parse_digit(s[3], 16);
        if (high < 0 || low < 0)
                return -EINVAL;
        int c = high << 4 | low;
        return c == 0 || is_plain((unsigned char) c) ? -EINVAL : c;
}

int unescape_word(const char *s, size_t size, char **ret) {
        assert(s && ret);
        if (size == 0)
                return -EINVAL;
        if (size == 2 && s[0] == '\\' && s[1] == 'x')
                size = 0;
        _cleanup_free_ char *word = malloc(size + 1);
        if (!word)
                return -ENOMEM;
        char *p = word;
        for (size_t i = 0; i < size;) {
                if (is_plain((unsigned char) s[i])) {
                        *p++ = s[i++];
                        continue;
                }
                int c = s[i] == '\\' ? unescape_byte(s + i, size - i) : -EINVAL;
                if (c < 0)
                        return c;
                *p++ = (char) c;
                i += 4;
        }
        *p = 0;
        *ret = TAKE_PTR(word);
        return 0;
}

/* The length of the character at S if it may be sent to a terminal, else 0. Control characters, of which
 * UTF-8 has some beyond ASCII, control the terminal. */
static size_t printable_length(const char *s) {
        uint32_t c = 0;
        size_t n = utf8_decode(s, &c);
        return c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0 : n;
}

char *escape_print(const char *s) {
        assert(s);
        char *text = malloc(strlen(s) * 4 + 1), *p = text;
        if (!text)
                return NULL;
        while (*s) {
                size_t n = printable_length(s);
                p = n > 0 ? mempcpy(p, s, n) : append_hex(p, (unsigned char) *s);
                s += MAX(n, (size_t) 1);
        }
        *p++ = 0;
        char *fitting = realloc(text, (size_t) (p - text)); /* it may be kept for a long time */
        return fitting ? fitting : text;
}

int split_words(const char *line, char ***ret) {
        assert(line && ret);
        size_t n_words = *line ? 1 : 0;
        for (const char *p = line; *p; p++)
                n_words += *p == ' ';
        _cleanup_strv_free_ char **words = calloc(n_words + 1, sizeof(*words));
        if (!words)
                return -ENOMEM;
        for (size_t i = 0; i < n_words; i++) {
                size_t size = strcspn(line, " ");
                int r = unescape_word(line, size, &words[i]);
                if (r < 0)
                        return r;
                line += size + 1;
        }
        *ret = TAKE_PTR(words);
        return 0;
}
