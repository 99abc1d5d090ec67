/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: base/report.c base/report-print.c */

#include "base/report.h"

#include <limits.h>
#include <malloc.h>
#include <sys/sysmacros.h>

#include "manifest/manifest.h"
#include "scratch.h"

/* Prints with PRINT into memory and feeds the lines to a report. */
static Report *read_back(const char *text) {
        Report *r = report_new();
        char *copy = strdup(text), *rest = copy;
        for (char *line = strsep(&rest, "\n"); line && rest; line = strsep(&rest, "\n"))
                assert_int_equal(report_parse_line(r, line), 0);
        free(copy);
        return r;
}

#define printed(...)                                                                                         \
        ({                                                                                                   \
                char *_text = NULL;                                                                          \
                size_t _size = 0;                                                                            \
                FILE *_f = open_memstream(&_text, &_size);                                                   \
                assert_int_equal(report_print(_f, __VA_ARGS__, NULL), 0);                                    \
                assert_int_equal(fclose(_f), 0);                                                             \
                _text;                                                                                       \
        })

static void scan_records_come_back(void **state) {
        char *line =
                printed("CACHE", "initramfs", "6.1 \n", "stale", "/etc/a b", "changed", "since it was built");
        assert_string_equal(line,
                            "CACHE initramfs 6.1\\x20\\x0a stale /etc/a\\x20b changed since it was built\n");
        Report *r = read_back(line);
        assert_int_equal(r->n_caches, 1);
        assert_string_equal(r->caches[0].name, "initramfs");
        assert_string_equal(r->caches[0].instance, "6.1 \\x0a"); /* safe for a terminal */
        assert_false(r->caches[0].fresh);
        assert_string_equal(r->caches[0].reason, "/etc/a b changed (since it was built)");
        report_free(r);
        free(line);
        r = read_back("MANIFEST /usr/lib/bootkeep/bootcaches.xml\nCACHE depmod - fresh\n"
                      "HELPER sda1 esp 12-34 stale - never\nWATCHES 5031\nRESULT stale\n");
        assert_string_equal(r->manifest, "/usr/lib/bootkeep/bootcaches.xml");
        assert_string_equal(r->caches[0].instance, "");
        assert_true(r->caches[0].fresh);
        assert_string_equal(r->caches[0].reason, "");
        assert_int_equal(r->n_helpers, 1);
        assert_string_equal(r->helpers[0].device, "sda1");
        assert_string_equal(r->helpers[0].reason, "never brought up to date");
        assert_int_equal(r->watches, 5031);
        assert_null(r->unwatched);
        assert_string_equal(r->result, "stale");
        report_free(r);
}

static void a_record_may_be_a_key_alone(void **state) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(report_print(f, "KEY", NULL), 0);
        assert_string_equal(text, "KEY\n"); /* it was flushed */
        assert_int_equal(fclose(f), 0);
        free(text);
}

static void what_is_not_watched_comes_back(void **state) {
        char *line = printed("UNWATCHED", "3 of 7 watches could not be added");
        Report *r = read_back(line);
        assert_string_equal(r->unwatched, "3 of 7 watches could not be added");
        report_free(r);
        free(line);
}

static void lock_files_come_back(void **state) {
        char path[] = "/var/lib/a b/lock";
        const ReportHold hold = {.path = path, .devno = makedev(0xfd, 1), .inode = 1234};
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(report_print_hold(f, &hold), 0);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, "HOLD /var/lib/a\\x20b/lock fd:01:1234 locked\n");
        Report *r = read_back(text);
        free(text);
        assert_int_equal(r->n_holds, 1);
        assert_string_equal(r->holds[0].path, path);
        assert_true(r->holds[0].devno == makedev(0xfd, 1) && r->holds[0].inode == 1234);
        assert_false(r->holds[0].exists);
        assert_int_equal(report_parse_line(r, "HOLD /x 0:ffffffff:18446744073709551599 exists"), 0);
        assert_true(r->holds[1].devno == makedev(0, UINT_MAX) && r->holds[1].inode == UINT64_MAX - 16);
        assert_true(r->holds[1].exists);
        report_drop_details(r); /* they are still in effect */
        assert_int_equal(r->n_holds, 2);
        for (unsigned i = 2; i < REPORT_HOLDS_MAX; i++)
                assert_int_equal(report_parse_line(r, "HOLD /x 8:1:2 exists"), 0);
        assert_int_equal(report_parse_line(r, "HOLD /x 8:1:2 exists"), -E2BIG);
        assert_int_equal(r->n_holds, 256);
        report_free(r);
}

