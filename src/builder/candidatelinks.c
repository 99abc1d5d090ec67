/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing tells that a link was followed but that what it leads to was opened. So a link counts if it is
 * where something was used, and leads to something that was used: better one too many than one too few. */

#include <fcntl.h>

#include "base/error.h"
#include "base/path.h"
#include "builder/candidates.h"
#include "freshness/finding.h"
#include "tree/contain.h"
#include "tree/folders.h"
#include "tree/names.h"

#define LINKS_LOOKED_AT_MAX 20000U

typedef struct LinkSearch {
        Candidates *candidates;
        int root;
        char **used; /* what was used, and every folder on the way; what is below a folder comes next */
        size_t n_used;
        size_t n_links; /* looked at so far */
        StrvBuilder found;
} LinkSearch;

static void link_search_done(LinkSearch *s) {
        s->used = strv_free(s->used);
        strv_builder_done(&s->found);
}

static int compare_used(const void *a, const void *b) {
        return folders_compare(*(char *const *) a, *(char *const *) b);
}

static bool is_used(const LinkSearch *s, const char *path) {
        return s->n_used > 0 && bsearch(&path, s->used, s->n_used, sizeof(*s->used), compare_used);
}

/* PATH and all above it but the root. What is also above PREVIOUS, which precedes it, was added for that. */
static int add_used(StrvBuilder *used, const char *path, const char *previous) {
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return error_origin(-ENOMEM);
        while (!streq(copy, "/") && !path_is_at_or_above(copy, previous)) {
                if (strv_builder_extend(used, copy) < 0)
                        return error_origin(-ENOMEM);
                (void) path_cut_last(copy);
        }
        return 0;
}

static int collect_used(LinkSearch *s) {
        StrvBuilder used = {};
        const Learned *l = &s->candidates->list;
        const char *previous = "/";
        int r = 0;
        for (size_t i = 0; r >= 0 && i < l->n_items; i++)
                if (l->items[i].kind != LEARNED_MISS && l->items[i].kind != LEARNED_LINK) {
                        r = add_used(&used, l->items[i].words[0], previous);
                        previous = l->items[i].words[0];
                }
        size_t n = 0, all = used.n;
        if (r >= 0)
                r = strv_builder_finish(&used, &s->used);
        strv_builder_done(&used);
        if (r < 0 || all == 0)
                return r;
        qsort(s->used, all, sizeof(*s->used), compare_used);
        for (size_t i = 0; i < all; i++)
                if (n > 0 && streq(s->used[n - 1], s->used[i]))
                        free(s->used[i]);
                else
                        s->used[n++] = s->used[i];
        s->used[n] = NULL;
        s->n_used = n;
        return 0;
}

/* Each link on the way. */
static int note_link(const WalkEntry *entry, void *userdata) {
        return strv_builder_extend(userdata, entry->path);
}

static int take_passed(LinkSearch *s, StrvBuilder *passed) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < passed->n; i++)
                r = strv_builder_extend(&s->found, passed->items[i]);
        return r;
}

/* Does the link PATH lead to something that was used? */
static int look_at_link(LinkSearch *s, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *resolved = NULL;
        StrvBuilder passed = {};
        if (s->n_links++ >= LINKS_LOOKED_AT_MAX)
                return 0;
        int r = walk_resolve(&(Walk){.root = s->root}, path, &(Visitor){note_link, &passed}, &fd, &resolved);
        if (r >= 0 && is_used(s, resolved))
                r = take_passed(s, &passed);
        strv_builder_done(&passed);
        return finding_is_shortage(r) ? r : 0;
}

static int compare_listed(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* TARGET is of a link in FOLDER: most of them lead to a file beside them, and that needs no look. */
static bool may_be_used(const LinkSearch *s, const Listing *listing, const char *folder, const char *target) {
        char path[PLACE_PATH_ROOM];
        size_t length = strlen(folder);
        if (strchr(target, '/') || streq(target, "..") || streq(target, "."))
                return true;
        char *const *name =
                bsearch(&target, listing->names, listing->n_names, sizeof(*listing->names), compare_listed);
        if (!name || listing_type(*name) != DT_REG)
                return name != NULL;
        memcpy(path, folder, length + 1);
        return place_path_append(path, &length, target) >= 0 && is_used(s, path);
}

/* FOLDER: "" for the root. */
static int look_at_folder(LinkSearch *s, const char *folder) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_(listing_done) Listing listing = {};
        assert(folder);
        int r = contain_open_nolinks(s->root, *folder ? folder : "/", O_PATH | O_DIRECTORY, 0, &fd);
        if (r >= 0)
                r = names_read(fd, &listing);
        if (r < 0)
                return finding_is_shortage(r) ? r : 0;
        for (size_t i = 0; r >= 0 && i < listing.n_names; i++) {
                _cleanup_free_ char *target = NULL, *path = NULL;
                unsigned char type = listing_type(listing.names[i]);
                if (type != DT_LNK && type != DT_UNKNOWN)
                        continue;
                r = place_read_link(fd, listing.names[i], &target);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 || !may_be_used(s, &listing, folder, target)) {
                        r = 0; /* it may be none, or gone */
                        continue;
                }
                r = strprintf(&path, "%s/%s", folder, listing.names[i]);
                if (r >= 0)
                        r = look_at_link(s, path);
        }
        return r;
}

/* Of what was used, the folders are those in which something was used, and those that were listed. */
static int look_at_folders(LinkSearch *s) {
        int r = look_at_folder(s, "");
        for (size_t i = 0; r >= 0 && i < s->n_used; i++) {
                const char *path = s->used[i], *next = i + 1 < s->n_used ? s->used[i + 1] : NULL;
                if ((next && path_is_at_or_above(path, next)) ||
                    learned_find(&s->candidates->list, LEARNED_LIST, path))
                        r = look_at_folder(s, path);
        }
        return r;
}

int candidates_add_links(Candidates *c, int root) {
        assert(c && root >= 0);
        _cleanup_(link_search_done) LinkSearch s = {.candidates = c, .root = root};
        int r = collect_used(&s);
        if (r >= 0)
                r = look_at_folders(&s);
        for (size_t i = 0; r >= 0 && i < s.found.n; i++)
                r = candidates_add(c, LEARNED_LINK, s.found.items[i]);
        if (r >= 0)
                candidates_sort(c);
        return r;
}
