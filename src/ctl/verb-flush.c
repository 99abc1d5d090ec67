/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl flush`: has all owed work done now, and prints what is still owed at the end. */

#include "base/escape.h"
#include "ctl/waiting.h"

static void flush_print_json(const Ctl *ctl, char *const *busy) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_array_open(&j, "busy");
        for (; busy && *busy; busy++)
                json_string(&j, NULL, *busy);
        json_array_close(&j);
        json_object_close(&j);
}

static void flush_print_lines(char *const *busy) {
        for (; busy && *busy; busy++) {
                _cleanup_free_ char *name = escape_print(*busy);
                (void) printf("%s is still busy.\n", strempty(name));
        }
}

int verb_flush(Ctl *ctl, char *const *none) {
        assert(ctl && ctl->bus && none && !*none);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_strv_free_ char **busy = NULL;
        int r = waiting_call(&(const WaitingCall){ctl, "Flush", WAITING_FOR_BUSY}, &reply, "t",
                             ctl->timeout_usec);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_read_strv(reply, &busy);
        if (r < 0)
                return client_complain_errno(r);
        if (ctl->json != JSON_OFF && !ctl->quiet)
                flush_print_json(ctl, busy);
        else if (!ctl->quiet)
                flush_print_lines(busy);
        return busy && *busy ? BOOTKEEP_CTL_NO : EXIT_SUCCESS;
}
