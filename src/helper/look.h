/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/progress.h"
#include "helper/helperrecord.h"

/* What is on a helper now. Nothing is written. */
typedef struct Look {
        int root;                   /* of the helper */
        const HelperRecord *record; /* of the helper */
        bool read_all;              /* read what is there, whatever the record says */
        Interrupt *interrupt;       /* or NULL */
        Progress *progress;         /* for signs of life; or NULL */
} Look;

/* What is on the helper under the name of a wanted file. */
typedef enum Standing {
        STANDING_ABSENT,
        STANDING_SAME,  /* the wanted content; the record vouches for it */
        STANDING_EQUAL, /* the wanted content; found by reading it */
        STANDING_OTHER,
} Standing;

typedef struct HelperView {
        Standing standing;
        bool sector;  /* a regular file of ENTRY_SECTOR bytes */
        bool blocked; /* there is a directory in its place, or a file in its path */
} HelperView;

/* Is the wanted file there, including its content? */
bool helper_view_is_equal(const HelperView *view);

/* One view for each of WANTED, which is named; the caller frees *RET. What the record vouches for is accepted
 * by name and size, except with an intent or READ_ALL; other files of the right size are read. -ELOOP, …:
 * *RETERR says where. -EINTR. */
int look_at_wanted(const Look *l, const WantedSet *wanted, HelperView **ret, char **reterr);

/* The entries that the record carries, with their text on the helper; missing ones are left out. Only -ENOMEM
 * and the like. */
int look_at_entries(const Look *l, SeenSet *ret);

/* Of the files that RECORD keeps, only those that exist unchanged are kept: an interrupted build may not have
 * got that far. The rest is ours. Only -ENOMEM and the like. */
int look_at_kept(int root, HelperRecord *record);

/* What the record lists as ours and exists: path and size, and the text of an entry that is WANTED. Only
 * -ENOMEM and the like. */
int look_at_ours(const Look *l, const WantedSet *wanted, SeenSet *ret);

/* Bytes in a block, bytes free for us. */
int look_at_space(int root, uint64_t *ret_block, uint64_t *ret_available);
