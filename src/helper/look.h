/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/interrupt.h"
#include "base/progress.h"
#include "helper/helperrecord.h"

/* What stands on a helper now. Nothing is written. */
typedef struct Look {
        int root;                   /* of the helper */
        const HelperRecord *record; /* of the helper */
        bool read_all;              /* read what is there, whatever the record says */
        Interrupt *interrupt;       /* or NULL */
        Progress *progress;         /* says that we live; or NULL */
} Look;

typedef enum Standing { /* what stands on the helper under a wanted file's name */
                        STANDING_ABSENT,
                        STANDING_SAME,  /* what is wanted; the record vouches for it */
                        STANDING_EQUAL, /* what is wanted; found by reading it */
                        STANDING_OTHER,
} Standing;

typedef struct HelperView {
        Standing standing;
        bool sector;  /* a regular file of ENTRY_SECTOR bytes */
        bool blocked; /* a directory stands in its place, or a file on the way to it */
} HelperView;

/* Does what is wanted stand there, content and all? */
bool helper_view_is_equal(const HelperView *view);

/* One view for each of WANTED, which is named; *RET is to be freed. What the record vouches for is taken by
 * name and size, unless an intent or READ_ALL; other files of the right size are read. -ELOOP, …: *RETERR
 * says where. -EINTR. */
int look_at_wanted(const Look *l, const WantedSet *wanted, HelperView **ret, char **reterr);

/* The entries that the record carries, with their text as it stands there; one that is not there is left out.
 * -ENOMEM and the like alone. */
int look_at_entries(const Look *l, SeenSet *ret);

/* Of what RECORD keeps only that stays which stands there unchanged: a build that was interrupted may not
 * have come so far. The rest is ours. -ENOMEM and the like alone. */
int look_at_kept(int root, HelperRecord *record);

/* What the record calls ours and stands there: path and size, and the text of an entry that is WANTED.
 * -ENOMEM and the like alone. */
int look_at_ours(const Look *l, const WantedSet *wanted, SeenSet *ret);

/* Bytes of a block, bytes free for us. */
int look_at_space(int root, uint64_t *ret_block, uint64_t *ret_available);
