/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/inhibit.h"

#include <fcntl.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"

#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_INTERFACE "org.freedesktop.login1.Manager"
#define IN_PROGRESS "org.freedesktop.login1.OperationInProgress"
#define BUS_ITSELF "org.freedesktop.DBus"
#define BUS_ITSELF_PATH "/org/freedesktop/DBus"

/* As for our own interface, see bus.c: what others send holds up nothing. */
#define LOGIND_PRIORITY (SD_EVENT_PRIORITY_IDLE + 10)
/* How long logind has to answer; and after which time it is asked again, doubled each time. */
#define ANSWER_USEC (5 * USEC_PER_SEC)
#define REST_MIN_USEC USEC_PER_SEC
#define REST_MAX_USEC (64 * USEC_PER_SEC)
/* How long until the next attempt to connect to a bus that is not there. */
#define RECONNECT_USEC (5 * USEC_PER_SEC)

typedef sd_bus_message Message;

/* One inhibitor, held or not. */
typedef struct Lease {
        Inhibit *inhibit;
        Inhibitor kind;
        bool wanted;
        int fd; /* what logind gave us: closing it releases the inhibitor; negative: not held */
        char *why;
        const char *mode;
        bool outdated;     /* it is to be replaced: it is of an earlier logind, or says something else */
        sd_bus_slot *call; /* NULL: logind was not asked, or has answered */
        char *asked_why;
        const char *asked_mode;
} Lease;

struct Inhibit {
        sd_event *event;
        const InhibitHandlers *handlers;
        void *userdata;
        sd_bus *bus; /* NULL while there is none */
        sd_bus_slot *owner_call, *prepares_call;
        sd_event_source *timer; /* connect again, or ask again */
        bool started, rests;    /* asked for nothing before the timer expires */
        uint64_t rest;          /* for how long the next time */
        char *owner;            /* logind's unique name, NULL: it is not there */
        bool knows_weak, prepares;
        bool complained;
        Lease leases[INHIBITOR_KINDS];
};

static void lease_drop_call(Lease *l) {
        l->call = sd_bus_slot_unref(l->call); /* what logind answers after this is closed by sd-bus */
        free(TAKE_PTR(l->asked_why));
}

static void lease_release(Lease *l) {
        lease_drop_call(l);
        closep(&l->fd);
        l->fd = -EBADF;
        free(TAKE_PTR(l->why));
        l->outdated = false;
}

/* ---- what is said of logind, once until it is well again ---- */

_printf_(3, 4) static void complain(Inhibit *i, int level, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        log_send(i->complained ? LOG_DEBUG : level, NULL, "%s: nothing delays a shutdown while work is owed",
                 strempty(text));
        i->complained = true;
}

static void note_well(Inhibit *i) {
        i->rest = REST_MIN_USEC;
        if (i->complained)
                log_notice("logind gives out inhibitors again");
        i->complained = false;
}

/* ---- asking for one ---- */

static void follow_leases(Inhibit *i);

static int set_timer(Inhibit *i, uint64_t after, sd_event_time_handler_t handler) {
        uint64_t when = now_usec() + after;
        i->timer = sd_event_source_disable_unref(i->timer);
        return sd_event_add_time(i->event, &i->timer, CLOCK_BOOTTIME, when, USEC_PER_MSEC, handler, i);
}

static int on_rested(sd_event_source *s, uint64_t usec, void *userdata) {
        Inhibit *i = userdata;
        i->rests = false;
        follow_leases(i);
        return 0;
}

static void rest(Inhibit *i) {
        if (i->rests)
                return;
        i->rests = set_timer(i, i->rest, on_rested) >= 0;
        i->rest = MIN(i->rest * 2, REST_MAX_USEC);
}

/* The descriptor in M belongs to M. */
static int take_descriptor(Message *m, int *ret) {
        int fd = -EBADF, r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return error_origin(-errno);
        *ret = fd;
        return 0;
}

static void lease_take(Lease *l, int fd) {
        closep(&l->fd); /* only now, so that one of them is held at any time */
        free(l->why);
        l->fd = fd;
        l->why = TAKE_PTR(l->asked_why);
        l->mode = l->asked_mode;
        l->outdated = false;
}

