/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stamp is on the volume: anybody who can write there could list any file of the helper as ours. A path
 * is accepted only if it is valid, and a file is left alone unless this record lists it; more is impossible
 * without a place that root on the volume cannot write to. */

#include "freshness/recordlines.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/parse.h"
#include "tree/contain.h"
#include "tree/fingerprint.h"

/* ---- reading ---- */

/* A record with any number of lines, read in linear time. */
typedef struct Reader {
        HelperRecord record;
        StrvBuilder ours, made;
} Reader;

static void reader_done(Reader *reader) {
        helper_record_done(&reader->record);
        strv_builder_done(&reader->ours);
        strv_builder_done(&reader->made);
}

/* ROLE PATH HEX SIZE, of which only PATH is checked. */
static bool parse_file(char *const *words, CopyRole *ret_role, Fingerprint *ret_content, uint64_t *ret_size) {
        *ret_role = copy_role_from_string(words[0]);
        return (int) *ret_role >= 0 && contain_path_is_valid(words[1]) &&
               fingerprint_from_hex(words[2], ret_content) >= 0 && parse_u64(words[3], ret_size) >= 0;
}

static int read_carried(Reader *reader, char **words, bool adopted) {
        _cleanup_(carried_file_done) CarriedFile f = {.adopted = adopted};
        if (strv_length(words) != 8 || !parse_file(words, &f.role, &f.content, &f.size) ||
            !contain_path_is_valid(words[5]))
                return error_origin(-EBADMSG);
        f.path = TAKE_PTR(words[1]);
        f.boot = TAKE_PTR(words[4]);
        f.to = TAKE_PTR(words[5]);
        f.source = TAKE_PTR(words[6]);
        f.description = TAKE_PTR(words[7]);
        return carried_set_add(&reader->record.carried, &f);
}

static int read_carries(Reader *reader, char **words) {
        return read_carried(reader, words, false);
}

static int read_adopts(Reader *reader, char **words) {
        return read_carried(reader, words, true);
}

static int read_previous(Reader *reader, char **words) {
        _cleanup_(kept_file_done) KeptFile f = {};
        if (strv_length(words) != 5 || !parse_file(words, &f.role, &f.content, &f.size))
                return error_origin(-EBADMSG);
        f.path = TAKE_PTR(words[1]);
        f.boot = TAKE_PTR(words[4]);
        return kept_set_add(&reader->record.kept, &f);
}

static int read_record_path(StrvBuilder *paths, char **words) {
        if (strv_length(words) != 1 || !contain_path_is_valid(words[0]))
                return error_origin(-EBADMSG);
        return strv_builder_push(paths, TAKE_PTR(words[0]));
}

static int read_ours(Reader *reader, char **words) {
        return read_record_path(&reader->ours, words);
}

static int read_made(Reader *reader, char **words) {
        return read_record_path(&reader->made, words);
}

static int read_state(Reader *reader, char **words) {
        reader->record.intent = true;
        return strv_length(words) == 1 ? 0 : error_origin(-EBADMSG);
}

static int read_filesystem(Reader *reader, char **words) {
        if (strv_length(words) != 1)
                return error_origin(-EBADMSG);
        return free_and_strdup(&reader->record.filesystem, words[0]) < 0 ? error_origin(-ENOMEM) : 0;
}

/* READ may take words, and leave NULL in their place. */
static const struct {
        const char *key;
        int (*read)(Reader *reader, char **words);
} record_keys[] = {
        {"state", read_state},   {"filesystem", read_filesystem}, {"carries", read_carries},
        {"adopts", read_adopts}, {"previous", read_previous},     {"ours", read_ours},
        {"made", read_made},
};

static void free_words(char **words, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(words[i]);
        free(words);
}

static int read_record_line(Reader *reader, const StampLine *line) {
        for (size_t i = 0; i < ELEMENTSOF(record_keys); i++) {
                char **words = NULL;
                if (!streq(record_keys[i].key, line->key))
                        continue;
                int r = split_words(line->value, &words);
                if (r < 0)
                        return r == -ENOMEM ? r : error_origin(-EBADMSG);
                size_t n = strv_length(words);
                r = record_keys[i].read(reader, words);
                free_words(words, n);
                return r;
        }
        return 0; /* a line of freshness.h */
}

int record_lines_read(const Stamp *stamp, HelperRecord *ret) {
        assert(stamp && ret);
        _cleanup_(reader_done) Reader reader = {};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < stamp->n_lines; i++)
                r = read_record_line(&reader, &stamp->lines[i]);
        if (r >= 0)
                r = strv_builder_finish(&reader.ours, &reader.record.ours);
        if (r >= 0)
                r = strv_builder_finish(&reader.made, &reader.record.made);
        if (r < 0)
                return r;
        helper_record_done(ret);
        *ret = reader.record;
        reader.record = HELPER_RECORD_NULL;
        return 0;
}

/* ---- writing ---- */

static int add_word(Stamp *stamp, const char *key, const char *value) {
        _cleanup_free_ char *word = escape_word(value);
        return word ? stamp_add(stamp, key, "%s", word) : error_origin(-ENOMEM);
}

static int add_words(Stamp *stamp, const char *key, char *const *values) {
        int r = 0;
        for (; r >= 0 && values && *values; values++)
                r = add_word(stamp, key, *values);
        return r;
}

static int add_carried(Stamp *stamp, const CarriedFile *f) {
        char hex[FINGERPRINT_HEX_MAX];
        _cleanup_free_ char *path = escape_word(f->path), *boot = escape_word(f->boot),
                            *to = escape_word(f->to), *source = escape_word(f->source),
                            *description = escape_word(f->description);
        if (!path || !boot || !to || !source || !description)
                return error_origin(-ENOMEM);
        return stamp_add(stamp, f->adopted ? "adopts" : "carries", "%s %s %s %llu %s %s %s %s",
                         copy_role_to_string(f->role), path, fingerprint_to_hex(&f->content, hex),
                         (unsigned long long) f->size, boot, to, source, description);
}

static int add_kept(Stamp *stamp, const KeptFile *f) {
        assert(!f->text); /* it has been written, or it would not be recorded */
        char hex[FINGERPRINT_HEX_MAX];
        _cleanup_free_ char *path = escape_word(f->path), *boot = escape_word(f->boot);
        if (!path || !boot)
                return error_origin(-ENOMEM);
        return stamp_add(stamp, "previous", "%s %s %s %llu %s", copy_role_to_string(f->role), path,
                         fingerprint_to_hex(&f->content, hex), (unsigned long long) f->size, boot);
}

int record_lines_add(const HelperRecord *record, Stamp *stamp) {
        assert(record && stamp);
        int r = record->intent ? stamp_add(stamp, "state", "intent") : 0;
        if (r >= 0 && record->filesystem)
                r = add_word(stamp, "filesystem", record->filesystem);
        for (size_t i = 0; r >= 0 && i < record->carried.n; i++)
                r = add_carried(stamp, &record->carried.items[i]);
        for (size_t i = 0; r >= 0 && i < record->kept.n; i++)
                r = add_kept(stamp, &record->kept.items[i]);
        if (r >= 0)
                r = add_words(stamp, "ours", record->ours);
        return r < 0 ? r : add_words(stamp, "made", record->made);
}
