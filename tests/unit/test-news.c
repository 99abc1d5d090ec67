/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/news.h"

#include "bootkeep.h"
#include "daemonbus.h"
#include "journal.h"
#include "volumerecord.h"

static const News nobody; /* no bus, and nobody knows who holds a lock */

/* The machine of R has come to STATE. */
static void tell(Record *r, VolumeState state) {
        r->volume.state = state;
        r->volume.scan_runs = state == VOLUME_HUNG;
        news_tell(&nobody, r);
}

#define WITH(id) " {" id "}\n"

static void each_state_is_logged_once_and_as_it_deserves(void **state) {
        static const struct {
                VolumeState state;
                const char *text;
        } all[] = {
                {VOLUME_NEW, ""},
                {VOLUME_SCANNING, "7 sda2: scanning\n"},
                {VOLUME_PLAIN, "7 sda2: no manifest\n"},
                {VOLUME_REFUSED, "4 sda2: manifest refused: line 5" WITH(BOOTKEEP_MESSAGE_MANIFEST_REFUSED)},
                {VOLUME_UNTRUSTED, "5 sda2: not trusted, nothing is built (see bootkeepctl trust)\n"},
                {VOLUME_FRESH, "5 sda2: fresh\n"},
                {VOLUME_SETTLING, "6 sda2: changed, settling" WITH(BOOTKEEP_MESSAGE_CHANGED)},
                {VOLUME_STALE, "5 sda2: stale: cache c: /x is gone" WITH(BOOTKEEP_MESSAGE_CACHE_STALE)},
                {VOLUME_BUILDING, "6 sda2: building" WITH(BOOTKEEP_MESSAGE_BUILD_STARTED)},
                {VOLUME_GIVEN_UP, "3 sda2: given up until something changes: 0 failures, 0 builds: line "
                                  "5" WITH(BOOTKEEP_MESSAGE_GIVEN_UP)},
                {VOLUME_HUNG, "3 sda2: hung: a scan is not responding" WITH(BOOTKEEP_MESSAGE_SCAN_HUNG)},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
                r->report = report_of("CACHE c - stale /x gone\n");
                r->problem = strdup("line 5");
                journal_begin(LOG_DEBUG);
                tell(r, all[i].state);
                assert_said(all[i].text);
                tell(r, all[i].state);
                assert_said("");
        }
}

static void reason_that_is_not_known_leaves_no_colon(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_NOTICE);
        tell(r, VOLUME_STALE);
        assert_said("5 sda2: stale" WITH(BOOTKEEP_MESSAGE_CACHE_STALE));
}

static void scan_that_found_nothing_new_is_no_news(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        journal_begin(LOG_NOTICE);
        tell(r, VOLUME_FRESH);
        assert_said("5 sda2: fresh\n");
        tell(r, VOLUME_SCANNING);
        tell(r, VOLUME_FRESH);
        assert_said("");
        tell(r, VOLUME_SETTLING);
        tell(r, VOLUME_SCANNING);
        tell(r, VOLUME_FRESH);
        assert_said("5 sda2: fresh\n");
}

/* R failed, and is tried again after USEC. */
static void fail_and_retry(Record *r, const char *problem, bool built_badly, uint64_t usec) {
        r->problem = problem ? strdup(problem) : NULL;
        r->built_badly = built_badly;
        r->volume.timer = usec > 0 ? now_usec() + usec : 0;
        journal_begin(LOG_INFO);
        tell(r, VOLUME_FAILED);
}

/* What was said when a build failed is not said again. */
static void failure_is_told_with_its_next_try(void **state) {
        static const struct {
                const char *problem;
                bool built_badly;
                const char *text;
        } all[] = {
                {"broken", false, "4 sda2: scan failed: broken; next try in 30 s\n"},
                {"broken", true, "6 sda2: next try in 30 s" WITH(BOOTKEEP_MESSAGE_BUILD_FAILED)},
                {NULL, false,
                 "4 sda2: build failed: still stale: cache c: /x is gone; next try in 30 "
                 "s" WITH(BOOTKEEP_MESSAGE_BUILD_FAILED)},
                {NULL, true,
                 "4 sda2: build failed: still stale: cache c: /x is gone; next try in 30 "
                 "s" WITH(BOOTKEEP_MESSAGE_BUILD_FAILED)},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
                r->report = report_of("CACHE c - stale /x gone\n");
                fail_and_retry(r, all[i].problem, all[i].built_badly, 30 * USEC_PER_SEC - USEC_PER_MSEC);
                assert_said(all[i].text);
        }
}

