/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The content of sources and outputs, with their extended attributes, for the builder alone: a scan reads
 * none. */

#include "base/interrupt.h"
#include "base/progress.h"
#include "freshness/sight.h"

/* What is larger counts by its times and inode alone. Large enough for any module or library; most of it was
 * just read by the builder, and is in memory. */
#define CONTENT_SIZE_MAX (64U * 1024U * 1024U)
/* Of all files of one cache: more than the modules of a kernel. */
#define CONTENT_TOTAL_MAX (1024U * 1024U * 1024U)

/* Reading content for one cache. Where it ends early, less is known. */
typedef struct ContentReading {
        uint64_t room;        /* how many bytes may still be read */
        Interrupt *interrupt; /* or NULL */
        Progress *progress;   /* or NULL: it gives no signs of life */
} ContentReading;

/* The content of the file SIGHT as in its line: LEARNED_NO_CONTENT for what is too large, gone or no regular
 * file. It is what the file had after SIGHT was taken. 0 or a shortage (finding.h). */
int content_of_sight(const Sight *sight, ContentReading *reading, char ret[static FINGERPRINT_HEX_MAX]);

/* Of the file PATH, likewise; *RET_STX is how it was after its content was read, stx_mask 0 if there is no
 * content. */
int content_of_path(const FreshnessContext *c, const char *path, ContentReading *reading,
                    struct statx *ret_stx, char ret[static FINGERPRINT_HEX_MAX]);

/* Is CONTENT one, and not LEARNED_NO_CONTENT? It may come from a stamp. */
bool content_is_known(const char *content);

/* Is the content of the file PATH, as DESCRIPTION has it, in LIST, since the builder read it? */
bool content_was_read(const Learned *list, const char *path, const char *description);

/* Is the file that was BEFORE (an item READ or LOOK) the same now, but for the time and how it came there?
 * NOW is its description, CONTENT as above. */
bool content_is_same(const LearnedItem *before, const char *now, const char *content);
