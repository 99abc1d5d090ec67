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
        assert_int_equal(a->inhibit, b->inhibit);
        assert_int_equal(a->refuse, b->refuse);
        assert_int_equal(a->pin_busy_volumes, b->pin_busy_volumes);
        assert_int_equal(a->flush_timeout, b->flush_timeout);
        assert_int_equal(a->wait_in_hooks, b->wait_in_hooks);
        assert_int_equal(a->running_system, b->running_system);
        assert_strings_equal(a->hold_while_locked, b->hold_while_locked);
        assert_strings_equal(a->hold_while_exists, b->hold_while_exists);
        assert_int_equal(!a->unread, !b->unread);
}

/* As documented in bootkeep.conf(5). */
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
        assert_int_equal(s.inhibit, INHIBITION_DELAYS);
        assert_false(s.refuse);
        assert_true(s.pin_busy_volumes);
        assert_int_equal(s.flush_timeout, 90 * USEC_PER_SEC);
        assert_true(s.running_system);
}

/* The values commented out in the vendor's file are those in effect without it. */
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
                                                   "Inhibit=block\n"
                                                   "PinBusyVolumes=no\nRefuse=yes\n"
                                                   "FlushTimeoutSec=2min\n"
                                                   "[Hooks]\n"
                                                   "Wait=yes\n"
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
        assert_int_equal(s.inhibit, INHIBITION_BLOCKS);
        assert_true(s.refuse);
        assert_false(s.pin_busy_volumes);
        assert_int_equal(s.flush_timeout, 120 * USEC_PER_SEC);
        assert_true(s.wait_in_hooks);
        assert_false(s.running_system);
}

static void an_empty_list_holds_nothing_back(void **state) {
        _cleanup_(settings_done) Settings s =
                load(*state, "[Watch]\nHoldWhileLocked=\nHoldWhileExists=\n", 0, NULL);
        assert_int_equal(strv_length(s.hold_while_locked), 0);
        assert_int_equal(strv_length(s.hold_while_exists), 0);
}

static void lock_files_are_not_too_many(void **state) {
        char text[1024] = "[Watch]\nHoldWhileLocked=";
        _cleanup_free_ char *said = NULL;
        for (int i = 0; i < 32; i++)
                strcat(text, "/x ");
        _cleanup_(settings_done) Settings most = load(*state, text, 0, NULL);
        assert_int_equal(strv_length(most.hold_while_locked), 32);
        strcat(text, "/x");
        _cleanup_(settings_done) Settings more = load(*state, text, 1, &said);
        assert_non_null(strstr(said, "more than 32 files"));
        assert_int_equal(strv_length(more.hold_while_locked), 2);
}

/* The strict value of a setting that guards something, whatever was read before. */
static void bad_value_opens_no_door(void **state) {
        static const char *const bad[] = {"nope", "", "ye", "2", "\"no\"", "yes no"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char text[128];
                (void) snprintf(
                        text, sizeof(text),
                        "[Trust]\nRunningSystem=%s\n[Watch]\nTrustCTime=%s\n[Shutdown]\nPinBusyVolumes=%s\n"
                        "Refuse=%s\n",
                        bad[i], bad[i], bad[i], bad[i]);
                _cleanup_free_ char *said = NULL;
                _cleanup_(settings_done) Settings s = load(*state, text, 4, &said);
                assert_false(s.running_system);
                assert_true(s.refuse);
                assert_true(s.trust_ctime);
                assert_true(s.pin_busy_volumes);
                assert_null(s.unread); /* it was read, and is wrong */
                assert_non_null(strstr(said, "bootkeep.conf:2:"));
                assert_non_null(strstr(said, "for RunningSystem=: expected yes or no (so: no)"));
                assert_non_null(strstr(said, "for TrustCTime=: expected yes or no (so: yes)"));
        }
}

