/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/volume.h"

/* While a volume settles it is looked at this many times in SettleSec=, so the scan starts at most a quarter
 * of it late. */
#define SETTLE_STEPS 4
/* Retries grow as 1, 2, 4, … times RetrySec=, up to this many doublings. */
#define RETRY_DOUBLINGS_MAX 7

const char *volume_state_to_string(VolumeState state) {
        static const char *const names[_VOLUME_STATE_MAX] = {
                [VOLUME_NEW] = "new",           [VOLUME_PLAIN] = "plain",
                [VOLUME_REFUSED] = "refused",   [VOLUME_UNTRUSTED] = "untrusted",
                [VOLUME_FRESH] = "fresh",       [VOLUME_SETTLING] = "settling",
                [VOLUME_SCANNING] = "scanning", [VOLUME_STALE] = "stale",
                [VOLUME_BUILDING] = "building", [VOLUME_FAILED] = "failed",
                [VOLUME_GIVEN_UP] = "given-up", [VOLUME_HUNG] = "hung",
        };
        return names[state];
}

Volume volume_init(bool trusted) {
        return (Volume){.state = VOLUME_NEW, .timer = USEC_INFINITY, .trusted = trusted};
}

static uint64_t after(uint64_t t, uint64_t span) {
        return span >= USEC_INFINITY - t ? USEC_INFINITY : t + span;
}

/* Comes to rest: nothing is owed. What the kernel does not tell of must be looked at. */
static void rest(Volume *v, const VolumeConfig *c, VolumeState state, uint64_t now) {
        v->state = state;
        v->timer = v->unwatched ? after(now, c->unwatched) : USEC_INFINITY;
        v->first_change = 0;
        v->force = false;
        v->waived = 0;
}

static uint64_t settle_end(const Volume *v, const VolumeConfig *c) {
        return MIN(after(v->last_change, c->settle), after(v->first_change, c->settle_max));
}

bool volume_settled(const Volume *v, const VolumeConfig *c, uint64_t now) {
        return v->state == VOLUME_SETTLING && now >= settle_end(v, c);
}

static void settle_until_next_look(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->timer = MIN(settle_end(v, c), after(now, c->settle / SETTLE_STEPS + 1));
}

/* A change starts settling, or goes on with it: what came first is remembered until there is rest or a build.
 */
static void settle(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->state = VOLUME_SETTLING;
        v->changed = false;
        v->last_change = now;
        if (v->first_change == 0)
                v->first_change = now;
        settle_until_next_look(v, c, now);
}

static unsigned scan(Volume *v, const VolumeConfig *c, uint64_t now, bool owed) {
        if (v->state != VOLUME_NEW)
                v->state = VOLUME_SCANNING;
        v->scan_runs = true;
        v->changed = v->again = v->unlocked = false;
        v->owed = owed;
        v->timer = after(now, c->scan_timeout);
        return VOLUME_ACT_SCAN;
}

static void stale(Volume *v) {
        v->state = VOLUME_STALE;
        v->timer = v->holds & VOLUME_HOLD_RETRY ? v->retry_at : USEC_INFINITY;
}

static uint64_t retry_delay(const Volume *v, const VolumeConfig *c) {
        unsigned doublings = MIN(v->failures > 0 ? v->failures - 1 : 0, (unsigned) RETRY_DOUBLINGS_MAX);
        return c->retry << doublings;
}

static void count_failure(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->failures++;
        v->retry_at = after(now, retry_delay(v, c));
}

static bool enough(const Volume *v, const VolumeConfig *c) {
        return v->failures >= c->max_failures || v->attempts >= c->max_attempts;
}

/* After a failure: wait for the retry, or for nothing any more. */
static void failed(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->given_up = v->given_up || enough(v, c);
        rest(v, c, v->given_up ? VOLUME_GIVEN_UP : VOLUME_FAILED, now);
        if (!v->given_up)
                v->timer = MAX(v->retry_at, now);
}