static void note_refused(Inhibit *i, const sd_bus_error *e) {
        if (sd_bus_error_has_name(e, IN_PROGRESS))
                log_debug("logind is about to take the system down and gives out no inhibitors");
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || sd_bus_error_get_errno(e) == ETIMEDOUT)
                complain(i, LOG_WARNING, "logind does not answer");
        else
                complain(i, LOG_WARNING, "logind gives out no inhibitor: %s",
                         isempty(e->message) ? e->name : e->message);
        rest(i);
}

static int on_inhibited(Message *m, void *userdata, sd_bus_error *error) {
        Lease *l = userdata;
        Inhibit *i = l->inhibit;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int fd = -EBADF, r = e ? 0 : take_descriptor(m, &fd);
        l->call = sd_bus_slot_unref(l->call);
        if (e && l->kind == INHIBITOR_WEAK && i->knows_weak &&
            sd_bus_error_has_name(e, SD_BUS_ERROR_INVALID_ARGS))
                i->knows_weak = false; /* before systemd 257 */
        else if (e)
                note_refused(i, e);
        else if (r < 0) {
                complain(i, LOG_WARNING, "logind gave no inhibitor: %s", strerror(-r));
                rest(i);
        } else {
                note_well(i);
                lease_take(l, fd);
        }
        free(TAKE_PTR(l->asked_why));
        follow_leases(i);
        i->handlers->changed(i->userdata);
        return 1;
}

static int lease_ask(Lease *l) {
        Inhibit *i = l->inhibit;
        _cleanup_(sd_bus_message_unrefp) Message *m = NULL;
        _cleanup_free_ char *why = i->handlers->describe(i->userdata, l->kind);
        const char *mode = inhibitor_mode(l->kind, i->knows_weak);
        if (!why)
                return error_origin(-ENOMEM);
        int r = sd_bus_message_new_method_call(i->bus, &m, i->owner, LOGIND_PATH, LOGIND_INTERFACE,
                                               "Inhibit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ssss", "shutdown", "bootkeep", why, mode);
        if (r >= 0)
                r = sd_bus_call_async(i->bus, &l->call, m, on_inhibited, l, ANSWER_USEC);
        if (r < 0)
                return r;
        l->asked_why = TAKE_PTR(why);
        l->asked_mode = mode;
        return 0;
}

/* While logind prepares it gives out none. */
static bool lease_is_to_be_asked_for(const Lease *l) {
        const Inhibit *i = l->inhibit;
        return l->wanted && !l->call && (l->fd < 0 || l->outdated) && i->owner && !i->prepares && !i->rests;
}

static void follow_leases(Inhibit *i) {
        for (size_t n = 0; n < INHIBITOR_KINDS; n++) {
                Lease *l = &i->leases[n];
                int r = lease_is_to_be_asked_for(l) ? lease_ask(l) : 0;
                if (r >= 0)
                        continue;
                complain(i, LOG_WARNING, "Failed to ask logind: %s", strerror(-r));
                rest(i);
        }
}

void inhibit_want(Inhibit *i, unsigned wanted) {
        bool released = false;
        assert(wanted < 1U << INHIBITOR_KINDS);
        for (size_t n = 0; n < INHIBITOR_KINDS; n++) {
                Lease *l = &i->leases[n];
                l->wanted = wanted & (unsigned) l->kind;
                if (l->wanted)
                        continue;
                released = released || l->fd >= 0;
                lease_release(l);
        }
        follow_leases(i);
        if (released)
                i->handlers->changed(i->userdata);
}

void inhibit_renew(Inhibit *i) {
        for (size_t n = 0; n < INHIBITOR_KINDS; n++) {
                Lease *l = &i->leases[n];
                if (l->fd < 0 || l->call)
                        continue;
                _cleanup_free_ char *why = i->handlers->describe(i->userdata, l->kind);
                l->outdated = l->outdated || (why && !streq(why, l->why));
        }
        follow_leases(i);
}

