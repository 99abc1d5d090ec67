/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/findings.h"

#include <inttypes.h>

#include "base/log.h"
#include "daemon/news.h"

#define UNTRUSTED_REPORTS_MAX (16U * 1024U * 1024U)

/* Notes are logged when a scan first reports them. */
static void log_notes(const Record *record, const Report *now) {
        LogFields fields = news_fields(record, NULL);
        for (char **note = now->notes; note && *note; note++)
                if (!record->report || !strv_contains(record->report->notes, *note))
                        log_send(record->volume.trusted ? LOG_NOTICE : LOG_DEBUG, &fields, "%s", *note);
}

/* A scan that did not get as far as the lock files says nothing about them. */
static void keep_holds(const Record *record) {
        Report *now = record->scan.report, *before = record->report;
        if (now->n_holds > 0 || !before || streq_ptr(now->result, "fresh") || streq_ptr(now->result, "stale"))
                return;
        now->holds = TAKE_PTR(before->holds);
        now->n_holds = before->n_holds;
        before->n_holds = 0;
}

void findings_take_report(Record *record, size_t others) {
        assert(record->scan.report);
        log_notes(record, record->scan.report);
        keep_holds(record);
        report_free(record->report);
        record->report = TAKE_PTR(record->scan.report);
        record_follow_block(record);
        if (record->volume.trusted || others + report_size(record->report) <= UNTRUSTED_REPORTS_MAX)
                return;
        LogFields fields = news_fields(record, NULL);
        log_send(LOG_WARNING, &fields,
                 "the reports of untrusted volumes are too large, leaving out its caches and helpers");
        report_drop_details(record->report);
}

/* Each volume without an instance is one more than the limit. */
static char *describe_missing_instance(size_t missing) {
        uint64_t max = watch_instances_max();
        char *text = NULL;
        (void) strprintf(
                &text,
                "no inotify instance is left: fs.inotify.max_user_instances is %" PRIu64 " for all programs "
                "of this user together, at least %" PRIu64 " are needed (or the limit of open files is "
                "reached)",
                max, max + missing);
        return text;
}

void findings_note_watching(Record *record, size_t missing) {
        _cleanup_free_ char *no_instance = record->watch ? NULL : describe_missing_instance(missing);
        LogFields fields = news_fields(record, NULL);
        const char *why = record->watch ? record->report->unwatched : strempty(no_instance);
        if (why && !record->unwatched)
                log_send(LOG_WARNING, &fields, "not watched, scanned on a timer: %s", why);
        else if (!why && record->unwatched)
                log_send(LOG_NOTICE, &fields, "watched again");
        (void) free_and_strdup(&record->unwatched, why);
        volume_set_watched(&record->volume, !why);
}