static void places_come_back(void **state) {
        Report *r = read_back("PLACE /\nPLACE /etc/a \\xff\n");
        assert_string_equal(r->places[0], "/");
        assert_string_equal(r->places[1], "/etc/a \xff");
        for (unsigned i = 2; i < REPORT_PLACES_MAX; i++)
                assert_int_equal(report_parse_line(r, "PLACE /x"), 0);
        assert_int_equal(report_parse_line(r, "PLACE /x"), -E2BIG);
        assert_int_equal(strv_length(r->places), 256);
        report_drop_details(r);
        assert_int_equal(strv_length(r->places), REPORT_PLACES_MAX);
        report_free(r);
}

static void what_was_booted_comes_back(void **state) {
        char *line = printed("BOOTED", "replaced");
        Report *r = report_new();
        assert_int_equal(report_parse_line(r, line), -EBADMSG); /* without a reason */
        assert_null(r->booted_text);
        assert_int_equal(report_parse_line(r, "BOOTED previous sda1: it \\x1b is old"), 0);
        assert_int_equal(r->booted, BOOTED_PREVIOUS);
        assert_string_equal(r->booted_text, "sda1: it \\x1b is old");
        assert_int_equal(report_parse_line(r, "BOOTED current"), 0);
        assert_int_equal(r->booted, BOOTED_CURRENT);
        assert_string_equal(r->booted_text, "");
        for (BootedState state_of = 0; state_of < _BOOTED_STATE_MAX; state_of++)
                assert_int_equal(booted_state_from_string(booted_state_to_string(state_of)), state_of);
        report_free(r);
        free(line);
}

static void notes_come_back(void **state) {
        char *line = printed("NOTE", "one thing");
        Report *r = read_back(line);
        free(line);
        assert_int_equal(report_parse_line(r, "NOTE another"), 0);
        assert_string_equal(r->notes[0], "one thing");
        assert_string_equal(r->notes[1], "another");
        for (unsigned i = 2; i < REPORT_NOTES_MAX; i++)
                assert_int_equal(report_parse_line(r, "NOTE x"), 0);
        assert_int_equal(report_parse_line(r, "NOTE x"), -E2BIG);
        assert_int_equal(strv_length(r->notes), 512);
        report_free(r);
}

static void build_records_come_back(void **state) {
        Report *r =
                read_back("BUILT initramfs 6.1 failed 1200 exit status 1\nBUILT depmod - ok 5\n"
                          "UPDATED sda1 esp 12-34 ok 18446744073709551615\nPROGRESS 5 10\nRESULT failed\n");
        assert_int_equal(r->n_caches, 2);
        assert_string_equal(r->caches[0].reason, "exit status 1");
        assert_false(r->caches[0].fresh);
        assert_true(r->caches[1].fresh);
        assert_true(r->helpers[0].bytes == UINT64_MAX);
        assert_int_equal(r->progress_done, 5);
        assert_int_equal(r->progress_of, 10);
        report_free(r);
}

static void what_a_mount_covers_holds_back_what_only_waits_for_it(void **state) {
        _cleanup_(report_freep) Report *r = report_new();
        assert_null(report_cover(NULL));
        assert_int_equal(report_parse_line(r, "COVERED /boot/initrd"), -EBADMSG); /* of no cache */
        assert_int_equal(report_parse_line(r, "CACHE fresh - fresh"), 0);
        assert_int_equal(report_parse_line(r, "CACHE initramfs - stale /etc/x changed size"), 0);
        assert_null(report_cover(r));
        assert_int_equal(report_parse_line(r, "COVERED /boot/a\\x0ab"), 0);
        assert_string_equal(report_cover(r), "a mount covers /boot/a\\x0ab");
        assert_int_equal(report_parse_line(r, "CACHE other - stale /etc/y changed size"), 0);
        assert_null(report_cover(r)); /* this one can be built */
        assert_int_equal(report_parse_line(r, "COVERED /srv/out"), 0);
        assert_string_equal(report_cover(r), "a mount covers /boot/a\\x0ab");
        assert_int_equal(report_parse_line(r, "COVERED /srv/out"), 0);
        assert_int_equal(report_parse_line(r, "COVERED /srv/out"), -EBADMSG); /* more than caches */
}

