/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "fixture.h"
#include "interpose.h"

/* The fields that went to the journal, one a line. */
static char *journal;

int sd_journal_sendv(const struct iovec *iov, int n) {
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *before = TAKE_PTR(journal);
                assert_int_equal(strprintf(&journal, "%s%.*s\n", strempty(before), (int) iov[i].iov_len,
                                           (const char *) iov[i].iov_base),
                                 0);
        }
        return 0;
}

static unsigned lines_written;

ssize_t write(int fd, const void *buf, size_t n) {
        lines_written += fd == STDERR_FILENO;
        return REAL(write)(fd, buf, n);
}

/* The environment of a logger; NULL: not set. */
typedef struct Environment {
        const char *level, *colors, *no_color, *term, *stream;
} Environment;

static void environment_set(const char *name, const char *value) {
        assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void environment_apply(const Environment *e) {
        environment_set("BOOTKEEP_LOG_LEVEL", e->level);
        environment_set("SYSTEMD_COLORS", e->colors);
        environment_set("NO_COLOR", e->no_color);
        environment_set("TERM", e->term);
        environment_set("JOURNAL_STREAM", e->stream);
}

static void set_up(Environment e) {
        environment_apply(&e);
        log_setup("test");
}

/* What CALLS log on stderr is EXPECTED. */
static void assert_logged(void (*calls)(void), const char *expected) {
        Capture c = capture_begin();
        calls();
        _cleanup_free_ char *text = capture_end(&c);
        assert_string_equal(text, expected);
}

static void log_at_each_level(void) {
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                log_send(level, NULL, "%i", level);
}

static void less_urgent_messages_are_dropped(void **state) {
        static const struct {
                const char *level, *expected;
        } cases[] = {
                {"emerg", "test: 0\n"},
                {"alert", "test: 0\ntest: 1\n"},
                {"2", "test: 0\ntest: 1\ntest: 2\n"},
                {"0", "test: 0\n"},
                {"err", "test: 0\ntest: 1\ntest: 2\ntest: 3\n"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                set_up((Environment){.level = cases[i].level});
                assert_logged(log_at_each_level, cases[i].expected);
        }
}

static void levels_have_names_and_numbers(void **state) {
        static const char *const names[] = {"emerg",   "alert",  "crit", "err",
                                            "warning", "notice", "info", "debug"};
        static const char *const others[] = {NULL, "", "8", "9", "-1", "77", "0x", "Debug", "warn", ":", "/"};
        for (int i = 0; i < (int) ELEMENTSOF(names); i++) {
                const char number[] = {(char) ('0' + i), 0};
                set_up((Environment){.level = names[i]});
                assert_int_equal(log_max_level(), i);
                set_up((Environment){.level = number});
                assert_int_equal(log_max_level(), i);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                set_up((Environment){.level = others[i]});
                assert_int_equal(log_max_level(), LOG_INFO);
        }
        assert_int_equal(log_set_max_level(LOG_ERR), LOG_INFO);
        assert_int_equal(log_max_level(), LOG_ERR);
}

static void log_each_shorthand(void) {
        log_error("a%i", 1);
        log_warning("b");
        log_notice("c");
        log_info("d");
        log_debug("e");
}

static void a_line_has_the_colour_of_its_level(void **state) {
        set_up((Environment){.level = "debug", .colors = "1"});
        assert_logged(log_at_each_level, "\033[1;31mtest: 0\033[0m\n"
                                         "\033[1;31mtest: 1\033[0m\n"
                                         "\033[1;31mtest: 2\033[0m\n"
                                         "\033[1;31mtest: 3\033[0m\n"
                                         "\033[33mtest: 4\033[0m\n"
                                         "\033[1mtest: 5\033[0m\n"
                                         "test: 6\n"
                                         "\033[2mtest: 7\033[0m\n");
        set_up((Environment){.level = "debug"});
        assert_logged(log_each_shorthand, "test: a1\ntest: b\ntest: c\ntest: d\ntest: e\n");
}

/* A terminal, to be closed. */
static FILE *terminal_open(void) {
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        FILE *f = fd >= 0 ? fdopen(fd, "r+e") : NULL;
        assert_non_null(f);
        return f;
}

static void colours_are_for_terminals_unless_the_environment_says(void **state) {
        static const struct {
                Environment e;
                bool terminal, file;
        } cases[] = {
                {{.term = NULL}, true, false},
                {{.term = "xterm"}, true, false},
                {{.term = "dumb"}, false, false},
                {{.no_color = ""}, false, false},
                {{.no_color = "1", .term = "xterm"}, false, false},
                {{.colors = "0"}, false, false},
                {{.colors = "no"}, false, false},
                {{.colors = "false"}, false, false},
                {{.colors = "1", .no_color = "1", .term = "dumb"}, true, true},
                {{.colors = "256"}, true, true},
        };
        _cleanup_fclose_ FILE *terminal = terminal_open(), *file = tmpfile();
        assert_non_null(file);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                environment_apply(&cases[i].e);
                assert_int_equal(log_colors(terminal), cases[i].terminal);
                assert_int_equal(log_colors(file), cases[i].file);
        }
}

static void log_fields(void) {
        const LogFields f = {.volume = "sda2", .path = "/x", .error = EPERM};
        log_send(LOG_INFO, &f, "said");
}

static void log_hostile_text(void) {
        log_send(LOG_INFO, &(const LogFields){.volume = "a\nb"}, "%s", "c\033[2J\n\xff");
}

static void stderr_gets_harmless_lines_with_the_volume(void **state) {
        set_up((Environment){.level = NULL});
        lines_written = 0;
        assert_logged(log_fields, "test: sda2: said\n");
        assert_int_equal(lines_written, 1); /* in one piece: it is not mixed with those of other processes */
        assert_logged(log_hostile_text, "test: a\\x0ab: c\\x1b[2J\\x0a\\xff\n");
}

static void log_errors(void) {
        const LogFields f = {.volume = "sda2"};
        assert_int_equal(log_errno(-ENOENT, "Failed to open %s", "/x"), -ENOENT);
        assert_int_equal(log_errno(EPERM, "Failed"), -EPERM);
        assert_int_equal(log_send_errno(LOG_INFO, &f, -EPERM, "Failed"), -EPERM);
        assert_int_equal(log_send_errno(LOG_DEBUG, NULL, EBUSY, "not logged"), -EBUSY);
        assert_int_equal(log_oom(), -ENOMEM);
}

static void the_text_of_an_error_follows_and_its_number_is_returned(void **state) {
        set_up((Environment){.level = NULL});
        assert_logged(log_errors, "test: Failed to open /x: No such file or directory\n"
                                  "test: Failed: Operation not permitted\n"
                                  "test: sda2: Failed: Operation not permitted\n"
                                  "test: Out of memory: Cannot allocate memory\n");
}

static void log_with_errno(void) {
        errno = ERANGE;
        log_error("%m");
        assert_int_equal(errno, ERANGE);
        errno = ERANGE;
        (void) log_errno(-EIO, "%s", "x");
        assert_int_equal(errno, ERANGE);
}

static void errno_is_not_changed(void **state) {
        set_up((Environment){.level = NULL});
        int closed = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(closed >= 0);
        assert_int_equal(close(STDERR_FILENO), 0); /* each line fails with EBADF */
        log_with_errno();
        assert_true(dup2(closed, STDERR_FILENO) >= 0);
        assert_int_equal(close(closed), 0);
}

/* Around and between the numbers of a device and an inode. */
typedef struct StreamForm {
        const char *before, *between, *after;
} StreamForm;

static const StreamForm correct = {"", ":", ""};

/* Calls PREPARE (unless NULL) and CALLS after a setup with a JOURNAL_STREAM that names what stderr is
 * connected to, in this form. Returns what stderr got; to be freed. */
static char *with_stream(StreamForm form, void (*prepare)(void), void (*calls)(void)) {
        char stream[128];
        struct stat st;
        free(journal);
        journal = NULL;
        Capture c = capture_begin();
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(stream, sizeof(stream), "%s%lu%s%lu%s", form.before, (unsigned long) st.st_dev,
                        form.between, (unsigned long) st.st_ino, form.after);
        set_up((Environment){.stream = stream});
        if (prepare)
                prepare();
        calls();
        return capture_end(&c);
}

static void log_all_fields(void) {
        const LogFields f = {.message_id = "m",
                             .volume = "v",
                             .path = "p",
                             .cache = "c",
                             .instance = "i",
                             .helper = "h",
                             .error = -EIO};
        log_send(LOG_WARNING, &f, "x\033y");
}

static void the_journal_gets_the_fields(void **state) {
        _cleanup_free_ char *err = with_stream(correct, NULL, log_all_fields);
        assert_string_equal(err, "");
        assert_string_equal(journal, "MESSAGE=x\\x1by\nSYSLOG_IDENTIFIER=test\nMESSAGE_ID=m\n"
                                     "BOOTKEEP_VOLUME=v\nBOOTKEEP_PATH=p\nBOOTKEEP_CACHE=c\n"
                                     "BOOTKEEP_INSTANCE=i\nBOOTKEEP_HELPER=h\nPRIORITY=4\nERRNO=5\n");
        _unused_ _cleanup_free_ char *few = with_stream(correct, NULL, log_fields);
        assert_string_equal(journal, "MESSAGE=said\nSYSLOG_IDENTIFIER=test\nBOOTKEEP_VOLUME=sda2\n"
                                     "BOOTKEEP_PATH=/x\nPRIORITY=6\nERRNO=1\n");
}

static void log_bare(void) {
        log_error("bare");
}

static void log_one_errno(void) {
        const LogFields f = {.helper = "sda1"};
        (void) log_send_errno(LOG_NOTICE, &f, -ENOSPC, "x");
}

static void fields_without_a_value_are_left_out(void **state) {
        _unused_ _cleanup_free_ char *err = with_stream(correct, NULL, log_bare);
        assert_string_equal(journal, "MESSAGE=bare\nSYSLOG_IDENTIFIER=test\nPRIORITY=3\n");
        _unused_ _cleanup_free_ char *with = with_stream(correct, NULL, log_one_errno);
        assert_string_equal(journal, "MESSAGE=x: No space left on device\nSYSLOG_IDENTIFIER=test\n"
                                     "BOOTKEEP_HELPER=sda1\nPRIORITY=5\nERRNO=28\n");
}

static void another_stream_is_not_the_journal(void **state) {
        static const StreamForm forms[] = {{"1", ":", ""}, {"", ":1", ""}, {"", "-", ""},  {"", ":", " "},
                                           {" ", ":", ""}, {":", ":", ""}, {"x", ":", ""}, {"", ":x", ""}};
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_free_ char *err = with_stream(forms[i], NULL, log_bare);
                assert_string_equal(err, "test: bare\n");
                assert_null(journal);
        }
}

