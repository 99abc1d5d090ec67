/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is still owed while the system goes down, and the time that is left for it: as bootkeepd reports it
 * over the bus, or as bootkeepd --flush prints it. What it says is as good as a stranger's: bounded, and made
 * harmless for a terminal. */

#include <systemd/sd-bus.h>

#include "base/owed.h"

#define SNAPSHOT_MAX 256U

typedef struct Snapshot {
        uint64_t left_usec;
        OwedView *views; /* their texts are owned */
        size_t n;
} Snapshot;

void snapshot_done(Snapshot *s);
/* Copies VIEW. -E2BIG, -ENOMEM. */
int snapshot_add(Snapshot *s, const OwedView *view);
/* The one of this KEY (owed_make_key()), or NULL. */
const OwedView *snapshot_find(const Snapshot *s, const char *key);

/* The body of the signal LastChanceProgress. */
int snapshot_read_signal(sd_bus_message *m, Snapshot *ret);

/* One line that bootkeepd --flush prints, without its newline. */
typedef enum SnapshotLine {
        SNAPSHOT_GOES_ON,
        SNAPSHOT_COMPLETE, /* S is one */
        SNAPSHOT_END,      /* there will be no more */
} SnapshotLine;
/* A SnapshotLine, -EBADMSG, -E2BIG, -ENOMEM. */
int snapshot_take_line(Snapshot *s, const char *line);