static void what_can_be_built_is_not_held_back_wherever_it_stands(void **state) {
        _cleanup_(report_freep) Report *r = read_back("CACHE a - stale - never\nCACHE b - stale - never\n"
                                                      "COVERED /x\n");
        assert_null(report_cover(r));
}

static void whether_a_build_waits_is_what_it_said_last(void **state) {
        _cleanup_(report_freep) Report *r = report_new();
        assert_false(r->waiting);
        assert_int_equal(report_parse_line(r, "WAITING yes"), 0);
        assert_true(r->waiting);
        assert_int_equal(report_parse_line(r, "WAITING perhaps"), -EBADMSG);
        assert_true(r->waiting);
        assert_int_equal(report_parse_line(r, "WAITING no"), 0);
        assert_false(r->waiting);
}

static void text_keeps_its_spaces(void **state) {
        char *line = printed("REASON", " two  spaces ");
        Report *r = read_back(line);
        assert_string_equal(r->reason, " two  spaces ");
        report_free(r);
        free(line);
        line = printed("REASON", "");
        r = read_back(line);
        assert_string_equal(r->reason, "");
        report_free(r);
        free(line);
}

static void long_text_is_cut(void **state) {
        static const size_t sizes[] = {8191, 8192, 8193, 199999};
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char *text = calloc(1, sizes[i] + 1);
                assert_non_null(text);
                memset(text, '\n', sizes[i]);
                char *line = printed("REASON", text);
                assert_true(strlen(line) < REPORT_LINE_MAX);
                Report *r = read_back(line);
                assert_int_equal(strlen(r->reason), strlen("\\x0a") * MIN(sizes[i], 8192U));
                report_free(r);
                free(line);
                free(text);
        }
}

static void each_field_has_its_place(void **state) {
        Report *r = read_back("BUILT n i not-now 7 a b\nUPDATED d t p failed 9 c d\n"
                              "HELPER d2 t2 p2 fresh /x changed e f\nCACHE - i2 stale - missing\n"
                              "SOURCES 0f\nREASON one\nREASON two\n");
        assert_string_equal(r->caches[0].name, "n");
        assert_string_equal(r->caches[0].instance, "i");
        assert_string_equal(r->caches[0].reason, "a b");
        assert_false(r->caches[0].fresh);
        assert_string_equal(r->helpers[0].device, "d");
        assert_string_equal(r->helpers[0].type, "t");
        assert_string_equal(r->helpers[0].partuuid, "p");
        assert_string_equal(r->helpers[0].reason, "c d");
        assert_int_equal(r->helpers[0].bytes, 9);
        assert_false(r->helpers[0].fresh);
        assert_string_equal(r->helpers[1].device, "d2");
        assert_string_equal(r->helpers[1].type, "t2");
        assert_string_equal(r->helpers[1].partuuid, "p2");
        assert_string_equal(r->helpers[1].reason, "/x changed (e f)");
        assert_true(r->helpers[1].fresh);
        assert_string_equal(r->caches[1].name, "");
        assert_string_equal(r->caches[1].instance, "i2");
        assert_string_equal(r->caches[1].reason, "- is missing");
        assert_string_equal(r->sources, "0f");
        assert_string_equal(r->reason, "two"); /* the last */
        report_free(r);
}

static void each_result_is_known(void **state) {
        static const char *const results[] = {"fresh",   "stale",  "none",    "refused", "error",
                                              "success", "failed", "not-now", "locked"};
        Report *r = report_new();
        for (size_t i = 0; i < ELEMENTSOF(results); i++) {
                char line[32];
                (void) snprintf(line, sizeof(line), "RESULT %s", results[i]);
                assert_int_equal(report_parse_line(r, line), 0);
                assert_string_equal(r->result, results[i]);
        }
        report_free(r);
}

