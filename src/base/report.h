/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What bootkeep-scan and bootkeep-build print on stdout for bootkeepd and for people: one record a line, `KEY
 * value…`, words escaped as in escape.h. The daemon trusts it no more than a stranger's: every bound is
 * checked.
 *
 *   MANIFEST PATH
 *   CACHE NAME INSTANCE|- fresh|stale [PATH|- WHAT [DETAIL]]       scan
 *   LEARNED NAME INSTANCE|- yes|no [WHY]   scan, after the CACHE in question: is it known what its builder
 * read? HELPER DEVICE TYPE PARTUUID fresh|stale [PATH|- WHAT [DETAIL]] scan SOURCES HEX scan, if stale: the
 * sources that are not outputs of a cache WATCHES N                       scan UNWATCHED TEXT scan: not
 * everything is watched, and why BOOTED current|replaced|previous|unknown [TEXT]   scan, of the root of the
 * running system: what the machine was booted from and why that is old, or why that is not known UNCOVER PATH
 * scan: it waits for this directory, which a mount covers, to be sent HOLD PATH MAJOR:MINOR:INODE
 * locked|exists   scan: a lock file of a package manager; the device as in /proc/locks (hexadecimal),
 * `fd:01:1234` PLACE PATH                      scan: a mount that comes or goes at it, above or below it is a
 * change NOTE TEXT                       scan: worth saying once, changes nothing BUILT NAME INSTANCE|-
 * ok|same|failed|not-now USEC [REASON]     build; same: what it is made from has the same content as when it
 * was built, so its builder was not run UPDATED DEVICE TYPE PARTUUID ok|failed BYTES [REASON]          build
 *   PROGRESS DONE OF                                               build, bytes
 *   IDLE TEXT                       build: it goes on, but nothing has been done since the last record, only
 *                                   waited for this: no sign of life when the system goes down
 *   LOCKED NAME                     build: the connection to the bus that holds the lock of the volume
 *   REASON TEXT                                                    why refused, error, failed
 *   RESULT fresh|stale|none|refused|error|success|failed|not-now|locked */

#include <sys/types.h>

#include "base/bootedstate.h"

/* RESULT of a build that was not to wait for who holds the lock of the volume. */
#define REPORT_RESULT_LOCKED "locked"

/* The summary of a build of which report_is_of_nothing() is true. */
#define REPORT_NOTHING_TO_BUILD "nothing to build"

#define REPORT_LINE_MAX (64U * 1024U)
#define REPORT_RECORDS_MAX 16384U
#define REPORT_HOLDS_MAX 256U
#define REPORT_LEARNED_MAX 64U /* as many caches as a manifest may have */
#define REPORT_NOTES_MAX 512U
#define REPORT_PLACES_MAX 256U
/* A whole report goes out on D-Bus in one message, and the bus disconnects whoever sends too large ones:
 * beyond half of this, reasons are left out (""); a record that would exceed it is -E2BIG. There is room for
 * as many instances as a manifest may have, even with all their bytes escaped. */
#define REPORT_BYTES_MAX (6U * 1024U * 1024U)

/* Every string of a report, except `places`, is valid UTF-8 without control characters, whatever was in the
 * record (escape_print): safe for a terminal and for D-Bus. */
typedef struct ReportCache {
        char *name, *instance; /* instance: "" where there is none */
        bool fresh;            /* scan: fresh; build: ok, or the same as before */
        const char *outcome;   /* build: ok, same, failed, not-now */
        uint64_t usec;         /* build: how long it took */
        char *reason;          /* for people, "" where fresh */
} ReportCache;

typedef struct ReportHelper {
        char *device, *type, *partuuid;
        bool fresh;
        char *reason;
        uint64_t bytes; /* build: written */
} ReportHelper;

/* Is it known what the builder of this cache reads, in all instances? */
typedef struct ReportLearned {
        char *cache;
        char *text; /* "yes", or "no: why not" of the first of which it is not */
} ReportLearned;

/* A lock file of a package manager, on the volume or on the host. Builds of the volume wait while it is
 * locked (according to /proc/locks), or, with EXISTS, until a scan finds it gone. */
typedef struct ReportHold {
        char *path;  /* on the volume: as seen from its root */
        dev_t devno; /* as statx(2) shows it: anonymous for btrfs */
        uint64_t inode;
        bool exists;
} ReportHold;

typedef struct Report {
        char *manifest;
        ReportCache *caches;
        size_t n_caches;
        size_t n_same; /* build: of them, those that were not built because only metadata changed */
        ReportLearned *learned;
        size_t n_learned;
        ReportHelper *helpers;
        size_t n_helpers;
        size_t bytes; /* of the strings in caches and helpers */
        ReportHold *holds;
        size_t n_holds;
        char **notes;  /* strv */
        char **places; /* strv of absolute paths within the volume, any bytes in them; NULL: none matters */
        unsigned watches;
        char *unwatched;  /* NULL: everything is watched */
        char *covered;    /* the first of them, in words; NULL: none */
        size_t n_covered; /* stale caches that cannot be built because of a mount */
        char *sources;    /* equal in two scans: only what builders write can have changed between them */
        uint64_t progress_done, progress_of;
        uint64_t signs_of_life; /* records so far, except IDLE and unknown ones */
        bool uncover;           /* the scan waits for the directory of the stamps */
        bool waiting;           /* for another build of this volume: nothing is built meanwhile */
        BootedState booted;
        char *booted_text; /* NULL: not reported; "": there is nothing to say about `booted` */
        char *client;      /* `:1.42`, who holds the lock for this build; NULL: nobody */
        char *reason;
        char *result;
} Report;

Report *report_new(void);
Report *report_free(Report *report);
DEFINE_CLEANUP(Report *, report_free);

/* Roughly the size of its caches and helpers on D-Bus. REPORT may be NULL. */
size_t report_size(const Report *report);
/* Drops these. Holds and notes are kept. */
void report_drop_details(Report *report);

/* Did a build have nothing to build, after all? REPORT may be NULL. */
bool report_is_of_nothing(const Report *report);

/* Is nothing stale that can be built, because of mounts? The text, or NULL. REPORT may be NULL. */
const char *report_cover(const Report *report);

/* Takes one line without its newline. -EBADMSG: not a record; the report is as it was. -E2BIG: too many.
 * Unknown keys are skipped. */
int report_parse_line(Report *report, const char *line);

/* Prints one record to F, flushed: KEY and the strings that follow up to NULL, each escaped. The last one is
 * text: its words stay words, so that people can read it, and report_parse_line joins them again (REASON,
 * DETAIL, UNWATCHED, [REASON] are always last); text over 8 KiB is cut. 0 or negative errno (-EPIPE, …). */
int report_print(FILE *f, const char *key, ...) __attribute__((__sentinel__));
int report_print_hold(FILE *f, const ReportHold *hold); /* a record HOLD */
