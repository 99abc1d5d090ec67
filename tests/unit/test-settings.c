/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/settings.h"

#include "fixture.h"

/* Loads TEXT as the file of --config=. */
static Settings load(const Scratch *s, const char *text, unsigned expected_problems, char **ret_said) {
        Settings settings = {};
        unsigned problems = 4711;
        scratch_write(s, "bootkeep.conf", text);
        char *file = outer_path(s, "bootkeep.conf");
        Capture c = capture_begin();
        int r = settings_load(file, &settings, &problems);
        char *said = capture_end(&c);
        assert_int_equal(r, 0);
        if (problems != expected_problems)
                print_error("# %s\n# said: %s\n", text, said);
        assert_int_equal(problems, expected_problems);
        free(file);
        if (ret_said)
                *ret_said = said;
        else
                free(said);
        return settings;
}

static void assert_strings_equal(char *const *a, char *const *b) {
        assert_int_equal(strv_length(a), strv_length(b));
        for (; a && *a; a++, b++)
                assert_string_equal(*a, *b);
}

static void assert_settings_equal(const Settings *a, const Settings *b) {
        assert_int_equal(a->settle, b->settle);
        assert_int_equal(a->settle_max, b->settle_max);
        assert_int_equal(a->boot_delay, b->boot_delay);
        assert_int_equal(a->scan_timeout, b->scan_timeout);
        assert_int_equal(a->trust_ctime, b->trust_ctime);
        assert_int_equal(a->max_scans, b->max_scans);
        assert_int_equal(a->max_builds, b->max_builds);
        assert_int_equal(a->max_failures, b->max_failures);
        assert_int_equal(a->max_attempts, b->max_attempts);
        assert_int_equal(a->retry, b->retry);
        assert_int_equal(a->pin_busy_volumes, b->pin_busy_volumes);
        assert_int_equal(a->running_system, b->running_system);
        assert_strings_equal(a->hold_while_locked, b->hold_while_locked);
        assert_strings_equal(a->hold_while_exists, b->hold_while_exists);
        assert_int_equal(!a->unread, !b->unread);
}

/* As the documents have them (bootkeep.conf(5)). */
static void defaults_are_the_documented_ones(void **state) {
        _cleanup_(settings_done) Settings s = load(*state, "", 0, NULL);
        assert_int_equal(s.settle, 5 * USEC_PER_SEC);
        assert_int_equal(s.settle_max, 60 * USEC_PER_SEC);
        assert_int_equal(s.boot_delay, 30 * USEC_PER_SEC);
        assert_int_equal(s.scan_timeout, 30 * USEC_PER_SEC);
        assert_int_equal(strv_length(s.hold_while_locked), 2);
        assert_true(strv_contains(s.hold_while_locked, "/var/lib/dpkg/lock-frontend"));
        assert_true(strv_contains(s.hold_while_locked, "/var/lib/rpm/.rpm.lock"));
        assert_int_equal(strv_length(s.hold_while_exists), 1);
        assert_string_equal(s.hold_while_exists[0], "/var/lib/pacman/db.lck");
        assert_true(s.trust_ctime);
        assert_int_equal(s.max_scans, 4);
        assert_int_equal(s.max_builds, 1);
        assert_int_equal(s.max_failures, 5);
        assert_int_equal(s.max_attempts, 25);
        assert_int_equal(s.retry, 30 * USEC_PER_SEC);
        assert_null(s.unread);
        assert_true(s.pin_busy_volumes);
        assert_true(s.running_system);
}

/* What the vendor's file shows commented out is what stands without it. */
static void vendors_file_shows_the_defaults(void **state) {
        const Scratch *s = *state;
        const char *source = getenv("TESTS_SOURCE");
        if (!source)
                skip();
        shell("sed -n 's/^#\\([A-Za-z]*=\\)/\\1/p; /^\\[/p' %s/../profiles/bootkeep.conf >%s/shown.conf",
              source, s->path);
        shell("test $(grep -c = %s/shown.conf) -ge 11", s->path);
        _cleanup_(settings_done) Settings defaults = load(s, "", 0, NULL);
        _cleanup_(settings_done) Settings shown = {};
        unsigned problems = 4711;
        char *file = outer_path(s, "shown.conf");
        assert_int_equal(settings_load(file, &shown, &problems), 0);
        assert_int_equal(problems, 0);
        assert_settings_equal(&defaults, &shown);
        free(file);
}

