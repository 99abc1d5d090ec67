/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/news.h"

#include <inttypes.h>

#include "bootkeep.h"
#include "daemon/shown.h"

LogFields news_fields(const Record *record, const char *message_id) {
        return (LogFields){.message_id = message_id, .volume = record->name};
}

static bool says_why(VolumeState state) {
        return state == VOLUME_REFUSED || state == VOLUME_STALE || state == VOLUME_GIVEN_UP ||
               state == VOLUME_HUNG;
}

static void log_state(const Record *record) {
        static const struct {
                int level;
                const char *id, *text;
        } texts[_VOLUME_STATE_MAX] = {
                [VOLUME_PLAIN] = {LOG_DEBUG, NULL, "no manifest"},
                [VOLUME_REFUSED] = {LOG_WARNING, BOOTKEEP_MESSAGE_MANIFEST_REFUSED, "manifest refused"},
                [VOLUME_UNTRUSTED] = {LOG_NOTICE, NULL,
                                      "not trusted, nothing is built (see bootkeepctl trust)"},
                [VOLUME_FRESH] = {LOG_NOTICE, NULL, "fresh"},
                [VOLUME_SETTLING] = {LOG_INFO, BOOTKEEP_MESSAGE_CHANGED, "changed, settling"},
                [VOLUME_SCANNING] = {LOG_DEBUG, NULL, "scanning"},
                [VOLUME_STALE] = {LOG_NOTICE, BOOTKEEP_MESSAGE_CACHE_STALE, "stale"},
                [VOLUME_BUILDING] = {LOG_INFO, BOOTKEEP_MESSAGE_BUILD_STARTED, "building"},
                [VOLUME_GIVEN_UP] = {LOG_ERR, BOOTKEEP_MESSAGE_GIVEN_UP, "given up until something changes"},
                [VOLUME_HUNG] = {LOG_ERR, BOOTKEEP_MESSAGE_SCAN_HUNG, "hung"},
        };
        VolumeState state = record->volume.state;
        if (!texts[state].text || state == record->told_rested)
                return; /* a scan that found nothing new is not news */
        const char *reason = says_why(state) ? strempty(record->reason) : "";
        LogFields fields = news_fields(record, texts[state].id);
        log_send(texts[state].level, &fields, "%s%s%s", texts[state].text, *reason ? ": " : "", reason);
}

/* The reason for a failed build was logged when it ended. */
static void log_retry(const Record *record) {
        bool of_scan = !record->built_badly && !isempty(record->problem);
        uint64_t now = now_usec(), wait = record->volume.timer > now ? record->volume.timer - now : 0;
        uint64_t seconds = (wait + USEC_PER_SEC - 1) / USEC_PER_SEC;
        LogFields fields = news_fields(record, of_scan ? NULL : BOOTKEEP_MESSAGE_BUILD_FAILED);
        if (record->built_badly && !isempty(record->problem))
                log_send(LOG_INFO, &fields, "next try in %" PRIu64 " s", seconds);
        else
                log_send(LOG_WARNING, &fields, "%s failed: %s; next try in %" PRIu64 " s",
                         of_scan ? "scan" : "build", strempty(record->reason), seconds);
}

/* It was hung meanwhile, or began before this daemon. */
static void log_build_again(const Record *record) {
        LogFields fields = news_fields(record, NULL);
        uint64_t now = realtime_usec(), since = MIN(record->last_build_start, now);
        if (running_get_pid(&record->build) == 0)
                log_send(LOG_NOTICE, &fields, "the build that an earlier bootkeepd began has ended");
        else
                log_send(LOG_NOTICE, &fields, "still building, begun %" PRIu64 " s ago",
                         (now - since) / USEC_PER_SEC);
}

static void log_news(Record *record) {
        VolumeState state = record->volume.state;
        if (state == record->told_state)
                return;
        if (state == VOLUME_BUILDING && record->builds > 0 && record->builds_told == record->builds)
                log_build_again(record);
        else
                log_state(record);
        if (state == VOLUME_BUILDING)
                record->builds_told = record->builds;
        if (state == VOLUME_FAILED)
                log_retry(record);
        record->told_state = state;
        if (state != VOLUME_SCANNING)
                record->told_rested = state;
}

const Peer *news_holder(const News *news, const Record *record) {
        return news->holder && record->lock.holder != 0 ? news->holder(news->userdata, record) : NULL;
}

void news_tell(const News *news, Record *record) {
        _cleanup_strv_free_ char **changes = NULL;
        if (shown_take_changes(record, news_holder(news, record), &changes) < 0)
                return;
        log_news(record);
        if (changes && news->bus)
                bus_volume_changed(news->bus, record->name, changes);
}

void news_tell_properties(const News *news, const Record *record, const char *const *properties) {
        if (news->bus)
                bus_volume_changed(news->bus, record->name, (char **) (const void *) properties);
}

/* bootkeep-build and its builders log on their own, but one that exits at once is gone before journald can
 * tell whose child it was, and one that was killed says nothing. */
static void log_build(const Record *record) {
        bool well = record->last_build_status == BOOTKEEP_BUILD_SUCCESS,
             later = record->last_build_status == BOOTKEEP_BUILD_TEMPFAIL;
        LogFields fields = news_fields(record, well    ? BOOTKEEP_MESSAGE_BUILD_SUCCEEDED
                                               : later ? NULL
                                                       : BOOTKEEP_MESSAGE_BUILD_FAILED);
        if (record->built_nothing)
                log_send(LOG_NOTICE, &fields, REPORT_NOTHING_TO_BUILD ": only metadata has changed");
        else if (well)
                log_send(LOG_NOTICE, &fields, "built in %.1f s",
                         (double) (record->last_build_end - record->last_build_start) /
                                 (double) USEC_PER_SEC);
        else
                log_send(later ? LOG_INFO : LOG_WARNING, &fields, "build %s: %s",
                         later ? "put off" : "failed", strempty(record->problem));
}

void news_tell_build_ended(const News *news, const Record *record) {
        static const char *const properties[] = {"LastBuildEnd", "LastBuildStatus", "Progress", NULL};
        bool well = record->last_build_status == BOOTKEEP_BUILD_SUCCESS;
        log_build(record);
        news_tell_properties(news, record, properties);
        if (news->bus)
                bus_build_finished(news->bus, record->name, record->last_build_status,
                                   record->built_nothing ? REPORT_NOTHING_TO_BUILD
                                   : well                ? "success"
                                                         : strempty(record->problem));
}
