/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/bustext.h"

#include "base/error.h"

void bus_text_make_ascii(char *s) {
        assert(s);
        for (; *s; s++)
                if ((unsigned char) *s >= 0x80)
                        *s = '?';
}

int bus_text_append(sd_bus_message *m, const char *s) {
        int r = sd_bus_message_append(m, "s", strempty(s));
        if (r != -EINVAL)
                return r;
        _cleanup_free_ char *safe = strdup(s);
        if (!safe)
                return error_origin(-ENOMEM);
        bus_text_make_ascii(safe);
        return sd_bus_message_append(m, "s", safe);
}

int bus_text_append_all(sd_bus_message *m, char *const *strings) {
        int r = sd_bus_message_open_container(m, 'a', "s");
        for (; r >= 0 && strings && *strings; strings++)
                r = bus_text_append(m, *strings);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