static void bad_values_are_reported_with_file_and_line_and_change_nothing(void **state) {
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
                {"[Shutdown]\nInhibit=yes\n", "bootkeep.conf:2:", "Inhibit"},
                {"[Shutdown]\nFlushTimeoutSec=x\n", "bootkeep.conf:2:", "FlushTimeoutSec"},
                {"[Hooks]\nWait=x\n", "bootkeep.conf:2:", "Wait"},
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

/* Loads the files in the folders one and two of S. */
static Settings load_below(const Scratch *s, unsigned expected_problems, char **ret_said) {
        _cleanup_strv_free_ char **dirs = NULL;
        Settings settings = {};
        unsigned problems = 4711;
        assert_int_equal(strv_extendf(&dirs, "%s/one", s->path), 0);
        assert_int_equal(strv_extendf(&dirs, "%s/two", s->path), 0);
        Capture c = capture_begin();
        int r = settings_load_below(dirs, &settings, &problems);
        char *said = capture_end(&c);
        assert_int_equal(r, 0);
        if (problems != expected_problems)
                print_error("# said: %s\n", said);
        assert_int_equal(problems, expected_problems);
        if (ret_said)
                *ret_said = said;
        else
                free(said);
        return settings;
}

static void places_are_read_in_their_order(void **state) {
        const Scratch *s = *state;
        _cleanup_(settings_done) Settings none = load_below(s, 0, NULL);
        assert_true(none.running_system);
        assert_null(none.unread);
        scratch_write(s, "one/bootkeep.conf", "[Watch]\nSettleSec=1\nBootDelaySec=1\n");
        scratch_write(s, "two/bootkeep.conf", "[Watch]\nScanTimeoutSec=2\n");
        scratch_write(s, "two/bootkeep.conf.d/a.conf", "[Watch]\nBootDelaySec=2\n[Build]\nMaxBuilds=2\n");
        scratch_write(s, "one/bootkeep.conf.d/b.conf", "[Build]\nMaxBuilds=3\n");
        _cleanup_(settings_done) Settings all = load_below(s, 0, NULL);
        assert_int_equal(all.settle, USEC_PER_SEC);
        assert_int_equal(all.boot_delay, 2 * USEC_PER_SEC);
        assert_int_equal(all.scan_timeout, 30 * USEC_PER_SEC);
        assert_int_equal(all.max_builds, 3);
        assert_null(all.unread);
}

/* NAME is a link to TARGET and cannot be read; all others count. */
static void assert_unread(const Scratch *s, const char *name, const char *target, const char *unread) {
        _cleanup_free_ char *said = NULL;
        make_link(s, name, target);
        _cleanup_(settings_done) Settings settings = load_below(s, 1, &said);
        assert_int_equal(unlinkat(s->fd, name, 0), 0);
        if (!settings.unread || !strstr(settings.unread, unread))
                fail_msg("%s: %s", name, strempty(settings.unread));
        assert_null(strstr(settings.unread, "Success"));
        assert_false(settings.running_system);
        assert_non_null(strstr(said, "nothing is built"));
        assert_true(strstr(said, "conf: ") || strstr(said, "conf.d: ")); /* in its place, too */
}

static void whatever_cannot_be_examined_closes_the_doors(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "two/bootkeep.conf", "[Build]\nMaxBuilds=3\n");
        scratch_write(s, "two/bootkeep.conf.d/x.conf", "[Trust]\nRunningSystem=yes\n");
        assert_unread(s, "one/bootkeep.conf", "nowhere", "one/bootkeep.conf cannot be read: No such file");
        assert_unread(s, "one/bootkeep.conf", "bootkeep.conf", "one/bootkeep.conf cannot be read: Too many");
        assert_unread(s, "one/bootkeep.conf.d/y.conf", "nowhere",
                      "one/bootkeep.conf.d/y.conf cannot be read: No");
        assert_unread(s, "one/bootkeep.conf.d/y.conf", "/dev", "one/bootkeep.conf.d/y.conf cannot be read");
        assert_int_equal(unlinkat(s->fd, "one/bootkeep.conf.d", AT_REMOVEDIR), 0);
        assert_unread(s, "one/bootkeep.conf.d", "bootkeep.conf.d", "bootkeep.conf.d cannot be read");
        /* the first of two is named, and what follows is read */
        scratch_write(s, "one/bootkeep.conf", "garbage\n");
        scratch_write(s, "one/bootkeep.conf.d/a.conf", "more\n");
        scratch_write(s, "one/bootkeep.conf.d/z.conf", "[Build]\nMaxBuilds=5\n");
        _cleanup_(settings_done) Settings two = load_below(s, 2, NULL);
        assert_non_null(strstr(two.unread, "one/bootkeep.conf:1 cannot be read"));
        assert_int_equal(two.max_builds, 5);
}

