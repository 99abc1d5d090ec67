/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starts bootkeep-scan and bootkeep-build for one mount: the only place that knows their options. */

#include "daemon/world/job.h"
#include "daemon/world/settings.h"
#include "daemon/world/unitjob.h"

typedef struct LaunchOptions {
        const char *libexec;  /* where the two programs are */
        const char *builders; /* --builders= for them, or NULL */
        const char *runtime;  /* where a scan may listen for stamps that a mount covers; NULL: nowhere */
        const char *units;    /* where builds in units have their folders; NULL: builds are children */
        char *const *hold_locked, *const *hold_exists; /* strv of lock files that a scan looks for */
        bool trust_ctime;
        /* We are in a mount namespace of our own: there mounts have other IDs, and our children can write to
         * none. */
        bool apart;
} LaunchOptions;

typedef struct LaunchBuild {
        const char *volume, *mount_point;
        uint64_t mount_id;
        bool force;
        unsigned inquiry; /* the number of one for what a cache is made from; 0: a scan */
} LaunchBuild;

/* One that prints what CACHE ("": each) is made from, and nothing else. */
int launch_sources(const LaunchOptions *o, const LaunchBuild *scan, const char *cache, Job **ret);
/* INOTIFY_FD < 0: nothing is armed. */
int launch_scan(const LaunchOptions *o, const LaunchBuild *scan, int inotify_fd, Job **ret);
/* As a child. */
int launch_build(const LaunchOptions *o, const LaunchBuild *build, Job **ret);
/* Prepares it to be run by systemd, which unitjob_start() asks. -EOPNOTSUPP: builds are children. */
int launch_build_in_unit(const LaunchOptions *o, const LaunchBuild *build, UnitJob **ret);
/* A build in a unit that an earlier daemon began. -ENOENT, -EOPNOTSUPP. */
int launch_find_build(const LaunchOptions *o, const char *volume, UnitJob **ret);
/* Has the stamps of a volume opened for its scan, which has asked for that. */
int launch_opening(const LaunchOptions *o, const LaunchBuild *build, Job **ret);
int launch_opening_in_unit(const LaunchOptions *o, const LaunchBuild *build, UnitJob **ret);

/* What somebody else builds. */
typedef struct LaunchHandover {
        const char *volume, *mount_point;
        uint64_t mount_id;
        unsigned number;              /* of those of this volume that run: the lowest that is free */
        const char *file;             /* the record */
        bool begin;                   /* make it; else: take what was built since */
        const char *cache, *instance; /* which to begin, NULL: all */
} LaunchHandover;

int launch_handover(const LaunchOptions *o, const LaunchHandover *handover, Job **ret);
/* -EBUSY: the one of an earlier daemon with this number still runs. -EOPNOTSUPP. */
int launch_handover_in_unit(const LaunchOptions *o, const LaunchHandover *handover, UnitJob **ret);

/* Checks the builder definitions: if something is wrong with them, the exit status is BOOTKEEP_SCAN_ERROR and
 * the mistakes are printed on stderr. */
int launch_check_builders(const LaunchOptions *o, Job **ret);
