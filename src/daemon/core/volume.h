/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One volume's life as a pure state machine: an event and the time go in, the new state and a set of actions
 * come out. No I/O, no clock, nothing that can fail; tests/unit/test-volume-states.c explores it all. The
 * states are those of docs/map.md and of the property State of org.bootkeep1(5).
 *
 * Its driver reads the following after every event: `timer`, when VOLUME_TIMER is due; volume_listens(),
 * whether to poll the volume's watch; volume_wants_scan() and volume_wants_build(), whether it waits for a
 * slot. Its fields are for reading: only volume.c writes them. What its state means is in volume-state.c. */

#include <assert.h>

#include "base/util.h"

typedef enum VolumeState {
        VOLUME_NEW,
        VOLUME_PLAIN,
        VOLUME_REFUSED,
        VOLUME_UNTRUSTED,
        VOLUME_FRESH,
        VOLUME_SETTLING,
        VOLUME_SCANNING,
        VOLUME_STALE,
        VOLUME_BUILDING,
        VOLUME_FAILED,
        VOLUME_GIVEN_UP,
        VOLUME_HUNG,
        _VOLUME_STATE_MAX,
} VolumeState;

typedef enum VolumeEvent {
        VOLUME_APPEARED,         /* it appeared: once, as the first event */
        VOLUME_CHANGED,          /* its watch reported something */
        VOLUME_TIMER,            /* `timer` has expired */
        VOLUME_SCAN_SLOT,        /* the scan that volume_wants_scan() requested may run */
        VOLUME_SCAN_FRESH,       /* the running scan ended: */
        VOLUME_SCAN_STALE,       /*   something is stale */
        VOLUME_SCAN_STALE_AGAIN, /*   stale, and no source changed since the last build began */
        VOLUME_SCAN_NONE,        /*   no manifest */
        VOLUME_SCAN_REFUSED,     /*   a manifest that is not acceptable */
        VOLUME_SCAN_ERROR,       /*   it failed */
        VOLUME_BUILD_SLOT,       /* the build that volume_wants_build() requested may run */
        VOLUME_BUILD_ADOPTED,    /* a build of it was running when it appeared: it counts as ours */
        VOLUME_BUILD_ALIVE,      /* the running build gave a sign of life */
        VOLUME_BUILD_SUCCESS,    /* the running build ended: */
        VOLUME_BUILD_NOT_NOW,    /*   EX_TEMPFAIL: nobody's fault */
        VOLUME_BUILD_LOCKED,     /*   a client took the lock before it: it did not begin */
        VOLUME_BUILD_FAILURE,    /*   anything else */
        VOLUME_UNLOCKED,         /* a client released its lock, neither with success nor with failure: */
        VOLUME_UNLOCKED_SUCCESS, /*   it succeeded */
        VOLUME_UNLOCKED_FAILURE, /*   it failed, or vanished */
        VOLUME_TRUST,            /* the administrator trusts it, … */
        VOLUME_DISTRUST,         /* … or no longer */
        VOLUME_SCAN_WANTED,      /* somebody requests a scan now */
        VOLUME_HURRY_WANTED,     /* somebody waits for everything that is owed: neither settle nor delay it */
        VOLUME_BUILD_WANTED, /* somebody requests a build of what is stale, regardless of most holds, … */
        VOLUME_FORCE_WANTED, /* … or for everything */
        _VOLUME_EVENT_MAX,
} VolumeEvent;

/* What holds back owed work: a set. */
typedef enum VolumeHold {
        VOLUME_HOLD_BOOT = 1 << 0,     /* BootDelaySec: set by volume_hold() */
        VOLUME_HOLD_PACKAGES = 1 << 1, /* a package manager is at work: set by volume_hold() */
        VOLUME_HOLD_LOCK = 1 << 2,     /* set by volume_set_lock() */
        VOLUME_HOLD_RETRY = 1 << 3,    /* a builder said "not now": set by the machine itself */
        /* Nothing can be built, whoever requests it: the configuration cannot be read completely, or a mount
         * covers what would be built. Set by volume_hold(). So it does not make the volume busy, or there
         * would be no reboot until somebody corrects it. */
        VOLUME_HOLD_BLOCKED = 1 << 4,
} VolumeHold;

