/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines as systemd writes them (systemd.syntax(7), "Quoting" and "C-style escapes"). It refuses to be
 * a shell: no variables, no globs, no operators; anything unknown is an error, not a literal. */

#include "base/words.h"
#include "base/parse.h"
#include "base/utf8.h"

#include <ctype.h>

#include "base/error.h"

/* The word being built, and the line being read. */
typedef struct Splitter {
        const char *rest;
        char *word;
        size_t n;
        const char **reterr;
} Splitter;

static int fail(Splitter *s, const char *why) {
        *s->reterr = why;
        return error_origin(-EINVAL);
}

static int append(Splitter *s, char c) {
        if (grow(s->word, s->n) < 0)
                return error_origin(-ENOMEM);
        s->word[s->n++] = c;
        return 0;
}

static int append_character(Splitter *s, uint32_t c) {
        char bytes[UTF8_CHARACTER_MAX];
        size_t n = utf8_encode(c, bytes);
        if (n == 0)
                return fail(s, "an escape that is not a Unicode character");
        int r = 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append(s, bytes[i]);
        return r;
}

/* Exactly N digits of BASE. */
static int take_number(Splitter *s, int n, unsigned base, uint32_t *ret) {
        assert(n > 0 && n <= 8);
        uint32_t value = 0;
        for (int i = 0; i < n; i++) {
                int digit = parse_digit((char) tolower((unsigned char) s->rest[i]), base);
                if (digit < 0)
                        return fail(s, "an escape with too few digits");
                value = value * base + (uint32_t) digit;
        }
        if (value == 0)
                return fail(s, "an escape for NUL");
        s->rest += n;
        *ret = value;
        return 0;
}

static int take_byte(Splitter *s, int n, unsigned base) {
        uint32_t value = 0;
        int r = take_number(s, n, base, &value);
        if (r < 0)
                return r;
        return value > 0xff ? fail(s, "an octal escape above \\377") : append(s, (char) value);
}

static int take_character(Splitter *s, int n) {
        uint32_t value = 0;
        int r = take_number(s, n, 16, &value);
        return r < 0 ? r : append_character(s, value);
}

/* What follows a backslash. */
static int take_escape(Splitter *s) {
        static const char letters[] = "abfnrtvs\\\"'", meant[] = "\a\b\f\n\r\t\v \\\"'";
        char c = *s->rest;
        if (!c)
                return fail(s, "a backslash at the end");
        const char *letter = strchr(letters, c);
        if (letter) {
                s->rest++;
                return append(s, meant[letter - letters]);
        }
        if (c >= '0' && c <= '7')
                return take_byte(s, 3, 8);
        if (c != 'x' && c != 'u' && c != 'U')
                return fail(s, "an unknown escape");
        s->rest++;
        return c == 'x' ? take_byte(s, 2, 16) : take_character(s, c == 'u' ? 4 : 8);
}

/* Reads one word; REST is at its first character. */
static int take_word(Splitter *s) {
        char quote = 0;
        int r = 0;
        while (r >= 0 && *s->rest && (quote || !isspace((unsigned char) *s->rest))) {
                char c = *s->rest++;
                if (c == '\\')
                        r = take_escape(s);
                else if (quote && c == quote)
                        quote = 0;
                else if (!quote && (c == '"' || c == '\''))
                        quote = c;
                else
                        r = append(s, c);
        }
        if (r >= 0 && quote)
                return fail(s, "an unclosed quote");
        return r < 0 ? r : append(s, 0);
}

int words_split(const char *line, char ***ret, const char **reterr) {
        assert(line && ret && reterr);
        _cleanup_(strv_builder_done) StrvBuilder words = {};
        Splitter s = {.rest = line, .reterr = reterr};
        for (;;) {
                while (isspace((unsigned char) *s.rest))
                        s.rest++;
                if (!*s.rest)
                        break;
                s.word = NULL;
                s.n = 0;
                int r = take_word(&s);
                if (r < 0)
                        free(s.word);
                else
                        r = strv_builder_push(&words, s.word);
                if (r < 0)
                        return r;
        }
        return strv_builder_finish(&words, ret);
}
