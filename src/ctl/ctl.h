/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of one run of bootkeepctl, and its verbs. A verb prints its results on stdout, errors on
 * stderr, and returns the exit status of the program. */

#include <systemd/sd-bus.h>

#include "bootkeep.h"
#include "ctl/json.h"

/* How the system goes down. */
typedef enum CtlWay {
        CTL_REBOOT, /* the default */
        CTL_POWEROFF,
        CTL_HALT,
        CTL_KEXEC,
        CTL_SOFT,
        _CTL_WAY_MAX,
} CtlWay;

typedef struct Ctl {
        sd_bus *bus;
        JsonMode json;
        bool legend; /* headings and the footer of a table */
        bool quiet;  /* exit status and errors only */
        bool pager;
        bool force;
        bool wait;
        bool way[_CTL_WAY_MAX]; /* options: at most one */
        uint64_t timeout_usec;  /* USEC_INFINITY: as long as it takes */
        bool colors;            /* of stdout; determined before a pager takes its place */
        size_t width;           /* of the terminal that is stdout; 0: it is not one */
        bool no_wait;
        bool hook;
        bool brief; /* for a hook: the daemon is not started for it */
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
int verb_ready(Ctl *ctl, char *const *none);
int verb_reboot(Ctl *ctl, char *const *none);
int verb_sources(Ctl *ctl, char *const *arguments); /* volume, cache */
int verb_history(Ctl *ctl, char *const *volumes);
int verb_begin(Ctl *ctl, char *const *arguments); /* volume, cache, instance */
int verb_done(Ctl *ctl, char *const *arguments);  /* cookie, exit status */
int verb_unmount(Ctl *ctl, char *const *volumes);