/* ---- whether logind is there, and what it is about to do ---- */

static void set_prepares(Inhibit *i, bool prepares) {
        if (i->prepares == prepares)
                return;
        i->prepares = prepares;
        follow_leases(i);
        i->handlers->changed(i->userdata);
}

static int on_prepares_answer(Message *m, void *userdata, sd_bus_error *error) {
        Inhibit *i = userdata;
        int prepares = 0;
        i->prepares_call = sd_bus_slot_unref(i->prepares_call);
        if (!sd_bus_message_get_error(m) && sd_bus_message_read(m, "v", "b", &prepares) >= 0)
                set_prepares(i, prepares);
        return 1;
}

/* It may already be about to go down. */
static void ask_prepares(Inhibit *i) {
        int r = sd_bus_call_method_async(i->bus, &i->prepares_call, i->owner, LOGIND_PATH,
                                         "org.freedesktop.DBus.Properties", "Get", on_prepares_answer, i,
                                         "ss", LOGIND_INTERFACE, "PreparingForShutdown");
        if (r < 0)
                log_debug("Failed to ask logind whether it prepares for a shutdown: %s", strerror(-r));
}

/* An inhibitor that an earlier logind gave us may survive its restart, or not. */
static void forget_owner(Inhibit *i) {
        free(TAKE_PTR(i->owner));
        i->prepares_call = sd_bus_slot_unref(i->prepares_call);
        for (size_t n = 0; n < INHIBITOR_KINDS; n++) {
                lease_drop_call(&i->leases[n]);
                i->leases[n].outdated = i->leases[n].fd >= 0;
        }
        i->knows_weak = true;
        i->rests = false;
        i->rest = REST_MIN_USEC;
}

/* NAME: its unique name; "": it is not there. */
static void set_owner(Inhibit *i, const char *name) {
        if (i->owner && streq(i->owner, name))
                return;
        forget_owner(i);
        if (*name)
                i->owner = strdup(name);
        if (!i->owner)
                complain(i, LOG_INFO, "logind is not running");
        else
                ask_prepares(i);
        set_prepares(i, false);
        follow_leases(i);
}

static int on_owner_answer(Message *m, void *userdata, sd_bus_error *error) {
        Inhibit *i = userdata;
        const char *name = "";
        i->owner_call = sd_bus_slot_unref(i->owner_call);
        if (!sd_bus_message_get_error(m))
                (void) sd_bus_message_read(m, "s", &name);
        set_owner(i, name);
        return 1;
}

/* Anybody may send us a signal that looks like this. */
static bool is_sent_by(Message *m, const char *name) {
        return streq_ptr(sd_bus_message_get_sender(m), name);
}

static int on_owner_changed(Message *m, void *userdata, sd_bus_error *error) {
        const char *name, *before, *after;
        if (is_sent_by(m, BUS_ITSELF) && sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 &&
            streq(name, LOGIND))
                set_owner(userdata, after);
        return 0;
}

static int on_prepare(Message *m, void *userdata, sd_bus_error *error) {
        Inhibit *i = userdata;
        int prepares = 0;
        if (i->owner && is_sent_by(m, i->owner) && sd_bus_message_read(m, "b", &prepares) >= 0)
                set_prepares(i, prepares);
        return 0;
}

/* ---- the connection ---- */

static void inhibit_connect(Inhibit *i);

static int on_reconnect_logind(sd_event_source *s, uint64_t usec, void *userdata) {
        inhibit_connect(userdata);
        return 0;
}

/* What is held stays so. That there is no bus is said by our own interface. */
static void disconnect(Inhibit *i) {
        i->owner_call = sd_bus_slot_unref(i->owner_call);
        forget_owner(i);
        i->bus = sd_bus_close_unref(i->bus);
}

static void lose_bus(Inhibit *i, int r) {
        log_debug("No connection to logind: %s", strerror(-r));
        disconnect(i);
        r = set_timer(i, RECONNECT_USEC, on_reconnect_logind);
        if (r < 0)
                (void) log_errno(r, "Failed to set the timer for logind");
}

