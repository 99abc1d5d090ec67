/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* No earlier scan is trusted: the manifest is read and everything is compared again, under the lock that
 * keeps two builds of a volume apart. Whether the volume may be built at all is up to the caller. */

#include "builder/session.h"

#include <bootkeep.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/report.h"
#include "builder/build.h"
#include "builder/buildlock.h"
#include "builder/buslock.h"
#include "builder/handover.h"
#include "builder/opener.h"
#include "freshness/learnedorder.h"

typedef struct Session {
        const SessionOptions *options;
        Interrupt *interrupt;
        Root *root;
        BuilderLink link; /* a copy, with what is to be held */
        BusLock *bus_lock;
        int lock_fd;
        const char *waits_for; /* as last reported; NULL: nothing yet */
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
        HelperList *helpers;
        int status;   /* as soon as it has ended */
        char *reason; /* if not with success */
} Session;

/* The file lock is released before that of the bus, so that the next in line finds it free. */
static void session_done(Session *s) {
        (void) helper_list_free(s->helpers);
        (void) plan_free(s->plan);
        (void) definition_set_free(s->definitions);
        (void) manifest_free(s->manifest);
        (void) root_free(s->root);
        closep(&s->lock_fd);
        (void) buslock_release(s->bus_lock, s->status, s->reason);
        free(s->reason);
}

/* ---- how it ends ---- */

/* Negative: the session has ended, S->status is the result. */
#define ENDED (-1)

/* It makes no difference to the build if nobody reads the records any more. */
static int end_with(Session *s, int status, const char *result, const char *reason) {
        if (status != BOOTKEEP_BUILD_SUCCESS) {
                reason = isempty(reason) ? "out of memory" : reason;
                (void) report_print(stdout, "REASON", reason, NULL);
                (void) free_and_strdup(&s->reason, reason);
        }
        (void) report_print(stdout, "RESULT", result, NULL);
        assert(status >= 0 && s->status < 0);
        s->status = status;
        return ENDED;
}

/* Logs the reason, too. */
_printf_(4, 5) static int end_because(Session *s, int status, const char *result, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&reason, format, ap);
        va_end(ap);
        log_send(status == BOOTKEEP_BUILD_TEMPFAIL ? LOG_NOTICE : LOG_ERR,
                 &(LogFields){.volume = s->root ? s->root->name : NULL}, "%s",
                 reason ? reason : "Out of memory");
        return end_with(s, status, result, reason);
}

#define end_error(s, ...) end_because((s), BOOTKEEP_BUILD_FAILED, "error", __VA_ARGS__)
#define end_not_now(s, ...) end_because((s), BOOTKEEP_BUILD_TEMPFAIL, "not-now", __VA_ARGS__)

/* ---- the steps: 0, or ENDED ---- */

static int open_volume(Session *s) {
        const char *mount_point = s->options->mount_point;
        int r = s->options->link
                        ? builderlink_open_volume(&s->link, mount_point, s->options->mount_id, true, &s->root)
                        : root_open(mount_point, s->options->mount_id, &s->root);
        const char *problem = root_open_problem(r);
        if (r == -EINTR)
                return end_not_now(s, "interrupted");
        if (r < 0)
                return end_error(s, "%s%s %s", mount_point, problem ? "" : ":",
                                 problem ? problem : strerror(-r));
        r = root_make_state(s->root);
        problem = root_state_problem(r);
        if (problem)
                return end_error(s, BOOTKEEP_VOLUME_STATE ": %s", problem);
        return r < 0 ? end_error(s, BOOTKEEP_VOLUME_STATE " cannot be created: %s", strerror(-r)) : 0;
}

/* Again and again: whatever is waited for may take long, and waiting is not hanging. Whether it moves is told
 * by whoever does it. */
static void say_waiting(Session *s, const char *why) {
        if (!streq_ptr(s->waits_for, why))
                log_send(LOG_NOTICE, &(LogFields){.volume = s->root->name}, "%s", why);
        s->waits_for = why;
        (void) report_print(stdout, "IDLE", why, NULL);
}

static void on_waiting_in_line(void *userdata) {
        say_waiting(userdata, "The volume is locked: waiting in line");
}

/* The daemon gives our slot to another volume meanwhile. */
static void on_waiting_for_build(void *userdata) {
        const Session *s = userdata;
        if (!s->waits_for)
                (void) report_print(stdout, "WAITING", "yes", NULL);
        say_waiting(userdata, "Another build of this volume is running: waiting");
}

