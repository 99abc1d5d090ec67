/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The builds of a volume so far: one file for each volume in a directory, named as what is owed is (owed.h),
 * and the one before it. Text: first line `bootkeep-history 1`, then for each build
 *   build START END STATUS RESULT        microseconds of CLOCK_REALTIME; success, nothing-to-build, failed,
 *                                        not-now
 *   why TEXT                             what was stale
 *   reason TEXT                          what went wrong
 *   cache NAME INSTANCE RESULT USEC TEXT
 *   helper DEVICE TYPE ID RESULT BYTES TEXT
 * with every word and text escaped as one word. What cannot be understood is skipped: nothing depends on it.
 */

#include "base/util.h"

#define HISTORY_FILE_MAX (512U * 1024U) /* of the two together: 1 MiB for a volume */
#define HISTORY_ITEMS_MAX 128U          /* of one build */

/* A cache (name, instance, USEC) or a helper (device, type, id, BYTES). */
typedef struct HistoryItem {
        bool helper;
        char *words[3];
        char *result;
        uint64_t amount;
        char *reason;
} HistoryItem;

typedef struct HistoryEntry {
        uint64_t start, end;
        int status;
        char *result, *why, *reason;
        HistoryItem *items;
        size_t n_items;
} HistoryEntry;

void history_entry_done(HistoryEntry *entry);
/* Adds an item with WORDS (two, or three of a helper), RESULT and REASON, copied; one too many is left out.
 */
int history_add_item(HistoryEntry *entry, const HistoryItem *item);

typedef struct History {
        HistoryEntry *entries; /* from the oldest */
        size_t n;
} History;

void history_done(History *history);

/* Appends ENTRY to the file KEY in the directory PATH, which is created if missing. A file that has no room
 * for it becomes the one before. Not synced: nobody waits for a disk because of it. */
int history_append(const char *path, const char *key, const HistoryEntry *entry);
/* The entries of KEY; none if there is no file. */
int history_read(const char *path, const char *key, History *ret);
