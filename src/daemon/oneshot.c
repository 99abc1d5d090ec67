/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/oneshot.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"

static void print_owed(FILE *f, const OwedView *view) {
        _cleanup_free_ char *volume = escape_word(view->volume), *uuid = escape_word(view->uuid),
                            *doing = escape_word(view->doing), *reason = escape_word(view->reason);
        if (volume && uuid && doing && reason)
                (void) fprintf(f, "OWED %s %s %" PRIu32 " %s %s\n", volume, uuid, view->percent, doing,
                               reason);
        else
                (void) log_oom();
}

static void on_oneshot_progress(void *userdata, uint64_t left_usec, const OwedView *views, size_t n) {
        const OneShot *o = userdata;
        (void) fprintf(o->f, "LEFT %" PRIu64 "\n", left_usec);
        for (size_t i = 0; i < n; i++)
                print_owed(o->f, &views[i]);
        (void) fputs("SHOWN\n", o->f);
        (void) fflush(o->f);
}

static void on_oneshot_ended(void *userdata) {
        const OneShot *o = userdata;
        (void) fputs("END\n", o->f);
        (void) fflush(o->f);
        daemon_stop(o->daemon);
}

static void on_oneshot_settled(void *userdata) {
        lastchance_settled(&((OneShot *) userdata)->last_chance);
}

static void on_oneshot_added(void *userdata, Record *record) {
}

int oneshot_begin(OneShot *o, Daemon *d, FILE *f) {
        static const DaemonHooks hooks = {.settled = on_oneshot_settled, .added = on_oneshot_added};
        *o = (OneShot){.daemon = d, .f = f};
        /* our builds are nobody's clients: the bootkeepd that does not answer would not answer them either */
        if (setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/dev/null", true) < 0)
                return error_origin(-errno);
        lastchance_init(&o->last_chance, d, &(LastChanceHandlers){on_oneshot_progress, on_oneshot_ended, o});
        daemon_set_hooks(d, &hooks, o);
        return lastchance_begin(&o->last_chance, daemon_flush_timeout(d));
}

void oneshot_done(OneShot *o) {
        if (!o->daemon)
                return;
        daemon_set_hooks(o->daemon, NULL, NULL);
        lastchance_deinit(&o->last_chance);
        *o = (OneShot){};
}