static void what_is_learned_is_told_of_each_cache(void **state) {
        Report *r = read_back(
                "LEARNED a 1 yes\nLEARNED b - no two words\nLEARNED a 2 no why\nLEARNED a 3 no other\n"
                "LEARNED c - no\nLEARNED c - yes\n");
        assert_int_equal(r->n_learned, 3);
        assert_string_equal(r->learned[0].cache, "a");
        assert_string_equal(r->learned[0].text, "no: 2: why"); /* the first */
        assert_string_equal(r->learned[1].text, "no: two words");
        assert_string_equal(r->learned[2].text, "no");
        for (unsigned i = 3; i < REPORT_LEARNED_MAX; i++) {
                char line[64];
                (void) snprintf(line, sizeof(line), "LEARNED n%u - yes", i);
                assert_int_equal(report_parse_line(r, line), 0);
        }
        assert_int_equal(report_parse_line(r, "LEARNED more - yes"), -E2BIG);
        assert_int_equal(report_parse_line(r, "LEARNED a - yes"), 0);
        assert_int_equal(report_parse_line(r, "LEARNED a - perhaps"), -EBADMSG);
        report_free(r);
}

static int parse_with(const char *record, size_t size, const char *more) {
        char line[64];
        _cleanup_(report_freep) Report *r = report_new();
        (void) snprintf(line, sizeof(line), "%.*s%s", (int) size, record, more);
        return report_parse_line(r, line);
}

