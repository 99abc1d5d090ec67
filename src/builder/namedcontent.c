/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/namedcontent.h"

#include "base/error.h"
#include "base/escape.h"
#include "freshness/outputcheck.h"

/* A stamp is not filled with content so that lines of files have no room. */
#define STAMP_SPARE 65536U

/* ---- what is known already ---- */

/* The values of lines that end with a content, in byte order. */
typedef struct KnownContent {
        const char **values;
        size_t n;
} KnownContent;

static void known_content_done(KnownContent *k) {
        free(k->values);
}

static int compare_values(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int known_content_read(const Stamp *stamp, KnownContent *ret) {
        const char *value;
        for (size_t i = 0; stamp && (value = stamp_next(stamp, "file", &i));) {
                const char *last = strrchr(value, ' ');
                if (!last || !content_is_known(last + 1))
                        continue;
                if (grow(ret->values, ret->n) < 0)
                        return error_origin(-ENOMEM);
                ret->values[ret->n++] = value;
        }
        if (ret->n > 0)
                qsort(ret->values, ret->n, sizeof(*ret->values), compare_values);
        return 0;
}

/* The content of VALUE, the value of a line `file` without one; NULL: not known. */
static const char *known_content_find(const KnownContent *k, const char *value) {
        size_t low = 0, high = k->n, n = strlen(value);
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(k->values[middle], value) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == k->n || strncmp(k->values[low], value, n) != 0 || k->values[low][n] != ' ')
                return NULL;
        return content_is_known(k->values[low] + n + 1) ? k->values[low] + n + 1 : NULL;
}

/* ---- files ---- */

/* WORDS of a line `file`: path and description. */
static int read_named_file(const NamedContent *n, char *const *words, char ret[static FINGERPRINT_HEX_MAX]) {
        _cleanup_free_ char *now = NULL;
        struct statx stx;
        int r = content_of_path(n->context, words[0], n->reading, &stx, ret);
        if (r < 0 || stx.stx_mask == 0)
                return r;
        r = fingerprint_describe(&(WalkEntry){.path = words[0], .stx = &stx}, n->context->trust_ctime, &now);
        if (r >= 0 && !streq(now, words[1]))
                (void) stpcpy(ret, LEARNED_NO_CONTENT);
        return r;
}

/* Line I of STAMP, a line `file`. */
static int record_named_file(const NamedContent *n, const Learned *list, const KnownContent *known, size_t i,
                             Stamp *stamp) {
        _cleanup_strv_free_ char **words = NULL;
        char content[FINGERPRINT_HEX_MAX];
        const char *value = stamp->lines[i].value, *found = known_content_find(known, value);
        int r = split_words(value, &words);
        if (r < 0)
                return r;
        if (strv_length(words) != 2 || fingerprint_type(words[1]) != S_IFREG ||
            content_was_read(list, words[0], words[1]))
                return 0;
        if (!found) {
                r = read_named_file(n, words, content);
                found = content;
        }
        return r < 0 || !content_is_known(found) ? r : stamp_extend(stamp, i, found);
}

static int record_named_files(const NamedContent *n, Stamp *stamp) {
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        _cleanup_(known_content_done) KnownContent known = {};
        int r = learned_read(stamp, &list);
        if (r >= 0)
                r = known_content_read(n->before, &known);
        for (size_t i = 0; r >= 0 && i < stamp->n_lines && stamp->size < STAMP_SIZE_MAX - STAMP_SPARE; i++)
                if (streq(stamp->lines[i].key, "file"))
                        r = record_named_file(n, &list, &known, i, stamp);
        return r;
}

/* ---- outputs ---- */

static bool stamp_has_line(const Stamp *stamp, const char *key, const char *value) {
        const char *other;
        for (size_t i = 0; (other = stamp_next(stamp, key, &i));)
                if (streq(other, value))
                        return true;
        return false;
}

static int record_named_output(const NamedContent *n, const char *path, Stamp *stamp) {
        _cleanup_free_ char *line = NULL, *word = escape_word(path);
        char content[FINGERPRINT_HEX_MAX];
        struct statx stx;
        if (!word)
                return error_origin(-ENOMEM);
        int r = content_of_path(n->context, path, n->reading, &stx, content);
        if (r >= 0)
                r = output_describe(path, &stx, &line);
        if (r < 0 || stx.stx_mask == 0 || !stamp_has_line(stamp, "output", line))
                return r;
        return stamp_add(stamp, "content", "%s %s", word, content);
}

int namedcontent_record(const NamedContent *n, Stamp *stamp) {
        assert(n->context && n->cache && stamp);
        _cleanup_strv_free_ char **outputs = NULL;
        if (stamp_get(stamp, "raced")) /* it is built again at once */
                return 0;
        int r = plan_outputs(n->context->plan, n->cache, &outputs);
        for (size_t i = 0; r >= 0 && outputs && outputs[i]; i++)
                r = record_named_output(n, outputs[i], stamp);
        return r < 0 ? r : record_named_files(n, stamp);
}
