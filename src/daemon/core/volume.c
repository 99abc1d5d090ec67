/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/volume.h"

/* While a volume settles it is checked this many times in SettleSec=, so the scan starts at most a quarter of
 * it late. */
#define SETTLE_STEPS 4
/* Retries grow as 1, 2, 4, … times RetrySec=, up to this many doublings. */
#define RETRY_DOUBLINGS_MAX 7

#define ALL_HOLDS                                                                                            \
        ((unsigned) (VOLUME_HOLD_BOOT | VOLUME_HOLD_PACKAGES | VOLUME_HOLD_LOCK | VOLUME_HOLD_RETRY |        \
                     VOLUME_HOLD_BLOCKED))
/* These hold even if somebody requests a build. */
#define STRICT_HOLDS ((unsigned) (VOLUME_HOLD_LOCK | VOLUME_HOLD_BLOCKED))

/* What can never be, whatever has happened; before and after each event. */
static void assert_volume_is_sound(const Volume *v) {
        assert(v->state < _VOLUME_STATE_MAX);
        assert((v->holds & ~ALL_HOLDS) == 0 && (v->waived & ~(ALL_HOLDS & ~STRICT_HOLDS)) == 0);
        assert(v->scan_due + v->scan_runs + v->build_runs <= 1);
        /* the state says what is running */
        assert(v->state != VOLUME_SCANNING || volume_scan_pending(v));
        assert(v->state != VOLUME_BUILDING || v->build_runs);
        assert(v->state != VOLUME_HUNG || v->scan_runs || v->build_runs);
        assert(!v->scan_due || v->state == VOLUME_SCANNING || v->state == VOLUME_NEW);
        assert(!v->again || v->scan_runs);
        assert(!v->changed || v->state != VOLUME_SETTLING);
        /* nothing untrusted is built, and a lock always holds builds back */
        assert(v->state != VOLUME_STALE || v->trusted);
        assert(!v->locked || v->holds & VOLUME_HOLD_LOCK);
        /* every wait of its own ends */
        assert(v->state != VOLUME_SETTLING || (v->first_change != 0 && v->first_change <= v->last_change));
}

Volume volume_init(bool trusted) {
        return (Volume){.state = VOLUME_NEW, .timer = USEC_INFINITY, .trusted = trusted};
}

static uint64_t time_after(uint64_t t, uint64_t span) {
        uint64_t sum;
        return __builtin_add_overflow(t, span, &sum) ? USEC_INFINITY : sum;
}

/* Nothing is owed. What the kernel does not report must be scanned again. */
static void come_to_rest(Volume *v, const VolumeConfig *c, VolumeState state, uint64_t now) {
        v->state = state;
        v->timer = v->unwatched ? time_after(now, c->unwatched) : USEC_INFINITY;
        v->first_change = 0;
        v->force = false;
        v->waived = 0;
}

static uint64_t settle_end(const Volume *v, const VolumeConfig *c) {
        return MIN(time_after(v->last_change, c->settle), time_after(v->first_change, c->settle_max));
}

bool volume_settled(const Volume *v, const VolumeConfig *c, uint64_t now) {
        return v->state == VOLUME_SETTLING && now >= settle_end(v, c);
}

static void settle_until_next_look(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->timer = MIN(settle_end(v, c), time_after(now, c->settle / SETTLE_STEPS + 1));
}

/* A change starts settling, or prolongs it: the time of the first change is remembered until the volume rests
 * or is built. */
static void settle_after_change(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->state = VOLUME_SETTLING;
        v->changed = false;
        v->last_change = now;
        if (v->first_change == 0)
                v->first_change = now;
        settle_until_next_look(v, c, now);
}

/* From its slot on it covers everything that happened before. */
static void want_scan(Volume *v, bool owed) {
        assert(!v->scan_runs && !v->build_runs);
        if (v->state != VOLUME_NEW)
                v->state = VOLUME_SCANNING;
        v->scan_due = true;
        v->owed = owed || v->unlocked;
        v->changed = v->again = v->unlocked = false;
        v->timer = USEC_INFINITY;
}

static unsigned start_wanted_scan(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!v->scan_due)
                return 0;
        v->scan_due = false;
        v->scan_runs = true;
        v->changed = false;
        v->timer = time_after(now, c->scan_timeout);
        return VOLUME_ACT_SCAN;
}

static void become_stale(Volume *v) {
        v->state = VOLUME_STALE;
        v->timer = v->holds & VOLUME_HOLD_RETRY ? v->retry_at : USEC_INFINITY;
}

static uint64_t retry_delay(const Volume *v, const VolumeConfig *c) {
        unsigned doublings = MIN(v->failures - 1, (unsigned) RETRY_DOUBLINGS_MAX);
        uint64_t delay;
        assert(v->failures > 0);
        return __builtin_mul_overflow(c->retry, UINT64_C(1) << doublings, &delay) ? USEC_INFINITY : delay;
}

