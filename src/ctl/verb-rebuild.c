/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl rebuild`: has volumes built now and waits for it, one after the other, showing the progress of
 * each. The build belongs to the daemon: interrupting this program does not interrupt it. */

#include "base/escape.h"
#include "base/log.h"
#include "ctl/format.h"
#include "ctl/waiting.h"

static int rebuild_complain(Ctl *ctl, const VolumeInfo *v, const sd_bus_error *error) {
        if (!sd_bus_error_has_name(error, BOOTKEEP_ERROR_NOT_READY) || v->trusted)
                return client_complain(error, v->name);
        _cleanup_free_ char *name = escape_print(v->name);
        log_error("%s: not trusted, so nothing is built there; run: bootkeepctl trust %s", strempty(name),
                  strempty(name));
        return BOOTKEEP_CTL_NO;
}

static void rebuild_print_result(const VolumeInfo *v, uint64_t last_start) {
        _cleanup_free_ char *name = escape_print(v->name);
        char span[FORMAT_SPAN_MAX];
        if (v->last_build_start == last_start || v->last_build_end < v->last_build_start)
                (void) printf("%s: nothing to build\n", strempty(name));
        else
                (void) printf("%s: built in %s\n", strempty(name),
                              format_span(v->last_build_end - v->last_build_start, span));
}

static int rebuild_volume(Ctl *ctl, VolumeInfo **v) {
        const WaitingCall call = {ctl, "Rebuild", WAITING_FOR_VOLUME, *v, rebuild_complain};
        uint64_t last_start = (*v)->last_build_start;
        int r = waiting_call(&call, NULL, "su", (*v)->name, ctl->force ? BOOTKEEP_REBUILD_FORCE : 0U);
        if (r == EXIT_SUCCESS)
                r = client_refresh(ctl, v);
        if (r == EXIT_SUCCESS && !ctl->quiet && ctl->json == JSON_OFF)
                rebuild_print_result(*v, last_start);
        return r;
}

static void rebuild_print_json(const Ctl *ctl, const VolumeInfoList *l) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_array_open(&j, "volumes");
        for (size_t i = 0; i < l->n; i++)
                if (l->items[i]->trusted)
                        volume_info_to_json(l->items[i], &j);
        json_array_close(&j);
        json_object_close(&j);
}

/* One failure does not keep the others from being built; the exit status is that of the first. */
int verb_rebuild(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes);
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        bool named = *volumes;
        int r = client_select(ctl, volumes, &l), status = EXIT_SUCCESS;
        if (r != EXIT_SUCCESS)
                return r;
        for (size_t i = 0; i < l->n; i++) {
                if (!named && !l->items[i]->trusted)
                        continue; /* if none is named, only trusted ones are meant */
                r = rebuild_volume(ctl, l->items + i);
                if (status == EXIT_SUCCESS)
                        status = r;
        }
        if (ctl->json != JSON_OFF && !ctl->quiet)
                rebuild_print_json(ctl, l);
        return status;
}
