/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/owedlines.h"

#include "base/error.h"
#include "base/escape.h"
#include "ctl/client.h"
#include "ctl/format.h"

static int read_owed_property(sd_bus_message *m, OwedList *ret) {
        _cleanup_(owed_list_done) OwedList list = {};
        const char *volume, *uuid, *reason;
        uint64_t since;
        int r = sd_bus_message_enter_container(m, 'v', "a(ssts)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssts)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssts)", &volume, &uuid, &since, &reason)) > 0)
                r = owed_list_add(&list, &(Owed){.volume = (char *) volume,
                                                 .uuid = (char *) uuid,
                                                 .since = since,
                                                 .reason = (char *) reason});
        if (r < 0)
                return r;
        *ret = list;
        list = (OwedList){};
        return 0;
}

int owed_lines_get(Ctl *ctl, OwedList *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_call_method(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                   "org.freedesktop.DBus.Properties", "Get", &error, &reply, "ss",
                                   BOOTKEEP_MANAGER_INTERFACE, "Owed");
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_PROPERTY)) /* an older daemon */
                return EXIT_SUCCESS;
        if (r < 0)
                return sd_bus_error_is_set(&error) ? client_complain(&error, NULL) : client_complain_errno(r);
        r = read_owed_property(reply, ret);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}

void owed_lines_print(const Ctl *ctl, const OwedList *list) {
        for (size_t i = 0; i < list->n; i++) {
                const Owed *o = &list->items[i];
                char when[FORMAT_TIME_MAX];
                _cleanup_free_ char *volume = escape_print(o->volume), *reason = escape_print(o->reason);
                if (volume && reason)
                        (void) printf("%sThe system went down%s%s with boot files of %s out of date: %s%s\n",
                                      ctl->colors ? COLOR_RED : "", o->since > 0 ? " at " : "",
                                      o->since > 0 ? format_moment(o->since, when) : "", volume, reason,
                                      ctl->colors ? COLOR_OFF : "");
        }
        if (list->n > 0)
                (void) putchar('\n');
}

void owed_lines_to_json(const OwedList *list, Json *j) {
        json_array_open(j, "owed");
        for (size_t i = 0; i < list->n; i++) {
                json_object_open(j, NULL);
                json_string(j, "volume", list->items[i].volume);
                json_string(j, "uuid", list->items[i].uuid);
                json_unsigned(j, "since", list->items[i].since);
                json_string(j, "reason", list->items[i].reason);
                json_object_close(j);
        }
        json_array_close(j);
}
