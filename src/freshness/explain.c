/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of the stamp are sorted by path, and each present file is looked up in them. No hash table: the
 * author of the stamp could choose paths that collide. */

#include "freshness/explain.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/escape.h"
#include "freshness/survey.h"
#include "tree/contain.h"

/* A file as recorded in the stamp. */
typedef struct KnownFile {
        char **words; /* path, description and possibly target or content */
        bool seen;
} KnownFile;

typedef struct Search {
        const Subject *subject;
        KnownFile *known; /* by path */
        size_t n_known;
        bool complete; /* the stamp has a line for every file */
        Freshness first;
        unsigned changes;             /* of `first`, of Change */
        struct statx_timestamp since; /* likewise, unless it is gone */
} Search;

static void search_done(Search *s) {
        for (size_t i = 0; i < s->n_known; i++)
                strv_free(s->known[i].words);
        free(s->known);
        freshness_done(&s->first);
}

static int compare_known_files(const void *a, const void *b) {
        return strcmp(((const KnownFile *) a)->words[0], ((const KnownFile *) b)->words[0]);
}

/* VALUE of a line `file`. A damaged one is ignored: its file will count as new. */
static int search_learn_line(Search *s, const char *value) {
        _cleanup_strv_free_ char **words = NULL;
        int r = split_words(value, &words);
        if (r < 0 && r != -EINVAL)
                return r;
        if (strv_length(words) < 2)
                return 0;
        if (grow(s->known, s->n_known) < 0)
                return error_origin(-ENOMEM);
        s->known[s->n_known++] = (KnownFile){.words = TAKE_PTR(words)};
        return 0;
}

static int search_learn(Search *s, const Stamp *stamp) {
        const char *value;
        size_t i = 0;
        int r = 0;
        s->complete = !stamp_get(stamp, "more");
        while (r >= 0 && (value = stamp_next(stamp, "file", &i)))
                r = search_learn_line(s, value);
        if (s->n_known > 0)
                qsort(s->known, s->n_known, sizeof(*s->known), compare_known_files);
        return r;
}

/* The first of those of PATH (one file of two sources has two lines), or NULL. */
static KnownFile *search_find_known(const Search *s, const char *path) {
        size_t low = 0, high = s->n_known;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(s->known[middle].words[0], path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < s->n_known && streq(s->known[low].words[0], path) ? &s->known[low] : NULL;
}

/* CHANGES is a set of Change. STX is that of the present file, NULL if there is none. */
static int search_note(Search *s, Difference difference, const char *path, unsigned changes,
                       const struct statx *stx) {
        assert(difference != DIFFERENCE_NONE && path);
        if (s->first.difference != DIFFERENCE_NONE && strcmp(s->first.path, path) <= 0)
                return 0;
        s->first.difference = DIFFERENCE_NONE;
        s->changes = changes;
        if (stx)
                s->since = stx->stx_ctime;
        return finding_note(&s->first, difference, path, NULL);
}

static const char *known_target(const KnownFile *k) {
        return fingerprint_type(k->words[1]) == S_IFREG ? "" : strempty(k->words[2]);
}

/* The visitor of a search. */
static int search_compare_entry(const WalkEntry *entry, void *userdata) {
        Search *s = userdata;
        _cleanup_free_ char *now = NULL;
        KnownFile *k = search_find_known(s, entry->path);
        if (!k)
                return s->complete ? search_note(s, DIFFERENCE_NEW, entry->path, 0, entry->stx) : 0;
        k->seen = true;
        if (!streq(known_target(k), strempty(entry->target)))
                return search_note(s, DIFFERENCE_CHANGED, entry->path, CHANGE_TARGET, entry->stx);
        int r = fingerprint_describe(entry, s->subject->context->trust_ctime, &now);
        if (r < 0 || streq(now, k->words[1]))
                return r;
        return search_note(s, DIFFERENCE_CHANGED, entry->path, fingerprint_difference(k->words[1], now),
                           entry->stx);
}

static bool is_repeated(const Search *s, size_t i) {
        return i > 0 && streq(s->known[i - 1].words[0], s->known[i].words[0]);
}

/* They are in byte order, so the first one not seen is the first one gone. */
static int search_note_gone(Search *s) {
        for (size_t i = 0; i < s->n_known; i++)
                if (!s->known[i].seen && !is_repeated(s, i))
                        return search_note(s, DIFFERENCE_GONE, s->known[i].words[0], 0, NULL);
        return 0;
}

/* The first difference is about a file that was not examined. If it does exist, it is just no longer
 * named. */
static int search_explain_gone(const Search *s, Freshness *f) {
        int root = s->subject->context->root->fd;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *detail = NULL;
        if (contain_open(root, s->first.path, O_PATH | O_NOFOLLOW, 0, &fd) < 0)
                return finding_note_absence(f, root, DIFFERENCE_GONE, s->first.path);
        int r = reason_detail_unlisted(subject_list_name(s->subject), &detail);
        return r < 0 ? r : finding_note(f, DIFFERENCE_GONE, s->first.path, detail);
}

/* The first difference, and since when: if ctime is not trusted, nothing tells that. */
static int search_explain(const Search *s, Freshness *f) {
        _cleanup_free_ char *detail = NULL;
        if (s->first.difference == DIFFERENCE_NONE)
                return finding_note(f, DIFFERENCE_CHANGED,
                                    s->complete ? subject_list_name(s->subject) : REASON_BEYOND_STAMP, NULL);
        if (s->first.difference == DIFFERENCE_GONE)
                return search_explain_gone(s, f);
        int r = reason_detail_changed(s->changes, s->subject->context->trust_ctime ? &s->since : NULL,
                                      &detail);
        return r < 0 ? r : finding_note(f, s->first.difference, s->first.path, detail);
}

static int explain_by_stamp(const Subject *subject, const Stamp *stamp, Freshness *f) {
        _cleanup_(search_done) Search search = {.subject = subject};
        _cleanup_(survey_done) Survey survey = {};
        const Visitor visitor = {search_compare_entry, &search};
        int r = search_learn(&search, stamp);
        if (r >= 0)
                r = survey_start(&survey, subject->context, NULL, &visitor);
        if (r >= 0)
                r = survey_subject(&survey, subject);
        if (r >= 0)
                r = search_note_gone(&search);
        return r < 0 ? r : search_explain(&search, f);
}

int explain_difference(const Subject *subject, Freshness *f) {
        assert(subject && f && f->difference == DIFFERENCE_NONE);
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        int r = subject_read_whole(subject, &stamp);
        if (r >= 0)
                r = stamp ? explain_by_stamp(subject, stamp, f)
                          : finding_note(f, DIFFERENCE_NEVER, NULL, NULL);
        if (r != -ENOMEM && r != -EFBIG)
                return r;
        return finding_note(f, DIFFERENCE_CHANGED, REASON_SOMETHING,
                            r == -EFBIG ? REASON_DETAIL_NO_ROOM : NULL);
}
