/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stamp lies on the volume: whoever can write there could name any file of the helper as ours. A path is
 * taken only if it is one, and a file is left alone unless this record lists it; more cannot be had without
 * a place that the volume's root cannot write. */

#include "builder/transaction/helperrecord.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/parse.h"
#include "tree/contain.h"

void helper_record_done(HelperRecord *r) {
        free(r->filesystem);
        helper_set_done(&r->carried);
        helper_set_done(&r->previous);
        r->ours = strv_free(r->ours);
        r->made = strv_free(r->made);
        *r = HELPER_RECORD_NULL;
}

/* ROLE PATH HEX SIZE BOOT */
static int parse_common(HelperFile *f, char **w) {
        f->role = copy_role_from_string(w[0]);
        if ((int) f->role < 0 || !contain_path_is_valid(w[1]) ||
            fingerprint_from_hex(w[2], &f->content) < 0 || parse_u64(w[3], &f->size) < 0)
                return error_origin(-EBADMSG);
        f->path = strdup(w[1]);
        f->boot = strdup(w[4]);
        return f->path && f->boot ? 0 : error_origin(-ENOMEM);
}

static int read_carries(HelperRecord *r, char **w) {
        _cleanup_(helper_file_done) HelperFile f = {};
        int q;

        if (strv_length(w) != 8 || !contain_path_is_valid(w[5]))
                return error_origin(-EBADMSG);
        q = parse_common(&f, w);
        if (q < 0)
                return q;
        f.to = strdup(w[5]);
        f.source = strdup(w[6]);
        f.description = strdup(w[7]);
        if (!f.to || !f.source || !f.description)
                return error_origin(-ENOMEM);
        return helper_set_add(&r->carried, &f);
}

static int read_adopts(HelperRecord *r, char **w) {
        int q = read_carries(r, w);

        if (q >= 0)
                r->carried.items[r->carried.n - 1].foreign = true;
        return q;
}

static int read_previous(HelperRecord *r, char **w) {
        _cleanup_(helper_file_done) HelperFile f = {};
        int q;

        if (strv_length(w) != 5)
                return error_origin(-EBADMSG);
        q = parse_common(&f, w);
        return q < 0 ? q : helper_set_add(&r->previous, &f);
}

static int read_path(char ***v, char **w) {
        if (strv_length(w) != 1 || !contain_path_is_valid(w[0]))
                return error_origin(-EBADMSG);
        return strv_extend(v, w[0]);
}

static int read_ours(HelperRecord *r, char **w) {
        return read_path(&r->ours, w);
}

static int read_made(HelperRecord *r, char **w) {
        return read_path(&r->made, w);
}

static int read_state(HelperRecord *r, char **w) {
        r->intent = true;
        return strv_length(w) == 1 ? 0 : error_origin(-EBADMSG);
}

static int read_filesystem(HelperRecord *r, char **w) {
        if (strv_length(w) != 1)
                return error_origin(-EBADMSG);
        return free_and_strdup(&r->filesystem, w[0]) < 0 ? error_origin(-ENOMEM) : 0;
}

static const struct {
        const char *key;
        int (*read)(HelperRecord *r, char **words);
} keys[] = {
        {"state", read_state},   {"filesystem", read_filesystem}, {"carries", read_carries},
        {"adopts", read_adopts}, {"previous", read_previous},     {"ours", read_ours},
        {"made", read_made},
};

static int read_line(HelperRecord *r, const StampLine *line) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_strv_free_ char **words = NULL;
                if (!streq(keys[i].key, line->key))
                        continue;
                int q = split_words(line->value, &words);
                if (q < 0)
                        return q == -ENOMEM ? q : error_origin(-EBADMSG);
                return keys[i].read(r, words);
        }
        return 0; /* a line of freshness.h */
}

int helper_record_read(const Stamp *stamp, HelperRecord *ret) {
        _cleanup_(helper_record_done) HelperRecord r = HELPER_RECORD_NULL;

        for (size_t i = 0; i < stamp->n_lines; i++) {
                int q = read_line(&r, &stamp->lines[i]);
                if (q < 0)
                        return q;
        }
        helper_record_done(ret);
        *ret = r;
        r = HELPER_RECORD_NULL;
        return 0;
}

static int add_word(Stamp *stamp, const char *key, const char *value) {
        _cleanup_free_ char *word = escape_word(value);
        return word ? stamp_add(stamp, key, "%s", word) : error_origin(-ENOMEM);
}

static int add_words(Stamp *stamp, const char *key, char *const *values) {
        for (; values && *values; values++) {
                int r = add_word(stamp, key, *values);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ROLE PATH HEX SIZE BOOT */
static int format_common(const HelperFile *f, char **ret) {
        char hex[FINGERPRINT_HEX_MAX];
        _cleanup_free_ char *path = escape_word(f->path), *boot = escape_word(f->boot);

        if (!path || !boot)
                return error_origin(-ENOMEM);
        return strprintf(ret, "%s %s %s %llu %s", copy_role_to_string(f->role), path,
                         fingerprint_to_hex(&f->content, hex), (unsigned long long) f->size, boot);
}

static int add_carries(Stamp *stamp, const HelperFile *f) {
        _cleanup_free_ char *common = NULL, *to = escape_word(f->to), *source = escape_word(f->source),
                            *description = escape_word(f->description);

        if (!to || !source || !description || format_common(f, &common) < 0)
                return error_origin(-ENOMEM);
        return stamp_add(stamp, f->foreign ? "adopts" : "carries", "%s %s %s %s", common, to, source,
                         description);
}

static int add_previous(Stamp *stamp, const HelperFile *f) {
        _cleanup_free_ char *common = NULL;

        if (format_common(f, &common) < 0)
                return error_origin(-ENOMEM);
        return stamp_add(stamp, "previous", "%s", common);
}

static int add_set(Stamp *stamp, const HelperSet *s, int (*add)(Stamp *stamp, const HelperFile *f)) {
        for (size_t i = 0; i < s->n; i++) {
                int r = add(stamp, &s->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int helper_record_add(const HelperRecord *r, Stamp *stamp) {
        int q = r->intent ? stamp_add(stamp, "state", "intent") : 0;

        if (q >= 0 && r->filesystem)
                q = add_word(stamp, "filesystem", r->filesystem);
        if (q >= 0)
                q = add_set(stamp, &r->carried, add_carries);
        if (q >= 0)
                q = add_set(stamp, &r->previous, add_previous);
        if (q >= 0)
                q = add_words(stamp, "ours", r->ours);
        return q < 0 ? q : add_words(stamp, "made", r->made);
}
