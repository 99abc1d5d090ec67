/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/bussources.h"

#include "base/error.h"
#include "base/report.h"
#include "daemon/world/bustext.h"

#define SOURCE_OVERHEAD 64U

struct BusSources {
        sd_bus_message *reply;
        size_t bytes;
};

BusSources *bus_sources_free(BusSources *s) {
        if (s)
                sd_bus_message_unref(s->reply);
        free(s);
        return NULL;
}

int bus_sources_new(BusCall *call, BusSources **ret) {
        BusSources *s = calloc(1, sizeof(*s));
        if (!s)
                return error_origin(-ENOMEM);
        int r = sd_bus_message_new_method_return(call, &s->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(s->reply, 'a', "(ssssts)");
        if (r < 0) {
                (void) bus_sources_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

int bus_sources_add(BusSources *s, const BusSource *source) {
        const char *const texts[] = {source->cache, source->instance, source->kind, source->path};
        sd_bus_message *m = s->reply;
        s->bytes += SOURCE_OVERHEAD + strlen(source->cache) + strlen(source->instance) +
                    strlen(source->kind) + strlen(source->path) + strlen(source->how);
        if (s->bytes > 2 * REPORT_BYTES_MAX)
                return error_origin(-E2BIG);
        int r = sd_bus_message_open_container(m, 'r', "ssssts");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(texts); i++)
                r = bus_text_append(m, texts[i]);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", source->size);
        if (r >= 0)
                r = bus_text_append(m, source->how);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int bus_sources_send(BusSources *s) {
        int r = sd_bus_message_close_container(s->reply);
        return r < 0 ? r : sd_bus_send(NULL, s->reply, NULL);
}
