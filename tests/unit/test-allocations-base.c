/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/base fails in turn. */

#include "allocations.h"

#include <getopt.h>
#include <sys/sysmacros.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/conffile.h"
#include "base/escape.h"
#include "base/failure.h"
#include "base/history.h"
#include "base/interrupt.h"
#include "base/kernelfile.h"
#include "base/log.h"
#include "base/mountentry.h"
#include "base/options.h"
#include "base/reason.h"
#include "base/report.h"
#include "base/systemdbus.h"
#include "base/words.h"

/* strv */

static int extend_vector(void *userdata) {
        _cleanup_strv_free_ char **v = NULL;
        static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int r = strv_extend(&v, names[i]);
                assert_int_equal(strv_length(v), r < 0 ? i : i + 1);
                if (r < 0)
                        return r;
        }
        return strv_extendf(&v, "%s", "g");
}

static int explain_refusal(void *userdata) {
        const sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(SYSTEMD ".UnitMasked", "Masked.");
        char *text = UNTOUCHED;
        return OUTCOME_FREE(systemd_explain_refusal(&e, "a@b.service", &text), text);
}

static void vectors_stay_as_they_were(void **state) {
        allocations_fail_in_turn(extend_vector, NULL);
}

/* text */

static int replace_text(void *userdata) {
        char *text = NULL;
        int r = free_and_strdup(&text, "one");
        assert_true(r == 1 || !text);
        if (r >= 0) {
                r = free_and_strdup(&text, "two");
                assert_string_equal(text, r < 0 ? "one" : "two");
        }
        free(text);
        return r;
}

static int format_text(void *userdata) {
        char *text = UNTOUCHED;
        return OUTCOME_FREE(strprintf(&text, "%i", 1), text);
}

static int escape_text(void *userdata) {
        _cleanup_free_ char *word = escape_word("a b\n"), *print = word ? escape_print("\001") : NULL;
        char *text = UNTOUCHED;
        if (!print)
                return -ENOMEM;
        return OUTCOME_FREE(unescape_word(word, strlen(word), &text), text);
}

/* A reason that cannot be allocated is left out, its error is kept. */
static int give_reason(void *userdata) {
        char *why = NULL;
        assert_int_equal(failure(&why, -EPERM, "%s", "because"), -EPERM);
        assert_true(streq_ptr(why, "because") || !why);
        assert_int_equal(failure_errno(&why, -EPERM, "%s", "since"), -EPERM);
        assert_true(streq_ptr(why, "since: Operation not permitted") || !why);
        free(why);
        return 0;
}

static void texts_are_whole_or_absent(void **state) {
        allocations_fail_in_turn(replace_text, NULL);
        allocations_fail_in_turn(format_text, NULL);
        allocations_fail_in_turn(explain_refusal, NULL);
        allocations_fail_in_turn(escape_text, NULL);
        allocations_fail_or_cope(give_reason, NULL);
}

/* log */

static int log_lines(void *userdata) {
        log_error("%s", "said");
        (void) log_errno(-EIO, "%s", "failed");
        return 0;
}

static void lines_are_logged_whole_or_not_at_all(void **state) {
        Capture c = capture_begin();
        allocations_fail_or_cope(log_lines, NULL);
        _cleanup_free_ char *log = capture_end(&c);
        unsigned said = 0, failed = 0;
        for (char *rest = log, *line; (line = strsep(&rest, "\n")) && *line;) {
                assert_true(streq(line, "bootkeep: said") ||
                            streq(line, "bootkeep: failed: Input/output error"));
                *(streq(line, "bootkeep: said") ? &said : &failed) += 1;
        }
        assert_true(said > 1 && failed > 1);
}

static unsigned journal_entries;

int sd_journal_sendv(const struct iovec *iov, int n) {
        journal_entries++;
        return 0;
}

static int log_fields(void *userdata) {
        const LogFields f = {.volume = "sda1", .path = "/x", .error = -EIO};
        log_send(LOG_ERR, &f, "%s", "said");
        return 0;
}

static void fields_are_logged_or_left_out(void **state) {
        struct stat st;
        char stream[64];
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long) st.st_dev,
                        (unsigned long) st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        log_setup("test");
        allocations_fail_or_cope(log_fields, NULL);
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_setup("bootkeep");
        assert_true(journal_entries > 6); /* one for each field that failed */
}

/* words */

static int split_line(void *userdata) {
        char **words = UNTOUCHED;
        const char *why = NULL;
        return OUTCOME(words_split("one 'two three' \\x41 \\u00e4", &words, &why), words, strv_free);
}

static int split_record(void *userdata) {
        char **words = UNTOUCHED;
        return OUTCOME(split_words("one \\x20 three four", &words), words, strv_free);
}

static void lines_are_split_whole_or_not_at_all(void **state) {
        allocations_fail_in_turn(split_line, NULL);
        allocations_fail_in_turn(split_record, NULL);
}

/* conffile */

typedef struct Settings {
        char *file;
        char *dirs[3];
        char **paths;
        char *text;
} Settings;