static void count_failure(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->failures++;
        v->retry_at = time_after(now, retry_delay(v, c));
}

static bool has_failed_enough(const Volume *v, const VolumeConfig *c) {
        return v->failures >= c->max_failures || v->attempts >= c->max_attempts;
}

/* After a failure: wait for the retry, or give up. */
static void become_failed(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->given_up = has_failed_enough(v, c);
        come_to_rest(v, c, v->given_up ? VOLUME_GIVEN_UP : VOLUME_FAILED, now);
        assert(v->given_up || v->retry_at >= now);
        if (!v->given_up)
                v->timer = v->retry_at;
}

static void forget_failures(Volume *v) {
        v->failures = v->attempts = 0;
        v->given_up = false;
        v->retry_at = 0;
}

static void note_success(Volume *v) {
        forget_failures(v);
        v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
}

static void note_change(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (v->scan_due)
                v->owed = true;
        if (v->scan_due || v->scan_runs || v->build_runs)
                v->changed = true; /* the scan that is due, end_scan() or end_build() take care of it */
        else
                settle_after_change(v, c, now);
}

static void go_on_at_timer(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (now < v->timer)
                return;
        switch (v->state) {
        case VOLUME_SETTLING:
                if (volume_settled(v, c, now))
                        want_scan(v, true);
                else
                        settle_until_next_look(v, c, now);
                return;
        case VOLUME_NEW:
        case VOLUME_SCANNING:
        case VOLUME_BUILDING:
                v->state = VOLUME_HUNG;
                v->timer = USEC_INFINITY;
                return;
        case VOLUME_FAILED:
                want_scan(v, true);
                return;
        case VOLUME_STALE:
                v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
                v->timer = USEC_INFINITY;
                return;
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case VOLUME_GIVEN_UP:
                want_scan(v, false); /* it is not watched, or a lock was released a moment ago */
                return;
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return;
        }
}

/* What a stale volume that is trusted does next. SAME: no source changed since the last build began. */
static void judge_stale(Volume *v, const VolumeConfig *c, bool same, uint64_t now) {
        bool not_now = v->holds & VOLUME_HOLD_RETRY;
        if (v->waived || v->force) {
                become_stale(v);
                return;
        }
        if (v->given_up && !same) {
                v->given_up = false; /* a change is worth one more attempt */
                v->attempts = MIN(v->attempts, c->max_attempts - 1);
        } else if (same && v->failures == 0 && v->attempts > 0 && !not_now)
                count_failure(v, c, now); /* a build that claims success but leaves things stale */
        if (v->attempts >= c->max_attempts || (same && has_failed_enough(v, c)) ||
            (same && v->retry_at > now && !not_now))
                become_failed(v, c, now);
        else
                become_stale(v);
}

/* The verdict of a scan during which nothing else happened. */
static void take_verdict(Volume *v, const VolumeConfig *c, VolumeEvent verdict, uint64_t now) {
        switch ((int) verdict) {
        case VOLUME_SCAN_FRESH:
                note_success(v);
                if (v->force && v->trusted)
                        become_stale(v);
                else
                        come_to_rest(v, c, v->trusted ? VOLUME_FRESH : VOLUME_UNTRUSTED, now);
                break;
        case VOLUME_SCAN_STALE:
        case VOLUME_SCAN_STALE_AGAIN:
                if (v->trusted)
                        judge_stale(v, c, verdict == VOLUME_SCAN_STALE_AGAIN, now);
                else
                        come_to_rest(v, c, VOLUME_UNTRUSTED, now);
                break;
        case VOLUME_SCAN_NONE:
                note_success(v);
                come_to_rest(v, c, VOLUME_PLAIN, now);
                break;
        case VOLUME_SCAN_REFUSED:
                note_success(v);
                come_to_rest(v, c, VOLUME_REFUSED, now);
                break;
        case VOLUME_SCAN_ERROR:
                count_failure(v, c, now);
                become_failed(v, c, now);
                break;
        }
}

/* A lock was released while the scan ran, which may have been too early. What is stale is built, and scanned
 * after that. */
static void scan_after_unlock(Volume *v, const VolumeConfig *c, uint64_t now) {
        v->unlocked = true;
        if (v->state == VOLUME_FRESH && c->unlock_gap > 0)
                v->timer = MIN(v->timer, time_after(now, c->unlock_gap));
        else if (v->state != VOLUME_STALE)
                want_scan(v, true);
}

/* Changes during the scan settle first, but endless change must not delay stale work for ever. */
static bool verdict_counts(const Volume *v, const VolumeConfig *c, VolumeEvent verdict, uint64_t now) {
        bool is_stale = verdict == VOLUME_SCAN_STALE || verdict == VOLUME_SCAN_STALE_AGAIN;
        bool overdue = v->first_change != 0 && now >= time_after(v->first_change, c->settle_max);
        return !v->changed || !is_stale || overdue || v->waived || v->force;
}

