/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/chronicle.h"

#include "base/log.h"
#include "base/owed.h"
#include "bootkeep.h"
#include "daemon/news.h"
#include "daemon/statetext.h"

void chronicle_begin(Record *record) {
        free(record->build_why);
        record->build_why = record->build_forced ? strdup("all anew, as requested")
                                                 : statetext_first_stale(record->report);
}

static char *result_of_build(const Report *report, int status) {
        if (status == BOOTKEEP_BUILD_TEMPFAIL)
                return strdup("not-now");
        if (status != BOOTKEEP_BUILD_SUCCESS)
                return strdup("failed");
        return strdup(report_is_of_nothing(report) ? "nothing-to-build" : "success");
}

static int add_history_cache(HistoryEntry *entry, const ReportCache *c) {
        return history_add_item(entry, &(HistoryItem){.words = {c->name, c->instance},
                                                      .result = (char *) strempty(c->outcome),
                                                      .amount = c->usec,
                                                      .reason = c->reason});
}

static int add_history_helper(HistoryEntry *entry, const ReportHelper *h) {
        return history_add_item(entry, &(HistoryItem){.helper = true,
                                                      .words = {h->device, h->type, h->partuuid},
                                                      .result = (char *) (h->fresh ? "ok" : "failed"),
                                                      .amount = h->bytes,
                                                      .reason = h->reason});
}

static int add_history_items(HistoryEntry *entry, const Report *report) {
        int r = 0;
        for (size_t i = 0; r >= 0 && report && i < report->n_helpers; i++)
                r = add_history_helper(entry, &report->helpers[i]);
        for (size_t i = 0; r >= 0 && report && i < report->n_caches; i++)
                r = add_history_cache(entry, &report->caches[i]);
        return r;
}

static int chronicle_make_key(const Record *record, char **ret) {
        return owed_make_key(record->device.uuid, record->name, ret);
}

static int chronicle_append(const Chronicle *c, const Record *record, HistoryEntry *entry) {
        _cleanup_free_ char *key = NULL;
        int r = chronicle_make_key(record, &key);
        return r < 0 ? r : history_append(c->dir, key, entry);
}

static bool is_noted(Record *record, int status) {
        bool later = status == BOOTKEEP_BUILD_TEMPFAIL;
        bool noted = later && record->put_off && streq(record->put_off, strempty(record->problem));
        if (!noted)
                (void) free_and_strdup(&record->put_off, later ? strempty(record->problem) : NULL);
        return noted;
}

void chronicle_end(Chronicle *c, Record *record, const Report *report, int status) {
        _cleanup_(history_entry_done) HistoryEntry entry = {
                .start = record->last_build_start, .end = realtime_usec(), .status = status};
        if (!c->dir || is_noted(record, status))
                return;
        entry.result = result_of_build(report, status);
        entry.why = TAKE_PTR(record->build_why);
        int r = free_and_strdup(&entry.reason, record->problem);
        if (r >= 0)
                r = add_history_items(&entry, report);
        if (r >= 0)
                r = chronicle_append(c, record, &entry);
        LogFields fields = news_fields(record, NULL);
        if (r < 0 && r != c->error)
                (void) log_send_errno(LOG_WARNING, &fields, r, "Cannot write the history of builds in %s",
                                      c->dir);
        c->error = MIN(r, 0);
}

int chronicle_read(const Chronicle *c, const Record *record, History *ret) {
        _cleanup_free_ char *key = NULL;
        if (!c->dir)
                return 0;
        int r = chronicle_make_key(record, &key);
        return r < 0 ? r : history_read(c->dir, key, ret);
}
