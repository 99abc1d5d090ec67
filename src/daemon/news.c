/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/news.h"

#include <inttypes.h>

#include "bootkeep.h"

LogFields news_fields(const Record *r, const char *message_id) {
        return (LogFields){.message_id = message_id, .volume = r->name};
}

static void log_state(const Record *r, VolumeState before) {
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
        VolumeState now = r->volume.state;
        if (now == before || !texts[now].text || now == r->rested)
                return; /* a scan that found nothing new is no news */
        const char *reason = strempty(r->shown.reason);
        bool say =
                now == VOLUME_REFUSED || now == VOLUME_STALE || now == VOLUME_GIVEN_UP || now == VOLUME_HUNG;
        LogFields fields = news_fields(r, texts[now].id);
        log_send(texts[now].level, &fields, "%s%s%s", texts[now].text, say && *reason ? ": " : "",
                 say ? reason : "");
}

static void log_failure(const Record *r) {
        bool scan = !r->built_badly && !isempty(r->problem);
        LogFields fields = news_fields(r, scan ? NULL : BOOTKEEP_MESSAGE_BUILD_FAILED);
        uint64_t now = now_usec(), wait = r->volume.timer > now ? r->volume.timer - now : 0;
        log_send(LOG_WARNING, &fields, "%s failed: %s; next try in %" PRIu64 " s", scan ? "scan" : "build",
                 strempty(r->shown.reason), (wait + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

void news_tell(Bus *bus, Record *r) {
        _cleanup_strv_free_ char **changes = NULL;
        VolumeState before = r->shown.state;
        if (record_changes(r, &changes) < 0)
                return;
        if (before != r->volume.state) {
                log_state(r, before);
                if (r->volume.state == VOLUME_FAILED)
                        log_failure(r);
                if (r->volume.state != VOLUME_SCANNING)
                        r->rested = r->volume.state;
        }
        if (changes && bus)
                bus_volume_changed(bus, r->name, changes);
}

void news_tell_properties(Bus *bus, const Record *r, const char *const *properties) {
        if (bus)
                bus_volume_changed(bus, r->name, (char **) (const void *) properties);
}