static void a_program_may_stay_on_the_stream(void **state) {
        _cleanup_free_ char *err = with_stream(correct, log_stay_on_stderr, log_all_fields);
        assert_string_equal(err, "<4>test: v: x\\x1by\n");
        assert_null(journal);
        _cleanup_free_ char *other =
                with_stream((StreamForm){"1", ":", ""}, log_stay_on_stderr, log_all_fields);
        assert_string_equal(other, "test: v: x\\x1by\n"); /* no stream, no levels */
        log_stay_on_stderr();
        assert_logged(log_bare, "test: bare\n");
}

static int forget_journal(void **state) {
        free(journal);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(less_urgent_messages_are_dropped),
                cmocka_unit_test(levels_have_names_and_numbers),
                cmocka_unit_test(a_line_has_the_colour_of_its_level),
                cmocka_unit_test(colours_are_for_terminals_unless_the_environment_says),
                cmocka_unit_test(stderr_gets_harmless_lines_with_the_volume),
                cmocka_unit_test(the_text_of_an_error_follows_and_its_number_is_returned),
                cmocka_unit_test(errno_is_not_changed),
                cmocka_unit_test(the_journal_gets_the_fields),
                cmocka_unit_test(fields_without_a_value_are_left_out),
                cmocka_unit_test(another_stream_is_not_the_journal),
                cmocka_unit_test(a_program_may_stay_on_the_stream),
        };
        return cmocka_run_group_tests(tests, NULL, forget_journal);
}
