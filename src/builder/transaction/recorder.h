/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "freshness/stamp.h"
#include "helper/helper.h"
#include "helper/helperrecord.h"

/* Where the record of one helper is kept: in its stamp on the volume. */
typedef struct Recorder {
        int stamps; /* the directory of the helpers' stamps */
        char *name;
} Recorder;

#define RECORDER_NULL ((Recorder){.stamps = -EBADF})
void recorder_done(Recorder *recorder);

/* STATE is the directory of all stamps of the volume. Errors have their text in *RETERR. */
int recorder_open(Recorder *recorder, int state, const Helper *helper, char **reterr);

/* What is known about HELPER. Without a stamp, or with one that is not understood or of another file system,
 * nothing on the helper is ours, which an empty record says. Errors are anything else. */
int recorder_read(const Recorder *recorder, const Helper *helper, HelperRecord *ret, char **reterr);

/* Writes the stamp with its present content and RECORD. */
int recorder_write(const Recorder *recorder, const HelperRecord *record, Stamp *stamp, char **reterr);
