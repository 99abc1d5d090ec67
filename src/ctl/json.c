/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/json.h"

#include <inttypes.h>

JsonMode json_mode_from_string(const char *s) {
        static const char *const names[_JSON_MODE_MAX] = {
                [JSON_OFF] = "off",
                [JSON_SHORT] = "short",
                [JSON_PRETTY] = "pretty",
        };

        for (JsonMode m = 0; m < _JSON_MODE_MAX; m++)
                if (streq(s, names[m]))
                        return m;
        return _JSON_MODE_INVALID;
}

/* The length of the UTF-8 character at S, 0 if there is none: overlong forms and surrogates are none. */
static size_t utf8_length(const unsigned char *s) {
        static const struct {
                unsigned char lead_mask, lead;
                size_t length;
                uint32_t least;
        } forms[] = {
                {0x80, 0x00, 1, 0},
                {0xe0, 0xc0, 2, 0x80},
                {0xf0, 0xe0, 3, 0x800},
                {0xf8, 0xf0, 4, 0x10000},
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                if ((s[0] & forms[i].lead_mask) != forms[i].lead)
                        continue;
                uint32_t c = s[0] & (unsigned char) ~forms[i].lead_mask;
                for (size_t k = 1; k < forms[i].length; k++) {
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                        c = c << 6 | (s[k] & 0x3f);
                }
                bool surrogate = c >= 0xd800 && c <= 0xdfff;
                return c >= forms[i].least && c <= 0x10ffff && !surrogate ? forms[i].length : 0;
        }
        return 0;
}

static void put_string(FILE *f, const char *value) {
        (void) fputc('"', f);
        for (const unsigned char *s = (const unsigned char *) value; *s;) {
                size_t n = utf8_length(s);
                if (n == 0)
                        (void) fputs("\\ufffd", f);
                else if (*s == '"' || *s == '\\')
                        (void) fprintf(f, "\\%c", *s);
                else if (*s < 0x20 || *s == 0x7f)
                        (void) fprintf(f, "\\u%04x", *s);
                else if (*s == 0xc2 && s[1] < 0xa0) /* the others that drive a terminal */
                        (void) fprintf(f, "\\u%04x", s[1]);
                else
                        (void) fwrite(s, 1, n, f);
                s += MAX(n, 1U);
        }
        (void) fputc('"', f);
}

static void put_newline(const Json *j) {
        if (!j->pretty)
                return;
        (void) fputc('\n', j->file);
        for (unsigned i = 0; i < j->depth; i++)
                (void) fputs("        ", j->file);
}

/* What stands before each value: the comma that ends the last one, the line and the key. */
static void begin_value(Json *j, const char *key) {
        if (!j->first)
                (void) fputc(',', j->file);
        if (j->depth > 0)
                put_newline(j);
        j->first = false;
        if (!key)
                return;
        put_string(j->file, key);
        (void) fputs(j->pretty ? ": " : ":", j->file);
}

static void open_bracket(Json *j, const char *key, char bracket) {
        begin_value(j, key);
        (void) fputc(bracket, j->file);
        j->depth++;
        j->first = true;
}

static void close_bracket(Json *j, char bracket) {
        bool empty = j->first;
        j->depth--;
        j->first = false;
        if (!empty)
                put_newline(j);
        (void) fputc(bracket, j->file);
        if (j->depth == 0)
                (void) fputc('\n', j->file);
}

void json_object_open(Json *j, const char *key) {
        open_bracket(j, key, '{');
}

void json_object_close(Json *j) {
        close_bracket(j, '}');
}

void json_array_open(Json *j, const char *key) {
        open_bracket(j, key, '[');
}

void json_array_close(Json *j) {
        close_bracket(j, ']');
}

void json_string(Json *j, const char *key, const char *value) {
        begin_value(j, key);
        put_string(j->file, value);
}

void json_unsigned(Json *j, const char *key, uint64_t value) {
        begin_value(j, key);
        (void) fprintf(j->file, "%" PRIu64, value);
}

void json_signed(Json *j, const char *key, int64_t value) {
        begin_value(j, key);
        (void) fprintf(j->file, "%" PRIi64, value);
}

void json_bool(Json *j, const char *key, bool value) {
        begin_value(j, key);
        (void) fputs(value ? "true" : "false", j->file);
}
