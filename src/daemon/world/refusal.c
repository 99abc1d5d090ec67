/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/refusal.h"

#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/log.h"
#include "base/systemdbus.h"
#include "daemon/world/refusaldropins.h"

/* As for our own interface, see bus.c. */
#define SYSTEMD_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)
/* How long systemd has to answer, and to reload; and when it is tried again after a failure. */
#define ANSWER_USEC (15 * USEC_PER_SEC)
#define RELOAD_USEC (90 * USEC_PER_SEC)
#define REST_USEC (60 * USEC_PER_SEC)

typedef sd_bus_message Message;

typedef struct Question { /* about one target */
        Refusal *refusal;
        char *object;
        sd_bus_slot *call; /* NULL: not asked, or answered */
} Question;

struct Refusal {
        sd_event *event;
        const char *folder;
        const RefusalHandlers *handlers;
        void *userdata;
        sd_bus *bus; /* only while systemd is asked */
        sd_event_source *deadline;
        Question questions[DROPINS_MAX];
        sd_bus_slot *reload;
        char *text, *written; /* what is wanted, and what the drop-ins say; NULL: none */
        bool stands;          /* as far as is known */
        bool moves, moves_up; /* systemd is being asked, because we want it to refuse */
        bool outdated;        /* it knows something else */
        bool reloaded, complained;
        uint64_t rests_until; /* after a failure */
};

static void refusal_follow(Refusal *r);

/* Once, until it is well again. */
_printf_(3, 4) static void refusal_complain(Refusal *r, int level, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        log_send(r->complained ? LOG_DEBUG : level, NULL, "%s", strempty(text));
        r->complained = true;
}

static void stop_asking(Refusal *r) {
        for (size_t i = 0; i < DROPINS_MAX; i++) {
                r->questions[i].call = sd_bus_slot_unref(r->questions[i].call);
                free(TAKE_PTR(r->questions[i].object));
        }
        r->reload = sd_bus_slot_unref(r->reload);
        r->deadline = sd_event_source_disable_unref(r->deadline);
        r->bus = sd_bus_close_unref(r->bus);
        r->moves = false;
}

static int remove_dropins(Refusal *r) {
        free(TAKE_PTR(r->written));
        int result = dropins_remove(r->folder);
        if (result < 0)
                refusal_complain(r, LOG_ERR,
                                 "Failed to remove a drop-in below %s, so systemd may refuse to go down: %s",
                                 r->folder, strerror(-result));
        return result;
}

static void refusal_succeed(Refusal *r) {
        r->stands = r->moves_up;
        r->complained = false;
        stop_asking(r);
        refusal_follow(r);
        r->handlers->changed(r->userdata);
}

/* A refusal that could not be confirmed is taken back; one that could not be taken back counts as gone, or
 * the system would never go down with our consent. */
static void refusal_fail(Refusal *r, const char *why) {
        if (r->moves_up)
                (void) remove_dropins(r);
        refusal_complain(r, LOG_WARNING,
                         r->moves_up ? "systemd cannot be told to refuse to go down while work is owed: %s"
                                     : "systemd may still refuse to go down until it is reloaded: %s",
                         why);
        r->rests_until = now_usec() + REST_USEC;
        r->stands = false;
        stop_asking(r);
        r->handlers->changed(r->userdata);
}

static int on_asked_too_long(sd_event_source *s, uint64_t usec, void *userdata) {
        refusal_fail(userdata, "it does not answer");
        return 0;
}

static int set_deadline(Refusal *r, uint64_t usec) {
        r->deadline = sd_event_source_disable_unref(r->deadline);
        return sd_event_add_time(r->event, &r->deadline, CLOCK_BOOTTIME, now_usec() + usec, USEC_PER_MSEC,
                                 on_asked_too_long, r);
}

static int on_reloaded(Message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        if (e)
                refusal_fail(userdata, isempty(e->message) ? e->name : e->message);
        else
                refusal_succeed(userdata);
        return 1;
}

static int ask_to_reload(Refusal *r) {
        log_info("systemd is reloaded, as it does not see that it shall %s to go down",
                 r->moves_up ? "refuse" : "no longer refuse");
        int result = set_deadline(r, RELOAD_USEC);
        if (result >= 0)
                result = sd_bus_call_method_async(r->bus, &r->reload, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                                  "Reload", on_reloaded, r, "");
        r->reloaded = true;
        return result;
}

static void follow_answers(Refusal *r) {
        for (size_t i = 0; i < DROPINS_MAX; i++)
                if (r->questions[i].call)
                        return;
        if (!r->outdated) {
                refusal_succeed(r);
                return;
        }
        int result = ask_to_reload(r);
        if (result < 0)
                refusal_fail(r, strerror(-result));
}

static int question_ask(Question *q, const char *property, sd_bus_message_handler_t then) {
        q->call = sd_bus_slot_unref(q->call);
        return sd_bus_call_method_async(q->refusal->bus, &q->call, SYSTEMD, q->object,
                                        "org.freedesktop.DBus.Properties", "Get", then, q, "ss", SYSTEMD_UNIT,
                                        property);
}

