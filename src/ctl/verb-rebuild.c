/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl rebuild`: has volumes built now and waits for it, one after the other, showing how far each
 * has come. The build is the daemon's: to interrupt this program does not interrupt it. */

#include "base/escape.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/progress.h"

/* One Rebuild under way. */
typedef struct Rebuild {
        VolumeInfo *volume;
        char *name; /* harmless for a terminal */
        Progress progress;
        bool answered;
        int status; /* EXIT_SUCCESS, or what the complaint asked for */
} Rebuild;

static void rebuild_done(Rebuild *b) {
        progress_clear(&b->progress);
        free(b->name);
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Rebuild *b = userdata;
        const char *interface;

        if (sd_bus_message_read_basic(m, 's', &interface) < 0 || !streq(interface, BOOTKEEP_VOLUME_INTERFACE))
                return 0;
        if (volume_info_read(b->volume, m) >= 0)
                progress_draw(&b->progress, b->volume->state, b->volume->progress_done,
                              b->volume->progress_of);
        return 0;
}

static int complain(const Rebuild *b, const sd_bus_error *error) {
        if (!sd_bus_error_has_name(error, BOOTKEEP_ERROR_NOT_READY) || b->volume->trusted)
                return client_complain(error, b->volume->name);
        log_error("%s: not trusted, so nothing is built there; run: bootkeepctl trust %s", b->name, b->name);
        return BOOTKEEP_CTL_NO;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Rebuild *b = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        progress_clear(&b->progress);
        b->answered = true;
        if (e)
                b->status = complain(b, e);
        return 0;
}

static int ask(Ctl *ctl, Rebuild *b, sd_bus_slot **slot) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                           BOOTKEEP_MANAGER_INTERFACE, "Rebuild");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "su", b->volume->name, ctl->force ? BOOTKEEP_REBUILD_FORCE : 0U);
        if (r < 0)
                return r;
        return sd_bus_call_async(ctl->bus, slot, m, on_answer, b, UINT64_MAX);
}

static int wait_for_answer(Ctl *ctl, Rebuild *b) {
        while (!b->answered) {
                int r = sd_bus_process(ctl->bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                r = sd_bus_wait(ctl->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return 0;
}

static void report(const Rebuild *b, uint64_t last_start) {
        const VolumeInfo *v = b->volume;
        char span[FORMAT_SPAN_MAX];

        if (v->last_build_start == last_start || v->last_build_end < v->last_build_start)
                (void) printf("%s: nothing to build\n", b->name);
        else
                (void) printf("%s: built in %s\n", b->name,
                              format_span(v->last_build_end - v->last_build_start, span));
}

static int build(Ctl *ctl, VolumeInfo **v) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *properties = NULL, *call = NULL;
        _cleanup_(rebuild_done) Rebuild b = {.volume = *v};
        uint64_t last_start = (*v)->last_build_start;
        int r;

        b.name = escape_print((*v)->name);
        if (!b.name)
                return client_complain_errno(-ENOMEM);
        b.progress = progress_make(b.name, !ctl->quiet && ctl->json == JSON_OFF);
        r = sd_bus_match_signal(ctl->bus, &properties, BOOTKEEP_BUS_NAME, (*v)->object,
                                "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties, &b);
        if (r >= 0)
                r = ask(ctl, &b, &call);
        if (r >= 0)
                r = wait_for_answer(ctl, &b);
        if (r < 0)
                return client_complain_errno(r);
        if (b.status != EXIT_SUCCESS)
                return b.status;
        r = client_refresh(ctl, v);
        if (r != EXIT_SUCCESS)
                return r;
        b.volume = *v;
        if (!ctl->quiet && ctl->json == JSON_OFF)
                report(&b, last_start);
        return EXIT_SUCCESS;
}

static void print_json(const Ctl *ctl, const VolumeInfoList *l) {
        Json j = JSON_INIT(stdout, ctl->json);

        json_object_open(&j, NULL);
        json_array_open(&j, "volumes");
        for (size_t i = 0; i < l->n; i++)
                if (l->items[i]->trusted)
                        volume_info_to_json(l->items[i], &j);
        json_array_close(&j);
        json_object_close(&j);
}

/* One failure does not keep the others from being built; the first is what the exit status tells. */
int verb_rebuild(Ctl *ctl, char *const *volumes) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        bool named = *volumes;
        int r = client_select(ctl, volumes, &l), status = EXIT_SUCCESS;

        if (r != EXIT_SUCCESS)
                return r;
        for (size_t i = 0; i < l->n; i++) {
                if (!named && !l->items[i]->trusted)
                        continue; /* where none is named only trusted ones are meant */
                r = build(ctl, l->items + i);
                if (status == EXIT_SUCCESS)
                        status = r;
        }
        if (ctl->json != JSON_OFF && !ctl->quiet)
                print_json(ctl, l);
        return status;
}
