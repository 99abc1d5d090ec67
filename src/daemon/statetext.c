/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/statetext.h"

/* The first one is enough: `status VOLUME` shows all of them. "" if everything is fresh. */
char *statetext_first_stale(const Report *report) {
        char *text = NULL;
        for (size_t i = 0; report && i < report->n_caches; i++) {
                const ReportCache *c = &report->caches[i];
                if (c->fresh)
                        continue;
                (void) strprintf(&text, "cache %s%s%s: %s", c->name, isempty(c->instance) ? "" : " ",
                                 strempty(c->instance), strempty(c->reason));
                return text;
        }
        for (size_t i = 0; report && i < report->n_helpers; i++) {
                const ReportHelper *h = &report->helpers[i];
                if (h->fresh)
                        continue;
                (void) strprintf(&text, "helper %s: %s", h->device, strempty(h->reason));
                return text;
        }
        return strdup("");
}

/* The hold that lasts longest is shown. *RET_WHY: what goes on after it. */
static const char *hold_text(const Record *record, const char **ret_why) {
        unsigned holds = record->volume.holds;
        const char *block = record_obstacle(record);
        bool said_why = !block && record->built_badly && !isempty(record->problem);
        *ret_why = "";
        if (block || (said_why && holds == VOLUME_HOLD_RETRY)) {
                *ret_why = block ? block : record->problem;
                return block ? "; held back: " : "; put off: ";
        }
        if (holds & VOLUME_HOLD_LOCK)
                return "; held back by a lock";
        if (holds & VOLUME_HOLD_PACKAGES)
                return "; held back while a package manager works";
        if (holds & VOLUME_HOLD_BOOT)
                return "; held back because the machine has just booted";
        if (holds & VOLUME_HOLD_RETRY)
                return "; a builder asked to be run later";
        return "";
}

static char *stale_text(const Record *record) {
        _cleanup_free_ char *first = statetext_first_stale(record->report);
        const char *why, *hold = hold_text(record, &why);
        char *text = NULL;
        if (first)
                (void) strprintf(&text, "%s%s%s", first, hold, why);
        return text;
}

static char *unwatched_text(const Record *record) {
        char *text = NULL;
        if (!record->unwatched)
                return strdup("");
        (void) strprintf(&text, "not watched, scanned on a timer: %s", record->unwatched);
        return text;
}

/* If nothing failed, it was built, or its lock released, and something is stale nevertheless: a builder may
 * change its own sources. */
static char *problem_text(const Record *record) {
        char *text = NULL;
        if (!isempty(record->problem))
                return strdup(record->problem);
        _cleanup_free_ char *first = statetext_first_stale(record->report);
        if (isempty(first))
                return TAKE_PTR(first);
        (void) strprintf(&text, "still stale: %s", first);
        return text;
}

static char *given_up_text(const Record *record) {
        _cleanup_free_ char *problem = problem_text(record);
        char *text = NULL;
        if (problem)
                (void) strprintf(&text, "%u failures, %u builds: %s", record->volume.failures,
                                 record->volume.attempts, problem);
        return text;
}

static const char *hung_text(const Volume *v) {
        assert(v->build_runs || v->scan_runs);
        return v->build_runs ? "a build is not responding" : "a scan is not responding";
}

static char *own_text(const Record *record) {
        switch (record->volume.state) {
        case VOLUME_NEW:
        case VOLUME_SCANNING:
                return strdup("");
        case VOLUME_FRESH:
                return unwatched_text(record);
        case VOLUME_PLAIN:
                return strdup("no manifest");
        case VOLUME_SETTLING:
                return strdup("something changed");
        case VOLUME_HUNG:
                return strdup(hung_text(&record->volume));
        case VOLUME_REFUSED:
                return strdup(strempty(record->problem));
        case VOLUME_FAILED:
                return problem_text(record);
        case VOLUME_GIVEN_UP:
                return given_up_text(record);
        case VOLUME_BUILDING:
                if (record_build_waits(record))
                        return strdup("waiting for another build of this volume");
                return statetext_first_stale(record->report);
        case VOLUME_UNTRUSTED:
                return statetext_first_stale(record->report);
        case VOLUME_STALE:
                return stale_text(record);
        case _VOLUME_STATE_MAX:
                break;
        }
        return NULL;
}

char *statetext_of(const Record *record) {
        _cleanup_free_ char *reason = own_text(record);
        char *text = NULL;
        if (!record->unread || record->volume.state == VOLUME_PLAIN || !reason)
                return TAKE_PTR(reason);
        (void) strprintf(&text, "%s%sheld back: %s", reason, *reason ? "; " : "", record->unread);
        return text;
}