static void every_key_is_taken(void **state) {
        _cleanup_(settings_done) Settings s = load(*state,
                                                   "[Watch]\n"
                                                   "SettleSec=1min 2s\n"
                                                   "SettleMaxSec=3min\n"
                                                   "BootDelaySec=0\n"
                                                   "ScanTimeoutSec=250ms\n"
                                                   "MaxScans=9\n"
                                                   "HoldWhileLocked=/one /two\n"
                                                   "HoldWhileExists=/three\n"
                                                   "TrustCTime=no\n"
                                                   "[Build]\n"
                                                   "MaxBuilds=2\n"
                                                   "MaxFailures=3\n"
                                                   "MaxAttempts=4\n"
                                                   "RetrySec=7\n"
                                                   "[Shutdown]\n"
                                                   "PinBusyVolumes=no\n"
                                                   "[Trust]\n"
                                                   "RunningSystem=no\n",
                                                   0, NULL);
        assert_int_equal(s.settle, 62 * USEC_PER_SEC);
        assert_int_equal(s.settle_max, 180 * USEC_PER_SEC);
        assert_int_equal(s.boot_delay, 0);
        assert_int_equal(s.scan_timeout, 250 * USEC_PER_MSEC);
        assert_int_equal(strv_length(s.hold_while_locked), 2);
        assert_string_equal(s.hold_while_locked[0], "/one");
        assert_string_equal(s.hold_while_locked[1], "/two");
        assert_false(s.trust_ctime);
        assert_int_equal(s.max_scans, 9);
        assert_int_equal(s.max_builds, 2);
        assert_int_equal(s.max_failures, 3);
        assert_int_equal(s.max_attempts, 4);
        assert_int_equal(s.retry, 7 * USEC_PER_SEC);
        assert_false(s.pin_busy_volumes);
        assert_false(s.running_system);
}

static void empty_list_holds_for_nobody(void **state) {
        _cleanup_(settings_done) Settings s =
                load(*state, "[Watch]\nHoldWhileLocked=\nHoldWhileExists=\n", 0, NULL);
        assert_int_equal(strv_length(s.hold_while_locked), 0);
        assert_int_equal(strv_length(s.hold_while_exists), 0);
}

static void lock_files_are_not_too_many(void **state) {
        char text[1024] = "[Watch]\nHoldWhileLocked=";
        for (int i = 0; i < 32; i++)
                strcat(text, "/x ");
        _cleanup_(settings_done) Settings most = load(*state, text, 0, NULL);
        assert_int_equal(strv_length(most.hold_while_locked), 32);
        strcat(text, "/x");
        _cleanup_(settings_done) Settings more = load(*state, text, 1, NULL);
        assert_int_equal(strv_length(more.hold_while_locked), 2);
}

/* The strict side of what guards something, whatever was read before. */
static void bad_value_opens_no_door(void **state) {
        static const char *const bad[] = {"nope", "", "ye", "2", "\"no\"", "yes no"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char text[128];
                (void) snprintf(
                        text, sizeof(text),
                        "[Trust]\nRunningSystem=%s\n[Watch]\nTrustCTime=%s\n[Shutdown]\nPinBusyVolumes=%s\n",
                        bad[i], bad[i], bad[i]);
                _cleanup_free_ char *said = NULL;
                _cleanup_(settings_done) Settings s = load(*state, text, 3, &said);
                assert_false(s.running_system);
                assert_true(s.trust_ctime);
                assert_true(s.pin_busy_volumes);
                assert_null(s.unread); /* it was read, and is wrong */
                assert_non_null(strstr(said, "bootkeep.conf:2:"));
        }
}

