/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/waiting.h"

#include "base/error.h"
#include "base/escape.h"
#include "ctl/format.h"
#include "ctl/progressline.h"
#include "ctl/worst.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

typedef struct Waiting {
        const WaitingCall *asked;
        char *name; /* of the volume, made harmless for a terminal */
        ProgressLine progress;
        sd_bus_slot *properties, *call;
        sd_bus_message *reply;
        bool moved; /* what it waits for is no longer as it was said */
} Waiting;

static void waiting_done(Waiting *w) {
        progress_line_clear(&w->progress);
        sd_bus_slot_unref(w->properties);
        sd_bus_slot_unref(w->call);
        sd_bus_message_unref(w->reply);
        free(w->name);
}

/* The line is a courtesy: if something for it is not available, it says less. */

static void say_holder(Waiting *w, const VolumeInfo *v) {
        _cleanup_free_ char *text = NULL;
        const char *us = NULL;
        char process[FORMAT_PROCESS_MAX];
        if (isempty(v->lock_holder) ||
            (sd_bus_get_unique_name(w->asked->ctl->bus, &us) >= 0 && streq(us, v->lock_holder))) {
                progress_line_clear(&w->progress);
                return;
        }
        if (strprintf(&text, "waiting for %s, held by %s, %s...", w->name,
                      format_process(v->lock_holder_pid, process), v->lock_holder) >= 0)
                progress_line_say(&w->progress, text);
}

static void say_volume(Waiting *w, const VolumeInfo *v) {
        progress_line_draw(&w->progress, v->state, v->progress_done, v->progress_of);
}

/* "sda2 (building, 45%), sdb2 (settling)" */
static int list_busy(const VolumeInfoList *l, char **ret) {
        _cleanup_free_ char *all = NULL;
        for (size_t i = 0; i < l->n; i++) {
                const VolumeInfo *v = l->items[i];
                char percent[16] = "", *longer = NULL;
                if (!v->busy)
                        continue;
                if (v->progress_of > 0)
                        (void) snprintf(
                                percent, sizeof(percent), ", %u%%",
                                (unsigned) (100 * (double) v->progress_done / (double) v->progress_of));
                int r = strprintf(&longer, "%s%s%s (%s%s)", strempty(all), all ? ", " : "", v->name, v->state,
                                  percent);
                if (r < 0)
                        return r;
                free(all);
                all = longer;
        }
        *ret = escape_print(strempty(all));
        return *ret ? 0 : error_origin(-ENOMEM);
}

/* The only one, WORST: its progress or, if there is none, its reason. */
static int say_one_busy(Waiting *w, const VolumeInfo *worst) {
        _cleanup_free_ char *text = NULL, *line = NULL;
        if (worst->progress_of > 0) {
                char *name = escape_print(worst->name);
                if (!name)
                        return error_origin(-ENOMEM);
                free(w->name);
                w->progress.name = w->name = name;
                say_volume(w, worst);
                return 0;
        }
        int r = worst_describe(worst, &text);
        if (r >= 0)
                r = strprintf(&line, "waiting: %s...", text);
        if (r >= 0)
                progress_line_say(&w->progress, line);
        return r;
}

static int say_several_busy(Waiting *w, const VolumeInfoList *l) {
        _cleanup_free_ char *names = NULL, *line = NULL;
        int r = list_busy(l, &names);
        if (r >= 0)
                r = strprintf(&line, "waiting for %s...", names);
        if (r >= 0)
                progress_line_say(&w->progress, line);
        return r;
}

static void say_busy(Waiting *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        size_t n = 0;
        int r = sd_bus_call_method(w->asked->ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                   "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &reply,
                                   NULL);
        if (r >= 0)
                r = client_read_list(reply, &l);
        const VolumeInfo *worst = r >= 0 ? worst_of(l, worst_is_busy, &n) : NULL;
        if (worst)
                r = n == 1 ? say_one_busy(w, worst) : say_several_busy(w, l);
        if (!worst || r < 0)
                progress_line_clear(&w->progress);
}

static void waiting_say(Waiting *w) {
        if (!w->progress.wanted)
                return;
        switch (w->asked->what) {
        case WAITING_FOR_HOLDER:
                assert(w->asked->volume);
                say_holder(w, w->asked->volume);
                return;
        case WAITING_FOR_VOLUME:
                assert(w->asked->volume);
                say_volume(w, w->asked->volume);
                return;
        case WAITING_FOR_BUSY:
                say_busy(w);
                return;
        }
}

static int waiting_on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiting *w = userdata;
        const char *interface;
        if (sd_bus_message_read_basic(m, 's', &interface) < 0)
                return 0;
        if (!w->asked->volume ||
            (streq(interface, BOOTKEEP_VOLUME_INTERFACE) && volume_info_read(w->asked->volume, m) >= 0))
                w->moved = true;
        return 0;
}

static int waiting_on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiting *w = userdata;
        w->reply = sd_bus_message_ref(m);
        return 0;
}

/* Follows the volume or, for all busy volumes, everything. */
static int waiting_watch_properties(Waiting *w) {
        const char *object = w->asked->volume ? w->asked->volume->object : NULL;
        if (!w->progress.wanted)
                return 0;
        return sd_bus_match_signal(w->asked->ctl->bus, &w->properties, BOOTKEEP_BUS_NAME, object, PROPERTIES,
                                   "PropertiesChanged", waiting_on_properties, w);
}

static int waiting_wait(Waiting *w) {
        assert(w->call);
        w->moved = true;
        while (!w->reply) {
                int r = sd_bus_process(w->asked->ctl->bus, NULL);
                if (r == 0 && w->moved) { /* once for all that has come */
                        w->moved = false;
                        waiting_say(w);
                } else if (r == 0)
                        r = sd_bus_wait(w->asked->ctl->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        progress_line_clear(&w->progress);
        return 0;
}

static int waiting_send(Waiting *w, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = client_message(w->asked->ctl, w->asked->method, &m, types, ap);
        return r < 0 ? r
                     : sd_bus_call_async(w->asked->ctl->bus, &w->call, m, waiting_on_answer, w, UINT64_MAX);
}

/* The exit status for the reply. */
static int waiting_finish(Waiting *w, sd_bus_message **ret) {
        assert(w->reply);
        const VolumeInfo *v = w->asked->volume;
        const sd_bus_error *error = sd_bus_message_get_error(w->reply);
        if (error && w->asked->complain)
                return w->asked->complain(w->asked->ctl, v, error);
        if (error)
                return client_complain(error, v ? v->name : NULL);
        if (ret)
                *ret = TAKE_PTR(w->reply);
        return EXIT_SUCCESS;
}

int waiting_call(const WaitingCall *call, sd_bus_message **ret, const char *types, ...) {
        assert(call->method && !call->volume == (call->what == WAITING_FOR_BUSY));
        const Ctl *ctl = call->ctl;
        _cleanup_(waiting_done) Waiting w = {.asked = call};
        va_list ap;
        w.name = escape_print(call->volume ? call->volume->name : "");
        if (!w.name)
                return client_complain_errno(-ENOMEM);
        w.progress = progress_line_make(w.name, !ctl->quiet && ctl->json == JSON_OFF);
        int r = waiting_watch_properties(&w);
        if (r >= 0) {
                va_start(ap, types);
                r = waiting_send(&w, types, ap);
                va_end(ap);
        }
        if (r >= 0)
                r = waiting_wait(&w);
        return r < 0 ? client_complain_errno(r) : waiting_finish(&w, ret);
}