/* Against all clients that change the volume's caches, not only builds. */
static int take_turn(Session *s) {
        const BusLockRequest request = {
                .volume = s->root->name,
                .no_wait = s->options->no_wait,
                .patience = {s->interrupt, on_waiting_in_line, s},
        };
        _cleanup_free_ char *holder = NULL;
        BusLockResult result = BUSLOCK_NOBODY;
        int r = buslock_take(&request, &s->bus_lock, &result, &holder);
        if (r == -EINTR)
                return end_not_now(s, "interrupted");
        if (r < 0)
                return end_error(s, "Failed to lock the volume: %s", strerror(-r));
        const char *client = buslock_client(s->bus_lock);
        if (client) /* for a bootkeepd that is started meanwhile, and gives it the lock again */
                (void) report_print(stdout, "LOCKED", client, NULL);
        switch (result) {
        case BUSLOCK_REBOOT:
                return end_not_now(s, "The system is about to go down");
        case BUSLOCK_BUSY:
                return end_because(s, BOOTKEEP_BUILD_TEMPFAIL, REPORT_RESULT_LOCKED, "%s", holder);
        case BUSLOCK_TAKEN:
        case BUSLOCK_NOBODY:
                break;
        }
        return 0;
}

static int lock_volume(Session *s) {
        s->waits_for = NULL;
        int r = buildlock_open(s->root->state_fd, &s->lock_fd);
        if (r >= 0)
                r = buildlock_take(s->lock_fd, &(Patience){s->interrupt, on_waiting_for_build, s});
        if (s->waits_for)
                (void) report_print(stdout, "WAITING", "no", NULL);
        if (r == -EINTR)
                return end_not_now(s, "interrupted");
        return r < 0 ? end_error(s, "Failed to lock the volume: %s", strerror(-r)) : 0;
}

static int read_manifest(Session *s) {
        const Walk walk = {.root = s->root->fd};
        _cleanup_free_ char *reason = NULL;
        int r = manifest_load(&walk, &s->manifest, &reason);
        if (r == -ENOENT)
                return end_because(s, BOOTKEEP_BUILD_REFUSED, "none", "There is no manifest on %s",
                                   s->options->mount_point);
        if (r >= 0) {
                r = definition_set_load(s->options->builders, &s->definitions, NULL);
                if (r < 0)
                        return end_error(s, "Failed to read the builder definitions: %s", strerror(-r));
                r = plan_new(&walk, s->manifest, s->definitions, &s->plan, &reason);
        }
        if (r >= 0 && !root_is_running(s->root))
                r = plan_check_running(s->plan, s->manifest, &reason);
        if (r == -EBADMSG)
                return end_because(s, BOOTKEEP_BUILD_REFUSED, "refused", "%s",
                                   reason ? reason : "Failed to parse the manifest");
        if (r < 0 && reason)
                return end_error(s, "%s", reason);
        return r < 0 ? end_error(s, "Failed to read the manifest: %s", strerror(-r)) : 0;
}

static int find_helpers(Session *s) {
        int r = helper_list_new("/sys", s->root->mount.devno, &s->helpers);
        if (r < 0)
                return end_error(s, "Failed to find the helpers: %s", strerror(-r));
        for (char **note = s->helpers->notes; note && *note; note++)
                log_send(LOG_WARNING, &(LogFields){.volume = s->root->name}, "%s", *note);
        return 0;
}

static void tell_between(void *userdata, bool between) {
        const Session *s = userdata;
        if (s->bus_lock)
                buslock_tell_between(s->bus_lock, between);
}

static FreshnessContext context_of_session(const Session *s, StampRoom *room) {
        return (FreshnessContext){
                .root = s->root,
                .plan = s->plan,
                .room = room,
                .trust_ctime = s->options->trust_ctime,
        };
}

/* What was learned says more about the order than the manifest; what it is not, is not fatal. */
static int prefer_learned_order(Session *s) {
        StampRoom room = STAMP_ROOM_FULL;
        const FreshnessContext context = context_of_session(s, &room);
        _cleanup_free_ PlanEdge *edges = NULL;
        size_t n = 0;
        int r = learned_order_read(&context, &edges, &n);
        if (r >= 0 && n > 0)
                r = plan_prefer(s->plan, s->manifest, edges, n);
        return r < 0 ? end_error(s, "Failed to read what was learned: %s", strerror(-r)) : 0;
}

/* By whoever runs builders, until none is left. */
static void let_locks_be_held(Session *s) {
        s->link.held[0] = s->lock_fd;
        s->link.held[1] = buslock_get_fd(s->bus_lock);
}

/* ONLY: see Build. */
static int run_build(Session *s, const bool *only, BuildResult *ret, char **ret_reason) {
        static const HelperList no_helpers = {};
        const FreshnessContext context = context_of_session(s, &STAMP_ROOM_FULL);
        const Between between = {.tell = tell_between, .userdata = s};
        const Build build = {
                .context = &context,
                .helpers = s->helpers ? s->helpers : &no_helpers,
                .interrupt = s->interrupt,
                .between = &between,
                .link = s->options->link ? &s->link : NULL,
                .report = stdout,
                .only = only,
                .force = s->options->force,
                .caches_only = s->options->caches_only || only,
                .helpers_only = s->options->helpers_only,
        };
        let_locks_be_held(s);
        return build_run(&build, ret, ret_reason);
}