static void succeeded(Volume *v) {
        v->failures = v->attempts = 0;
        v->given_up = false;
        v->retry_at = 0;
        v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
}

static void on_changed(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (v->scan_runs || v->build_runs)
                v->changed = true; /* on_scanned() and on_built() see to it */
        else
                settle(v, c, now);
}

static unsigned on_timer(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (now < v->timer)
                return 0;
        switch (v->state) {
        case VOLUME_SETTLING:
                if (volume_settled(v, c, now))
                        return scan(v, c, now, true);
                settle_until_next_look(v, c, now);
                return 0;
        case VOLUME_NEW:
        case VOLUME_SCANNING:
        case VOLUME_BUILDING:
                v->state = VOLUME_HUNG;
                v->timer = USEC_INFINITY;
                return 0;
        case VOLUME_FAILED:
                v->retry_at = 0; /* due: a stale verdict builds now */
                return scan(v, c, now, true);
        case VOLUME_STALE:
                v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
                v->timer = USEC_INFINITY;
                return 0;
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case VOLUME_GIVEN_UP:
                return scan(v, c, now, !v->unwatched); /* or a lock was given back a moment ago */
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return 0;
        }
        return 0;
}

/* What a stale volume that is trusted does next. SAME: no source changed since the last build began. */
static void on_stale(Volume *v, const VolumeConfig *c, bool same, uint64_t now) {
        bool not_now = v->holds & VOLUME_HOLD_RETRY;

        if (v->waived || v->force) {
                stale(v);
                return;
        }
        if (v->given_up && !same) {
                v->given_up = false; /* a change is worth one more try */
                v->attempts = MIN(v->attempts, c->max_attempts - 1);
        } else if (same && v->failures == 0 && v->attempts > 0 && !not_now)
                count_failure(v, c, now); /* a build that claims success and leaves things stale */

        if (v->attempts >= c->max_attempts || (same && enough(v, c)) ||
            (same && v->retry_at > now && !not_now))
                failed(v, c, now);
        else
                stale(v);
}

/* The verdict of a scan into which nothing more came. */
static void on_verdict(Volume *v, const VolumeConfig *c, VolumeEvent verdict, uint64_t now) {
        switch ((int) verdict) {
        case VOLUME_SCAN_FRESH:
                succeeded(v);
                if (v->force && v->trusted)
                        stale(v);
                else
                        rest(v, c, v->trusted ? VOLUME_FRESH : VOLUME_UNTRUSTED, now);
                break;
        case VOLUME_SCAN_STALE:
        case VOLUME_SCAN_STALE_AGAIN:
                if (v->trusted)
                        on_stale(v, c, verdict == VOLUME_SCAN_STALE_AGAIN, now);
                else
                        rest(v, c, VOLUME_UNTRUSTED, now);
                break;
        case VOLUME_SCAN_NONE:
                succeeded(v);
                rest(v, c, VOLUME_PLAIN, now);
                break;
        case VOLUME_SCAN_REFUSED:
                succeeded(v);
                rest(v, c, VOLUME_REFUSED, now);
                break;
        case VOLUME_SCAN_ERROR:
                count_failure(v, c, now);
                failed(v, c, now);
                break;
        }
}

/* A lock was given back while the scan ran, which may have looked too early. What is stale is built, and
 * scanned behind that. */
static unsigned on_unlocked_meanwhile(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (v->state == VOLUME_STALE)
                return 0;
        if (v->state != VOLUME_FRESH || c->unlock_gap == 0)
                return scan(v, c, now, true);
        v->timer = MIN(v->timer, after(now, c->unlock_gap));
        return 0;
}

