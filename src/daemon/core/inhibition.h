/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which inhibitors of logind are wanted: what delays a shutdown, or blocks it, while work is owed. Pure: it
 * knows neither logind nor a volume's watch, only what goingdown.c has found out about them. */

#include "daemon/core/volume.h"

/* Inhibit= of bootkeep.conf(5). */
typedef enum InhibitionSetting {
        INHIBITION_NO,
        INHIBITION_DELAYS,
        INHIBITION_BLOCKS,
        _INHIBITION_SETTING_MAX,
} InhibitionSetting;

/* Inhibitors: a set. */
typedef enum Inhibitor {
        INHIBITOR_DELAY = 1 << 0, /* a shutdown waits, for as long as logind lets it */
        INHIBITOR_WEAK = 1 << 1,  /* it fails, but not for root: something is between two sets */
        INHIBITOR_BLOCK = 1 << 2, /* it fails, from systemd 257 on for root, too */
} Inhibitor;

#define INHIBITOR_KINDS 3 /* bit i is the one with the number i */

typedef struct InhibitionFacts {
        InhibitionSetting setting;
        unsigned held;      /* set of Inhibitor */
        bool kept;          /* something that we keep up to date is watched */
        bool owed;          /* a volume is busy */
        bool moving;        /* and what is owed gets done by itself, or by whoever holds it up, in a moment */
        bool switching;     /* a helper or an output is between two sets */
        bool refused;       /* systemd itself refuses to go down, by a drop-in of ours */
        bool reboot_locked; /* a client goes down with our consent */
        bool preparing;     /* logind is about to take the system down */
} InhibitionFacts;

/* The set of Inhibitor to be held. While logind prepares, it gives out none: only those held are wanted. */
unsigned inhibition_wanted(const InhibitionFacts *facts);

/* Is V trusted and has it, as far as is known, a manifest, so that a shutdown matters to it? */
bool inhibition_concerns(const Volume *v);
/* Is something owed on V, and not merely waiting for the time of a retry? UNSEEN: a scan was requested that
 * has not ended. */
bool inhibition_moves(const Volume *v, bool unseen);

/* As logind calls it. WEAK: does it know "block-weak"? */
const char *inhibitor_mode(Inhibitor kind, bool weak);

/* -EINVAL. */
int inhibition_setting_from_string(const char *s, InhibitionSetting *ret);
