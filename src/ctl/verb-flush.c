/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl flush`: has all owed work done now, and prints what is still owed at the end. With --hook it
 * is run by the last hook of a package manager, and does that only where the administrator wants it to. */

#include "base/escape.h"
#include "ctl/limit.h"
#include "ctl/waiting.h"
#include "ctl/worst.h"

static void flush_print_json(const Ctl *ctl, char *const *busy) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_array_open(&j, "busy");
        for (; busy && *busy; busy++)
                json_string(&j, NULL, *busy);
        json_array_close(&j);
        json_object_close(&j);
}

/* Why, as long as it is still so. */
static char *flush_describe(const VolumeInfoList *l, const char *name) {
        char *text = NULL;
        for (size_t i = 0; l && !text && i < l->n; i++)
                if (l->items[i]->busy && streq(l->items[i]->name, name))
                        (void) worst_describe(l->items[i], &text);
        return text ? text : escape_print(name);
}

/* Amid what a package manager prints, who says this and what becomes of it is not evident. */
static void flush_print_lines(Ctl *ctl, char *const *busy) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        if (busy && *busy)
                (void) client_list(ctl, &l);
        for (; busy && *busy; busy++) {
                _cleanup_free_ char *text = flush_describe(l, *busy);
                (void) printf("%s: %s\n", ctl->hook ? "bootkeep: still owed, and done later" : "Still owed",
                              strempty(text));
        }
}

static int flush_and_print(Ctl *ctl) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_strv_free_ char **busy = NULL;
        int r = waiting_call(&(const WaitingCall){ctl, ctl->hook ? "FlushInHook" : "Flush", WAITING_FOR_BUSY},
                             &reply, "t", ctl->timeout_usec);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_read_strv(reply, &busy);
        if (r < 0)
                return client_complain_errno(r);
        if (ctl->json != JSON_OFF && !ctl->quiet)
                flush_print_json(ctl, busy);
        else if (!ctl->quiet)
                flush_print_lines(ctl, busy);
        return busy && *busy ? BOOTKEEP_CTL_NO : EXIT_SUCCESS;
}

/* For what comes before and after the wait itself. */
#define HOOK_MARGIN_USEC (20 * USEC_PER_SEC)

/* Also reads how long to wait at most. */
static int flush_is_wanted_in_hook(Ctl *ctl, bool *ret) {
        uint64_t timeout = 0;
        int wait = false, r = client_ping(ctl); /* the daemon is not started for us */
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_get_property_trivial(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                        BOOTKEEP_MANAGER_INTERFACE, "WaitInHooks", NULL, 'b', &wait);
        if (r >= 0)
                r = sd_bus_get_property_trivial(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                                BOOTKEEP_MANAGER_INTERFACE, "FlushTimeoutUSec", NULL, 't',
                                                &timeout);
        if (r < 0)
                return client_complain_errno(r);
        ctl->timeout_usec = MIN(ctl->timeout_usec, timeout);
        *ret = wait;
        return EXIT_SUCCESS;
}

/* *RET_WAIT: the flush is to be waited for. Otherwise scans are requested, as by every hook. */
static int flush_begin_hook(Ctl *ctl, char *const *none, bool *ret_wait) {
        int r = flush_is_wanted_in_hook(ctl, ret_wait);
        if (r != EXIT_SUCCESS)
                return r;
        if (!*ret_wait) {
                ctl->no_wait = true;
                return verb_check(ctl, none);
        }
        r = limit_set(MIN(ctl->timeout_usec, USEC_INFINITY - HOOK_MARGIN_USEC) + HOOK_MARGIN_USEC,
                      EXIT_SUCCESS);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}

int verb_flush(Ctl *ctl, char *const *none) {
        assert(ctl && ctl->bus && none && !*none);
        bool wait = true;
        int status = ctl->hook ? flush_begin_hook(ctl, none, &wait) : EXIT_SUCCESS;
        return status == EXIT_SUCCESS && wait ? flush_and_print(ctl) : status;
}
