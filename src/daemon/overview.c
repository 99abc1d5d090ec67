/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/overview.h"

#include <systemd/sd-daemon.h>

#include "daemon/timer.h"

/* The maximum delay of what is shown. */
#define TELL_USEC (20 * USEC_PER_MSEC)

void overview_init(Overview *o, const Driver *driver) {
        *o = (Overview){.driver = driver};
}

void overview_deinit(Overview *o) {
        sd_event_source_disable_unref(o->timer);
        strv_free(o->busy);
        free(o->status);
        *o = (Overview){};
}

static bool strv_equal(char **a, char **b) {
        size_t n = strv_length(a);
        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

static void tell_ready(Overview *o) {
        bool ready = driver_is_quiet(o->driver);
        if (ready != o->ready && o->driver->news.bus)
                bus_manager_changed(o->driver->news.bus, "Ready");
        o->ready = ready;
}

static void tell_busy(Overview *o) {
        _cleanup_free_ char *status = NULL;
        char **busy = NULL;
        if (roster_busy(o->driver->volumes, &busy) < 0)
                return;
        if (!strv_equal(busy, o->busy) && o->driver->news.bus)
                bus_manager_changed(o->driver->news.bus, "BusyVolumes");
        strv_free(o->busy);
        o->busy = busy;
        if (strprintf(&status, "STATUS=%zu volumes, %zu busy", o->driver->volumes->n, strv_length(busy)) >=
                    0 &&
            free_and_strdup(&o->status, status) > 0)
                (void) sd_notify(false, status);
}

static int on_tell_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Overview *o = userdata;
        const Roster *volumes = o->driver->volumes;
        o->timer_runs = false;
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record)) {
                if (record->untold)
                        news_tell(&o->driver->news, record);
                record->untold = false;
        }
        tell_busy(o);
        tell_ready(o);
        return 0;
}

void overview_tell_soon(Overview *o, Record *record) {
        if (record)
                record->untold = true;
        if (o->timer_runs)
                return;
        o->timer_runs = timer_set(o->driver->event, &o->timer, now_usec() + TELL_USEC, on_tell_timer, o) >= 0;
        if (!o->timer_runs)
                (void) on_tell_timer(NULL, 0, o);
}
