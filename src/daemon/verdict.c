/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/verdict.h"

#include <inttypes.h>

#include "base/log.h"
#include "bootkeep.h"
#include "daemon/news.h"

#define UNTRUSTED_REPORTS_MAX (16U * 1024U * 1024U)

VolumeEvent verdict_of_scan(const Record *r, int status) {
        switch (status) {
        case BOOTKEEP_SCAN_FRESH:
                return VOLUME_SCAN_FRESH;
        case BOOTKEEP_SCAN_STALE:
                return r->built_from && streq_ptr(r->built_from, r->report->sources) ? VOLUME_SCAN_STALE_AGAIN
                                                                                     : VOLUME_SCAN_STALE;
        case BOOTKEEP_SCAN_NO_MANIFEST:
                return VOLUME_SCAN_NONE;
        case BOOTKEEP_SCAN_REFUSED:
                return VOLUME_SCAN_REFUSED;
        }
        return VOLUME_SCAN_ERROR;
}

const char *verdict_to_string(const Record *r, VolumeEvent verdict) {
        if (r->volume.state != VOLUME_SETTLING)
                return volume_state_to_string(r->volume.state);
        return verdict == VOLUME_SCAN_FRESH     ? "fresh"
               : verdict == VOLUME_SCAN_NONE    ? "plain"
               : verdict == VOLUME_SCAN_REFUSED ? "refused"
                                                : "stale";
}

/* What is worth saying once is said when a scan first says it. */
static void log_notes(const Record *r, const Report *now) {
        LogFields fields = news_fields(r, NULL);
        for (char **note = now->notes; note && *note; note++)
                if (!r->report || !strv_contains(r->report->notes, *note))
                        log_send(r->volume.trusted ? LOG_NOTICE : LOG_DEBUG, &fields, "%s", *note);
}

void verdict_take_report(Record *r, size_t others) {
        log_notes(r, r->scan.report);
        report_free(r->report);
        r->report = TAKE_PTR(r->scan.report);
        if (r->volume.trusted || others + report_size(r->report) <= UNTRUSTED_REPORTS_MAX)
                return;
        LogFields fields = news_fields(r, NULL);
        log_send(LOG_WARNING, &fields,
                 "the reports of untrusted volumes are too large, leaving out its caches and helpers");
        report_drop_details(r->report);
}

/* Each volume without an instance is one more than the limit. */
static char *describe_missing_instance(size_t missing) {
        uint64_t max = watch_instances_max();
        char *text = NULL;
        return strprintf(&text,
                         "no inotify instance is left: fs.inotify.max_user_instances is %" PRIu64
                         " for all programs "
                         "of this user together, at least %" PRIu64
                         " are needed (or the limit of open files is "
                         "reached)",
                         max, max + missing) < 0
                       ? NULL
                       : text;
}

void verdict_note_watching(Record *r, size_t missing) {
        _cleanup_free_ char *no_instance = r->watch ? NULL : describe_missing_instance(missing);
        LogFields fields = news_fields(r, NULL);
        const char *why = r->watch ? r->report->unwatched : strempty(no_instance);
        if (why && !r->unwatched)
                log_send(LOG_WARNING, &fields, "not watched, scanned on a timer: %s", why);
        else if (!why && r->unwatched)
                log_send(LOG_NOTICE, &fields, "watched again");
        (void) free_and_strdup(&r->unwatched, why);
        volume_set_watched(&r->volume, !why);
}