static void what_is_masked_need_not_be_read(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "two/bootkeep.conf", "garbage\n");
        scratch_write(s, "two/bootkeep.conf.d/x.conf", "garbage\n");
        make_link(s, "one/bootkeep.conf", "/dev/null");
        make_link(s, "one/bootkeep.conf.d/x.conf", "/dev/null");
        _cleanup_(settings_done) Settings settings = load_below(s, 0, NULL);
        assert_null(settings.unread);
        assert_true(settings.running_system);
}

static void a_misspelt_no_does_not_mean_yes(void **state) {
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

static void settings_read_before_stay_if_the_next_file_cannot_be_read(void **state) {
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

static void settle_sec_is_never_longer_than_settle_max_sec(void **state) {
        _cleanup_free_ char *said = NULL;
        _cleanup_(settings_done) Settings s = load(*state, "[Watch]\nSettleSec=2min\n", 1, &said);
        assert_int_equal(s.settle, 120 * USEC_PER_SEC);
        assert_int_equal(s.settle_max, 120 * USEC_PER_SEC);
        assert_non_null(strstr(said, "SettleMaxSec"));
}

static void a_file_given_by_name_must_exist(void **state) {
        const Scratch *s = *state;
        Settings settings = {.max_builds = 4711};
        char *file = outer_path(s, "missing.conf");
        assert_int_equal(settings_load(file, &settings, NULL), -ENOENT);
        assert_int_equal(settings.max_builds, 4711);                      /* untouched */
        assert_int_equal(settings_load("/dev/null", &settings, NULL), 0); /* nobody counts the problems */
        settings_done(&settings);
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
        assert_int_equal(c.scan_timeout, 3 * USEC_PER_SEC);
        assert_int_equal(c.unlock_gap, 100 * USEC_PER_MSEC);
}

static void what_is_not_watched_is_not_scanned_without_end(void **state) {
        _cleanup_(settings_done) Settings s = load(*state, "[Watch]\nSettleSec=0\nSettleMaxSec=0\n", 0, NULL);
        VolumeConfig c = settings_volume_config(&s);
        assert_int_equal(c.settle_max, 0);
        assert_int_equal(c.unwatched, USEC_PER_SEC);
}

static uint64_t build_timeout_of(const Scratch *s, const char *scan_timeout) {
        char text[64];
        (void) snprintf(text, sizeof(text), "[Watch]\nScanTimeoutSec=%s\n", scan_timeout);
        _cleanup_(settings_done) Settings settings = load(s, text, 0, NULL);
        VolumeConfig c = settings_volume_config(&settings);
        assert_int_equal(c.scan_timeout, settings.scan_timeout);
        return c.build_timeout;
}

static void build_has_four_times_the_patience_of_a_scan(void **state) {
        assert_int_equal(build_timeout_of(*state, "30"), 120 * USEC_PER_SEC);
        assert_int_equal(build_timeout_of(*state, "3"), 12 * USEC_PER_SEC);
        assert_int_equal(build_timeout_of(*state, "2500ms"), 10 * USEC_PER_SEC);
        assert_int_equal(build_timeout_of(*state, "1"), 10 * USEC_PER_SEC);
        assert_int_equal(build_timeout_of(*state, "infinity"), USEC_INFINITY / 4 * 4);
        assert_int_equal(build_timeout_of(*state, "500000y"), USEC_INFINITY / 4 * 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(defaults_are_the_documented_ones),
                scratch_test(vendors_file_shows_the_defaults),
                scratch_test(every_key_is_taken),
                scratch_test(an_empty_list_holds_nothing_back),
                scratch_test(bad_values_are_reported_with_file_and_line_and_change_nothing),
                scratch_test(bad_line_spares_the_good_ones),
                scratch_test(lock_files_are_not_too_many),
                scratch_test(bad_value_opens_no_door),
                scratch_test(what_cannot_be_read_whole_closes_the_doors),
                scratch_test(places_are_read_in_their_order),
                scratch_test(whatever_cannot_be_examined_closes_the_doors),
                scratch_test(what_is_masked_need_not_be_read),
                scratch_test(build_has_four_times_the_patience_of_a_scan),
                scratch_test(a_misspelt_no_does_not_mean_yes),
                scratch_test(comments_hide_nothing_that_follows),
                scratch_test(settings_read_before_stay_if_the_next_file_cannot_be_read),
                scratch_test(settle_sec_is_never_longer_than_settle_max_sec),
                scratch_test(a_file_given_by_name_must_exist),
                scratch_test(machine_takes_over_what_concerns_it),
                scratch_test(what_is_not_watched_is_not_scanned_without_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
