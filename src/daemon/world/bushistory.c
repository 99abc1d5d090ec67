/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of builds as aa{sv}, so that later versions can say more. */

#include "daemon/world/bushistory.h"

#include "daemon/world/bustext.h"

typedef sd_bus_message Message;

static int append_history_text(Message *m, const char *key, const char *text) {
        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "s");
        if (r >= 0)
                r = bus_text_append(m, text);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static uint64_t written_bytes(const HistoryEntry *entry) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < entry->n_items; i++)
                bytes += entry->items[i].helper ? entry->items[i].amount : 0;
        return bytes;
}

static int append_history_item(Message *m, const HistoryItem *item, const char *types) {
        int r = sd_bus_message_open_container(m, 'r', types);
        for (size_t i = 0; r >= 0 && i < (item->helper ? 3 : 2); i++)
                r = bus_text_append(m, item->words[i]);
        if (r >= 0)
                r = bus_text_append(m, item->result);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", item->amount);
        if (r >= 0)
                r = bus_text_append(m, item->reason);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_history_items(Message *m, const HistoryEntry *entry, bool helpers) {
        const char *types = helpers ? "ssssts" : "sssts", *structure = helpers ? "(ssssts)" : "(sssts)";
        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", helpers ? "Helpers" : "Caches");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', helpers ? "a(ssssts)" : "a(sssts)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', structure);
        for (size_t i = 0; r >= 0 && i < entry->n_items; i++)
                if (entry->items[i].helper == helpers)
                        r = append_history_item(m, &entry->items[i], types);
        for (int i = 0; r >= 0 && i < 3; i++) /* the array, the variant, the entry */
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_history_entry(Message *m, const HistoryEntry *entry) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Start", "t", entry->start, "End", "t",
                                          entry->end, "Status", "i", entry->status, "Bytes", "t",
                                          written_bytes(entry));
        if (r >= 0)
                r = append_history_text(m, "Result", entry->result);
        if (r >= 0)
                r = append_history_text(m, "Why", entry->why);
        if (r >= 0)
                r = append_history_text(m, "Reason", entry->reason);
        if (r >= 0)
                r = append_history_items(m, entry, false);
        if (r >= 0)
                r = append_history_items(m, entry, true);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

void bus_reply_history(BusCall *call, const History *history, uint32_t max) {
        _cleanup_(sd_bus_message_unrefp) Message *m = NULL;
        size_t n = max > 0 ? MIN((size_t) max, history->n) : history->n;
        int r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_history_entry(m, &history->entries[history->n - 1 - i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_send(NULL, m, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errno(call, r, NULL);
}
