/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/lastchance.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/owedtext.h"
#include "daemon/timer.h"

#define TICK_USEC USEC_PER_SEC

void lastchance_init(LastChance *l, Daemon *d, const LastChanceHandlers *handlers) {
        *l = (LastChance){.daemon = d, .handlers = *handlers};
}

void lastchance_deinit(LastChance *l) {
        sd_event_source_disable_unref(l->tick);
        *l = (LastChance){};
}

int lastchance_owed(const LastChance *l, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        for (const Record *record = daemon_next(l->daemon, NULL); record;
             record = daemon_next(l->daemon, record))
                if (chance_is_owed(&record->volume) && strv_extend(&names, record->name) < 0)
                        return error_origin(-ENOMEM);
        *ret = TAKE_PTR(names);
        return 0;
}

static uint64_t last_sign_of_life(const LastChance *l) {
        uint64_t sign_of_life = 0;
        for (const Record *record = daemon_next(l->daemon, NULL); record;
             record = daemon_next(l->daemon, record))
                sign_of_life = MAX(sign_of_life, record->sign_of_life);
        return sign_of_life;
}

static uint64_t end_of(const LastChance *l) {
        return chance_end(&l->chance, last_sign_of_life(l));
}

static void tell_progress(LastChance *l) {
        _cleanup_(owed_texts_done) OwedTexts texts = {};
        uint64_t now = now_usec(), end = end_of(l);
        int r = 0;
        for (const Record *record = daemon_next(l->daemon, NULL); record && r >= 0;
             record = daemon_next(l->daemon, record))
                if (chance_is_owed(&record->volume))
                        r = owed_texts_add(&texts, record);
        if (r < 0) /* what there is no memory for is not shown this time */
                (void) log_oom();
        l->told = texts.n;
        l->handlers.progress(l->handlers.userdata, end > now ? end - now : 0, texts.views, texts.n);
}

static void end_last_chance(LastChance *l) {
        l->runs = false;
        (void) sd_event_source_set_enabled(l->tick, SD_EVENT_OFF);
        tell_progress(l);
        daemon_set_last_chance(l->daemon, false);
        l->handlers.ended(l->handlers.userdata);
}

static int on_last_chance_tick(sd_event_source *s, uint64_t usec, void *userdata);

static int set_tick(LastChance *l) {
        uint64_t when = MIN(now_usec() + TICK_USEC, end_of(l));
        return timer_set(daemon_event_loop(l->daemon), &l->tick, when, on_last_chance_tick, l);
}

static void say_why_it_ends(const LastChance *l) {
        uint64_t seconds = l->chance.patience / USEC_PER_SEC;
        if (chance_ends_in_silence(&l->chance, last_sign_of_life(l)))
                log_notice("What is owed is no longer waited for: no sign of life for %" PRIu64 " s",
                           seconds);
        else
                log_notice("What is owed is no longer waited for: it was for %" PRIu64 " s",
                           CHANCE_TOTAL * seconds);
}

static int on_last_chance_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        LastChance *l = userdata;
        bool over = now_usec() >= end_of(l);
        if (over)
                say_why_it_ends(l);
        if (over || set_tick(l) < 0)
                end_last_chance(l);
        else
                tell_progress(l);
        return 0;
}

/* What changes meanwhile does not settle. */
static bool hurry_or_wait(const LastChance *l, Record *record) {
        if (record->volume.state == VOLUME_SETTLING)
                driver_hurry(daemon_driver(l->daemon), record);
        return chance_is_pending(&record->volume);
}

void lastchance_settled(LastChance *l) {
        bool pending = false;
        size_t owed = 0;
        if (!l->runs)
                return;
        for (Record *record = daemon_next(l->daemon, NULL); record; record = daemon_next(l->daemon, record)) {
                pending = hurry_or_wait(l, record) || pending;
                owed += chance_is_owed(&record->volume);
        }
        if (!pending)
                end_last_chance(l);
        else if (owed > l->told) /* it is recorded before it is done */
                tell_progress(l);
}

/* What seems to be fresh is not owed while it is scanned. */
static void bring_forward(const LastChance *l, Record *record) {
        VolumeState state = record->volume.state;
        Driver *driver = daemon_driver(l->daemon);
        if (!chance_needs_hurry(&record->volume))
                return;
        if (state == VOLUME_FRESH || state == VOLUME_REFUSED)
                driver_feed(driver, record, VOLUME_SCAN_WANTED);
        else
                driver_hurry(driver, record);
}

/* No mount is overlooked. */
int lastchance_begin(LastChance *l, uint64_t patience) {
        Daemon *d = l->daemon;
        if (l->runs)
                return 0;
        l->chance = (Chance){.begun = now_usec(), .patience = patience};
        int r = set_tick(l);
        if (r < 0)
                return r;
        l->runs = true;
        l->told = 0;
        log_notice("The system goes down: doing what is owed");
        daemon_set_last_chance(d, true);
        daemon_look_afresh(d, true);
        for (Record *record = daemon_next(d, NULL); record; record = daemon_next(d, record))
                bring_forward(l, record);
        daemon_settle_accounts(d); /* even if there is nothing to do */
        return 0;
}