static int on_logind_bus_lost(Message *m, void *userdata, sd_bus_error *error) {
        Inhibit *i = userdata;
        lose_bus(i, -ECONNRESET);
        set_prepares(i, false);
        return 1;
}

static int subscribe(Inhibit *i) {
        int r = sd_bus_match_signal_async(i->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                          "org.freedesktop.DBus.Local", "Disconnected", on_logind_bus_lost,
                                          NULL, i);
        if (r >= 0)
                r = sd_bus_add_match_async(i->bus, NULL,
                                           "type='signal',sender='" BUS_ITSELF "',interface='" BUS_ITSELF
                                           "',member='NameOwnerChanged',arg0='" LOGIND "'",
                                           on_owner_changed, NULL, i);
        if (r >= 0)
                r = sd_bus_match_signal_async(i->bus, NULL, LOGIND, LOGIND_PATH, LOGIND_INTERFACE,
                                              "PrepareForShutdown", on_prepare, NULL, i);
        if (r >= 0)
                r = sd_bus_call_method_async(i->bus, &i->owner_call, BUS_ITSELF, BUS_ITSELF_PATH, BUS_ITSELF,
                                             "GetNameOwner", on_owner_answer, i, "s", LOGIND);
        return r;
}

static void inhibit_connect(Inhibit *i) {
        int r = sd_bus_open_system_with_description(&i->bus, "bootkeepd-logind");
        if (r >= 0) /* or the end of the loop would flush it, and wait for a bus that does not respond */
                r = sd_bus_set_close_on_exit(i->bus, false);
        if (r >= 0)
                r = subscribe(i);
        if (r >= 0)
                r = sd_bus_attach_event(i->bus, i->event, LOGIND_PRIORITY);
        if (r < 0)
                lose_bus(i, r);
}

void inhibit_start(Inhibit *i) {
        if (i->started)
                return;
        i->started = true;
        inhibit_connect(i);
}

/* ---- the object ---- */

int inhibit_new(sd_event *event, const InhibitHandlers *handlers, void *userdata, Inhibit **ret) {
        assert(event && handlers && ret);
        Inhibit *i = calloc(1, sizeof(*i));
        if (!i)
                return error_origin(-ENOMEM);
        i->event = sd_event_ref(event);
        i->handlers = handlers;
        i->userdata = userdata;
        for (unsigned n = 0; n < INHIBITOR_KINDS; n++)
                i->leases[n] = (Lease){.inhibit = i, .kind = (Inhibitor) (1U << n), .fd = -EBADF};
        forget_owner(i);
        *ret = i;
        return 0;
}

Inhibit *inhibit_free(Inhibit *i) {
        if (i) {
                for (size_t n = 0; n < INHIBITOR_KINDS; n++)
                        lease_release(&i->leases[n]);
                disconnect(i);
                sd_event_source_disable_unref(i->timer);
                sd_event_unref(i->event);
        }
        free(i);
        return NULL;
}

unsigned inhibit_held(const Inhibit *i) {
        unsigned held = 0;
        for (size_t n = 0; n < INHIBITOR_KINDS; n++)
                held |= i->leases[n].fd >= 0 ? (unsigned) i->leases[n].kind : 0U;
        return held;
}

unsigned inhibit_asked(const Inhibit *i) {
        unsigned asked = 0;
        for (size_t n = 0; n < INHIBITOR_KINDS; n++)
                asked |= i->leases[n].call ? (unsigned) i->leases[n].kind : 0U;
        return asked;
}

bool inhibit_prepares(const Inhibit *i) {
        return i->prepares;
}

char *inhibit_list(const Inhibit *i) {
        _cleanup_free_ char *list = strdup("");
        for (size_t n = 0; list && n < INHIBITOR_KINDS; n++) {
                const Lease *l = &i->leases[n];
                char *longer = NULL;
                if (l->fd < 0)
                        continue;
                (void) strprintf(&longer, "%s%s%s: %s", list, *list ? "\n" : "", l->mode, l->why);
                free(list);
                list = longer;
        }
        return TAKE_PTR(list);
}
