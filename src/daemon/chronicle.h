/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps the history of the builds of each volume, below the state directory. It is for people: what cannot be
 * written is logged once, and holds nothing up. */

#include "base/history.h"
#include "daemon/record.h"

typedef struct Chronicle {
        const char *dir; /* NULL: nothing is kept */
        int error;       /* of the last attempt, as logged */
} Chronicle;

/* A build of RECORD begins; if it is to be built anew, by force. */
void chronicle_begin(Record *record);
/* It has ended with STATUS and RECORD's problem; REPORT is what it printed, or NULL: it could not be started.
 * A build that is put off again and again for the same reason is noted once. */
void chronicle_end(Chronicle *c, Record *record, const Report *report, int status);
/* All that is known. */
int chronicle_read(const Chronicle *c, const Record *record, History *ret);