static void each_record_has_as_many_words_as_it_needs(void **state) {
        static const struct {
                const char *shortest;
                bool exact;
        } cases[] = {
                {"MANIFEST a", false},  {"CACHE a b fresh", false}, {"HELPER a b c fresh", false},
                {"SOURCES a", true},    {"WATCHES 1", true},        {"UNWATCHED a", false},
                {"PLACE /a", false},    {"BOOTED current", false},  {"HOLD /a 1:1:1 exists", true},
                {"NOTE a", false},      {"BUILT a b ok 1", false},  {"UPDATED a b c ok 1", false},
                {"PROGRESS 1 2", true}, {"WAITING yes", true},      {"REASON a", false},
                {"RESULT fresh", true}, {"LEARNED a b no", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *record = cases[i].shortest, *last = strrchr(record, ' ');
                size_t size = strlen(record), one = (size_t) (last - record) + (strchr(record, ' ') == last);
                assert_int_equal(parse_with(record, size, ""), 0);
                assert_int_equal(parse_with(record, one, ""), -EBADMSG);
                assert_int_equal(parse_with(record, size, " 3"),
                                 cases[i].exact || i == 1 || i == 2 ? -EBADMSG : 0);
                assert_int_equal(parse_with(record, size, " 3 4"), cases[i].exact ? -EBADMSG : 0);
        }
}

static void unknown_keys_are_skipped(void **state) {
        Report *r = report_new();
        assert_int_equal(report_parse_line(r, "LATER of another version"), 0);
        assert_int_equal(r->signs_of_life, 0);
        assert_int_equal(report_parse_line(r, "RESULTS fresh"), 0);
        assert_int_equal(report_parse_line(r, "RESUL fresh"), 0);
        assert_int_equal(report_parse_line(r, "NOTES \\q"), 0);
        assert_true(!r->result && !r->notes);
        report_free(r);
}

static void bad_lines_change_nothing(void **state) {
        static const char *const bad[] = {
                "",
                " ",
                "RESULT",
                "RESULT ",
                "RESULT great",
                "RESULT fresh stale",
                "RESULT  fresh",
                "RESULT fresh ",
                "result fresh",
                "WATCHES",
                "WATCHES -1",
                "WATCHES 4294967296",
                "WATCHES 1x",
                "WATCHES \\x",
                "CACHE a b",
                "CACHE a b maybe",
                "CACHE a b stale /path",
                "CACHE a b stale /path \\q",
                "HELPER sda1 esp fresh",
                "UNCOVER a",
                "BOOTED",
                "BOOTED old",
                "BOOTED unknown",
                "BOOTED replaced",
                "BOOTED previous",
                "HOLD /x fd:01:1234",
                "HOLD /x fd:01:1234 gone",
                "HOLD /x fd:01:1234 locked now",
                "HOLD /x fd:01: locked",
                "HOLD /x fd:01 locked",
                "HOLD /x :01:2 locked",
                "HOLD /x fd::2 locked",
                "HOLD /x FD:01:2 locked",
                "HOLD /x fd:01:a locked",
                "HOLD /x fd:01:2: locked",
                "HOLD /x 100000000:01:2 locked",
                "HOLD /x 1:100000000:2 locked",
                "HOLD /x fd:01:99999999999999999999 locked",
                "HOLD /x 11111111111111111:01:2 locked",
                "HOLD /x fd:01:-2 locked",
                "NOTE",
                "PLACE etc",
                "PLACE \\x",
                "BUILT a b ok",
                "BUILT a b ok x",
                "BUILT a b stale 5",
                "UPDATED sda1 esp x ok",
                "UPDATED sda1 esp x ok 18446744073709551616",
                "PROGRESS 1",
                "PROGRESS 1 2 3",
                "PROGRESS 1 two",
                "MANIFEST",
                "MANIFEST \x01",
                "REASON caf\xc3\xa9",
        };
        Report *r = report_new();
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (report_parse_line(r, bad[i]) != -EBADMSG)
                        fail_msg("taken: %s", bad[i]);
        assert_int_equal(r->n_caches + r->n_helpers + r->n_holds + r->watches, 0);
        assert_true(!r->result && !r->manifest && !r->reason && !r->notes);
        assert_int_equal(r->progress_done, 0);
        report_free(r);
}

static void records_and_lines_are_bounded(void **state) {
        Report *r = report_new();
        for (unsigned i = 0; i < REPORT_RECORDS_MAX; i++)
                assert_int_equal(report_parse_line(r, "CACHE a b fresh"), 0);
        assert_int_equal(report_parse_line(r, "CACHE a b fresh"), -E2BIG);
        assert_int_equal(report_parse_line(r, "HELPER a b c fresh"), -E2BIG);
        assert_int_equal(report_parse_line(r, "RESULT fresh"), 0);
        report_free(r);
        r = report_new();
        assert_int_equal(REPORT_LINE_MAX, 64 * 1024);
        char *line = malloc(REPORT_LINE_MAX + 2);
        memset(line, 'a', REPORT_LINE_MAX + 1);
        memcpy(line, "REASON ", 7);
        line[REPORT_LINE_MAX + 1] = 0;
        assert_int_equal(report_parse_line(r, line), -EBADMSG);
        line[REPORT_LINE_MAX] = 0;
        assert_int_equal(report_parse_line(r, line), 0);
        free(line);
        report_free(r);
}

static void caches_and_helpers_have_one_bound(void **state) {
        Report *r = report_new();
        assert_int_equal(report_parse_line(r, "HELPER a b c fresh"), 0);
        for (unsigned i = 1; i < REPORT_RECORDS_MAX; i++)
                assert_int_equal(report_parse_line(r, "CACHE a b fresh"), 0);
        assert_int_equal(report_parse_line(r, "CACHE a b fresh"), -E2BIG);
        assert_int_equal(report_parse_line(r, "HELPER a b c fresh"), -E2BIG);
        assert_int_equal(r->n_caches, 16383);
        assert_int_equal(r->n_helpers, 1);
        report_free(r);
}

static void a_bad_record_is_bad_at_the_bound_too(void **state) {
        Report *r = report_new();
        for (unsigned i = 0; i < REPORT_HOLDS_MAX; i++)
                assert_int_equal(report_parse_line(r, "HOLD /x 8:1:2 exists"), 0);
        assert_int_equal(report_parse_line(r, "HOLD /x 8:1 exists"), -EBADMSG);
        assert_int_equal(report_parse_line(r, "HOLD /x 8:1:2 gone"), -EBADMSG);
        assert_int_equal(report_parse_line(r, "HOLD /x 8:1:2 locked"), -E2BIG);
        report_free(r);
}

static void the_size_is_that_of_strings_and_records(void **state) {
        Report *r = report_new();
        assert_int_equal(report_size(NULL), 0);
        assert_int_equal(report_size(r), 0);
        assert_int_equal(report_parse_line(r, "CACHE ab c stale /d gone"), 0);
        assert_int_equal(r->bytes, 3 + strlen("/d is gone"));
        assert_int_equal(report_size(r), 13 + 48);
        assert_int_equal(report_parse_line(r, "HELPER abc de f stale - never"), 0);
        assert_int_equal(r->bytes, 13 + 6 + strlen("never brought up to date"));
        assert_int_equal(report_size(r), 43 + 2 * 48);
        assert_int_equal(report_parse_line(r, "NOTE long"), 0);
        assert_int_equal(report_parse_line(r, "REASON long"), 0);
        assert_int_equal(report_size(r), 43 + 2 * 48);
        report_drop_details(r);
        assert_int_equal(report_size(r), 0);
        assert_true(!r->caches && !r->helpers && r->n_caches == 0 && r->n_helpers == 0);
        assert_int_equal(report_parse_line(r, "CACHE ab c fresh"), 0);
        assert_int_equal(report_size(r), 3 + 48);
        report_free(r);
}

/* A cache with a name of NAME bytes and a reason of REASON. */
static int parse_cache_of(Report *r, size_t name, size_t reason) {
        char names[60001], what[60001], line[REPORT_LINE_MAX];
        assert_true(name < sizeof(names) && reason < sizeof(what));
        memset(names, 'n', name);
        memset(what, 'w', reason);
        names[name] = what[reason] = 0;
        if (reason > 0)
                memcpy(what, "/ ", 2);
        (void) snprintf(line, sizeof(line), "CACHE %s - stale%s%s", names, reason > 0 ? " " : "", what);
        return report_parse_line(r, line);
}

static void reasons_are_kept_up_to_half_of_the_bound(void **state) {
        const size_t half = REPORT_BYTES_MAX / 2, rest = half % 60000;
        Report *r = report_new();
        for (size_t i = 0; i < half / 60000; i++)
                assert_int_equal(parse_cache_of(r, 60000, 0), 0);
        assert_int_equal(parse_cache_of(r, 100, rest - 99), 0);
        assert_string_equal(r->caches[r->n_caches - 1].reason, "");
        assert_int_equal(parse_cache_of(r, 100, rest - 200), 0);
        assert_int_equal(strlen(r->caches[r->n_caches - 1].reason), rest - 200);
        assert_int_equal(r->bytes, half);
        assert_int_equal(parse_cache_of(r, 1, 3), 0);
        assert_string_equal(r->caches[r->n_caches - 1].reason, "");
        assert_int_equal(r->bytes, half + 1);
        report_free(r);
}

static void names_are_taken_up_to_the_bound(void **state) {
        Report *r = report_new();
        for (size_t i = 0; i < REPORT_BYTES_MAX / 60000; i++)
                assert_int_equal(parse_cache_of(r, 60000, 0), 0);
        assert_int_equal(parse_cache_of(r, REPORT_BYTES_MAX % 60000 + 1, 0), -E2BIG);
        assert_int_equal(parse_cache_of(r, REPORT_BYTES_MAX % 60000, 0), 0);
        assert_int_equal(r->bytes, 6 * 1024 * 1024);
        assert_int_equal(report_parse_line(r, "CACHE a - fresh"), -E2BIG);
        assert_int_equal(report_parse_line(r, "HELPER - a - fresh"), -E2BIG);
        assert_int_equal(report_parse_line(r, "HELPER - - - fresh"), 0);
        report_free(r);
}

/* A hostile volume must not make us send more on the bus than the bus accepts. */
static void reasons_are_given_up_before_names(void **state) {
        Report *r = report_new();
        char line[16384] = "CACHE a b stale /";
        memset(line + strlen(line), 'x', 8000);
        (void) stpcpy(line + strlen(line), " gone");
        size_t shown = 0, kept = 0, held = 0;
        for (unsigned i = 0; i < REPORT_RECORDS_MAX; i++)
                assert_int_equal(report_parse_line(r, line), 0);
        for (size_t i = 0; i < r->n_caches; i++) {
                kept += strlen(r->caches[i].reason);
                held += malloc_usable_size(r->caches[i].reason);
                shown += *r->caches[i].reason != 0;
                assert_false(r->caches[i].fresh);
        }
        assert_true(shown > 100);
        assert_true(kept <= REPORT_BYTES_MAX / 2);
        assert_true(held <= REPORT_BYTES_MAX); /* what is not shown is not kept either */
        assert_non_null(strstr(r->caches[0].reason, "is gone"));
        report_free(r);

        r = report_new();
        (void) snprintf(line, sizeof(line), "HELPER %04000u b c fresh", 0U);
        int e;
        while ((e = report_parse_line(r, line)) == 0)
                ;
        assert_int_equal(e, -E2BIG);
        assert_int_equal(r->n_helpers, REPORT_BYTES_MAX / 4002);
        assert_int_equal(report_parse_line(r, "RESULT fresh"), 0);
        report_free(r);
}

static void the_longest_names_of_all_instances_have_room(void **state) {
        Report *r = report_new();
        char name[MANIFEST_NAME_MAX + 1] = {}, instance[4 * NAME_MAX + 1] = {}, line[2048];
        memset(name, 'n', sizeof(name) - 1);
        for (size_t i = 0; i < NAME_MAX; i++)
                (void) stpcpy(instance + 4 * i, "\\xff");
        (void) snprintf(line, sizeof(line), "CACHE %s %s stale - never", name, instance);
        for (size_t i = 0; i < MANIFEST_INSTANCES_MAX; i++)
                assert_int_equal(report_parse_line(r, line), 0);
        assert_string_equal(r->caches[r->n_caches - 1].instance, instance);
        report_free(r);
}

static void a_broken_pipe_is_reported(void **state) {
        FILE *f = fopen("/dev/full", "we");
        assert_non_null(f);
        assert_int_equal(report_print(f, "RESULT", "fresh", NULL), -ENOSPC);
        (void) fclose(f);
}

/* A stream whose writes fail from one on, each with an errno of its own. */
typedef struct Failing {
        int from, n;
} Failing;

static ssize_t fail_from(void *cookie, const char *data, size_t size) {
        Failing *c = cookie;
        if (c->n++ < c->from)
                return (ssize_t) size;
        errno = 100 + c->n - 1;
        return 0;
}

static void the_first_error_of_any_write_is_reported(void **state) {
        int from = 0, r = -1;
        for (; r < 0; from++) {
                Failing c = {.from = from};
                FILE *f = fopencookie(&c, "w", (cookie_io_functions_t){.write = fail_from});
                assert_non_null(f);
                assert_int_equal(setvbuf(f, NULL, _IONBF, 0), 0);
                r = report_print(f, "PROGRESS", "1", "2 3", NULL);
                if (r < 0)
                        assert_int_equal(r, -(100 + from));
                (void) fclose(f);
        }
        assert_true(from > 4); /* key, three words, newline */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(scan_records_come_back),
                cmocka_unit_test(a_record_may_be_a_key_alone),
                cmocka_unit_test(what_is_not_watched_comes_back),
                cmocka_unit_test(lock_files_come_back),
                cmocka_unit_test(places_come_back),
                cmocka_unit_test(what_was_booted_comes_back),
                cmocka_unit_test(notes_come_back),
                cmocka_unit_test(build_records_come_back),
                cmocka_unit_test(what_a_mount_covers_holds_back_what_only_waits_for_it),
                cmocka_unit_test(what_can_be_built_is_not_held_back_wherever_it_stands),
                cmocka_unit_test(whether_a_build_waits_is_what_it_said_last),
                cmocka_unit_test(each_field_has_its_place),
                cmocka_unit_test(each_result_is_known),
                cmocka_unit_test(what_is_learned_is_told_of_each_cache),
                cmocka_unit_test(each_record_has_as_many_words_as_it_needs),
                cmocka_unit_test(unknown_keys_are_skipped),
                cmocka_unit_test(text_keeps_its_spaces),
                cmocka_unit_test(long_text_is_cut),
                cmocka_unit_test(bad_lines_change_nothing),
                cmocka_unit_test(records_and_lines_are_bounded),
                cmocka_unit_test(caches_and_helpers_have_one_bound),
                cmocka_unit_test(a_bad_record_is_bad_at_the_bound_too),
                cmocka_unit_test(the_size_is_that_of_strings_and_records),
                cmocka_unit_test(reasons_are_kept_up_to_half_of_the_bound),
                cmocka_unit_test(names_are_taken_up_to_the_bound),
                cmocka_unit_test(reasons_are_given_up_before_names),
                cmocka_unit_test(the_longest_names_of_all_instances_have_room),
                cmocka_unit_test(a_broken_pipe_is_reported),
                cmocka_unit_test(the_first_error_of_any_write_is_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
