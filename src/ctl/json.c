/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/json.h"

#include <inttypes.h>
#include <limits.h>

#include "base/utf8.h"

JsonMode json_mode_from_string(const char *s) {
        assert(s);
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

/* Control characters are escaped, although JSON allows some of them, because they control a terminal. */
static void put_string(FILE *f, const char *value) {
        assert(f && value);
        (void) fputc('"', f);
        for (uint32_t c; *value;) {
                size_t n = utf8_decode(value, &c);
                if (n == 0)
                        (void) fputs("\\ufffd", f);
                else if (c == '"' || c == '\\')
                        (void) fprintf(f, "\\%c", *value);
                else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                        (void) fprintf(f, "\\u%04x", c);
                else
                        (void) fwrite(value, 1, n, f);
                value += MAX(n, (size_t) 1);
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

/* What precedes each value: the comma that ends the last one, the line break and the key. */
static void begin_value(Json *j, const char *key) {
        assert(j && j->file && (j->depth > 0 || !key));
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
        assert(j && j->depth < UINT_MAX);
        begin_value(j, key);
        (void) fputc(bracket, j->file);
        j->depth++;
        j->first = true;
}

static void close_bracket(Json *j, char bracket) {
        assert(j && j->depth > 0);
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
