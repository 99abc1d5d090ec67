/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/waiting.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/error.h"
#include "base/escape.h"
#include "ctl/progress.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

typedef struct Waiting {
        Ctl *ctl;
        WaitingFor what;
        VolumeInfo *volume;
        char *name; /* of it, harmless for a terminal */
        Progress progress;
        sd_bus_slot *properties, *call;
        sd_bus_message *reply;
} Waiting;

static void waiting_done(Waiting *w) {
        progress_clear(&w->progress);
        sd_bus_slot_unref(w->properties);
        sd_bus_slot_unref(w->call);
        sd_bus_message_unref(w->reply);
        free(w->name);
}

/* What is drawn is a courtesy: where something for it cannot be had, the line has less to say. */

static void name_of_process(uint32_t pid, char *ret, size_t size) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", pid);
        _cleanup_fclose_ FILE *f = pid > 0 ? fopen(path, "re") : NULL;
        *ret = 0;
        if (f && fgets(ret, (int) size, f))
                ret[strcspn(ret, "\n")] = 0;
}

static void say_holder(Waiting *w, const VolumeInfo *v) {
        _cleanup_free_ char *text = NULL, *printable = NULL;
        const char *us = NULL;
        char comm[32];

        if (isempty(v->lock_holder) ||
            (sd_bus_get_unique_name(w->ctl->bus, &us) >= 0 && streq(us, v->lock_holder))) {
                progress_clear(&w->progress);
                return;
        }
        name_of_process(v->lock_holder_pid, comm, sizeof(comm));
        printable = escape_print(comm);
        if (strprintf(&text, "waiting for %s, held by %s (PID %" PRIu32 "%s%s)...", w->name, v->lock_holder,
                      v->lock_holder_pid, isempty(printable) ? "" : ", ", strempty(printable)) >= 0)
                progress_say(&w->progress, text);
}

static int join(char *const *names, char **ret) {
        _cleanup_free_ char *all = NULL;

        for (; names && *names; names++) {
                char *longer = NULL;
                int r = strprintf(&longer, "%s%s%s", strempty(all), all ? ", " : "", *names);
                if (r < 0)
                        return r;
                free(all);
                all = longer;
        }
        if (!all)
                return error_origin(-ENOENT);
        *ret = escape_print(all);
        return *ret ? 0 : error_origin(-ENOMEM);
}

static void say_busy(Waiting *w) {
        _cleanup_free_ char *names = NULL, *text = NULL;
        _cleanup_strv_free_ char **busy = NULL;

        if (sd_bus_get_property_strv(w->ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                     BOOTKEEP_MANAGER_INTERFACE, "BusyVolumes", NULL, &busy) >= 0 &&
            join(busy, &names) >= 0 && strprintf(&text, "waiting for %s...", names) >= 0)
                progress_say(&w->progress, text);
        else
                progress_clear(&w->progress);
}

static void say_volume(Waiting *w, const VolumeInfo *v) {
        progress_draw(&w->progress, v->state, v->progress_done, v->progress_of);
}

static void say(Waiting *w) {
        if (!w->progress.wanted)
                return;
        switch (w->what) {
        case WAITING_FOR_HOLDER:
                if (w->volume)
                        say_holder(w, w->volume);
                return;
        case WAITING_FOR_VOLUME:
                if (w->volume)
                        say_volume(w, w->volume);
                return;
        case WAITING_FOR_BUSY:
                say_busy(w);
                return;
        }
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiting *w = userdata;
        const char *interface;

        if (sd_bus_message_read_basic(m, 's', &interface) < 0)
                return 0;
        if (!w->volume ||
            (streq(interface, BOOTKEEP_VOLUME_INTERFACE) && volume_info_read(w->volume, m) >= 0))
                say(w);
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiting *w = userdata;
        w->reply = sd_bus_message_ref(m);
        return 0;
}

/* Follows the volume, or, for all that is busy, the manager. */
static int follow(Waiting *w) {
        const char *object = w->volume ? w->volume->object : BOOTKEEP_OBJECT_PATH;

        if (!w->progress.wanted)
                return 0;
        return sd_bus_match_signal(w->ctl->bus, &w->properties, BOOTKEEP_BUS_NAME, object, PROPERTIES,
                                   "PropertiesChanged", on_properties, w);
}

static int wait_for_answer(Waiting *w) {
        say(w);
        while (!w->reply) {
                int r = sd_bus_process(w->ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(w->ctl->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        progress_clear(&w->progress);
        return 0;
}

static int ask(Waiting *w, const char *method, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(w->ctl->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, method);

        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        return r < 0 ? r : sd_bus_call_async(w->ctl->bus, &w->call, m, on_answer, w, UINT64_MAX);
}

int waiting_call(Ctl *ctl, WaitingFor what, VolumeInfo *v, const char *method, sd_bus_message **ret,
                 const char *types, ...) {
        _cleanup_(waiting_done) Waiting w = {.ctl = ctl, .what = what, .volume = v};
        const sd_bus_error *e;
        va_list ap;
        int r;

        w.name = escape_print(v ? v->name : "");
        if (!w.name)
                return client_complain_errno(-ENOMEM);
        w.progress = progress_make(w.name, !ctl->quiet && ctl->json == JSON_OFF);
        r = follow(&w);
        if (r >= 0) {
                va_start(ap, types);
                r = ask(&w, method, types, ap);
                va_end(ap);
        }
        if (r >= 0)
                r = wait_for_answer(&w);
        if (r < 0)
                return client_complain_errno(r);
        e = sd_bus_message_get_error(w.reply);
        if (e)
                return client_complain(e, v ? v->name : NULL);
        if (ret)
                *ret = TAKE_PTR(w.reply);
        return EXIT_SUCCESS;
}
