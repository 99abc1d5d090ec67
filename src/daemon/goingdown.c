/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/goingdown.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "daemon/timer.h"
#include "daemon/world/inhibit.h"

/* What inhibitors say is not replaced more often than this; nor is anything hurried more often, or a change
 * of mind of logind's taken in, if it announces a shutdown a thousand times a second. */
#define PACE_USEC USEC_PER_SEC
/* How long something may be between two sets, and how long who begins a switch waits for logind. */
#define SWITCH_USEC (30 * USEC_PER_SEC)
#define SWITCH_ANSWER_USEC USEC_PER_SEC
/* More are only counted in what an inhibitor says. */
#define NAMED_MAX 3U

struct GoingDown {
        Daemon *daemon;
        Bus *bus;
        const RebootLock *reboot;
        Inhibit *inhibit;
        WaiterQueue switchers; /* calls of BeginSwitch */
        sd_event_source *renew_timer, *pace_timer, *switch_timer;
        bool renew_timer_runs;
        uint64_t renewed_at, prepares_since, hurried_at; /* 0: never */
        bool refused;
        bool prepares; /* as last taken in from logind */
        bool hurried;  /* everything, once since then */
        char *shown;   /* the property Inhibiting */
};

/* ---- which volumes ---- */

static bool is_owed(const Record *record) {
        return volume_busy(&record->volume);
}

static bool is_kept(const Record *record) {
        return inhibition_concerns(&record->volume);
}

/* Whoever said so may have vanished or released the lock; a build that hangs is not waited for. */
static bool is_switching(const Record *record) {
        return now_usec() < record->switch_end && record->lock.holder == record->switch_by &&
               record->volume.state != VOLUME_HUNG;
}

/* ---- in words ---- */

static const char *state_in_words(const Record *record) {
        return record->volume.locked && record->volume.state == VOLUME_FRESH
                       ? "locked"
                       : volume_state_to_string(record->volume.state);
}

/* Adds what there is to say of RECORD to LIST, if it is the N-th (from 0) to be named. */
static int name_volume(const Record *record, unsigned n, char **list) {
        const MountEntry *m = record_mount(record);
        const char *reason = strempty(record->reason);
        bool busy = is_owed(record);
        char *longer = NULL;
        if (n >= NAMED_MAX)
                return 0;
        int r = strprintf(&longer, "%s%s%s (%s)%s%s%s%s", strempty(*list), n > 0 ? "; " : "", record->name,
                          m ? m->target : "", busy ? ": " : "", busy ? state_in_words(record) : "",
                          busy && *reason ? ", " : "", busy ? reason : "");
        if (r < 0)
                return r;
        free(*list);
        *list = longer;
        return 0;
}

static int name_volumes(Daemon *d, bool (*is_meant)(const Record *record), char **list, unsigned *ret_n) {
        unsigned n = 0;
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record)) {
                int r = is_meant(record) ? name_volume(record, n++, list) : 0;
                if (r < 0)
                        return r;
        }
        *ret_n = n;
        return 0;
}

/* What is said of the first of these that is true of any volume. */
static const struct {
        bool (*is_meant)(const Record *record);
        const char *before, *after;
} sayings[] = {
        {is_switching, "Boot files are between the old and the new set on ", ""},
        {is_owed, "Boot files are owed on ", ""},
        {is_kept, "Boot files are watched on ", ", nothing is owed"},
};

static char *describe_volumes(const GoingDown *g, Inhibitor kind) {
        _cleanup_free_ char *list = NULL, *text = NULL;
        char more[32] = "";
        unsigned n = 0;
        size_t s = kind == INHIBITOR_WEAK ? 0 : 1;
        int r = name_volumes(g->daemon, sayings[s].is_meant, &list, &n);
        for (; r >= 0 && n == 0 && s + 1 < ELEMENTSOF(sayings); s++)
                r = name_volumes(g->daemon, sayings[s + 1].is_meant, &list, &n);
        if (n > NAMED_MAX)
                (void) snprintf(more, sizeof(more), " and %u more", n - NAMED_MAX);
        if (r >= 0)
                r = strprintf(&text, "%s%s%s%s", sayings[s].before, strempty(list), more, sayings[s].after);
        return r < 0 ? NULL : escape_print(text);
}