static unsigned on_scanned(Volume *v, const VolumeConfig *c, VolumeEvent verdict, uint64_t now) {
        if (!v->scan_runs)
                return 0;
        bool unlocked = v->unlocked;
        v->scan_runs = v->unlocked = false;
        v->scanned_at = now;
        if (v->state == VOLUME_HUNG)
                v->state = VOLUME_SCANNING;
        if (v->again)
                return scan(v, c, now, v->owed);
        if (unlocked && v->changed) /* nothing settles behind a lock that was given back */
                return scan(v, c, now, true);
        bool is_stale = verdict == VOLUME_SCAN_STALE || verdict == VOLUME_SCAN_STALE_AGAIN;
        bool overdue = v->first_change != 0 && now >= after(v->first_change, c->settle_max);
        bool changed = v->changed;
        v->changed = false;

        /* What changed meanwhile settles first, but endless change must not keep stale work waiting for ever.
         */
        if (!(changed && is_stale && !overdue && !v->waived && !v->force))
                on_verdict(v, c, verdict, now);
        if (changed && v->state == VOLUME_STALE)
                v->changed = true; /* the build will be followed by a scan */
        else if (changed)
                settle(v, c, now);
        else if (unlocked)
                return on_unlocked_meanwhile(v, c, now);
        return 0;
}

static void on_alive(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!v->build_runs)
                return;
        v->state = VOLUME_BUILDING;
        v->timer = after(now, c->build_timeout);
}

static unsigned on_slot(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!volume_wants_build(v))
                return 0;
        unsigned actions = VOLUME_ACT_BUILD | (v->force ? VOLUME_ACT_FORCE : 0U);
        rest(v, c, VOLUME_BUILDING, now);
        v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
        v->build_runs = true;
        on_alive(v, c, now);
        v->changed = v->given_up = false;
        v->attempts++;
        return actions;
}

/* However it ended, a scan follows at once: it sees what changed during the build, and what the build left.
 */
static unsigned on_built(Volume *v, const VolumeConfig *c, VolumeEvent how, uint64_t now) {
        if (!v->build_runs)
                return 0;
        v->build_runs = false;
        v->retry_at = 0;
        if (how == VOLUME_BUILD_SUCCESS)
                v->failures = 0;
        else if (how == VOLUME_BUILD_FAILURE)
                count_failure(v, c, now);
        else {
                v->holds |= VOLUME_HOLD_RETRY;
                v->retry_at = after(now, c->retry);
        }
        return scan(v, c, now, true);
}

static unsigned on_scan_wanted(Volume *v, const VolumeConfig *c, uint64_t now, bool owed) {
        if (v->build_runs || v->state == VOLUME_HUNG)
                return 0; /* a scan follows */
        if (v->scan_runs) {
                v->again = true;
                v->owed = v->owed || owed;
                return 0;
        }
        return scan(v, c, now, owed);
}

/* What the client changed is looked at without settling. The lock of our own build is not its business: how
 * that ended its exit tells. */
static unsigned on_unlocked(Volume *v, const VolumeConfig *c, VolumeEvent how, uint64_t now) {
        if (v->build_runs)
                return 0;
        if (how == VOLUME_UNLOCKED_SUCCESS) {
                v->failures = v->attempts = 0; /* or what is still stale were a build that did nothing */
                v->retry_at = 0;
                v->given_up = false;
        } else if (how == VOLUME_UNLOCKED_FAILURE)
                v->failures++;
        if (v->scan_runs && v->state != VOLUME_HUNG) {
                v->unlocked = true;
                return 0;
        }
        uint64_t earliest = after(v->scanned_at, c->unlock_gap);
        if (v->state == VOLUME_FRESH && now < earliest) {
                v->timer = MIN(v->timer, earliest);
                return 0;
        }
        return on_scan_wanted(v, c, now, true);
}

static unsigned on_trust(Volume *v, const VolumeConfig *c, uint64_t now, bool trusted) {
        if (v->trusted == trusted)
                return 0;
        v->trusted = trusted;
        if (trusted && v->state == VOLUME_UNTRUSTED)
                return scan(v, c, now, true);
        if (!trusted && (v->state == VOLUME_FRESH || v->state == VOLUME_STALE || v->state == VOLUME_FAILED ||
                         v->state == VOLUME_GIVEN_UP)) {
                succeeded(v); /* what failed is no longer ours to count */
                bool changed = v->changed;
                rest(v, c, VOLUME_UNTRUSTED, now);
                if (changed)
                        settle(v, c, now);
        }
        return 0;
}

