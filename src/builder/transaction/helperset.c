/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why a name of the content: the new kernel is complete and durable under its own name before anything points
 * at it, beside the old one, which stays bootable until then; the switch is the one small write of the entry.
 * Pure: looks at no file. */

#include "builder/transaction/helperset.h"

#include "base/error.h"
#include "base/failure.h"
#include "base/path.h"
#include "builder/transaction/entry.h"

void helper_file_done(HelperFile *f) {
        free(f->to);
        free(f->path);
        free(f->source);
        free(f->description);
        free(f->boot);
        free(f->text);
        *f = (HelperFile){};
}

void helper_set_done(HelperSet *s) {
        for (size_t i = 0; i < s->n; i++)
                helper_file_done(&s->items[i]);
        free(s->items);
        *s = HELPER_SET_NULL;
}

int helper_set_add(HelperSet *s, HelperFile *file) {
        if (grow(s->items, s->n) < 0) {
                helper_file_done(file);
                return error_origin(-ENOMEM);
        }
        s->items[s->n++] = *file;
        *file = (HelperFile){};
        return 0;
}

static const char *key_of(const HelperFile *f, HelperKey key) {
        return key == HELPER_KEY_TO ? f->to : f->path;
}

static int compare_files(const void *a, const void *b, void *key) {
        return strcasecmp(key_of(*(const HelperFile *const *) a, *(HelperKey *) key),
                          key_of(*(const HelperFile *const *) b, *(HelperKey *) key));
}

int helper_index_init(HelperIndex *x, const HelperSet *s, HelperKey key) {
        x->files = calloc(s->n + 1, sizeof(*x->files));
        if (!x->files)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < s->n; i++)
                x->files[i] = &s->items[i];
        x->n = s->n;
        x->key = key;
        qsort_r(x->files, x->n, sizeof(*x->files), compare_files, &key);
        return 0;
}

void helper_index_done(HelperIndex *x) {
        free(x->files);
        *x = HELPER_INDEX_NULL;
}

