/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl monitor`: prints events as they happen, until it is interrupted. It only listens: a daemon
 * that is not running is waited for, never started. Signals are subscribed to before the state that they
 * change is read, and both are processed in the order of the bus, so nothing is missed in between. */

#include <poll.h>
#include <signal.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/monitorline.h"
#include "ctl/progressline.h"

#define BUS "org.freedesktop.DBus"

/* A volume that the daemon knows. It is reported once it is TOLD: if volumes were named, the daemon is first
 * asked whether this is one of them. */
typedef struct Seen {
        VolumeInfo *info;
        bool told;
        bool appeared;          /* while we were listening */
        uint64_t progress_usec; /* when its progress was last reported */
} Seen;

typedef struct Monitor {
        Ctl *ctl;
        char **wanted; /* the given names; none: all */
        Seen *seen;
        size_t n_seen;
        bool running; /* the daemon, as last reported */
        sd_event *event;
        ProgressLine progress;
        char *progress_name;
} Monitor;

static void monitor_forget(Monitor *m, size_t i) {
        assert(i < m->n_seen);
        (void) volume_info_free(m->seen[i].info);
        memmove(m->seen + i, m->seen + i + 1, (m->n_seen - i - 1) * sizeof(*m->seen));
        m->n_seen--;
}

static void monitor_done(Monitor *m) {
        progress_line_clear(&m->progress);
        while (m->n_seen > 0)
                monitor_forget(m, m->n_seen - 1);
        free(m->seen);
        strv_free(m->wanted);
        free(m->progress_name);
        (void) sd_event_unref(m->event);
}

static Seen *monitor_find(Monitor *m, const char *object) {
        for (size_t i = 0; object && i < m->n_seen; i++)
                if (streq(m->seen[i].info->object, object))
                        return m->seen + i;
        return NULL;
}

/* Exits with STATUS, after what was printed so far. */
static int monitor_end(Monitor *m, int status) {
        return sd_event_exit(m->event, status);
}

/* After each event: is anybody still reading? If not, that is the normal end of a pipe. */
static int monitor_check_output(Monitor *m) {
        struct pollfd p = {.fd = STDOUT_FILENO};
        if (!ferror(stdout))
                return 0;
        clearerr(stdout);
        if (poll(&p, 1, 0) > 0)
                return monitor_end(m, EXIT_SUCCESS);
        log_error("cannot write");
        return monitor_end(m, BOOTKEEP_CTL_NO);
}

static void monitor_tell_daemon(Monitor *m, bool running) {
        progress_line_clear(&m->progress);
        if (!m->ctl->quiet)
                monitor_line_daemon(m->ctl, running);
        m->running = running;
}

/* Volumes without a manifest are not worth mentioning before they are mounted, unless they were named. */
static void monitor_tell_volume(Monitor *m, Seen *s) {
        assert(!s->told);
        s->told = true;
        if (m->ctl->quiet)
                return;
        progress_line_clear(&m->progress);
        if (s->appeared)
                monitor_line_appeared(m->ctl, s->info);
        else if (m->wanted || !volume_info_is_plain(s->info))
                monitor_line_present(m->ctl, s->info);
}

static int monitor_on_object(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Monitor *m = userdata;
        const char *object = NULL;
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "o", &object) < 0)
                return 0; /* does not exist yet */
        Seen *s = monitor_find(m, object);
        if (s && !s->told)
                monitor_tell_volume(m, s);
        return monitor_check_output(m);
}

static int monitor_send(Monitor *m, sd_bus_message *call, sd_bus_message_handler_t handler) {
        int r = sd_bus_message_set_auto_start(call, false);
        return r < 0 ? r : sd_bus_call_async(m->ctl->bus, NULL, call, handler, m, UINT64_MAX);
}

static int monitor_ask_for(Monitor *m, const char *volume) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *argument = client_volume_argument(volume);
        if (!argument)
                return error_origin(-ENOMEM);
        int r = sd_bus_message_new_method_call(m->ctl->bus, &call, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, "GetVolume");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", argument);
        return r < 0 ? r : monitor_send(m, call, monitor_on_object);
}

/* Reports those that are new, or asks which of them are meant. */
static int monitor_tell_new(Monitor *m) {
        int r = 0;
        for (size_t i = 0; !m->wanted && i < m->n_seen; i++)
                if (!m->seen[i].told)
                        monitor_tell_volume(m, m->seen + i);
        for (char **w = m->wanted; r >= 0 && w && *w; w++)
                r = monitor_ask_for(m, *w);
        return r;
}

static int monitor_add(Monitor *m, VolumeInfo *info, bool appeared) {
        _cleanup_(volume_info_freep) VolumeInfo *owned = info;
        if (monitor_find(m, owned->object))
                return 0;
        if (grow(m->seen, m->n_seen) < 0)
                return error_origin(-ENOMEM);
        m->seen[m->n_seen++] = (Seen){.info = TAKE_PTR(owned), .appeared = appeared};
        return 0;
}

static int monitor_on_objects(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        Monitor *m = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY)) {
                if (!m->running)
                        monitor_tell_daemon(m, false);
                return monitor_check_output(m); /* NameOwnerChanged reports when it appears */
        }
        if (e)
                return monitor_end(m, client_complain(e, NULL));
        m->running = true;
        int r = client_read_list(reply, &l);
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = monitor_add(m, TAKE_PTR(l->items[i]), false);
        if (r >= 0)
                r = monitor_tell_new(m);
        return r < 0 ? monitor_end(m, client_complain_errno(r)) : monitor_check_output(m);
}

static int monitor_ask_for_all(Monitor *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(m->ctl->bus, &call, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BUS ".ObjectManager", "GetManagedObjects");
        return r < 0 ? r : monitor_send(m, call, monitor_on_objects);
}

static int monitor_on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *before, *now;
        Monitor *m = userdata;
        int r = sd_bus_message_read(signal, "sss", &name, &before, &now);
        if (r < 0)
                return 0;
        while (m->n_seen > 0)
                monitor_forget(m, m->n_seen - 1);
        monitor_tell_daemon(m, *now);
        r = *now ? monitor_ask_for_all(m) : 0;
        return r < 0 ? monitor_end(m, client_complain_errno(r)) : monitor_check_output(m);
}

/* On a terminal one line that is redrawn; else at most one line per second, and the last. */
static void monitor_tell_progress(Monitor *m, Seen *s) {
        const VolumeInfo *v = s->info;
        uint64_t now = now_usec();
        if (m->progress.wanted) {
                if (!m->progress_name || !streq(m->progress_name, v->name)) {
                        free(m->progress_name);
                        m->progress_name = escape_print(v->name);
                        m->progress.name = strempty(m->progress_name);
                }
                progress_line_draw(&m->progress, v->state, v->progress_done, v->progress_of);
        } else if (now - s->progress_usec >= USEC_PER_SEC || v->progress_done >= v->progress_of) {
                s->progress_usec = now;
                monitor_line_progress(m->ctl, v);
        }
}

static int monitor_on_changed(Monitor *m, Seen *s, sd_bus_message *signal) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume_info_copy(s->info);
        const VolumeInfo *now = s->info;
        const char *interface;
        if (!before)
                return error_origin(-ENOMEM);
        int r = sd_bus_message_read_basic(signal, 's', &interface);
        if (r < 0 || !streq(interface, BOOTKEEP_VOLUME_INTERFACE))
                return r;
        r = volume_info_read(s->info, signal);
        if (r < 0 || !s->told || m->ctl->quiet)
                return r;
        if (now->progress_of > 0 && now->progress_done != before->progress_done) {
                monitor_tell_progress(m, s);
                return 0; /* arrives alone */
        }
        progress_line_clear(&m->progress);
        monitor_line_changes(m->ctl, before, now);
        return 0;
}

static int monitor_on_built(Monitor *m, Seen *s, sd_bus_message *signal) {
        assert(s->info);
        const char *summary;
        int32_t status;
        int r = sd_bus_message_read(signal, "is", &status, &summary);
        if (r < 0 || !s->told || m->ctl->quiet)
                return r;
        progress_line_clear(&m->progress);
        monitor_line_build(m->ctl, s->info, status, summary);
        return 0;
}

static int monitor_on_added(Monitor *m, sd_bus_message *signal) {
        VolumeInfo *info = NULL;
        int r = client_read_object(signal, &info);
        if (r < 0 || !info || !m->running)
                return r; /* or GetManagedObjects is under way, which will report it */
        r = monitor_add(m, info, true);
        return r < 0 ? r : monitor_tell_new(m);
}

static int monitor_on_removed(Monitor *m, sd_bus_message *signal) {
        const char *object;
        int r = sd_bus_message_read_basic(signal, 'o', &object);
        Seen *s = r < 0 ? NULL : monitor_find(m, object);
        if (!s)
                return r;
        progress_line_clear(&m->progress);
        if (s->told && !m->ctl->quiet)
                monitor_line_gone(m->ctl, s->info);
        monitor_forget(m, (size_t) (s - m->seen));
        return 0;
}

static int monitor_on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        Monitor *m = userdata;
        Seen *s = monitor_find(m, sd_bus_message_get_path(signal));
        int r = 0;
        if (sd_bus_message_is_signal(signal, BUS ".ObjectManager", "InterfacesAdded"))
                r = monitor_on_added(m, signal);
        else if (sd_bus_message_is_signal(signal, BUS ".ObjectManager", "InterfacesRemoved"))
                r = monitor_on_removed(m, signal);
        else if (s && sd_bus_message_is_signal(signal, BUS ".Properties", "PropertiesChanged"))
                r = monitor_on_changed(m, s, signal);
        else if (s && sd_bus_message_is_signal(signal, BOOTKEEP_VOLUME_INTERFACE, "BuildFinished"))
                r = monitor_on_built(m, s, signal);
        return r < 0 ? monitor_end(m, client_complain_errno(r)) : monitor_check_output(m);
}

static int monitor_on_disconnected(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        log_error("the system bus went away");
        return monitor_end(userdata, BOOTKEEP_CTL_UNREACHABLE);
}

/* Its reader is gone, although there was nothing to write. */
static int monitor_on_output_closed(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        return monitor_end(userdata, EXIT_SUCCESS);
}

static int monitor_listen_to_bus(Monitor *m) {
        static const struct {
                const char *rule;
                sd_bus_message_handler_t handler;
        } matches[] = {
                {"type='signal',sender='" BOOTKEEP_BUS_NAME "'", monitor_on_signal},
                {"type='signal',sender='" BUS "',member='NameOwnerChanged',arg0='" BOOTKEEP_BUS_NAME "'",
                 monitor_on_owner},
                {"type='signal',sender='" BUS ".Local',member='Disconnected'", monitor_on_disconnected},
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(matches); i++)
                r = sd_bus_add_match(m->ctl->bus, NULL, matches[i].rule, matches[i].handler, m);
        return r < 0 ? r : sd_bus_attach_event(m->ctl->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
}

static int monitor_listen_to_people(Monitor *m) {
        sigset_t set;
        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return error_origin(-errno);
        int r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL); /* without a handler: exits with 0 */
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_io(m->event, NULL, STDOUT_FILENO, 0, monitor_on_output_closed, m);
        return r == -EPERM ? 0 : r; /* a file is never closed from the other end */
}

int verb_monitor(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes);
        _cleanup_(monitor_done) Monitor m = {.ctl = ctl};
        int r = 0;
        m.progress = progress_line_make("", ctl->json == JSON_OFF && ctl->width > 0);
        for (; r >= 0 && *volumes; volumes++)
                r = strv_extend(&m.wanted, *volumes);
        if (r >= 0)
                r = sd_event_new(&m.event);
        if (r >= 0)
                r = monitor_listen_to_people(&m);
        if (r >= 0)
                r = monitor_listen_to_bus(&m);
        if (r >= 0)
                r = monitor_ask_for_all(&m);
        if (r < 0)
                return client_complain_errno(r);
        r = sd_event_loop(m.event);
        return r < 0 ? client_complain_errno(r) : r;
}