static void a_build_is_said_to_begin_only_once(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        r->builds = 3;
        journal_begin(LOG_INFO);
        tell(r, VOLUME_BUILDING);
        assert_said("6 sda2: building" WITH(BOOTKEEP_MESSAGE_BUILD_STARTED));
        tell(r, VOLUME_FRESH);
        journal_begin(LOG_INFO);
        tell(r, VOLUME_BUILDING); /* the same one */
        assert_said("5 sda2: the build that an earlier bootkeepd began has ended\n");
        r->builds++;
        tell(r, VOLUME_STALE);
        journal_begin(LOG_INFO);
        tell(r, VOLUME_BUILDING);
        assert_said("6 sda2: building" WITH(BOOTKEEP_MESSAGE_BUILD_STARTED));
}

static void next_try_that_is_due_is_now(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        fail_and_retry(r, "broken", false, 0);
        assert_said("4 sda2: scan failed: broken; next try in 0 s\n");
}

static void end_of_a_build_is_told_with_its_reason(void **state) {
        static const struct {
                int status;
                const char *problem, *text;
        } all[] = {
                {BOOTKEEP_BUILD_SUCCESS, NULL,
                 "5 sda2: built in 2.5 s" WITH(BOOTKEEP_MESSAGE_BUILD_SUCCEEDED)},
                {BOOTKEEP_BUILD_TEMPFAIL, "apt runs", "6 sda2: build put off: apt runs\n"},
                {1, "no room", "4 sda2: build failed: no room" WITH(BOOTKEEP_MESSAGE_BUILD_FAILED)},
                {-ENOENT, NULL, "4 sda2: build failed: " WITH(BOOTKEEP_MESSAGE_BUILD_FAILED)},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
                r->last_build_start = 10 * USEC_PER_SEC;
                r->last_build_end = 12500 * USEC_PER_MSEC;
                r->last_build_status = all[i].status;
                r->problem = all[i].problem ? strdup(all[i].problem) : NULL;
                journal_begin(LOG_INFO);
                news_tell_build_ended(&nobody, r);
                assert_said(all[i].text);
        }
}

static const Peer *holder_of(void *userdata, const Record *record) {
        return userdata;
}

static void holder_is_asked_for_where_there_is_one(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        Peer peer = {.id = 5, .name = ":1.5"};
        const News news = {.holder = holder_of, .userdata = &peer};
        assert_null(news_holder(&news, r));
        assert_int_equal(lock_ask(&r->lock, NULL, 5, NULL), LOCK_GRANTED);
        assert_ptr_equal(news_holder(&news, r), &peer);
        assert_null(news_holder(&nobody, r));
        assert_int_equal(lock_give_back(&r->lock, 5), LOCK_FREED);
}

static void bus_is_told_what_has_changed(void **state) {
        DaemonBus *b = *state;
        Record *r = b->record;
        const News news = {.bus = b->bus};
        daemon_bus_ask(b); /* what existed is no news */
        news_tell(&news, r);
        r->volume.state = VOLUME_FRESH;
        r->volume.attempts = 3;
        daemon_bus_hears(b, NULL);
        news_tell(&news, r);
        daemon_bus_hears(b, "PropertiesChanged sda2 State Attempts\n");
        news_tell(&news, r);
        daemon_bus_hears(b, "");
        static const char *const properties[] = {"Caches", "Helpers", NULL};
        news_tell_properties(&news, r, properties);
        daemon_bus_hears(b, "PropertiesChanged sda2 Caches Helpers\n");
}

static void bus_is_told_how_a_build_ended(void **state) {
        DaemonBus *b = *state;
        const News news = {.bus = b->bus};
        b->record->problem = strdup("no room");
        b->record->last_build_status = 3;
        news_tell_build_ended(&news, b->record);
        daemon_bus_hears(b, "PropertiesChanged sda2 LastBuildEnd LastBuildStatus Progress\n"
                            "BuildFinished sda2 3 no room\n");
        b->record->last_build_status = 0; /* whatever was before */
        news_tell_build_ended(&news, b->record);
        daemon_bus_hears(b, "PropertiesChanged sda2 LastBuildEnd LastBuildStatus Progress\n"
                            "BuildFinished sda2 0 success\n");
        free(TAKE_PTR(b->record->problem));
        b->record->last_build_status = -ENOENT;
        news_tell_build_ended(&news, b->record);
        daemon_bus_hears(b, "PropertiesChanged sda2 LastBuildEnd LastBuildStatus Progress\n"
                            "BuildFinished sda2 -2 \n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_state_is_logged_once_and_as_it_deserves),
                cmocka_unit_test(reason_that_is_not_known_leaves_no_colon),
                cmocka_unit_test(scan_that_found_nothing_new_is_no_news),
                cmocka_unit_test(failure_is_told_with_its_next_try),
                cmocka_unit_test(a_build_is_said_to_begin_only_once),
                cmocka_unit_test(next_try_that_is_due_is_now),
                cmocka_unit_test(end_of_a_build_is_told_with_its_reason),
                cmocka_unit_test(holder_is_asked_for_where_there_is_one),
                daemon_bus_test(bus_is_told_what_has_changed),
                daemon_bus_test(bus_is_told_how_a_build_ended),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