const HelperFile *helper_index_find(const HelperIndex *x, const char *name) {
        for (size_t low = 0, high = x->n; low < high;) {
                size_t middle = low + (high - low) / 2;
                int r = strcasecmp(name, key_of(x->files[middle], x->key));
                if (r == 0)
                        return x->files[middle];
                if (r < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

bool helper_set_names(const HelperSet *entries, const char *path) {
        for (size_t i = 0; i < entries->n; i++) {
                const HelperFile *e = &entries->items[i];
                if (e->text && entry_has_word(e->text, e->size, path))
                        return true;
        }
        return false;
}

/* The required files sorted by `to`, so that each word of an entry is one search. */
typedef struct Index {
        HelperFile **files;
        bool *named;
        size_t n;
} Index;

static void index_done(Index *x) {
        free(x->files);
        free(x->named);
}

static int compare_to(const void *a, const void *b) {
        return strcmp((*(HelperFile *const *) a)->to, (*(HelperFile *const *) b)->to);
}

static int index_init(Index *x, HelperSet *set) {
        x->files = calloc(set->n + 1, sizeof(*x->files));
        x->named = calloc(set->n + 1, sizeof(*x->named));
        if (!x->files || !x->named)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < set->n; i++)
                if (set->items[i].role == ROLE_REQUIRED)
                        x->files[x->n++] = &set->items[i];
        qsort(x->files, x->n, sizeof(*x->files), compare_to);
        return 0;
}

static int compare_word(const char *word, size_t size, const char *to) {
        int r = strncmp(word, to, size);
        return r != 0 ? r : to[size] ? -1 : 0;
}

/* Position of the file with this `to`, or x->n. */
static size_t index_search(const Index *x, const char *word, size_t size) {
        size_t low = 0, high = x->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = compare_word(word, size, x->files[middle]->to);
                if (r == 0)
                        return middle;
                if (r < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return x->n;
}

static const char *mark_named(const char *word, size_t size, void *userdata) {
        Index *x = userdata;
        size_t i = index_search(x, word, size);

        if (i < x->n)
                x->named[i] = true;
        return NULL;
}

static const char *name_on_helper(const char *word, size_t size, void *userdata) {
        const Index *x = userdata;
        size_t i = index_search(x, word, size);

        return i < x->n ? x->files[i]->path : NULL;
}

static int rewrite_entry(HelperFile *f, entry_replace_t replace, Index *x, char **ret, size_t *ret_size,
                         char **reterr) {
        int r = entry_rewrite(f->text, f->size, replace, x, ret, ret_size);

        if (r == -EFBIG)
                return failure(reterr, r, "%s is larger than 64 KiB: not an entry", f->source);
        if (r == -EINVAL)
                return failure(reterr, r, "%s contains a NUL byte: not an entry", f->source);
        return r;
}

static int mark_entry(HelperFile *f, Index *x, char **reterr) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        return rewrite_entry(f, mark_named, x, &text, &size, reterr);
}

static int name_by_content(HelperFile *f, const HelperIndex *old) {
        char hex[FINGERPRINT_HEX_MAX];
        const HelperFile *other;

        (void) fingerprint_to_hex(&f->content, hex);
        for (int digits = 8; digits <= 32; digits += 8) {
                free(f->path);
                f->path = NULL;
                if (strprintf(&f->path, "%s-%.*s", f->to, digits, hex) < 0)
                        return error_origin(-ENOMEM);
                other = helper_index_find(old, f->path);
                if (!other || fingerprint_equal(&other->content, &f->content))
                        break;
        }
        return 0;
}

static int finish_entry(HelperFile *f, Index *x, char **reterr) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        size_t size = 0;
        int r;

        if (!h)
                return error_origin(-ENOMEM);
        r = rewrite_entry(f, name_on_helper, x, &text, &size, reterr);
        if (r < 0)
                return r;
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

static int check_clashes(const HelperSet *set, HelperKey key, char **reterr) {
        _cleanup_(helper_index_done) HelperIndex x = HELPER_INDEX_NULL;

        if (helper_index_init(&x, set, key) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 1; i < x.n; i++)
                if (strcasecmp(key_of(x.files[i - 1], key), key_of(x.files[i], key)) == 0)
                        return failure(reterr, -EEXIST, "%s and %s would both be %s on the helper",
                                       x.files[i - 1]->source, x.files[i]->source, x.files[i]->to);
        return 0;
}

/* The file of X, but for misc, that lies where a folder of NAME must be. NAME is cut. */
static const HelperFile *find_in_the_way(const HelperIndex *x, char *name) {
        const HelperFile *f = NULL;
        while (!f && path_cut_last(name))
                f = helper_index_find(x, name);
        return f && f->role != ROLE_MISC ? f : NULL;
}

/* Told before anything is written: the second of them could never be switched. Misc is left out then. */
static int check_folders(const HelperSet *set, char **reterr) {
        _cleanup_(helper_index_done) HelperIndex x = HELPER_INDEX_NULL;

        if (helper_index_init(&x, set, HELPER_KEY_PATH) < 0)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < x.n; i++) {
                const HelperFile *f = x.files[i];
                _cleanup_free_ char *name = strdup(f->path);
                if (!name)
                        return error_origin(-ENOMEM);
                const HelperFile *other = f->role == ROLE_MISC ? NULL : find_in_the_way(&x, name);
                if (other)
                        return failure(reterr, -ENOTDIR,
                                       "%s on the helper would be both a file and the directory of %s",
                                       other->to, f->to);
        }
        return 0;
}

static int for_each_entry(HelperSet *set, Index *x, int (*what)(HelperFile *f, Index *x, char **reterr),
                          char **reterr) {
        for (size_t i = 0; i < set->n; i++) {
                int r = set->items[i].role == ROLE_ENTRY ? what(&set->items[i], x, reterr) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int name_files(HelperSet *set, const Index *x, const HelperIndex *old) {
        for (size_t i = 0; i < set->n; i++)
                if (free_and_strdup(&set->items[i].path, set->items[i].to) < 0)
                        return error_origin(-ENOMEM);
        for (size_t i = 0; i < x->n; i++)
                if (x->named[i] && name_by_content(x->files[i], old) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

int helper_set_name(HelperSet *set, const HelperSet *old, char **reterr) {
        _cleanup_(index_done) Index x = {};
        _cleanup_(helper_index_done) HelperIndex old_index = HELPER_INDEX_NULL;
        int r;

        r = helper_index_init(&old_index, old, HELPER_KEY_PATH);
        if (r < 0)
                return r;
        r = check_clashes(set, HELPER_KEY_TO, reterr);
        if (r < 0)
                return r;
        r = index_init(&x, set);
        if (r < 0)
                return r;
        r = for_each_entry(set, &x, mark_entry, reterr);
        if (r < 0)
                return r;
        r = name_files(set, &x, &old_index);
        if (r < 0)
                return r;
        r = for_each_entry(set, &x, finish_entry, reterr);
        if (r < 0)
                return r;
        r = check_clashes(set, HELPER_KEY_PATH, reterr);
        return r < 0 ? r : check_folders(set, reterr);
}