static int on_load_state(Message *m, void *userdata, sd_bus_error *error) {
        Question *q = userdata;
        const char *state = "";
        q->call = sd_bus_slot_unref(q->call);
        if (!sd_bus_message_get_error(m))
                (void) sd_bus_message_read(m, "v", "s", &state);
        /* a target that this systemd does not know, or that is masked, cannot be reached at all */
        if (streq(state, "loaded"))
                q->refusal->outdated = true;
        follow_answers(q->refusal);
        return 1;
}

static int on_refuses(Message *m, void *userdata, sd_bus_error *error) {
        Question *q = userdata;
        Refusal *r = q->refusal;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int refuses = 0, result = e ? 0 : sd_bus_message_read(m, "v", "b", &refuses);
        if (e || result < 0) {
                refusal_fail(r, !e ? strerror(-result) : isempty(e->message) ? e->name : e->message);
                return 1;
        }
        result = 0;
        if (r->moves_up && !refuses)
                result = question_ask(q, "LoadState", on_load_state);
        else {
                q->call = sd_bus_slot_unref(q->call);
                r->outdated = r->outdated || (bool) refuses != r->moves_up;
                follow_answers(r);
        }
        if (result < 0)
                refusal_fail(r, strerror(-result));
        return 1;
}

static int refusal_connect(Refusal *r) {
        int result = sd_bus_open_system_with_description(&r->bus, "bootkeepd-refusal");
        if (result >= 0) /* or the end of the loop would wait for a bus that does not respond */
                result = sd_bus_set_close_on_exit(r->bus, false);
        return result < 0 ? result : sd_bus_attach_event(r->bus, r->event, SYSTEMD_PRIORITY);
}

/* A property of a unit that is not loaded has systemd load it. */
static int ask_systemd(Refusal *r) {
        r->outdated = r->reloaded = false;
        int result = refusal_connect(r);
        if (result >= 0)
                result = set_deadline(r, ANSWER_USEC);
        for (size_t i = 0; result >= 0 && i < DROPINS_MAX; i++) {
                Question *q = &r->questions[i];
                result = sd_bus_path_encode(SYSTEMD_PATH "/unit", dropins_targets[i], &q->object);
                if (result >= 0)
                        result = question_ask(q, "RefuseManualStart", on_refuses);
        }
        return result;
}

static int write_dropins(Refusal *r) {
        int result = dropins_write(r->folder, r->text);
        if (result >= 0)
                result = free_and_strdup(&r->written, r->text);
        return result;
}

static bool refusal_fails_to_write(Refusal *r) {
        int result = write_dropins(r);
        if (result >= 0)
                return false;
        refusal_complain(r, LOG_WARNING,
                         "Failed to write drop-ins below %s, so nothing is refused while work is owed: %s",
                         r->folder, strerror(-result));
        (void) remove_dropins(r);
        r->rests_until = now_usec() + REST_USEC;
        return true;
}

/* Has systemd do what is wanted now, one change at a time. */
static void refusal_follow(Refusal *r) {
        bool up = r->text;
        if (r->moves)
                return;
        if (up && r->stands) { /* at most another text: whoever looks later sees it */
                if (streq_ptr(r->text, r->written) || !refusal_fails_to_write(r))
                        return;
                up = false; /* nothing is left of it */
        } else if (up && (now_usec() < r->rests_until || refusal_fails_to_write(r)))
                return;
        if (up == r->stands)
                return;
        if (!up)
                (void) remove_dropins(r);
        r->moves = true;
        r->moves_up = up;
        int result = ask_systemd(r);
        if (result < 0)
                refusal_fail(r, strerror(-result));
}

void refusal_want(Refusal *r, const char *text) {
        if (free_and_strdup(&r->text, text) < 0) /* without a text nothing is refused */
                (void) log_oom();
        refusal_follow(r);
}

bool refusal_stands(const Refusal *r) {
        return r->stands && !r->moves;
}

bool refusal_is_gone(const Refusal *r) {
        return !r->stands && !r->moves;
}

bool refusal_reloaded(const Refusal *r) {
        return r->reloaded;
}

int refusal_new(sd_event *event, const char *folder, const RefusalHandlers *handlers, void *userdata,
                Refusal **ret) {
        assert(event && folder && handlers && handlers->changed && ret);
        Refusal *r = calloc(1, sizeof(*r));
        if (!r)
                return error_origin(-ENOMEM);
        r->event = event;
        r->folder = folder;
        r->handlers = handlers;
        r->userdata = userdata;
        for (size_t i = 0; i < DROPINS_MAX; i++)
                r->questions[i].refusal = r;
        r->stands = remove_dropins(r) > 0; /* until systemd is asked */
        *ret = r;
        return 0;
}

Refusal *refusal_free(Refusal *r) {
        if (r) {
                stop_asking(r);
                if (r->written)
                        (void) remove_dropins(r);
                free(r->text);
        }
        free(r);
        return NULL;
}