static int read_settings(void *userdata) {
        Settings *s = userdata;
        const ConfItem items[] = {
                {"A", "Paths", conf_parse_paths, &s->paths},
                {"A", "Text", conf_parse_string, &s->text},
        };
        unsigned problems = 0;
        int r = conffile_read(s->file, items, ELEMENTSOF(items), &problems, NULL);
        assert_int_equal(problems, 0);
        s->paths = strv_free(s->paths);
        free(s->text);
        s->text = NULL;
        return r;
}

static int list_settings(void *userdata) {
        Settings *s = userdata;
        char **files = UNTOUCHED;
        return OUTCOME(conffile_list(s->dirs, "x.conf", &files), files, strv_free);
}

static int list_definitions(void *userdata) {
        Settings *s = userdata;
        char **files = UNTOUCHED;
        return OUTCOME(conffile_list_directory(s->dirs, ".conf", &files), files, strv_free);
}

static void settings_are_read_or_the_error_is_returned(void **state) {
        Scratch *s = *state;
        char file[128], one[128], two[128];
        scratch_write(s, "one/x.conf", "[A]\nPaths=/a /b /c\nText=\"some text\" # comment\n");
        scratch_write(s, "one/x.conf.d/a.conf", "");
        scratch_write(s, "two/x.conf.d/b.conf", "");
        (void) snprintf(file, sizeof(file), "%s/one/x.conf", s->path);
        (void) snprintf(one, sizeof(one), "%s/one", s->path);
        (void) snprintf(two, sizeof(two), "%s/two", s->path);
        Settings settings = {.file = file, .dirs = {one, two, NULL}};
        allocations_fail_in_turn(read_settings, &settings);
        allocations_fail_in_turn(list_settings, &settings);
        allocations_fail_in_turn(list_definitions, &settings);
}

/* options */

static int parse_options(void *userdata) {
        _cleanup_strv_free_ char **list = NULL;
        const Option options[] = {{"list", "X", "", option_list, &list}};
        const OptionsHelp help = {.program = "test", .purpose = "", .footer = ""};
        char program[] = "test", one[] = "--list=a", two[] = "--list=b";
        char *argv[] = {program, one, two, NULL};
        optind = 0;
        return options_parse(3, argv, options, ELEMENTSOF(options), &help);
}

static void options_are_all_taken(void **state) {
        allocations_fail_in_turn(parse_options, NULL);
}

/* mountentry */

static int name_mount(void *userdata) {
        MountEntry copy = {.id = 7};
        char *name = UNTOUCHED;
        int r = mount_entry_copy(userdata, &copy);
        if (r < 0) {
                assert_int_equal(copy.id, 7);
                return r;
        }
        r = mount_entry_volume_name(&copy, &name);
        if (r < 0)
                assert_ptr_equal(name, UNTOUCHED);
        else
                free(name);
        mount_entry_done(&copy);
        return r;
}

static int describe_mount(void *userdata) {
        MountEntry entry = {.id = 7};
        int r = mount_entry_from_facts(userdata, &entry);
        if (r < 0) {
                assert_int_equal(entry.id, 7);
                return r;
        }
        assert_int_equal(r, 1);
        assert_string_equal(entry.device, "loop0");
        assert_string_equal(entry.node, "/dev/loop0");
        assert_string_equal(entry.root, "/");
        assert_string_equal(entry.target, "/mnt");
        assert_string_equal(entry.fstype, "ext4");
        mount_entry_done(&entry);
        return r;
}

static int find_mount(void *userdata) {
        MountEntry entry = {};
        int r = mount_entry_find(1, &entry);
        mount_entry_done(&entry);
        return r;
}

static void mounts_are_described_whole_or_not_at_all(void **state) {
        char device[] = "sda1", node[] = "/dev/sda1", root[] = "/@", target[] = "/mnt", fstype[] = "btrfs";
        MountEntry entry = {
                .id = 1, .device = device, .node = node, .root = root, .target = target, .fstype = fstype};
        MountFacts facts = {.id = 1, .source = "/dev/sda1", .root = "/", .target = "/mnt", .fstype = "ext4"};
        allocations_fail_in_turn(name_mount, &entry);
        allocations_fail_in_turn(find_mount, NULL);
        facts.devno = makedev(7, 0); /* loop0, which need not exist */
        if (access("/sys/dev/block/7:0", F_OK) >= 0)
                allocations_fail_or_cope(describe_mount, &facts); /* without a number of its disk */
}

/* report */

static const char *const records[] = {
        "MANIFEST /etc/bootkeep/bootcaches.xml",
        "CACHE initramfs 6.1.0 stale /etc/x changed size",
        "HELPER sda1 esp 1234 stale /boot/vmlinuz new",
        "SOURCES 0123456789abcdef",
        "WATCHES 7",
        "UNWATCHED too many files",
        "COVERED /mnt",
        "HOLD /lock 8:1:2 exists",
        "NOTE one",
        "NOTE two",
        "PLACE /mnt",
        "PLACE /mnt/x",
        "BUILT initramfs - failed 100 exited with status 1",
        "UPDATED sda1 esp 1234 failed 4096 no space",
        "LEARNED initramfs - yes",
        "LEARNED initramfs 6.1.0 no a reason",
        "LEARNED grub - no",
        "PROGRESS 1 2",
        "REASON so it is",
        "RESULT stale",
};

