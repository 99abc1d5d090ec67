/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list is sorted by folder. In a folder that cannot be opened nothing is there. */

#include "freshness/sight.h"

#include <fcntl.h>
#include <fnmatch.h>

#include "base/error.h"
#include "base/path.h"
#include "freshness/finding.h"
#include "tree/folders.h"
#include "tree/names.h"

typedef struct Sights {
        const Subject *subject;
        const SightVisitor *visitor;
        const Arm *arm;
        Folders folders;
        char **outputs; /* strv: of the cache */
        char folder[PLACE_PATH_ROOM];
        int fd;          /* of it, borrowed; or why it cannot be opened */
        Listing listing; /* of the last one that was listed */
        uint64_t mount;
} Sights;

static void sights_done(Sights *s) {
        folders_done(&s->folders);
        listing_done(&s->listing);
        s->outputs = strv_free(s->outputs);
}

/* In every list of every system: they change with each package, and no builder depends on them. */
static const char *const ignored_patterns[] = {
        "/etc/ld.so.cache",
        "/usr/lib/locale/*",
        "/var/cache/*",
};

bool sight_ignores(const Definition *definition, const char *path) {
        assert(definition && path);
        for (size_t i = 0; i < ELEMENTSOF(ignored_patterns); i++)
                if (fnmatch(ignored_patterns[i], path, 0) == 0)
                        return true;
        for (char *const *p = definition->learn_ignore; p && *p; p++)
                if (fnmatch(*p, path, 0) == 0)
                        return true;
        return place_is_own_state(path) || startswith(path_last(path), ".bootkeep-");
}

/* Does NAME in the present folder not count? A NameFilter. */
static bool sights_leave_out(const char *name, void *userdata) {
        const Sights *s = userdata;
        char path[PLACE_PATH_ROOM];
        size_t length = streq(s->folder, "/") ? 0 : strlen(s->folder);
        memcpy(path, s->folder, length);
        path[length] = 0;
        if (place_path_append(path, &length, name) < 0)
                return true; /* no list can hold it either */
        return strv_contains(s->outputs, path) || sight_ignores(s->subject->cache->definition, path);
}

/* Goes to the folder of ITEM, unless it is there already. */
static int sights_enter(Sights *s, const LearnedItem *item) {
        const char *path = item->words[0];
        size_t n = item->kind == LEARNED_LIST ? strlen(path) : learned_folder_length(path);
        if (strncmp(s->folder, path, n) == 0 && s->folder[n] == 0)
                return 0;
        assert(n < sizeof(s->folder));
        memcpy(s->folder, path, n);
        s->folder[n] = 0;
        int r = folders_enter(&s->folders, s->folder, &s->fd);
        struct statx stx;
        if (r >= 0 && statx(s->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                r = error_origin(-errno);
        if (r >= 0)
                s->mount = stx.stx_mnt_id;
        if (r < 0)
                s->fd = r;
        return finding_is_shortage(r) ? r : 0;
}

/* A hard link elsewhere may change it without an event in its folder. */
static int sights_arm_shared(const Sights *s, const char *name, struct statx *stx) {
        _cleanup_close_ int fd = -EBADF;
        if (!s->arm || !S_ISREG(stx->stx_mode) || stx->stx_nlink <= 1 || place_open(s->fd, name, 0, &fd) < 0)
                return 0;
        int r = place_arm(s->arm, fd, ARM_NODE);
        return r < 0 ? r : place_stat(fd, stx);
}

static int sights_stat(const Sights *s, const char *name, Sight *sight) {
        int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
        if (statx(s->fd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &sight->stx) < 0) {
                sight->stx = (struct statx){};
                return 0;
        }
        sight->covered = sight->stx.stx_mask & STATX_MNT_ID && sight->stx.stx_mnt_id != s->mount;
        return sight->covered ? place_arm(s->arm, s->fd, ARM_COVERED)
                              : sights_arm_shared(s, name, &sight->stx);
}

/* *RET_NOW: see Sight. */
static int sights_describe(const Sights *s, const char *name, const Sight *sight, char **ret_now) {
        if (sight->item->kind == LEARNED_MISS || sight->stx.stx_mask == 0)
                return 0;
        if (sight->item->kind == LEARNED_LINK) {
                int r = S_ISLNK(sight->stx.stx_mode) ? place_read_link(s->fd, name, ret_now) : 0;
                return r == -ENOMEM ? r : 0;
        }
        const WalkEntry entry = {.path = sight->item->words[0], .stx = &sight->stx};
        return fingerprint_describe(&entry, s->subject->context->trust_ctime, ret_now);
}

static int sights_visit_name(Sights *s, Sight *sight) {
        const char *name = path_last(sight->item->words[0]);
        _cleanup_free_ char *now = NULL;
        int r = s->fd < 0 ? 0 : sights_stat(s, name, sight);
        if (r >= 0 && !sight->covered)
                r = sights_describe(s, name, sight, &now);
        if (r < 0)
                return r;
        sight->now = now;
        sight->same = sight->item->kind == LEARNED_MISS ? sight->stx.stx_mask == 0
                                                        : streq_ptr(now, sight->item->words[1]);
        return s->visitor->visit(sight, s->visitor->userdata);
}

/* One that somebody has open does not report its removal at once, unless there is somebody above to do it. */
static int sights_arm_above(const Sights *s) {
        int above = folders_above(&s->folders);
        return s->listing.n_names > 0 || above < 0 ? 0 : place_arm(s->arm, above, ARM_ABOVE);
}

static int sights_read_names(Sights *s, Sight *sight, char hex[static FINGERPRINT_HEX_MAX]) {
        const NameFilter filter = {sights_leave_out, s};
        Fingerprint f;
        if (statx(s->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sight->stx) < 0)
                return error_origin(-errno);
        int r = names_read(s->fd, &s->listing);
        if (r >= 0)
                r = sights_arm_above(s);
        if (r >= 0)
                r = names_fingerprint(s->fd, &s->listing, &filter, &f);
        if (r >= 0)
                sight->now = fingerprint_to_hex(&f, hex);
        return r;
}

static int sights_visit_folder(Sights *s, Sight *sight) {
        char hex[FINGERPRINT_HEX_MAX];
        listing_done(&s->listing);
        int r = s->fd < 0 ? 0 : sights_read_names(s, sight, hex);
        if (finding_is_shortage(r))
                return r;
        sight->listing = &s->listing;
        sight->same = streq_ptr(sight->now, sight->item->words[1]);
        return s->visitor->visit(sight, s->visitor->userdata);
}

static int sights_visit_item(Sights *s, const LearnedItem *item) {
        int r = sights_enter(s, item);
        if (r < 0)
                return r;
        Sight sight = {.item = item, .folder = s->fd, .covered = s->fd == -EXDEV};
        return item->kind == LEARNED_LIST ? sights_visit_folder(s, &sight) : sights_visit_name(s, &sight);
}

int sights_visit(const Subject *subject, const Learned *list, const Arm *arm, const SightVisitor *visitor) {
        assert(subject && subject->cache && list && visitor);
        const Walk walk = {.root = subject->context->root->fd, .arm = arm};
        _cleanup_(sights_done) Sights s = {.subject = subject, .visitor = visitor, .arm = arm, .fd = -EBADF};
        folders_init(&s.folders, &walk);
        int r = plan_outputs(subject->context->plan, subject->cache, &s.outputs);
        for (size_t i = 0; r == 0 && i < list->n_items; i++)
                r = sights_visit_item(&s, &list->items[i]);
        return r;
}