static void end_scan(Volume *v, const VolumeConfig *c, VolumeEvent verdict, uint64_t now) {
        assert(v->scan_runs);
        bool unlocked = v->unlocked;
        v->scan_runs = v->unlocked = false;
        v->scanned_at = now;
        if (verdict == VOLUME_SCAN_ERROR)
                v->unwatched = true;                /* there is no telling how many watches it armed */
        if (v->again || (unlocked && v->changed)) { /* nothing settles after the release of a lock */
                want_scan(v, v->owed || unlocked);
                return;
        }
        bool changed = v->changed, counts = verdict_counts(v, c, verdict, now);
        v->changed = false;
        if (counts)
                take_verdict(v, c, verdict, now);
        if (changed && v->state == VOLUME_STALE)
                v->changed = true; /* the build will be followed by a scan */
        else if (changed)
                settle_after_change(v, c, now);
        else if (unlocked)
                scan_after_unlock(v, c, now);
}

static void note_alive(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!v->build_runs)
                return;
        v->state = VOLUME_BUILDING;
        v->timer = time_after(now, c->build_timeout);
}

static void begin_build(Volume *v, const VolumeConfig *c, uint64_t now) {
        come_to_rest(v, c, VOLUME_BUILDING, now);
        v->holds &= ~(unsigned) VOLUME_HOLD_RETRY;
        v->build_runs = true;
        note_alive(v, c, now);
        v->changed = v->unlocked = v->given_up = false;
        v->attempts++;
}

static unsigned start_wanted_build(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (!volume_wants_build(v))
                return 0;
        unsigned actions = VOLUME_ACT_BUILD | (v->force ? VOLUME_ACT_FORCE : 0U);
        begin_build(v, c, now);
        return actions;
}

/* It began before us, so it comes before the first scan, which follows it as it follows any build. */
static void adopt_build(Volume *v, const VolumeConfig *c, uint64_t now) {
        if (v->state != VOLUME_NEW || !v->scan_due)
                return;
        v->scan_due = false;
        begin_build(v, c, now);
}

/* However it ended, a scan follows at once: it finds what changed during the build, and what the build left
 * undone. */
static void end_build(Volume *v, const VolumeConfig *c, VolumeEvent how, uint64_t now) {
        assert(v->build_runs);
        v->build_runs = false;
        v->retry_at = 0;
        if (how == VOLUME_BUILD_SUCCESS)
                v->failures = 0;
        else if (how == VOLUME_BUILD_FAILURE)
                count_failure(v, c, now);
        else if (how == VOLUME_BUILD_LOCKED) {
                assert(v->attempts > 0);
                v->attempts--; /* it returns its slot, and is built as soon as the lock is free */
        } else {
                v->holds |= VOLUME_HOLD_RETRY;
                v->retry_at = time_after(now, c->retry);
        }
        want_scan(v, true);
}

/* What is running began before this request. A build is followed by a scan in any case; nothing is requested
 * of a volume that hangs. */
static void scan_once_more(Volume *v, bool owed) {
        if (v->build_runs || v->state == VOLUME_HUNG)
                return;
        if (volume_scan_pending(v)) {
                v->again = v->scan_runs;
                v->owed = v->owed || owed;
        } else
                want_scan(v, owed);
}

/* What the client changed is scanned without settling. This is not about the lock of our own build: its exit
 * status tells how that ended. */
static void note_unlocked(Volume *v, const VolumeConfig *c, VolumeEvent how, uint64_t now) {
        if (v->build_runs)
                return;
        if (how == VOLUME_UNLOCKED_SUCCESS)
                forget_failures(
                        v); /* otherwise anything still stale would count as a build that did nothing */
        else if (how == VOLUME_UNLOCKED_FAILURE)
                v->failures++;
        uint64_t earliest = time_after(v->scanned_at, c->unlock_gap);
        if (v->scan_runs)
                v->unlocked = true;
        else if (v->state == VOLUME_FRESH && now < earliest) {
                v->unlocked = true;
                v->timer = MIN(v->timer, earliest);
        } else
                scan_once_more(v, true);
}

/* What was owed for reasons other than staleness is still owed. */
static void come_to_distrust(Volume *v, const VolumeConfig *c, uint64_t now) {
        bool changed = v->changed, unlocked = v->unlocked;
        note_success(v); /* failures no longer count */
        come_to_rest(v, c, VOLUME_UNTRUSTED, now);
        if (changed)
                settle_after_change(v, c, now);
        else if (unlocked)
                want_scan(v, true);
}