static const struct {
        int status;
        const char *result;
} ends[] = {
        [BUILD_SUCCESS] = {BOOTKEEP_BUILD_SUCCESS, "success"},
        [BUILD_FAILED] = {BOOTKEEP_BUILD_FAILED, "failed"},
        [BUILD_NOT_NOW] = {BOOTKEEP_BUILD_TEMPFAIL, "not-now"},
};

/* Only if no other client changes the volume. If it cannot be: what is begun is built as usual. */
static void build_quick(Session *s, const bool *only) {
        const BusLockRequest request = {
                .volume = s->root->name,
                .no_wait = true,
                .patience = {s->interrupt, on_waiting_in_line, s},
        };
        _cleanup_free_ char *why = NULL;
        BusLockResult locked = BUSLOCK_NOBODY;
        BuildResult result = BUILD_NOT_NOW;
        int r = buslock_take(&request, &s->bus_lock, &locked, &why);
        if (r >= 0 && (locked == BUSLOCK_TAKEN || locked == BUSLOCK_NOBODY))
                r = run_build(s, only, &result, &why);
        if (r < 0 && r != -EINTR)
                (void) log_send_errno(LOG_WARNING, &(LogFields){.volume = s->root->name}, r,
                                      "The build was aborted");
        s->bus_lock = buslock_release(s->bus_lock, ends[result].status, why);
}

static int begin_handover(Session *s, const Handover *h, char **ret_reason) {
        _cleanup_free_ bool *quick = NULL;
        int r = handover_choose_quick(h, &quick);
        if (r >= 0 && quick)
                build_quick(s, quick);
        if (r >= 0 && interrupt_check(s->interrupt))
                return error_origin(-EINTR);
        return r < 0 ? r : handover_begin(h, ret_reason);
}

/* Instead of building. */
static int hand_over(Session *s) {
        const FreshnessContext context = context_of_session(s, &STAMP_ROOM_FULL);
        const Handover h = {
                .context = &context,
                .file = s->options->begin ? s->options->begin : s->options->done,
                .report = stdout,
                .cache = s->options->cache,
                .instance = s->options->instance,
        };
        _cleanup_free_ char *reason = NULL;
        unsigned taken = 1;
        int r = s->options->begin ? begin_handover(s, &h, &reason) : handover_end(&h, &taken, &reason);
        if (r < 0)
                return end_error(s, "%s", reason ? reason : strerror(-r));
        if (reason)
                log_send(LOG_INFO, &(LogFields){.volume = s->root->name}, "%s", reason);
        return taken > 0
                       ? end_with(s, BOOTKEEP_BUILD_SUCCESS, "success", NULL)
                       : end_with(s, BOOTKEEP_BUILD_FAILED, "failed", reason ? reason : "nothing was begun");
}

static int build_all(Session *s) {
        _cleanup_free_ char *reason = NULL;
        BuildResult result;
        int r = run_build(s, NULL, &result, &reason);
        if (r < 0)
                return end_error(s, "The build was aborted: %s", strerror(-r));
        return end_with(s, ends[result].status, ends[result].result, reason);
}

static int open_for_scan(const SessionOptions *o) {
        Root *root = NULL;
        int r = o->link ? builderlink_open_volume(o->link, o->mount_point, o->mount_id, false, &root)
                        : root_open(o->mount_point, o->mount_id, &root);
        return opener_run(r, root, o->uncover);
}

int session_run(const SessionOptions *options, Interrupt *interrupt) {
        static int (*const build[])(Session *) = {
                open_volume,          take_turn,    lock_volume, read_manifest,
                prefer_learned_order, find_helpers, build_all,   NULL,
        };
        /* what a client does under its lock may be handed over, too */
        static int (*const handover[])(Session *) = {
                open_volume, lock_volume, read_manifest, hand_over, NULL,
        };
        assert(options->mount_point && interrupt && !(options->begin && options->done));
        int (*const *steps)(Session *) = options->begin || options->done ? handover : build;
        if (options->uncover)
                return open_for_scan(options);
        _cleanup_(session_done) Session s = {
                .options = options,
                .interrupt = interrupt,
                .link = options->link ? *options->link : BUILDER_LINK_NULL,
                .lock_fd = -EBADF,
                .status = -1,
        };
        for (; *steps && s.status < 0; steps++) {
                _unused_ int r = (*steps)(&s);
                assert((r == ENDED) == (s.status >= 0));
        }
        assert(s.status >= 0); /* the last step always ends it */
        return s.status;
}
