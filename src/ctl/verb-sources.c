/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl sources`: what a cache is made from: what the manifest names, and what was learned. */

#include "base/error.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/pager.h"
#include "ctl/table.h"

/* One of them; borrowed from the reply. */
typedef struct SourceInfo {
        const char *cache, *instance, *kind, *path, *how;
        uint64_t size;
} SourceInfo;

/* 1: there was one more. */
static int sources_next(sd_bus_message *m, SourceInfo *ret) {
        return sd_bus_message_read(m, "(ssssts)", &ret->cache, &ret->instance, &ret->kind, &ret->path,
                                   &ret->size, &ret->how);
}

static int sources_add_line(Table *t, const SourceInfo *s) {
        char size[FORMAT_BYTES_MAX];
        const bool sized = s->size > 0 || streq(s->kind, "file");
        const char *color = streq(s->kind, "skipped") ? COLOR_DIM : NULL;
        const bool odd = streq(s->kind, "missing") || streq(s->kind, "more");
        const TableCell cells[] = {
                {*s->cache ? s->cache : "-"},
                {*s->instance ? s->instance : "-"},
                {s->kind, odd ? COLOR_YELLOW : NULL},
                {sized ? format_bytes(s->size, size) : "-"},
                {s->how},
                {*s->path ? s->path : "-"},
        };
        return table_add(t, NULL, color, cells, NULL);
}

static int sources_print_table(const Ctl *ctl, sd_bus_message *m) {
        static const TableColumn columns[] = {
                {"CACHE"}, {"INSTANCE"}, {"WHAT"}, {"SIZE"}, {"KNOWN"}, {"PATH", TABLE_WRAP},
        };
        _cleanup_(table_freep) Table *t = NULL;
        Pager pager = PAGER_NULL;
        SourceInfo s;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        while (r >= 0 && (r = sources_next(m, &s)) > 0)
                r = sources_add_line(t, &s);
        if (r < 0)
                return r;
        if (ctl->pager && ctl->width > 0)
                pager_open(&pager);
        r = table_print(t);
        pager_done(&pager);
        return r;
}

static int sources_print_json(const Ctl *ctl, sd_bus_message *m) {
        Json j = JSON_INIT(stdout, ctl->json);
        SourceInfo s;
        int r;
        json_object_open(&j, NULL);
        json_array_open(&j, "sources");
        while ((r = sources_next(m, &s)) > 0) {
                json_object_open(&j, NULL);
                json_string(&j, "cache", s.cache);
                json_string(&j, "instance", s.instance);
                json_string(&j, "kind", s.kind);
                json_string(&j, "path", s.path);
                json_unsigned(&j, "size", s.size);
                json_string(&j, "how", s.how);
                json_object_close(&j);
        }
        json_array_close(&j);
        json_object_close(&j);
        return r;
}

static int sources_print(const Ctl *ctl, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "(ssssts)");
        if (r < 0 || ctl->quiet)
                return r;
        return ctl->json == JSON_OFF ? sources_print_table(ctl, m) : sources_print_json(ctl, m);
}

int verb_sources(Ctl *ctl, char *const *arguments) {
        assert(ctl && ctl->bus && arguments && arguments[0]);
        _cleanup_(volume_info_freep) VolumeInfo *v = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = client_get(ctl, arguments[0], &v);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_call(&(const ClientCall){ctl, "Sources", v->name}, &reply, "ss", v->name,
                        strempty(arguments[1]));
        if (r != EXIT_SUCCESS)
                return r;
        r = sources_print(ctl, reply);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}