static void set_trusted(Volume *v, const VolumeConfig *c, bool trusted, uint64_t now) {
        if (v->trusted == trusted)
                return;
        v->trusted = trusted;
        if (trusted && v->state == VOLUME_UNTRUSTED)
                want_scan(v, true);
        else if (!trusted && (v->state == VOLUME_FRESH || v->state == VOLUME_STALE ||
                              v->state == VOLUME_FAILED || v->state == VOLUME_GIVEN_UP))
                come_to_distrust(v, c, now);
}

static void want_build(Volume *v, unsigned waived, bool force) {
        if (v->state == VOLUME_HUNG)
                return;
        v->waived |= waived;
        v->force = v->force || force;
        v->given_up = false;
        scan_once_more(v, true);
}

/* What was given up stays so, and there is no race against a package manager or a lock. */
static void hurry(Volume *v) {
        if (!v->trusted || v->given_up)
                scan_once_more(v, volume_busy(v));
        else
                want_build(v, VOLUME_HOLD_BOOT | VOLUME_HOLD_RETRY, false);
}

/* Requests of D-Bus clients and the administrator. */
static void take_request(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now) {
        switch ((int) event) {
        case VOLUME_UNLOCKED:
        case VOLUME_UNLOCKED_SUCCESS:
        case VOLUME_UNLOCKED_FAILURE:
                note_unlocked(v, c, event, now);
                break;
        case VOLUME_TRUST:
        case VOLUME_DISTRUST:
                set_trusted(v, c, event == VOLUME_TRUST, now);
                break;
        case VOLUME_SCAN_WANTED:
                scan_once_more(v, volume_busy(v));
                break;
        case VOLUME_HURRY_WANTED:
                hurry(v);
                break;
        case VOLUME_BUILD_WANTED:
        case VOLUME_FORCE_WANTED:
                want_build(v, ALL_HOLDS & ~STRICT_HOLDS, event == VOLUME_FORCE_WANTED);
                break;
        default:
                assert(!"an event that nobody takes");
        }
}

static unsigned take_event(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now) {
        switch ((int) event) {
        case VOLUME_APPEARED:
                assert(v->state == VOLUME_NEW && !volume_scan_pending(v));
                want_scan(v, false);
                return 0;
        case VOLUME_CHANGED:
                note_change(v, c, now);
                return 0;
        case VOLUME_TIMER:
                go_on_at_timer(v, c, now);
                return 0;
        case VOLUME_SCAN_SLOT:
                return start_wanted_scan(v, c, now);
        case VOLUME_SCAN_FRESH:
        case VOLUME_SCAN_STALE:
        case VOLUME_SCAN_STALE_AGAIN:
        case VOLUME_SCAN_NONE:
        case VOLUME_SCAN_REFUSED:
        case VOLUME_SCAN_ERROR:
                end_scan(v, c, event, now);
                return 0;
        case VOLUME_BUILD_SLOT:
                return start_wanted_build(v, c, now);
        case VOLUME_BUILD_ADOPTED:
                adopt_build(v, c, now);
                return 0;
        case VOLUME_BUILD_ALIVE:
                note_alive(v, c, now);
                return 0;
        case VOLUME_BUILD_SUCCESS:
        case VOLUME_BUILD_NOT_NOW:
        case VOLUME_BUILD_LOCKED:
        case VOLUME_BUILD_FAILURE:
                end_build(v, c, event, now);
                return 0;
        }
        take_request(v, c, event, now);
        return 0;
}

unsigned volume_event(Volume *v, const VolumeConfig *c, VolumeEvent event, uint64_t now) {
        assert(event < _VOLUME_EVENT_MAX);
        assert(now < USEC_INFINITY);
        assert(c->max_failures > 0 && c->max_attempts > 0);
        assert_volume_is_sound(v);
        unsigned actions = take_event(v, c, event, now);
        assert_volume_is_sound(v);
        assert(!(actions & VOLUME_ACT_BUILD) || v->trusted);
        return actions;
}

static void set_hold(Volume *v, VolumeHold hold, bool on) {
        if (on)
                v->holds |= (unsigned) hold;
        else
                v->holds &= ~(unsigned) hold;
}

void volume_hold(Volume *v, VolumeHold hold, bool on) {
        assert(hold == VOLUME_HOLD_BOOT || hold == VOLUME_HOLD_PACKAGES || hold == VOLUME_HOLD_BLOCKED);
        set_hold(v, hold, on);
}

void volume_set_lock(Volume *v, VolumeLock lock) {
        assert(lock < _VOLUME_LOCK_MAX);
        v->locked = lock == VOLUME_LOCK_CLIENT;
        set_hold(v, VOLUME_HOLD_LOCK, lock != VOLUME_LOCK_NONE);
}

void volume_set_watched(Volume *v, bool watched) {
        v->unwatched = !watched;
}