static void bad_values_are_told_with_file_and_line_and_change_nothing(void **state) {
        static const struct {
                const char *text, *where, *word;
        } bad[] = {
                {"[Watch]\nSettleSec=soon\n", "bootkeep.conf:2:", "SettleSec"},
                {"[Watch]\nSettleSec=\n", "bootkeep.conf:2:", "SettleSec"},
                {"[Watch]\n\nSettleMaxSec=-1\n", "bootkeep.conf:3:", "SettleMaxSec"},
                {"[Watch]\nBootDelaySec=1 fortnight\n", "bootkeep.conf:2:", "BootDelaySec"},
                {"[Watch]\nScanTimeoutSec=1.5.2\n", "bootkeep.conf:2:", "ScanTimeoutSec"},
                {"[Watch]\nHoldWhileLocked=relative\n", "bootkeep.conf:2:", "HoldWhileLocked"},
                {"[Watch]\nHoldWhileExists=relative\n", "bootkeep.conf:2:", "HoldWhileExists"},
                {"[Watch]\nTrustCTime=perhaps\n", "bootkeep.conf:2:", "TrustCTime"},
                {"[Build]\nMaxBuilds=0\n", "bootkeep.conf:2:", "MaxBuilds"},
                {"[Build]\nMaxBuilds=-1\n", "bootkeep.conf:2:", "MaxBuilds"},
                {"[Build]\nMaxFailures=4294967296\n", "bootkeep.conf:2:", "MaxFailures"},
                {"[Build]\nMaxAttempts=1x\n", "bootkeep.conf:2:", "MaxAttempts"},
                {"[Build]\nRetrySec=x\n", "bootkeep.conf:2:", "RetrySec"},
                {"[Shutdown]\nInhibit=no\n", "bootkeep.conf:2:", "Inhibit"}, /* keys of a later version */
                {"[Shutdown]\nRefuse=yes\n", "bootkeep.conf:2:", "Refuse"},
                {"[Shutdown]\nFlushTimeoutSec=8\n", "bootkeep.conf:2:", "FlushTimeoutSec"},
                {"[Watch]\nColour=red\n", "bootkeep.conf:2:", "Colour"},
                {"[Nonsense]\nColour=red\n", "bootkeep.conf:2:", "Nonsense"},
                {"[Shutdown]\nPinBusyVolumes=x\n", "bootkeep.conf:2:", "PinBusyVolumes"},
        };
        _cleanup_(settings_done) Settings defaults = load(*state, "", 0, NULL);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *said = NULL;
                _cleanup_(settings_done) Settings s = load(*state, bad[i].text, 1, &said);
                assert_settings_equal(&s, &defaults);
                if (!strstr(said, bad[i].where) || !strstr(said, bad[i].word))
                        fail_msg("%s: said %s", bad[i].text, said);
        }
}

static void bad_line_spares_the_good_ones(void **state) {
        _cleanup_(settings_done) Settings s =
                load(*state, "[Watch]\nSettleSec=x\nBootDelaySec=7\n[Build]\nMaxBuilds=many\nRetrySec=9\n", 2,
                     NULL);
        assert_int_equal(s.settle, 5 * USEC_PER_SEC);
        assert_int_equal(s.boot_delay, 7 * USEC_PER_SEC);
        assert_int_equal(s.max_scans, 4);
        assert_int_equal(s.max_builds, 1);
        assert_int_equal(s.retry, 9 * USEC_PER_SEC);
}

static void what_cannot_be_read_whole_closes_the_doors(void **state) {
        static const struct {
                const char *text, *unread;
                unsigned more_problems;
        } bad[] = {
                {"this is no ini file\n", "bootkeep.conf:1 cannot be read"},
                {"[Trust]\nRunningSystem=yes\n[Watch\nSettleSec=1\n", "bootkeep.conf:3 cannot be read"},
                {"[Trust]\nRunningSystem=yes\nand some garbage\n", "bootkeep.conf:2 cannot be read", 1},
                {"[Trust]\nRunningSystem=yes\nRunningSystem=no\n", "bootkeep.conf:3 cannot be read"},
                {"RunningSystem=no\n", "bootkeep.conf:1 cannot be read"},
                {"[Watch]\nRunningSystem=no\n", "bootkeep.conf:2 cannot be read"},
                {"[Turst]\nRunningSystem=no\n", "bootkeep.conf:2 cannot be read"},
                {"[trust]\nrunningsystem=no\n", "bootkeep.conf:2 cannot be read"},
                {"[Trust]\nSettleSec=5\n", "bootkeep.conf:2 cannot be read"},
                {"[Watch]\nsettlesec=9\n", "bootkeep.conf:2 cannot be read"},
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *said = NULL;
                _cleanup_(settings_done) Settings s =
                        load(*state, bad[i].text, 1 + bad[i].more_problems, &said);
                if (s.running_system || !s.unread || !strstr(s.unread, bad[i].unread))
                        fail_msg("%s: %s", bad[i].text, strempty(s.unread));
                assert_int_equal(s.settle, 5 * USEC_PER_SEC);
                assert_non_null(strstr(said, bad[i].unread));
                assert_non_null(strstr(said, "nothing is built"));
        }
}

static void misspelt_no_is_no_yes(void **state) {
        static const char *const texts[] = {"[Trust]\nRunningSytem=no\n", "[Trust]\nTrusted=nobody\n",
                                            "[Trust]\nRunningSystem=yes\nRunningSytem=no\n",
                                            "[Trust]\nRunningSytem=no\n;RunningSystem=yes\n"};
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(settings_done) Settings s = load(*state, texts[i], 1, NULL);
                assert_false(s.running_system);
                assert_null(s.unread);
        }
}

