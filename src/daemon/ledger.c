/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ledger.h"

#include "base/log.h"
#include "bootkeep.h"
#include "daemon/news.h"

void ledger_done(Ledger *ledger) {
        free(ledger->dir);
        owed_list_done(&ledger->list);
        *ledger = (Ledger){};
}

int ledger_read(Ledger *ledger, const char *state) {
        _cleanup_free_ char *dir = NULL;
        OwedList list = {};
        int r = strprintf(&dir, "%s/owed", state);
        if (r < 0)
                return r;
        r = owed_read(dir, &list);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                (void) log_warning_errno(r, "Cannot read what was owed at the last shutdown from %s", dir);
        ledger_done(ledger);
        *ledger = (Ledger){.dir = TAKE_PTR(dir), .list = list};
        return 0;
}

/* While the configuration cannot be read, nothing is trusted: that settles nothing. */
static bool is_settled(const Record *record) {
        VolumeState state = record->volume.state;
        return state == VOLUME_FRESH || state == VOLUME_PLAIN ||
               (state == VOLUME_UNTRUSTED && !record->unread);
}

static const Record *find_settled(const Roster *volumes, const Owed *owed) {
        for (const Record *record = roster_next(volumes, NULL); record;
             record = roster_next(volumes, record)) {
                _cleanup_free_ char *key = NULL;
                if (is_settled(record) && owed_make_key(record->device.uuid, record->name, &key) >= 0 &&
                    streq(key, owed->key))
                        return record;
        }
        return NULL;
}

/* A record that cannot be removed is forgotten all the same: it is read again at the next start. */
static void strike_out(Ledger *ledger, size_t i, const Record *record) {
        const Owed *items = ledger->list.items;
        LogFields fields = news_fields(record, NULL);
        int r = owed_remove(ledger->dir, items[i].key);
        if (r < 0)
                (void) log_send_errno(LOG_WARNING, &fields, r, "Failed to remove the record %s/%s",
                                      ledger->dir, items[i].key);
        else
                log_send(LOG_NOTICE, &fields, "what was owed when the system went down is settled");
        owed_list_drop(&ledger->list, i);
}

bool ledger_settle(Ledger *ledger, const Roster *volumes) {
        bool any = false;
        for (size_t i = 0; i < ledger->list.n;) {
                const Record *record = find_settled(volumes, &ledger->list.items[i]);
                if (record)
                        strike_out(ledger, i, record);
                else
                        i++;
                any = any || record;
        }
        return any;
}