static char *describe_inhibitor(void *userdata, Inhibitor kind) {
        return describe_volumes(userdata, kind);
}

char *goingdown_describe(const GoingDown *g) {
        return describe_volumes(g, INHIBITOR_DELAY);
}

bool goingdown_prepares(const GoingDown *g) {
        return inhibit_prepares(g->inhibit);
}

/* ---- the inhibitors ---- */

/* Returns when the first of what is between two sets no longer counts as that, USEC_INFINITY: nothing is. */
static uint64_t note_volumes(const GoingDown *g, InhibitionFacts *f) {
        Daemon *d = g->daemon;
        uint64_t end = USEC_INFINITY;
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record)) {
                const Volume *v = &record->volume;
                f->kept = f->kept || is_kept(record);
                f->owed = f->owed || is_owed(record);
                f->moving = f->moving || inhibition_moves(v, !driver_has_looked(record));
                f->switching = f->switching || is_switching(record);
                if (is_switching(record))
                        end = MIN(end, record->switch_end);
        }
        return end;
}

static int on_pace_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        daemon_settle_accounts(((GoingDown *) userdata)->daemon);
        return 0;
}

static void follow_facts(GoingDown *g) {
        InhibitionFacts f = {
                .setting = daemon_settings(g->daemon)->inhibit,
                .held = inhibit_held(g->inhibit),
                .refused = g->refused,
                .reboot_locked = rebootlock_is_held(g->reboot),
                .preparing = g->prepares,
        };
        uint64_t end = note_volumes(g, &f);
        (void) timer_set(daemon_event_loop(g->daemon), &g->switch_timer, end, on_pace_timer, g);
        if ((f.kept || f.switching) && (f.setting != INHIBITION_NO || daemon_settings(g->daemon)->refuse))
                inhibit_start(g->inhibit);
        inhibit_want(g->inhibit, inhibition_wanted(&f));
}

static int on_renew_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        GoingDown *g = userdata;
        g->renew_timer_runs = false;
        g->renewed_at = now_usec();
        inhibit_renew(g->inhibit);
        return 0;
}

static void renew_soon(GoingDown *g) {
        if (g->renew_timer_runs || inhibit_held(g->inhibit) == 0)
                return;
        g->renew_timer_runs = timer_set(daemon_event_loop(g->daemon), &g->renew_timer,
                                        MAX(now_usec(), g->renewed_at + PACE_USEC), on_renew_timer, g) >= 0;
}

static void show_held(GoingDown *g) {
        _cleanup_free_ char *list = inhibit_list(g->inhibit);
        if (list && free_and_strdup(&g->shown, list) > 0)
                bus_manager_changed(g->bus, "Inhibiting");
}

static void on_inhibit_changed(void *userdata) {
        GoingDown *g = userdata;
        show_held(g);
        renew_soon(g); /* it may have changed again while logind was asked */
        daemon_settle_accounts(g->daemon);
}

static const InhibitHandlers inhibit_handlers = {
        .describe = describe_inhibitor,
        .changed = on_inhibit_changed,
};

/* ---- going down ---- */

/* Has what was too early looked at again at WHEN. */
static void wait_until(GoingDown *g, uint64_t when) {
        int r = timer_set(daemon_event_loop(g->daemon), &g->pace_timer, when, on_pace_timer, g);
        if (r < 0)
                (void) log_errno(r, "Failed to set the timer for going down");
}

static void take_in_logind(GoingDown *g) {
        uint64_t now = now_usec();
        if (inhibit_prepares(g->inhibit) == g->prepares)
                return;
        if (g->prepares_since != 0 && now < g->prepares_since + PACE_USEC) {
                wait_until(g, g->prepares_since + PACE_USEC);
                return;
        }
        g->prepares = !g->prepares;
        g->prepares_since = now;
        g->hurried = false;
        if (g->prepares && daemon_settings(g->daemon)->inhibit != INHIBITION_NO)
                log_notice("The system is about to go down: what is owed is done now");
        else if (!g->prepares)
                log_notice("The system does not go down after all");
}

