/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why names are derived from content: the new kernel is complete and durable under its own name before
 * anything points at it, next to the old one, which stays bootable until then; the switch is the single small
 * write of the entry. Pure: accesses no file. */

#include "builder/transaction/naming.h"

#include "base/error.h"
#include "base/failure.h"
#include "base/path.h"
#include "helper/entry.h"
#include "tree/fingerprint.h"

/* A required file, and whether an entry names it. */
typedef struct Candidate {
        WantedFile *file;
        bool named;
} Candidate;

typedef struct Naming {
        WantedSet *set;
        NameMap old; /* CarriedFile by name */
        Candidate *candidates;
        size_t n_candidates; /* sorted by `to`, so that each word of an entry is one search */
        char **reterr;
} Naming;

static void naming_done(Naming *n) {
        name_map_done(&n->old);
        free(n->candidates);
}

static int compare_candidates(const void *a, const void *b) {
        return strcmp(((const Candidate *) a)->file->to, ((const Candidate *) b)->file->to);
}

static int find_candidates(Naming *n) {
        n->candidates = calloc(n->set->n + 1, sizeof(*n->candidates));
        if (!n->candidates)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < n->set->n; i++)
                if (n->set->items[i].role == ROLE_REQUIRED)
                        n->candidates[n->n_candidates++].file = &n->set->items[i];
        qsort(n->candidates, n->n_candidates, sizeof(*n->candidates), compare_candidates);
        return 0;
}

static int compare_word(const char *word, size_t size, const char *to) {
        int difference = strncmp(word, to, size);
        return difference != 0 ? difference : to[size] ? -1 : 0;
}

/* The candidate whose `to` is WORD, or NULL. */
static Candidate *find_by_word(const Naming *n, const char *word, size_t size) {
        size_t low = 0, high = n->n_candidates;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int difference = compare_word(word, size, n->candidates[middle].file->to);
                if (difference == 0)
                        return &n->candidates[middle];
                if (difference < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

/* ---- the entries ---- */

static const char *note_word(const char *word, size_t size, void *userdata) {
        Candidate *candidate = find_by_word(userdata, word, size);
        if (candidate)
                candidate->named = true;
        return NULL;
}

static const char *name_word(const char *word, size_t size, void *userdata) {
        const Candidate *candidate = find_by_word(userdata, word, size);
        return candidate ? candidate->file->path : NULL;
}

static int rewrite_entry(const Naming *n, const WantedFile *f, const EntryNames *names, char **ret,
                         size_t *ret_size) {
        int r = entry_rewrite(f->text, f->size, names, ret, ret_size);
        if (r == -EFBIG)
                return failure(n->reterr, r, "%s is larger than 64 KiB: not an entry", f->source);
        if (r == -EINVAL)
                return failure(n->reterr, r, "%s contains a NUL byte: not an entry", f->source);
        return r;
}

static int note_named(Naming *n, WantedFile *f) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        return rewrite_entry(n, f, &(EntryNames){note_word, n}, &text, &size);
}

static int finish_entry(Naming *n, WantedFile *f) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        size_t size = 0;
        if (!h)
                return error_origin(-ENOMEM);
        int r = rewrite_entry(n, f, &(EntryNames){name_word, n}, &text, &size);
        if (r >= 0)
                r = entry_pad(&text, &size);
        if (r < 0)
                return r;
        hasher_update(h, text, size);
        f->content = hasher_digest(h);
        f->size = size;
        free(f->text);
        f->text = TAKE_PTR(text);
        return 0;
}

static int for_each_entry(Naming *n, int (*what)(Naming *n, WantedFile *f)) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < n->set->n; i++)
                if (n->set->items[i].role == ROLE_ENTRY)
                        r = what(n, &n->set->items[i]);
        return r;
}

/* ---- the names ---- */

static int name_by_content(const Naming *n, WantedFile *f) {
        char hex[FINGERPRINT_HEX_MAX];
        (void) fingerprint_to_hex(&f->content, hex);
        for (int digits = 8; digits <= 32; digits += 8) {
                free(f->path);
                f->path = NULL;
                if (strprintf(&f->path, "%s-%.*s", f->to, digits, hex) < 0)
                        return error_origin(-ENOMEM);
                const CarriedFile *other = name_map_get(&n->old, f->path);
                if (!other || fingerprint_equal(&other->content, &f->content))
                        break;
        }
        return 0;
}

static int name_files(Naming *n) {
        for (size_t i = 0; i < n->set->n; i++)
                if (free_and_strdup(&n->set->items[i].path, n->set->items[i].to) < 0)
                        return error_origin(-ENOMEM);
        for (size_t i = 0; i < n->n_candidates; i++)
                if (n->candidates[i].named && name_by_content(n, n->candidates[i].file) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

/* NAME is the name of F so far. */
static int check_clash(const Naming *n, NameMap *m, const WantedFile *f, const char *name) {
        int r = name_map_put(m, name, f);
        if (r < 0)
                return error_origin(-ENOMEM);
        const WantedFile *other = name_map_get(m, name);
        if (r == 0)
                return failure(n->reterr, -EEXIST, "%s and %s would both be %s on the helper", other->source,
                               f->source, f->to);
        return 0;
}

/* The file of M, except for misc, that is where a folder of NAME must be. NAME is truncated. */
static const WantedFile *find_in_the_way(const NameMap *m, char *name) {
        const WantedFile *f = NULL;
        while (!f && path_cut_last(name))
                f = name_map_get(m, name);
        return f && f->role != ROLE_MISC ? f : NULL;
}

/* Reported before anything is written: the second of them could never be switched. Misc files are left out
 * then. */
static int check_folders(const Naming *n, const NameMap *m) {
        for (size_t i = 0; i < n->set->n; i++) {
                const WantedFile *f = &n->set->items[i];
                _cleanup_free_ char *name = strdup(f->path);
                if (!name)
                        return error_origin(-ENOMEM);
                const WantedFile *other = f->role == ROLE_MISC ? NULL : find_in_the_way(m, name);
                if (other)
                        return failure(n->reterr, -ENOTDIR,
                                       "%s on the helper would be both a file and the directory of %s",
                                       other->to, f->to);
        }
        return 0;
}

static int check_wanted_names(const Naming *n) {
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < n->set->n; i++)
                r = check_clash(n, &m, &n->set->items[i], n->set->items[i].to);
        return r;
}

static int check_final_names(const Naming *n) {
        _cleanup_(name_map_done) NameMap m = NAME_MAP_NULL;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < n->set->n; i++)
                r = check_clash(n, &m, &n->set->items[i], n->set->items[i].path);
        return r < 0 ? r : check_folders(n, &m);
}

int naming_apply(WantedSet *set, const CarriedSet *old, char **reterr) {
        assert(wanted_set_is_gathered(set));
        _cleanup_(naming_done) Naming n = {.set = set, .reterr = reterr};
        int r = carried_set_map(old, &n.old);
        if (r >= 0)
                r = check_wanted_names(&n);
        if (r >= 0)
                r = find_candidates(&n);
        if (r >= 0)
                r = for_each_entry(&n, note_named);
        if (r >= 0)
                r = name_files(&n);
        if (r >= 0)
                r = for_each_entry(&n, finish_entry);
        if (r >= 0)
                r = check_final_names(&n);
        assert(r < 0 || wanted_set_is_named(set));
        return r;
}
