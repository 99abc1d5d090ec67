/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/learningrace.h"

#include "base/path.h"
#include "builder/contentcheck.h"

/* WHOLE: its file system keeps whole seconds. */
static bool timestamp_is_not_older(const struct statx_timestamp *t, bool whole,
                                   const struct timespec *began) {
        if (t->tv_sec != began->tv_sec || whole)
                return t->tv_sec >= began->tv_sec;
        return t->tv_nsec >= (uint64_t) began->tv_nsec;
}

/* A package may give its files whole seconds, but only as their mtime. */
static bool has_whole_seconds(const struct statx *stx) {
        return stx->stx_mtime.tv_nsec == 0 && stx->stx_ctime.tv_nsec == 0;
}

bool stat_is_not_older(const struct statx *stx, bool trust_ctime, const struct timespec *began) {
        bool whole = has_whole_seconds(stx);
        return timestamp_is_not_older(&stx->stx_mtime, whole, began) ||
               (trust_ctime && timestamp_is_not_older(&stx->stx_ctime, whole, began));
}

/* Of STX: did it exist when the builder was started? Where no birth is kept, what changed since may have been
 * made since. What was made after the clock was set back seems to have been there: then it is built once
 * more, and nothing is missed. */
static bool was_there_before(const LearningRace *race, const struct statx *stx) {
        const struct timespec *began = &race->trace->began;
        bool whole = has_whole_seconds(stx);
        if (stx->stx_mask & STATX_BTIME)
                return !timestamp_is_not_older(&stx->stx_btime, whole, began);
        return stx->stx_mask & STATX_CTIME && !timestamp_is_not_older(&stx->stx_ctime, whole, began);
}

/* Is it the builder's own: did it write or make it, or is it what it was to build? */
static bool is_own_item(const LearningRace *race, const TraceItem *item) {
        return item->kinds & TRACE_WRITTEN ||
               (item->stx.stx_mask & STATX_BTIME && !was_there_before(race, &item->stx));
}

static bool is_own(const LearningRace *race, const char *path) {
        const TraceItem *item = trace_find(race->trace, path);
        return candidates_have_output(race->candidates, path) ||
               sight_ignores(race->subject->cache->definition, path) || (item && is_own_item(race, item));
}

/* ---- files ---- */

static bool file_was_same_before(const LearningRace *race, const Sight *sight, const char *content) {
        const char *path = sight->item->words[0];
        const LearnedItem *before = learned_find(race->before, sight->item->kind, path);
        if (!before && sight->item->kind == LEARNED_LOOK)
                before = learned_find(race->before, LEARNED_READ, path);
        if (!before)
                return false;
        return sight->item->kind == LEARNED_LINK ? streq(before->words[1], sight->now)
                                                 : content_is_same(before, sight->now, content);
}

/* What is made in a folder changes its times, and who only looked at the folder itself did not see that. */
static bool looked_at_folder_has_changed(const LearningRace *race, const Sight *sight) {
        const TraceItem *item = trace_find(race->trace, sight->item->words[0]);
        return item && item->stx.stx_mask & STATX_MODE &&
               (item->stx.stx_mode != sight->stx.stx_mode || item->stx.stx_uid != sight->stx.stx_uid ||
                item->stx.stx_gid != sight->stx.stx_gid);
}

static bool file_has_changed(const LearningRace *race, const Sight *sight) {
        if (S_ISDIR(sight->stx.stx_mode))
                return looked_at_folder_has_changed(race, sight);
        return stat_is_not_older(&sight->stx, race->subject->context->trust_ctime, &race->since);
}

/* Is it what the builder wrote under another name, and renamed over what it had read? depmod does so. */
static bool is_own_under_another_name(const LearningRace *race, const struct statx *stx) {
        for (size_t i = 0; i < race->trace->n; i++) {
                const TraceItem *item = &race->trace->items[i];
                if (item->kinds & TRACE_WRITTEN && item->stx.stx_mask & STATX_INO &&
                    item->stx.stx_ino == stx->stx_ino)
                        return true;
        }
        return false;
}

/* ---- folders ---- */

/* The next of NAMES, at I or after, that is not the builder's own. */
static const char *next_foreign(const LearningRace *race, const char *folder, char *const *names, size_t n,
                                size_t *i) {
        while (*i < n) {
                const char *name = names[(*i)++];
                char path[PLACE_PATH_ROOM];
                size_t length = streq(folder, "/") ? 0 : strlen(folder);
                memcpy(path, folder, length);
                path[length] = 0;
                if (place_path_append(path, &length, name) < 0 || !is_own(race, path))
                        return name;
        }
        return NULL;
}

/* Has FOLDER the names that it had when it was first seen, but for the builder's own? */
static bool names_are_same(const LearningRace *race, const Sight *sight, const TraceItem *item) {
        const char *folder = sight->item->words[0];
        size_t n_before = strv_length(item->names), a = 0, b = 0;
        for (;;) {
                const char *before = next_foreign(race, folder, item->names, n_before, &a);
                const char *now =
                        next_foreign(race, folder, sight->listing->names, sight->listing->n_names, &b);
                if (!before || !now)
                        return !before && !now;
                if (!streq(before, now))
                        return false;
        }
}

/* Did the builder itself do something in FOLDER? */
static bool has_own_in(const LearningRace *race, const char *folder) {
        for (char *const *o = race->candidates->outputs; o && *o; o++)
                if (strlen(folder) == learned_folder_length(*o) && startswith(*o, folder))
                        return true;
        for (size_t i = 0; i < race->trace->n; i++) {
                const TraceItem *item = &race->trace->items[i];
                if (startswith(item->path, folder) && strlen(folder) == learned_folder_length(item->path) &&
                    !streq(item->path, folder) && is_own_item(race, item))
                        return true;
        }
        return false;
}

static bool folder_has_raced(const LearningRace *race, const Sight *sight) {
        const char *folder = sight->item->words[0];
        const LearnedItem *before = learned_find(race->before, LEARNED_LIST, folder);
        const TraceItem *item = trace_find(race->trace, folder);
        if (!timestamp_is_not_older(&sight->stx.stx_mtime, has_whole_seconds(&sight->stx), &race->since))
                return false;
        if (before && streq(before->words[1], sight->now))
                return false;
        return !item || !item->names || !has_own_in(race, folder) || !names_are_same(race, sight, item);
}

bool learning_has_raced(const LearningRace *race, const Sight *sight, const char *content) {
        assert(race && sight && content);
        const char *path = sight->item->words[0];
        if (sight->covered)
                return false;
        if (sight->item->kind == LEARNED_MISS)
                return sight->stx.stx_mask != 0 && !is_own(race, path);
        if (!sight->now) { /* it is gone, or something else */
                const TraceItem *item = trace_find(race->trace, path);
                return item && !(item->kinds & TRACE_WRITTEN) && was_there_before(race, &item->stx);
        }
        if (sight->item->kind == LEARNED_LIST)
                return folder_has_raced(race, sight);
        return file_has_changed(race, sight) && !is_own_under_another_name(race, &sight->stx) &&
               !file_was_same_before(race, sight, content);
}
