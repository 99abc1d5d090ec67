/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/refusing.h"

#include "base/error.h"
#include "base/log.h"
#include "daemon/core/refuse.h"
#include "daemon/timer.h"
#include "daemon/world/refusal.h"

/* Whoever tries again and again need not be told each time. */
#define SAY_USEC (10 * USEC_PER_SEC)

struct Refusing {
        Daemon *daemon;
        RebootLock *reboot;
        GoingDown *going;
        Refusal *refusal;
        sd_event_source *timer;
        uint64_t since, said_at; /* 0: never */
        bool wanted;
        bool prepared; /* logind had announced a shutdown at the last look */
};

static bool any_is_owed(Daemon *d) {
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record))
                if (volume_busy(&record->volume))
                        return true;
        return false;
}

static void on_refusal_changed(void *userdata) {
        daemon_settle_accounts(((Refusing *) userdata)->daemon);
}

static int on_refuse_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        daemon_settle_accounts(((Refusing *) userdata)->daemon);
        return 0;
}

static bool is_wanted(Refusing *r, uint64_t now) {
        const RefuseFacts facts = {
                .setting = daemon_settings(r->daemon)->refuse,
                .owed = any_is_owed(r->daemon),
                .reboot_locked = rebootlock_is_held(r->reboot),
                .preparing = goingdown_prepares(r->going),
                .refusing = r->wanted,
                .reloaded = refusal_reloaded(r->refusal),
                .since = r->since,
        };
        uint64_t again = USEC_INFINITY;
        bool wanted = refuse_wanted(&facts, now, &again);
        int result = timer_set(daemon_event_loop(r->daemon), &r->timer, again, on_refuse_timer, r);
        if (result < 0)
                (void) log_errno(result, "Failed to set the timer for Refuse=");
        return wanted;
}

/* What systemctl prints names the target only. A message of this level reaches every terminal (ForwardToWall=
 * of journald.conf(5)), as logind's own announcement of the shutdown has just done. */
static void tell_everybody(Refusing *r, const char *owed, uint64_t now) {
        bool prepares = goingdown_prepares(r->going);
        if (prepares && !r->prepared && refusal_stands(r->refusal) &&
            (r->said_at == 0 || now >= r->said_at + SAY_USEC)) {
                log_send(LOG_EMERG, NULL,
                         "The system does not go down: %s. Use 'bootkeepctl reboot --wait', or "
                         "'systemctl --force reboot' at your own risk.",
                         owed);
                r->said_at = now;
        }
        r->prepared = prepares;
}

void refusing_settled(Refusing *r) {
        uint64_t now = now_usec();
        bool wanted = is_wanted(r, now);
        _cleanup_free_ char *owed = wanted ? goingdown_describe(r->going) : NULL;
        if (wanted && owed)
                tell_everybody(r, owed, now);
        if (wanted && !r->wanted)
                r->since = now;
        r->wanted = wanted;
        refusal_want(r->refusal, owed);
        goingdown_set_refused(r->going, wanted && refusal_stands(r->refusal));
}

static bool refusing_is_over(void *userdata) {
        return refusal_is_gone(((Refusing *) userdata)->refusal);
}

static const RefusalHandlers refusal_handlers = {.changed = on_refusal_changed};

int refusing_new(Daemon *d, RebootLock *reboot, GoingDown *going, Refusing **ret) {
        assert(d && reboot && going && ret);
        _cleanup_(refusing_freep) Refusing *r = calloc(1, sizeof(*r));
        if (!r)
                return error_origin(-ENOMEM);
        r->daemon = d;
        r->reboot = reboot;
        r->going = going;
        int result = refusal_new(daemon_event_loop(d), daemon_options(d)->units, &refusal_handlers, r,
                                 &r->refusal);
        if (result < 0)
                return result;
        rebootlock_set_gate(reboot, refusing_is_over, r);
        *ret = TAKE_PTR(r);
        return 0;
}

Refusing *refusing_free(Refusing *r) {
        if (r) {
                refusal_free(r->refusal);
                sd_event_source_disable_unref(r->timer);
        }
        free(r);
        return NULL;
}

/* ---- without a daemon ---- */

static void on_end(void *userdata) {
        (void) sd_event_exit(userdata, 0);
}

int refusing_end(const char *folder) {
        static const RefusalHandlers end_handlers = {.changed = on_end};
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(refusal_freep) Refusal *refusal = NULL;
        int r = sd_event_default(&event);
        if (r >= 0)
                r = refusal_new(event, folder, &end_handlers, event, &refusal);
        if (r < 0 || refusal_is_gone(refusal))
                return r;
        refusal_want(refusal, NULL);
        return refusal_is_gone(refusal) ? 0 : sd_event_loop(event);
}
