/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Was the machine booted from what its helper carries now? Decided from what the boot loader told and from
 * the record of the helper. Pure, and without a clock: boots are told apart by their IDs. */

#include "base/bootedstate.h"
#include "helper/helperrecord.h"

/* What is known about the boot that runs. */
typedef struct BootFacts {
        char *boot_id;
        char *release; /* of the kernel */
        char *started; /* what the boot loader passed to it, with slashes only; "": nothing that can be relied
                          on */
        char *entry;   /* the boot loader's entry, without its directory; NULL: not told */
        char *partuuid; /* of the partition that the boot loader was read from, lower case; NULL: not told */
        bool contained; /* we run in a container: it was not our machine that was booted */
} BootFacts;

#define BOOT_FACTS_NULL ((BootFacts){})
void boot_facts_done(BootFacts *facts);

/* What is carried by the helpers that a boot loader reads as one: the one that it is on, and XBOOTLDR of that
 * disk. */
typedef struct BootedHelpers {
        HelperRecord record;
        /* of each carried file: NULL: it belongs to every instance; "": the manifest no longer names it.
         * Borrowed. */
        const char **instances;
} BootedHelpers;

void booted_helpers_done(BootedHelpers *helpers);

typedef struct Booted {
        BootedState state;
        char *text; /* what was booted and why that is old, or why it is not known, for people; NULL: current
                     */
} Booted;

#define BOOTED_NULL ((Booted){})
void booted_done(Booted *booted);

/* -ENOMEM. */
int booted_judge(const BootFacts *facts, const BootedHelpers *helpers, Booted *ret);
