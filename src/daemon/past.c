/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/past.h"

#include "base/log.h"
#include "bootkeep.h"
#include "daemon/news.h"
#include "daemon/world/markfiles.h"

void past_init(Past *past, const Driver *driver, const char *run) {
        *past = (Past){.driver = driver, .run = run};
}

void past_deinit(Past *past) {
        free(past->text);
        free(past->unknown);
        *past = (Past){};
}

const char *past_text(const Past *past) {
        return strempty(past->text);
}

static const Record *find_running_system(const Roster *volumes) {
        for (Record *record = roster_next(volumes, NULL); record; record = roster_next(volumes, record))
                if (record_is_running_system(record))
                        return record;
        return NULL;
}

static bool is_complete(const Report *report) {
        return streq_ptr(report->result, "fresh") || streq_ptr(report->result, "stale") ||
               streq_ptr(report->result, "none");
}

/* What the last scan of RECORD says of it; *RET_STATE and *RET_TEXT are unchanged if it says nothing. */
static bool what_was_booted(const Record *record, BootedState *ret_state, const char **ret_text) {
        const Report *report = record->report;
        if (record->volume.trusted && (!report || !(report->booted_text || is_complete(report))))
                return false;
        bool told = record->volume.trusted && report->booted_text;
        *ret_state = told ? report->booted : BOOTED_CURRENT;
        *ret_text = told ? report->booted_text : "";
        return true;
}

static void tell_stale(Past *past, const Record *record, const char *text) {
        LogFields fields = news_fields(record, BOOTKEEP_MESSAGE_BOOTED_STALE);
        if (streq(strempty(past->text), text) || free_and_strdup(&past->text, text) < 0)
                return;
        if (*text)
                log_send(LOG_NOTICE, &fields, "the machine runs from the past: %s", text);
        else
                log_send(LOG_NOTICE, &fields, "the machine runs what its helpers carry");
        if (past->driver->news.bus)
                bus_manager_changed(past->driver->news.bus, "BootedStale");
}

static void tell_unknown(Past *past, const Record *record, const char *text) {
        LogFields fields = news_fields(record, NULL);
        if (free_and_strdup(&past->unknown, text) > 0 && *text)
                log_send(LOG_NOTICE, &fields, "it is unknown whether the machine runs from the past: %s",
                         text);
}

/* Not tried again until it should be otherwise: whatever is wrong with /run, it is said once. */
static void follow_mark(Past *past, const Record *record, bool wanted) {
        LogFields fields = news_fields(record, NULL);
        RebootMark mark;
        if (!past->run || (past->known && past->marked == wanted) ||
            (!wanted && !record->volume.trusted && !past->marked))
                return;
        past->marked = wanted;
        int r = markfiles_read(past->run, &mark);
        if (r >= 0)
                r = markfiles_apply(past->run, rebootmark_decide(&mark, wanted));
        if (r < 0)
                (void) log_send_errno(LOG_WARNING, &fields, r, "Failed to bring %s/reboot-required in line",
                                      past->run);
}

void past_settle(Past *past) {
        const Record *record = find_running_system(past->driver->volumes);
        BootedState state;
        const char *text;
        if (!record || !what_was_booted(record, &state, &text))
                return;
        bool stale = state == BOOTED_REPLACED || state == BOOTED_PREVIOUS;
        follow_mark(past, record, state == BOOTED_REPLACED); /* first: who hears of it finds it done */
        tell_stale(past, record, stale ? text : "");
        tell_unknown(past, record, state == BOOTED_UNKNOWN ? text : "");
        past->known = true;
}