static void comments_hide_nothing_that_follows(void **state) {
        _cleanup_(settings_done) Settings s = load(
                *state, "; one\n[Trust]\n; another\nRunningSystem=no\n;x\n[Build]\nMaxBuilds=3\n", 0, NULL);
        assert_false(s.running_system);
        assert_int_equal(s.max_builds, 3);
        assert_null(s.unread);
}

static void what_was_read_before_stands_where_the_next_cannot_be(void **state) {
        _cleanup_(settings_done) Settings s = load(*state, "[Watch]\nSettleSec=1\n", 0, NULL);
        for (int i = 0; i < 2; i++) {
                _cleanup_(settings_done) Settings bad =
                        load(*state, "[Watch]\nSettleSec=9\n[Trust\ngarbage\n", 1, NULL);
                settings_replace(&s, &bad);
                assert_int_equal(s.settle, USEC_PER_SEC);
                assert_true(s.running_system); /* it was before */
                assert_non_null(s.unread);
                assert_null(bad.unread);
        }
        _cleanup_(settings_done) Settings good = load(*state, "[Watch]\nSettleSec=2\n", 0, NULL);
        settings_replace(&s, &good);
        assert_int_equal(s.settle, 2 * USEC_PER_SEC);
        assert_null(s.unread);
        assert_null(good.hold_while_locked);
}

static void most_quiet_is_never_longer_than_the_most_settling(void **state) {
        _cleanup_free_ char *said = NULL;
        _cleanup_(settings_done) Settings s = load(*state, "[Watch]\nSettleSec=2min\n", 1, &said);
        assert_int_equal(s.settle, 120 * USEC_PER_SEC);
        assert_int_equal(s.settle_max, 120 * USEC_PER_SEC);
        assert_non_null(strstr(said, "SettleMaxSec"));
}

static void file_that_is_named_must_be_there(void **state) {
        const Scratch *s = *state;
        Settings settings = {.max_builds = 4711};
        char *file = outer_path(s, "missing.conf");
        assert_int_equal(settings_load(file, &settings, NULL), -ENOENT);
        assert_int_equal(settings.max_builds, 4711); /* untouched */
        free(file);
}

static void machine_takes_over_what_concerns_it(void **state) {
        _cleanup_(settings_done) Settings s = load(
                *state,
                "[Watch]\nSettleSec=1\nSettleMaxSec=2\nScanTimeoutSec=3\n[Build]\nRetrySec=4\nMaxFailures=5\n"
                "MaxAttempts=6\n",
                0, NULL);
        VolumeConfig c = settings_volume_config(&s);
        assert_int_equal(c.settle, 1 * USEC_PER_SEC);
        assert_int_equal(c.settle_max, 2 * USEC_PER_SEC);
        assert_int_equal(c.scan_timeout, 3 * USEC_PER_SEC);
        assert_int_equal(c.retry, 4 * USEC_PER_SEC);
        assert_int_equal(c.max_failures, 5);
        assert_int_equal(c.max_attempts, 6);
        assert_int_equal(c.unwatched, c.settle_max);
}

static void what_is_not_watched_is_not_scanned_without_end(void **state) {
        _cleanup_(settings_done) Settings s = load(*state, "[Watch]\nSettleSec=0\nSettleMaxSec=0\n", 0, NULL);
        VolumeConfig c = settings_volume_config(&s);
        assert_int_equal(c.settle_max, 0);
        assert_int_equal(c.unwatched, USEC_PER_SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(defaults_are_the_documented_ones),
                scratch_test(vendors_file_shows_the_defaults),
                scratch_test(every_key_is_taken),
                scratch_test(empty_list_holds_for_nobody),
                scratch_test(bad_values_are_told_with_file_and_line_and_change_nothing),
                scratch_test(bad_line_spares_the_good_ones),
                scratch_test(lock_files_are_not_too_many),
                scratch_test(bad_value_opens_no_door),
                scratch_test(what_cannot_be_read_whole_closes_the_doors),
                scratch_test(misspelt_no_is_no_yes),
                scratch_test(comments_hide_nothing_that_follows),
                scratch_test(what_was_read_before_stands_where_the_next_cannot_be),
                scratch_test(most_quiet_is_never_longer_than_the_most_settling),
                scratch_test(file_that_is_named_must_be_there),
                scratch_test(machine_takes_over_what_concerns_it),
                scratch_test(what_is_not_watched_is_not_scanned_without_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
