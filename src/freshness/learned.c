/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/learned.h"

#include "base/error.h"
#include "base/escape.h"
#include "tree/contain.h"
#include "tree/folders.h"

static const struct {
        const char *key;
        size_t words;
} kinds[] = {
        [LEARNED_LIST] = {"list", 2}, [LEARNED_READ] = {"read", 3}, [LEARNED_LINK] = {"link", 2},
        [LEARNED_LOOK] = {"look", 2}, [LEARNED_MISS] = {"miss", 1},
};
static_assert(ELEMENTSOF(kinds) == _LEARNED_KIND_MAX, "each kind has a key");

const char *learned_kind_to_string(LearnedKind kind) {
        assert(kind < _LEARNED_KIND_MAX);
        return kinds[kind].key;
}

void learned_done(Learned *l) {
        for (size_t i = 0; i < l->n_items; i++)
                strv_free(l->items[i].words);
        free(l->items);
        free(l->how);
        free(l->detail);
        free(l->raced);
        *l = LEARNED_NULL;
}

size_t learned_folder_length(const char *path) {
        const char *slash = strrchr(path, '/');
        assert(slash);
        return MAX((size_t) (slash - path), (size_t) 1);
}

/* The folder that ITEM is looked at in: that of a list is itself. */
static size_t item_folder_length(const LearnedItem *item) {
        return item->kind == LEARNED_LIST ? strlen(item->words[0]) : learned_folder_length(item->words[0]);
}

static int learned_compare_items(const void *a, const void *b) {
        const LearnedItem *one = a, *other = b;
        char folder[2][PLACE_PATH_ROOM];
        const LearnedItem *items[] = {one, other};
        for (size_t i = 0; i < 2; i++)
                *(char *) mempcpy(folder[i], items[i]->words[0], item_folder_length(items[i])) = 0;
        int r = folders_compare(folder[0], folder[1]);
        if (r == 0)
                r = (one->kind != LEARNED_LIST) - (other->kind != LEARNED_LIST);
        if (r == 0)
                r = strcmp(one->words[0], other->words[0]);
        return r != 0 ? r : (int) one->kind - (int) other->kind;
}

/* VALUE of a line of KIND. */
static int learned_take_item(Learned *l, LearnedKind kind, const char *value) {
        _cleanup_strv_free_ char **words = NULL;
        int r = split_words(value, &words);
        if (r < 0 && r != -EINVAL)
                return r;
        if (r < 0 || strv_length(words) != kinds[kind].words || !contain_path_is_valid(words[0]) ||
            (kind != LEARNED_LIST && streq(words[0], "/")) || place_is_own_state(words[0])) {
                l->damaged = true;
                return 0;
        }
        if (grow(l->items, l->n_items) < 0)
                return error_origin(-ENOMEM);
        l->items[l->n_items++] = (LearnedItem){.kind = kind, .words = TAKE_PTR(words)};
        return 0;
}

/* The words after the first of WORDS, with spaces between them. */
static int join_detail(char *const *words, char **ret) {
        _cleanup_free_ char *text = NULL;
        for (size_t i = 1; words[i]; i++) {
                char *longer = NULL;
                int r = strprintf(&longer, "%s%s%s", strempty(text), text ? " " : "", words[i]);
                if (r < 0)
                        return r;
                free(text);
                text = longer;
        }
        *ret = TAKE_PTR(text);
        return 0;
}

/* Not in linear time, so a text of many words is cut by nobody but its writer: it is one line. */
#define DETAIL_MAX 4096U

static int learned_take_how(Learned *l, const char *value) {
        static const char *const hows[] = {"opens", "lookups", "from", "no", "wanted"};
        _cleanup_strv_free_ char **words = NULL;
        l->known = true;
        int r = strlen(value) <= DETAIL_MAX ? split_words(value, &words) : -EINVAL;
        if (r < 0 && r != -EINVAL)
                return r;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(hows); i++)
                if (streq_ptr(words[0], hows[i])) {
                        l->how = strdup(hows[i]);
                        return l->how ? join_detail(words, &l->detail) : error_origin(-ENOMEM);
                }
        l->damaged = true;
        return 0;
}

static int learned_take_line(Learned *l, const StampLine *line) {
        if (streq(line->key, "learned") && !l->known)
                return learned_take_how(l, line->value);
        if (streq(line->key, "raced") && !l->raced) {
                int r = unescape_word(line->value, strlen(line->value), &l->raced);
                l->damaged = l->damaged || r == -EINVAL;
                return r == -EINVAL ? 0 : r;
        }
        for (LearnedKind kind = 0; kind < _LEARNED_KIND_MAX; kind++)
                if (streq(line->key, kinds[kind].key))
                        return learned_take_item(l, kind, line->value);
        return 0;
}

/* As we write it. */
static bool learned_is_sorted(const Learned *l) {
        for (size_t i = 1; i < l->n_items; i++)
                if (learned_compare_items(&l->items[i - 1], &l->items[i]) > 0)
                        return false;
        return true;
}

void learned_sort(Learned *l) {
        if (l->items && !learned_is_sorted(l))
                qsort(l->items, l->n_items, sizeof(*l->items), learned_compare_items);
}

int learned_read(const Stamp *stamp, Learned *ret) {
        assert(stamp && ret);
        _cleanup_(learned_done) Learned l = LEARNED_NULL;
        for (size_t i = 0; i < stamp->n_lines; i++) {
                int r = learned_take_line(&l, &stamp->lines[i]);
                if (r < 0)
                        return r;
        }
        learned_sort(&l);
        l.wanted = l.how && streq(l.how, "wanted");
        l.complete = l.known && l.how && !l.wanted && !streq(l.how, "no") && !l.damaged;
        *ret = l;
        l = LEARNED_NULL;
        return 0;
}

const char *learned_why_not(const Stamp *head, const Learned *list) {
        assert(head && list);
        if (head->list_left_out)
                return "the list of what was learned is too large";
        if (list->damaged)
                return "the list of what was learned is damaged";
        if (!list->known)
                return "not built since it can be learned";
        if (list->wanted)
                return "another program built it";
        return list->complete ? NULL : list->detail ? list->detail : "not known why";
}

const LearnedItem *learned_find(const Learned *l, LearnedKind kind, const char *path) {
        assert(l && kind < _LEARNED_KIND_MAX && path);
        char *words[] = {(char *) path, NULL};
        const LearnedItem wanted = {.kind = kind, .words = words};
        return l->n_items == 0
                       ? NULL
                       : bsearch(&wanted, l->items, l->n_items, sizeof(*l->items), learned_compare_items);
}
