/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/owedtext.h"

#include "base/error.h"
#include "daemon/statetext.h"

void owed_texts_done(OwedTexts *texts) {
        for (size_t i = 0; i < texts->n; i++) {
                free((char *) texts->views[i].doing);
                free((char *) texts->views[i].reason);
        }
        free(texts->views);
        *texts = (OwedTexts){};
}

static bool is_built(const Report *build, const ReportCache *cache) {
        for (size_t i = 0; i < build->n_caches; i++)
                if (streq(build->caches[i].name, cache->name) &&
                    streq(build->caches[i].instance, cache->instance))
                        return true;
        return false;
}

static const ReportCache *cache_in_work(const Report *stale, const Report *build) {
        for (size_t i = 0; stale && i < stale->n_caches; i++)
                if (!stale->caches[i].fresh && !is_built(build, &stale->caches[i]))
                        return &stale->caches[i];
        return NULL;
}

static char *building_text(const Record *record) {
        const ReportCache *cache = cache_in_work(record->report, record->build.report);
        char *text = NULL;
        if (record->build.report->waiting)
                return strdup("waiting for another build of it");
        if (!cache)
                return strdup("updating its helpers");
        (void) strprintf(&text, "building %s%s%s", cache->name, *cache->instance ? " " : "", cache->instance);
        return text;
}

static char *doing_text(const Record *record) {
        switch (record->volume.state) {
        case VOLUME_BUILDING:
                return record->build.report ? building_text(record) : strdup("building");
        case VOLUME_NEW:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
                return strdup("scanning");
        case VOLUME_STALE:
                return strdup(record->volume.holds & VOLUME_HOLD_PACKAGES ? "waiting for a package manager"
                                                                          : "waiting to be built");
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
                return strdup("failed");
        case VOLUME_HUNG:
                return strdup("not responding");
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case _VOLUME_STATE_MAX:
                break;
        }
        return strdup("");
}

/* If this were the end. */
static char *owed_reason(const Record *record) {
        _cleanup_free_ char *reason = statetext_of(record);
        VolumeState state = record->volume.state;
        char *text = NULL;
        if (state == VOLUME_FAILED || state == VOLUME_GIVEN_UP || state == VOLUME_HUNG)
                return TAKE_PTR(reason);
        if (reason)
                (void) strprintf(&text, "not finished in time%s%s", *reason ? ": " : "", reason);
        return text;
}

/* Caches and helpers count the same; of the helpers, the bytes copied count. */
uint32_t owed_percent(const Report *stale, const Report *build) {
        size_t caches = 0, helpers = 0, built = build ? build->n_caches : 0;
        if (!stale || !build)
                return OWED_PERCENT_UNKNOWN;
        for (size_t i = 0; i < stale->n_caches; i++)
                caches += !stale->caches[i].fresh;
        for (size_t i = 0; i < stale->n_helpers; i++)
                helpers += !stale->helpers[i].fresh;
        if (caches + helpers == 0)
                return OWED_PERCENT_UNKNOWN;
        double copied =
                build->progress_of > 0 ? (double) build->progress_done / (double) build->progress_of : 0;
        double done = (double) MIN(built, caches) + copied * (double) helpers;
        return MIN((uint32_t) (done * 100 / (double) (caches + helpers)), UINT32_C(100));
}

int owed_texts_add(OwedTexts *texts, const Record *record) {
        _cleanup_free_ char *doing = doing_text(record), *reason = owed_reason(record);
        if (!doing || !reason || grow(texts->views, texts->n) < 0)
                return error_origin(-ENOMEM);
        texts->views[texts->n++] = (OwedView){
                .volume = record->name,
                .uuid = strempty(record->device.uuid),
                .doing = TAKE_PTR(doing),
                .reason = TAKE_PTR(reason),
                .percent = owed_percent(record->report, record->build.report),
        };
        return 0;
}
