/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/witness.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "base/escape.h"
#include "base/log.h"
#include "bootkeep.h"

/* Each snapshot, of which there is one a second, buys this time. */
#define EXTEND_USEC (30 * USEC_PER_SEC)

void witness_done(Witness *w) {
        console_done(&w->console);
        snapshot_done(&w->last);
        strv_free(w->recorded);
        *w = (Witness){};
}

static void record_owed(Witness *w, const OwedView *view) {
        const LogFields fields = {.volume = view->volume};
        _cleanup_free_ char *key = NULL;
        int r = owed_make_key(view->uuid, view->volume, &key);
        if (r >= 0)
                r = owed_write(w->owed_dir, view);
        if (r < 0)
                (void) log_send_errno(LOG_ERR, &fields, r, "Failed to record in %s what is owed",
                                      w->owed_dir);
        else if (!strv_contains(w->recorded, key))
                (void) strv_push(&w->recorded, TAKE_PTR(key));
}

static bool is_recorded(const Witness *w, const OwedView *view) {
        _cleanup_free_ char *key = NULL;
        return owed_make_key(view->uuid, view->volume, &key) >= 0 && strv_contains(w->recorded, key);
}

static void tell_systemd(const Snapshot *s) {
        (void) sd_notifyf(false, "EXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=%zu volumes to bring up to date",
                          EXTEND_USEC, s->n);
}

void witness_take(Witness *w, Snapshot *s) {
        snapshot_done(&w->last);
        w->last = *s;
        *s = (Snapshot){};
        tell_systemd(&w->last);
        for (size_t i = 0; i < w->last.n; i++)
                if (!is_recorded(w, &w->last.views[i]))
                        record_owed(w, &w->last.views[i]);
        if (w->last.n > 0 && !w->saw_any)
                log_notice(
                        "Boot files are out of date: bringing them up to date before the system goes down");
        w->saw_any = w->saw_any || w->last.n > 0;
        console_show(&w->console, &w->last);
}

static void conclude_owed(Witness *w, const OwedView *view) {
        const LogFields fields = {.message_id = BOOTKEEP_MESSAGE_OWED, .volume = view->volume};
        _cleanup_free_ char *volume = escape_print(view->volume);
        record_owed(w, view);
        log_send(LOG_ERR, &fields, "the system goes down with boot files that are out of date: %s",
                 view->reason);
        console_say(&w->console, "%s goes down out of date: %s", strempty(volume), view->reason);
}

bool witness_conclude(Witness *w) {
        for (char **key = w->recorded; key && *key; key++) {
                int r = snapshot_find(&w->last, *key) ? 0 : owed_remove(w->owed_dir, *key);
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to remove the record %s/%s", w->owed_dir, *key);
        }
        for (size_t i = 0; i < w->last.n; i++)
                conclude_owed(w, &w->last.views[i]);
        if (w->saw_any && w->last.n == 0)
                console_say(&w->console, "all boot files are up to date");
        return w->last.n == 0;
}