/* What keeps the daemon from building it: one at a time. */
typedef enum VolumeLock {
        VOLUME_LOCK_NONE,
        VOLUME_LOCK_CLIENT, /* a D-Bus client changes the volume, */
        VOLUME_LOCK_REBOOT, /* or takes the system down */
        _VOLUME_LOCK_MAX,
} VolumeLock;

/* What the driver must do now: a set. Scan and build never occur together. */
typedef enum VolumeAction {
        VOLUME_ACT_SCAN = 1 << 0,  /* empty the watch, then start a scan */
        VOLUME_ACT_BUILD = 1 << 1, /* start a build */
        VOLUME_ACT_FORCE = 1 << 2, /* … of everything; only with BUILD */
} VolumeAction;

typedef struct VolumeConfig { /* times in microseconds */
        uint64_t settle, settle_max;
        uint64_t unwatched;     /* between two scans of an unwatched volume */
        uint64_t scan_timeout;  /* from the start of the scan, not from its request */
        uint64_t build_timeout; /* without a sign of life; builders have time limits of their own */
        uint64_t retry;
        uint64_t unlock_gap; /* between a scan and the next one after an unlock: a thousand locks do not cause
                                a thousand scans */
        unsigned max_failures, max_attempts; /* at least 1 */
} VolumeConfig;

typedef struct Volume {
        VolumeState state;
        uint64_t timer;    /* CLOCK_BOOTTIME, or USEC_INFINITY */
        unsigned holds;    /* set of VolumeHold */
        unsigned failures; /* in a row */
        unsigned attempts; /* builds since it was last fresh */
        bool trusted;
        bool locked;    /* by a client */
        bool unwatched; /* the kernel does not report all changes: it is scanned on a timer instead */

        /* the rest is internal to the machine */
        bool scan_due; /* a scan waits for its slot; none runs */
        bool scan_runs, build_runs;
        bool changed;  /* something changed since the last scan began, and a scan must follow */
        bool owed;     /* the scan runs, or is due, because of a change or of owed work */
        bool unlocked; /* a lock was released, and no scan has followed yet */
        bool again;    /* a scan was requested while one ran */
        bool force;
        bool given_up;
        unsigned waived; /* somebody requested a build: the set of VolumeHold that does not count for it */
        uint64_t scanned_at;   /* when the last scan ended */
        uint64_t first_change; /* the first change that is settling, or was when the scan began; 0: none */
        uint64_t last_change;
        uint64_t retry_at; /* after a failed build, or a "not now"; 0: none */
} Volume;

Volume volume_init(bool trusted);

/* Returns the set of VolumeAction. An event that means nothing in the present state changes nothing, but the
 * end of a scan or a build may only be reported if one is running. */
unsigned volume_event(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now);

/* HOLD is VOLUME_HOLD_BOOT, VOLUME_HOLD_PACKAGES or VOLUME_HOLD_BLOCKED. */
void volume_hold(Volume *v, VolumeHold hold, bool on);
/* Reports who holds the lock; the release of a lock is an event in addition. */
void volume_set_lock(Volume *v, VolumeLock lock);
/* Does the kernel report all changes? Takes effect with the next event. */
void volume_set_watched(Volume *v, bool watched);

/* Is it done settling at NOW, so that the next VOLUME_TIMER requests a scan? */
bool volume_settled(const Volume *v, const VolumeConfig *c, uint64_t now);
/* Should its watch be polled? While it settles the watch is checked at each timer instead, so that a storm
 * costs a bounded number of wake-ups. */
bool volume_listens(const Volume *v);
/* Does it only wait for a scan slot? */
bool volume_wants_scan(const Volume *v);
/* Is a scan pending, running or waiting for its slot? */
bool volume_scan_pending(const Volume *v);
/* Does it only wait for a build slot? */
bool volume_wants_build(const Volume *v);
/* Does it occupy one of the slots? One that hangs does not: it holds up nobody else. */
bool volume_holds_scan_slot(const Volume *v);
bool volume_holds_build_slot(const Volume *v);
/* Does it hold off reboot and unmount? */
bool volume_busy(const Volume *v);

const char *volume_state_to_string(VolumeState state);
