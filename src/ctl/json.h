/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A JSON document written incrementally, for --json. Keeps no tree: the caller opens and closes nested
 * values. (libsmartcols prints tables as JSON, but cannot nest a list in a row, and has no one-line form.) */

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,  /* one line */
        JSON_PRETTY, /* indented */
        _JSON_MODE_MAX,
        _JSON_MODE_INVALID = -EINVAL,
} JsonMode;

JsonMode json_mode_from_string(const char *s); /* "off", "short", "pretty" */

typedef struct Json {
        FILE *file;
        bool pretty;
        unsigned depth;
        bool first; /* nothing has been written yet at this depth */
} Json;

#define JSON_INIT(f, mode) ((Json){.file = (f), .pretty = (mode) == JSON_PRETTY, .first = true})

/* KEY is NULL inside an array and for the outermost value. Strings that are not UTF-8 are written with each
 * invalid byte replaced by U+FFFD. The last closing bracket is followed by a newline. */
void json_object_open(Json *j, const char *key);
void json_object_close(Json *j);
void json_array_open(Json *j, const char *key);
void json_array_close(Json *j);
void json_string(Json *j, const char *key, const char *value);
void json_unsigned(Json *j, const char *key, uint64_t value);
void json_signed(Json *j, const char *key, int64_t value);
void json_bool(Json *j, const char *key, bool value);
