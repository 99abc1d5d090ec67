/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one run of bootkeepctl was asked, and the verbs that answer. A verb prints what it has to say on
 * stdout, its complaints on stderr, and returns the exit status of the program. */

#include <systemd/sd-bus.h>

#include "bootkeep.h"
#include "ctl/json.h"

typedef struct Ctl {
        sd_bus *bus;
        JsonMode json;
        bool legend; /* headings and the line below a table */
        bool quiet;  /* exit status and complaints alone */
        bool pager;
        bool force;
        bool wait;
        uint64_t timeout_usec; /* USEC_INFINITY: as long as it takes */
        bool colors;           /* stdout; looked up before a pager takes its place */
        size_t width;          /* of the terminal that is stdout; 0: it is none */
} Ctl;

int verb_status(Ctl *ctl, char *const *volumes);
int verb_check(Ctl *ctl, char *const *volumes);
int verb_rebuild(Ctl *ctl, char *const *volumes);
int verb_monitor(Ctl *ctl, char *const *volumes);
int verb_trust(Ctl *ctl, char *const *volumes);
int verb_distrust(Ctl *ctl, char *const *volumes);
int verb_lock(Ctl *ctl, char *const *arguments); /* the volume, then the command */
int verb_reboot_lock(Ctl *ctl, char *const *command);
int verb_flush(Ctl *ctl, char *const *none);
int verb_unmount(Ctl *ctl, char *const *volumes);