/* Everything that is owed, once; after that whatever changes meanwhile, without settling. */
static bool is_to_be_hurried(const GoingDown *g, const Record *record) {
        const Volume *v = &record->volume;
        if (!inhibition_concerns(v))
                return false;
        return v->state == VOLUME_SETTLING || (!g->hurried && (volume_busy(v) || v->unwatched));
}

static void hurry_what_is_owed(GoingDown *g) {
        Daemon *d = g->daemon;
        uint64_t now = now_usec();
        bool any = false;
        if (!g->prepares || daemon_settings(d)->inhibit == INHIBITION_NO)
                return;
        for (Record *record = daemon_next(d, NULL); record && !any; record = daemon_next(d, record))
                any = is_to_be_hurried(g, record);
        if (any && g->hurried_at != 0 && now < g->hurried_at + PACE_USEC) {
                wait_until(g, g->hurried_at + PACE_USEC);
                return;
        }
        for (Record *record = any ? daemon_next(d, NULL) : NULL; record; record = daemon_next(d, record))
                if (is_to_be_hurried(g, record))
                        driver_hurry(daemon_driver(d), record);
        g->hurried = true;
        g->hurried_at = any ? now : g->hurried_at;
}

/* ---- switches ---- */

static void answer_switcher(void *userdata, Waiter *w) {
        waiter_answer(w, OUTCOME_DONE, NULL, NULL);
}

static void answer_switchers(GoingDown *g) {
        const unsigned blocks = INHIBITOR_WEAK | INHIBITOR_BLOCK;
        if (inhibit_asked(g->inhibit) & blocks && !(inhibit_held(g->inhibit) & blocks))
                return;
        while (!TAILQ_EMPTY(&g->switchers))
                answer_switcher(g, TAILQ_FIRST(&g->switchers));
}

static int add_switcher(GoingDown *g, const Caller *caller) {
        Waiter *w = waiter_new(daemon_waiters(g->daemon), caller, NULL, (Wait){.what = WAIT_FOR_INHIBITOR});
        if (!w)
                return error_origin(-ENOMEM);
        int r = waiter_set_limit(w, daemon_event_loop(g->daemon), now_usec() + SWITCH_ANSWER_USEC,
                                 answer_switcher, g);
        if (r < 0)
                waiter_free(w);
        else
                waiter_join_queue(w, &g->switchers);
        return r;
}

void goingdown_switch(GoingDown *g, Record *record, bool begins, const Caller *caller) {
        record->switch_by = caller->peer->id;
        record->switch_end = begins ? now_usec() + SWITCH_USEC : 0;
        follow_facts(g);
        if (!begins || add_switcher(g, caller) < 0)
                answer_done(caller->call);
        else
                answer_switchers(g);
}

void goingdown_settled(GoingDown *g) {
        take_in_logind(g);
        hurry_what_is_owed(g);
        follow_facts(g);
        answer_switchers(g);
        renew_soon(g);
}

void goingdown_set_refused(GoingDown *g, bool refused) {
        if (g->refused == refused)
                return;
        g->refused = refused;
        daemon_settle_accounts(g->daemon);
}

const char *goingdown_inhibiting(const GoingDown *g) {
        return strempty(g->shown);
}

int goingdown_new(Daemon *d, Bus *bus, const RebootLock *reboot, GoingDown **ret) {
        assert(d && bus && reboot && ret);
        _cleanup_(goingdown_freep) GoingDown *g = calloc(1, sizeof(*g));
        if (!g)
                return error_origin(-ENOMEM);
        g->daemon = d;
        g->bus = bus;
        g->reboot = reboot;
        TAILQ_INIT(&g->switchers);
        int r = inhibit_new(daemon_event_loop(d), &inhibit_handlers, g, &g->inhibit);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 0;
}

GoingDown *goingdown_free(GoingDown *g) {
        if (g) {
                inhibit_free(g->inhibit);
                sd_event_source_disable_unref(g->renew_timer);
                sd_event_source_disable_unref(g->pace_timer);
                sd_event_source_disable_unref(g->switch_timer);
                free(g->shown);
        }
        free(g);
        return NULL;
}
