/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/busreply.h"

#include <stdarg.h>

#include "bootkeep.h"
#include "daemon/world/bustext.h"

/* Nobody is left waiting because a reply could not be made. */
static void reply_failed(BusCall *call, int r) {
        if (r < 0)
                (void) sd_bus_reply_method_errno(call, r, NULL);
}

void bus_reply(BusCall *call) {
        (void) sd_bus_reply_method_return(call, "");
}

void bus_reply_string(BusCall *call, const char *s) {
        (void) sd_bus_reply_method_return(call, "s", s);
}

void bus_reply_number(BusCall *call, uint64_t n) {
        (void) sd_bus_reply_method_return(call, "t", n);
}

void bus_reply_strings(BusCall *call, char **strings) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = bus_text_append_all(m, strings);
        if (r >= 0)
                r = sd_bus_send(NULL, m, NULL);
        reply_failed(call, r);
}

void bus_reply_volume(BusCall *call, const char *name) {
        _cleanup_free_ char *path = NULL;
        int r = sd_bus_path_encode(BOOTKEEP_VOLUME_PATH_PREFIX, name, &path);
        if (r >= 0)
                r = sd_bus_reply_method_return(call, "o", path);
        reply_failed(call, r);
}

void bus_reply_error(BusCall *call, const char *error, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        if (sd_bus_reply_method_errorf(call, error, "%s", strempty(text)) != -EINVAL || !text)
                return;
        bus_text_make_ascii(text);
        (void) sd_bus_reply_method_errorf(call, error, "%s", text);
}