static int take_records(void *userdata) {
        _cleanup_(report_freep) Report *report = report_new();
        int r = report ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(records); i++) {
                size_t size = report_size(report), n_covered = report->n_covered;
                r = report_parse_line(report, records[i]);
                if (r < 0) {
                        assert_int_equal(report_size(report), size);
                        assert_int_equal(report->n_covered, n_covered);
                }
        }
        if (r >= 0) {
                assert_int_equal(report->n_holds, 1);
                assert_int_equal(strv_length(report->notes), 2);
                assert_int_equal(strv_length(report->places), 2);
        }
        return r;
}

/* Where there is no more room for reasons. */
static int take_bare_records(void *userdata) {
        static const char *const lines[] = {"CACHE a - stale /x gone", "HELPER a b c stale /x gone"};
        _cleanup_(report_freep) Report *report = report_new();
        if (!report)
                return -ENOMEM;
        report->bytes = REPORT_BYTES_MAX / 2;
        int r = report_parse_line(report, lines[0]);
        assert_int_equal(report->n_caches, r >= 0);
        if (r >= 0) {
                r = report_parse_line(report, lines[1]);
                assert_int_equal(report->n_helpers, r >= 0);
        }
        return r;
}

static int print_record(void *userdata) {
        return report_print(userdata, "REASON", "a", "b c", NULL);
}

static int reason_in_words(void *userdata) {
        char *reason = UNTOUCHED;
        return OUTCOME_FREE(reason_describe(&(Reason){"/etc/x", "changed", "size"}, &reason), reason);
}

static int details_in_words(void *userdata) {
        const struct statx_timestamp when = {.tv_sec = 1};
        char *changed = NULL, *gone = NULL, *error = UNTOUCHED;
        int r = reason_detail_changed(CHANGE_SIZE | CHANGE_MTIME, &when, &changed);
        if (r >= 0)
                r = reason_detail_gone(&when, &gone);
        free(changed);
        free(gone);
        return r < 0 ? r : OUTCOME_FREE(reason_describe_error("/etc/x", -EIO, &error), error);
}

static void reports_stay_as_they_were(void **state) {
        FILE *f = fopen("/dev/null", "we");
        assert_non_null(f);
        allocations_fail_in_turn(take_records, NULL);
        allocations_fail_in_turn(take_bare_records, NULL);
        allocations_fail_in_turn(print_record, f);
        allocations_fail_in_turn(reason_in_words, NULL);
        allocations_fail_in_turn(details_in_words, NULL);
        (void) fclose(f);
}

/* interrupt */

static int make_interrupt(void *userdata) {
        Interrupt *i = UNTOUCHED;
        return OUTCOME(interrupt_new(&i), i, interrupt_free);
}

static void interrupts_are_made_or_not(void **state) {
        allocations_fail_in_turn(make_interrupt, NULL);
}

/* kernelfile */

static int read_kernel_line(void *userdata) {
        char *line = UNTOUCHED;
        return OUTCOME_FREE(kernelfile_read_line(KERNEL_BOOT_ID, &line), line);
}

static void line_of_the_kernel_is_read_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(read_kernel_line, NULL);
}

/* history */

static int write_and_read_history(void *userdata) {
        char text[] = "text", file[160];
        (void) snprintf(file, sizeof(file), "%s/key", (const char *) userdata);
        (void) unlink(file); /* or there would be more to read in each run */
        HistoryEntry entry = {.start = 1, .end = 2, .result = text, .why = text, .reason = text};
        History history = {};
        int r = history_add_item(&entry,
                                 &(HistoryItem){.words = {text, text}, .result = text, .reason = text});
        if (r >= 0)
                r = history_append(userdata, "key", &entry);
        if (r >= 0)
                r = history_read(userdata, "key", &history);
        assert_true(r < 0 ? history.n == 0 : history.n > 0);
        history_done(&history);
        entry.result = entry.why = entry.reason = NULL;
        history_entry_done(&entry);
        return r < 0 ? r : 0;
}

static void history_is_read_whole_or_not_at_all(void **state) {
        char dir[128];
        (void) snprintf(dir, sizeof(dir), "%s/history", ((const Scratch *) *state)->path);
        allocations_fail_in_turn(write_and_read_history, dir);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(line_of_the_kernel_is_read_or_the_error_is_told),
                cmocka_unit_test(vectors_stay_as_they_were),
                cmocka_unit_test(texts_are_whole_or_absent),
                cmocka_unit_test(lines_are_logged_whole_or_not_at_all),
                cmocka_unit_test(fields_are_logged_or_left_out),
                cmocka_unit_test(lines_are_split_whole_or_not_at_all),
                scratch_test(settings_are_read_or_the_error_is_returned),
                cmocka_unit_test(options_are_all_taken),
                cmocka_unit_test(mounts_are_described_whole_or_not_at_all),
                cmocka_unit_test(reports_stay_as_they_were),
                cmocka_unit_test(interrupts_are_made_or_not),
                scratch_test(history_is_read_whole_or_not_at_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
