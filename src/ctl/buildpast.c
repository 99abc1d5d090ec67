/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/buildpast.h"

#include "base/error.h"

void build_past_list_done(BuildPastList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].volume);
                history_entry_done(&l->items[i].entry);
        }
        free(l->items);
        *l = (BuildPastList){};
}

static int read_past_text(sd_bus_message *m, char **field) {
        const char *text;
        int r = sd_bus_message_read(m, "v", "s", &text);
        return r < 0 ? r : free_and_strdup(field, text);
}

/* One cache or helper; 0: there is none left. */
static int read_past_item(sd_bus_message *m, BuildPast *b, bool helper) {
        const char *words[3] = {}, *result, *reason;
        uint64_t amount;
        int r = helper ? sd_bus_message_read(m, "(ssssts)", &words[0], &words[1], &words[2], &result, &amount,
                                             &reason)
                       : sd_bus_message_read(m, "(sssts)", &words[0], &words[1], &result, &amount, &reason);
        if (r <= 0)
                return r;
        const HistoryItem item = {.helper = helper,
                                  .words = {(char *) words[0], (char *) words[1], (char *) words[2]},
                                  .result = (char *) result,
                                  .amount = amount,
                                  .reason = (char *) reason};
        r = history_add_item(&b->entry, &item);
        return r < 0 ? r : 1;
}

static int read_past_items(sd_bus_message *m, BuildPast *b, bool helper) {
        int r = sd_bus_message_enter_container(m, 'v', helper ? "a(ssssts)" : "a(sssts)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', helper ? "(ssssts)" : "(sssts)");
        if (r >= 0)
                do
                        r = read_past_item(m, b, helper);
                while (r > 0);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_past_key(sd_bus_message *m, BuildPast *b, const char *key) {
        HistoryEntry *e = &b->entry;
        if (streq(key, "Start"))
                return sd_bus_message_read(m, "v", "t", &e->start);
        if (streq(key, "End"))
                return sd_bus_message_read(m, "v", "t", &e->end);
        if (streq(key, "Bytes"))
                return sd_bus_message_read(m, "v", "t", &b->bytes);
        if (streq(key, "Status"))
                return sd_bus_message_read(m, "v", "i", &e->status);
        if (streq(key, "Result"))
                return read_past_text(m, &e->result);
        if (streq(key, "Why"))
                return read_past_text(m, &e->why);
        if (streq(key, "Reason"))
                return read_past_text(m, &e->reason);
        if (streq(key, "Caches") || streq(key, "Helpers"))
                return read_past_items(m, b, streq(key, "Helpers"));
        return sd_bus_message_skip(m, "v");
}

/* 0: there is none left. */
static int read_past(sd_bus_message *m, BuildPast *b) {
        const char *key;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r <= 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = read_past_key(m, b, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int add_past(BuildPastList *l, const char *volume, sd_bus_message *m) {
        if (grow(l->items, l->n) < 0)
                return error_origin(-ENOMEM);
        BuildPast *b = &l->items[l->n];
        *b = (BuildPast){};
        int r = read_past(m, b);
        if (r == 0)
                return 0;
        l->n++; /* to be freed, whatever is in it */
        if (r > 0 && (free_and_strdup(&b->volume, volume) < 0 ||
                      (!b->entry.result && free_and_strdup(&b->entry.result, "") < 0)))
                r = error_origin(-ENOMEM);
        return r;
}

int build_past_read(BuildPastList *l, const char *volume, sd_bus_message *m) {
        assert(l && volume && m);
        int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r >= 0)
                do
                        r = add_past(l, volume, m);
                while (r > 0);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int compare_past(const void *a, const void *b) {
        uint64_t x = ((const BuildPast *) a)->entry.start, y = ((const BuildPast *) b)->entry.start;
        return x > y ? -1 : x < y;
}

void build_past_sort(BuildPastList *l) {
        if (l->n > 0)
                qsort(l->items, l->n, sizeof(*l->items), compare_past);
}

static void past_item_to_json(const HistoryItem *item, Json *j) {
        static const char *const names[2][3] = {{"name", "instance", NULL}, {"device", "type", "partuuid"}};
        json_object_open(j, NULL);
        for (size_t i = 0; i < (item->helper ? 3 : 2); i++)
                json_string(j, names[item->helper][i], item->words[i]);
        json_string(j, "result", item->result);
        json_unsigned(j, item->helper ? "bytes" : "usec", item->amount);
        json_string(j, "reason", item->reason);
        json_object_close(j);
}

static void past_items_to_json(const HistoryEntry *e, bool helpers, Json *j) {
        json_array_open(j, helpers ? "helpers" : "caches");
        for (size_t i = 0; i < e->n_items; i++)
                if (e->items[i].helper == helpers)
                        past_item_to_json(&e->items[i], j);
        json_array_close(j);
}

void build_past_to_json(const BuildPast *b, Json *j) {
        const HistoryEntry *e = &b->entry;
        json_object_open(j, NULL);
        json_string(j, "volume", b->volume);
        json_unsigned(j, "start", e->start);
        json_unsigned(j, "end", e->end);
        json_signed(j, "status", e->status);
        json_string(j, "result", strempty(e->result));
        json_string(j, "why", strempty(e->why));
        json_string(j, "reason", strempty(e->reason));
        json_unsigned(j, "bytes", b->bytes);
        past_items_to_json(e, false, j);
        past_items_to_json(e, true, j);
        json_object_close(j);
}