static unsigned on_build_wanted(Volume *v, const VolumeConfig *c, uint64_t now, unsigned waived, bool force) {
        if (v->state == VOLUME_HUNG)
                return 0;
        v->waived |= waived;
        v->force = v->force || force;
        v->given_up = false;
        if (v->scan_runs)
                v->again = v->owed = true; /* what runs began before it was asked for */
        if (v->scan_runs || v->build_runs)
                return 0;
        return scan(v, c, now, true);
}

/* What was given up stays so, and neither a package manager nor a lock is raced. */
static unsigned on_hurry_wanted(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!v->trusted || v->given_up)
                return on_scan_wanted(v, c, now, volume_busy(v));
        return on_build_wanted(v, c, now, VOLUME_HOLD_BOOT | VOLUME_HOLD_RETRY, false);
}

unsigned volume_event(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now) {
        switch (event) {
        case VOLUME_APPEARED:
                return v->scan_runs ? 0 : scan(v, c, now, false);
        case VOLUME_CHANGED:
                on_changed(v, c, now);
                return 0;
        case VOLUME_TIMER:
                return on_timer(v, c, now);
        case VOLUME_SCAN_FRESH:
        case VOLUME_SCAN_STALE:
        case VOLUME_SCAN_STALE_AGAIN:
        case VOLUME_SCAN_NONE:
        case VOLUME_SCAN_REFUSED:
        case VOLUME_SCAN_ERROR:
                return on_scanned(v, c, event, now);
        case VOLUME_SLOT:
                return on_slot(v, c, now);
        case VOLUME_BUILD_ALIVE:
                on_alive(v, c, now);
                return 0;
        case VOLUME_BUILD_SUCCESS:
        case VOLUME_BUILD_NOT_NOW:
        case VOLUME_BUILD_FAILURE:
                return on_built(v, c, event, now);
        case VOLUME_UNLOCKED:
        case VOLUME_UNLOCKED_SUCCESS:
        case VOLUME_UNLOCKED_FAILURE:
                return on_unlocked(v, c, event, now);
        case VOLUME_TRUST:
        case VOLUME_DISTRUST:
                return on_trust(v, c, now, event == VOLUME_TRUST);
        case VOLUME_SCAN_WANTED:
                return on_scan_wanted(v, c, now, volume_busy(v));
        case VOLUME_HURRY_WANTED:
                return on_hurry_wanted(v, c, now);
        case VOLUME_BUILD_WANTED:
        case VOLUME_FORCE_WANTED:
                return on_build_wanted(v, c, now, ~(unsigned) VOLUME_HOLD_LOCK, event == VOLUME_FORCE_WANTED);
        case _VOLUME_EVENT_MAX:
                return 0;
        }
        return 0;
}

void volume_hold(Volume *v, VolumeHold hold, bool on) {
        if (on)
                v->holds |= (unsigned) hold;
        else
                v->holds &= ~(unsigned) hold;
}

bool volume_listens(const Volume *v) {
        return v->state != VOLUME_SETTLING && !v->changed;
}

bool volume_wants_build(const Volume *v) {
        return v->state == VOLUME_STALE && v->trusted && (v->holds & ~v->waived) == 0;
}

bool volume_busy(const Volume *v) {
        if (!v->trusted)
                return false;
        switch (v->state) {
        case VOLUME_STALE:
        case VOLUME_BUILDING:
        case VOLUME_FAILED:
                return true;
        /* what was given up and changes is tried once more, but endless change must not hold up a reboot */
        case VOLUME_SETTLING:
                return !v->given_up || v->locked;
        case VOLUME_SCANNING:
                return (v->owed && !v->given_up) || v->locked;
        case VOLUME_NEW:
        case VOLUME_FRESH:
                return v->locked;
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}
