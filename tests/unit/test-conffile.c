/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings: which lines count, and that each mistake is reported with its line and affects nothing else. */

#include <libeconf.h>
#include <libeconf_ext.h>
#include <sys/sysmacros.h>

#include "fixture.h"
#include "interpose.h"

#include "base/conffile.h"
#include "base/log.h"

/* How libc reads the file. */
static struct {
        int flags; /* with which it was opened */
        int fstat_error;
        int error;              /* of the next read */
        unsigned interruptions; /* of the next reads */
        size_t piece;           /* that is read at most; 0: what was asked for */
        enum econf_err econf;   /* what libeconf says of each key; 0: what it finds */
        size_t end;             /* of all that was asked for */
} world;

int open64(const char *file, int oflag, ...) {
        va_list ap;
        va_start(ap, oflag);
        int mode = (oflag & O_CREAT) ? va_arg(ap, int) : 0;
        va_end(ap);
        world.flags = oflag;
        return REAL(open64)(file, oflag, mode);
}

int fstat(int fd, struct stat *buf) {
        errno = world.fstat_error;
        return world.fstat_error > 0 ? -1 : REAL(fstat)(fd, buf);
}

ssize_t pread64(int fd, void *buf, size_t nbytes, off_t offset) {
        if (world.interruptions > 0) {
                world.interruptions--;
                errno = EINTR;
                return -1;
        }
        if (world.error > 0) {
                errno = world.error;
                world.error = 0;
                return -1;
        }
        world.end = MAX(world.end, (size_t) offset + nbytes);
        return REAL(pread64)(fd, buf, world.piece > 0 ? MIN(nbytes, world.piece) : nbytes, offset);
}

enum econf_err econf_getExtValue(econf_file *kf, const char *group, const char *key,
                                 econf_ext_value **result) {
        return world.econf != ECONF_SUCCESS ? world.econf : REAL(econf_getExtValue)(kf, group, key, result);
}

/* The folder of the running test. */
static Scratch *current;

static int setup(void **state) {
        int r = scratch_setup(state);
        current = *state;
        return r;
}

#define scratch_test_current(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)

typedef struct Settings {
        bool flag;
        uint64_t usec;
        unsigned number;
        char **paths;
        char *text;
} Settings;

static void settings_done(Settings *s) {
        strv_free(s->paths);
        free(s->text);
}

/* Reads TEXT as a file; the log is returned in *RET_LOG. */
static int read_settings(const char *text, size_t size, Settings *s, unsigned *problems, char **ret_log) {
        Scratch *t = current;
        const ConfItem items[] = {
                {"A", "Flag", conf_parse_bool, &s->flag},         {"A", "Sec", conf_parse_sec, &s->usec},
                {"A", "Number", conf_parse_unsigned, &s->number}, {"B", "Paths", conf_parse_paths, &s->paths},
                {"B", "Text", conf_parse_string, &s->text},
        };
        write_bytes(t, "x.conf", text, size);
        _cleanup_free_ char *path = outer_path(t, "x.conf");
        Capture c = capture_begin();
        int r = conffile_read(path, items, ELEMENTSOF(items), problems, NULL);
        *ret_log = capture_end(&c);
        return r;
}

static void good(const char *text, Settings *s) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        assert_int_equal(read_settings(text, strlen(text), s, &problems, &log), 0);
        assert_string_equal(log, "");
        assert_int_equal(problems, 0);
}

/* TEXT is read with N faults, and WORDS are in the log. */
static void read_with_faults(int outcome, const char *text, Settings *s, unsigned n, const char *words) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        assert_int_equal(read_settings(text, strlen(text), s, &problems, &log), outcome);
        if (!strstr(log, words))
                fail_msg("\"%s\" is not in the log: %s", words, log);
        assert_int_equal(problems, n);
}

/* Every line is understood. */
static void faulty(const char *text, Settings *s, unsigned n, const char *words) {
        read_with_faults(CONFFILE_READ, text, s, n, words);
}

/* A line does not count at all. */
static void partly(const char *text, Settings *s, unsigned n, const char *words) {
        read_with_faults(CONFFILE_PARTLY, text, s, n, words);
}

static void broken(const char *text, size_t size, const char *words) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        assert_int_equal(read_settings(text, size, &s, &problems, &log), -EBADMSG);
        if (!strstr(log, words))
                fail_msg("\"%s\" is not in the log: %s", words, log);
        assert_int_equal(problems, 1);
}

static void every_kind_of_value_is_read(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("[A]\nFlag=yes\nSec=1min 30s\nNumber=25\n[B]\nPaths=/a /b\nText=some words\n", &s);
        assert_true(s.flag);
        assert_int_equal(s.usec, 90 * USEC_PER_SEC);
        assert_int_equal(s.number, 25);
        assert_int_equal(strv_length(s.paths), 2);
        assert_string_equal(s.paths[1], "/b");
        assert_string_equal(s.text, "some words");
}

static void comments_are_not_part_of_values(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("# first\n[A]\n  # indented\nFlag=yes          # delay while it's\nSec=5\t#\n"
             "[B]\nText=# nothing else\nPaths=/a # /b\n# Paths=/c",
             &s);
        assert_true(s.flag);
        assert_int_equal(s.usec, 5 * USEC_PER_SEC);
        assert_string_equal(s.text, "");
        assert_int_equal(strv_length(s.paths), 1);
}

static void a_semicolon_begins_a_comment_only_where_a_line_does(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("; first\n[A]\n;Number=9\n  ; indented = yes\n\t;\nNumber=7\n;\r\n[B] ; the second\n"
             "Text=a;b ; c\nPaths=/a;b \"/;\" # out\n",
             &s);
        assert_int_equal(s.number, 7);
        assert_string_equal(s.text, "a;b ; c");
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        const char text[] = "[A]\nNumber=1\n; it's said [C\nFlag=yes\n";
        assert_int_equal(read_settings(text, sizeof(text) - 1, &s, &problems, &log), CONFFILE_READ);
        assert_true(s.flag);
        assert_int_equal(s.number, 1);
        assert_int_equal(problems, 0);
}

static void a_hash_inside_a_word_or_quotes_stays(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("[B]\nText=a#b \"c # d\" 'e # f' \\\" # out\nPaths=\"/x # y\" /z#1\n", &s);
        assert_string_equal(s.text, "a#b \"c # d\" 'e # f' \\\"");
        assert_int_equal(strv_length(s.paths), 2);
        assert_string_equal(s.paths[0], "/x # y");
        assert_string_equal(s.paths[1], "/z#1");
}

static void quotes_at_both_ends_stay(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("[B]\nText=\"a b\" \"c\"\n", &s);
        assert_string_equal(s.text, "\"a b\" \"c\"");
}

static void surrounding_space_and_carriage_returns_are_cut(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("\r\n[A]\r\n  Number =  7 \t\r\n[B]\r\nText=a = b\r\n", &s);
        assert_int_equal(s.number, 7);
        assert_string_equal(s.text, "a = b");
}

static void a_section_can_come_again(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("[A]\nNumber=1\n[B]\nText=x\n[A]\nFlag=on\n", &s);
        assert_int_equal(s.number, 1);
        assert_true(s.flag);
}

static void empty_values(void **state) {
        _cleanup_(settings_done) Settings s = {.number = 9};
        good("[B]\nText=\nPaths=\n", &s);
        assert_string_equal(s.text, "");
        assert_int_equal(strv_length(s.paths), 0);
        faulty("[A]\nNumber=\n", &s, 1, "x.conf:2: bad value \"\" for Number=: expected a number");
        assert_int_equal(s.number, 9);
}

static void an_empty_file_is_no_fault(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("", &s);
        good("\n\n# only this\n", &s);
        good("[A]\n", &s);
        good("[A]\n[B]\n", &s);
}

static void unknown_keys_are_reported_and_the_rest_counts(void **state) {
        _cleanup_(settings_done) Settings s = {};
        faulty("[A]\nFlg=yes\nNumber=2\n", &s, 1, "x.conf:2: unknown key Flg= in section [A]");
        assert_int_equal(s.number, 2);
        partly("[C]\nfLAG=yes\n[A]\nNumber=3\n", &s, 1,
               "x.conf:2: unknown key fLAG= in section [C] (Flag= in section [A] is known), ignoring\n");
        assert_int_equal(s.number, 3);
        partly("\x7f"
               "ELF\x01\x02\n[A]\nNumber=3\n",
               &s, 1, "x.conf:1: neither a section nor KEY=VALUE");
        partly("Number=8\n[A]\nSec=1\n", &s, 1, "x.conf:1: Number= outside of any section");
        assert_int_equal(s.number, 3);
        partly("[B]\nNumber=8\n", &s, 1, "x.conf:2: unknown key Number= in section [B]");
        assert_int_equal(s.number, 3);
}

static int note_other(const char *value, void *data, const char **reterr) {
        assert_string_equal(value, "");
        ++*(int *) data;
        return 0;
}

/* A misspelt key may be one that matters. */
static void a_section_may_learn_of_unknown_keys(void **state) {
        bool flag = false;
        int others = 0;
        unsigned problems = 0;
        const ConfItem items[] = {{"A", "Flag", conf_parse_bool, &flag}, {"A", "*", note_other, &others}};
        write_bytes(current, "x.conf", "[A]\nFlagg=no\nFlag=yes\n*=1\n[B]\nX=1\n", 34);
        _cleanup_free_ char *path = outer_path(current, "x.conf");
        assert_int_equal(conffile_read(path, items, ELEMENTSOF(items), &problems, NULL), CONFFILE_READ);
        assert_int_equal(others, 2);
        assert_int_equal(problems, 3);
        assert_true(flag);
}

static int parse_fails(const char *value, void *data, const char **reterr) {
        return *(int *) data;
}

static void errors_of_a_parser_end_the_reading(void **state) {
        int permission = -EPERM, other = -EIO, bad = -EINVAL;
        const ConfItem items[] = {{"A", "P", parse_fails, &permission},
                                  {"B", "*", parse_fails, &other},
                                  {"C", "Bad", parse_fails, &bad}};
        static const struct {
                const char *text;
                int outcome;
                unsigned problems;
        } cases[] = {{"[A]\nP=1\n[C]\nX=1\n", -EPERM, 0},
                     {"[B]\nP=1\n", CONFFILE_PARTLY, 1},
                     {"[B]\nX=1\n[C]\nX=1\n", -EIO, 0},
                     {"[C]\nBad=1\nX=2\n", CONFFILE_READ, 2}};
        _cleanup_free_ char *path = outer_path(current, "x.conf");
        Capture c = capture_begin();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned problems = 0;
                write_bytes(current, "x.conf", cases[i].text, strlen(cases[i].text));
                assert_int_equal(conffile_read(path, items, ELEMENTSOF(items), &problems, NULL),
                                 cases[i].outcome);
                assert_int_equal(problems, cases[i].problems);
        }
        _cleanup_free_ char *log = capture_end(&c);
        assert_non_null(strstr(log, "bad value \"1\" for Bad=: not understood, ignoring\n"));
}

static void without_items_every_key_is_unknown(void **state) {
        unsigned problems = 0;
        write_bytes(current, "x.conf", "[A]\nX=1\n", 8);
        _cleanup_free_ char *path = outer_path(current, "x.conf");
        Capture c = capture_begin();
        int r = conffile_read(path, NULL, 0, &problems, NULL);
        _cleanup_free_ char *log = capture_end(&c);
        assert_int_equal(r, CONFFILE_READ);
        assert_int_equal(problems, 1);
        assert_non_null(strstr(log, "x.conf:2: unknown key X= in section [A], ignoring\n"));
}

static void assert_line(const char *text, size_t expected) {
        bool flag = false;
        unsigned problems = 0;
        size_t line = 4711;
        const ConfItem items[] = {{"A", "Flag", conf_parse_bool, &flag}};
        write_bytes(current, "x.conf", text, strlen(text));
        _cleanup_free_ char *path = outer_path(current, "x.conf");
        (void) conffile_read(path, items, ELEMENTSOF(items), &problems, &line);
        assert_int_equal(line, expected);
}

static void the_first_line_that_does_not_count_is_known(void **state) {
        assert_line("", 0);
        assert_line("[A]\nFlag=perhaps\nX=1\n", 0);
        assert_line("[A]\nFlag=yes\ngarbage\nmore\n", 2); /* a value over several lines */
        assert_line("[A]\ngarbage\nmore\n", 2);
        assert_line("[A]\nFlag=yes\nFlag=no\n", 3);
        assert_line("[A]\n[B\n", 2);
        assert_line("[B]\n\nfLAG=no\n", 3);
        assert_line("Flag=no\n", 1);
        assert_line("[A]\nX=1\ngarbage\nmore\n\nX=2\n", 3);
        size_t line = 4711;
        unsigned problems = 0;
        assert_int_equal(conffile_read("/nowhere", NULL, 0, &problems, &line), -ENOENT);
        assert_int_equal(line, 0);
}

/* libeconf 0.5.1 does not list the second */
static void a_key_with_the_name_of_the_one_before_it_counts_in_its_own_section(void **state) {
        _cleanup_(settings_done) Settings s = {};
        partly("[C]\nNumber=8\n[A]\nNumber=3\n", &s, 1, "x.conf:2: unknown key Number= in section [C]");
        assert_int_equal(s.number, 3);
        partly("[A]\nNumber=4\n\n[B]\n Number = 8\n", &s, 1, "x.conf:5: unknown key Number= in section [B]");
        assert_int_equal(s.number, 4);
        partly("[B]\nPaths=/a\n[A]\nPaths\n", &s, 1, "x.conf:4: neither a section nor KEY=VALUE");
        partly("Sec=1\n[A]\nSec=2\n", &s, 1, "x.conf:1: Sec= outside of any section");
        assert_int_equal(s.usec, 2 * USEC_PER_SEC);
        partly("[[A]]\nNumber=8\n[A]\nNumber=5\n", &s, 1, "x.conf:2: unknown key Number= in section [[A]]");
        assert_int_equal(s.number, 5);
}

static void what_libeconf_skips_is_reported(void **state) {
        _cleanup_(settings_done) Settings s = {};
        partly("[A]\n=yes\nNumber=2\n", &s, 1, "x.conf:2: \"=\" without a key");
        partly("[A]\n=yes\nX=2\n", &s, 2, "x.conf:3: unknown key X= in section [A], ignoring\n");
        partly("[A]\n \t=yes\n", &s, 1, "x.conf:2: \"=\" without a key");
        partly("[C]\ngarbage\n", &s, 1, "x.conf:2: neither a section nor KEY=VALUE, ignoring\n");
        faulty("[C]\n# X=1\n\n[D]\n[A]\n", &s, 2, "x.conf:1: unknown section [C], ignoring\n");
        assert_int_equal(s.number, 2);
        partly("=8\n", &s, 1, "x.conf:1: \"=\" without a key");
        faulty("[A]\nNumber=3\n [a] # not one\n#Number=7\n\n[B]\nText=x\n", &s, 1,
               "x.conf:3: unknown section [a],");
        assert_int_equal(s.number, 3);
        faulty("[C]\n", &s, 1, "x.conf:1: unknown section [C],");
}

static void bad_values_change_nothing(void **state) {
        _cleanup_(settings_done) Settings s = {.flag = true, .usec = 7, .number = 5};
        faulty("[A]\n\nFlag=perhaps\nSec=soon\nNumber=0\n[B]\nPaths=a\n", &s, 4,
               "x.conf:3: bad value \"perhaps\" for Flag=: expected yes or no");
        assert_true(s.flag);
        assert_int_equal(s.usec, 7);
        assert_int_equal(s.number, 5);
        assert_null(s.paths);
}

static void a_repeated_key_is_reported_and_the_first_counts(void **state) {
        _cleanup_(settings_done) Settings s = {};
        partly("[A]\nNumber=4\n#Number=9\n Number = 5\n", &s, 1, "x.conf:4: Number= is set more than once");
        assert_int_equal(s.number, 4);
        partly("[A]\nNumber=4\n[B]\nText=x\n[A]\nNumber=6\n", &s, 1,
               "x.conf:6: Number= is set more than once");
        assert_int_equal(s.number, 4);
}

static void comments_may_have_any_encoding(void **state) {
        _cleanup_(settings_done) Settings s = {};
        good("# \xe4\n; \xff\n[A]\nNumber=3\n[B]\nText=\xc3\xa4\n", &s);
        assert_string_equal(s.text, "\xc3\xa4");
}

static void values_over_several_lines_are_refused(void **state) {
        _cleanup_(settings_done) Settings s = {};
        partly("[B]\nText=a \\\n  b\n[A]\nNumber=6\n", &s, 2, "Text= spans several lines");
        assert_null(s.text);
        assert_int_equal(s.number, 6);
}

static void a_line_that_is_not_understood_is_reported_and_the_others_count(void **state) {
        _cleanup_(settings_done) Settings s = {};
        /* before a key of its section, after an empty line, and where libeconf treats it as a continuation */
        partly("[A]\ngarbage\n\nNumber=2\n[B]\nText=x\n", &s, 1, "x.conf:2: neither a section nor KEY=VALUE");
        assert_int_equal(s.number, 2);
        assert_string_equal(s.text, "x");
        partly("[A]\nNumber=3\n\ngarbage\n\nFlag=yes\n", &s, 1, "x.conf:4: neither");
        assert_int_equal(s.number, 3);
        assert_true(s.flag);
        s.flag = false;
        partly("[A]\nNumber=4\ngarbage\nFlag=yes\n", &s, 2, "x.conf:3: neither");
        assert_int_equal(s.number, 3);
        assert_true(s.flag);
        partly("[A]\r\nNumber=5\r\n?\r\n", &s, 2, "x.conf:3: neither");
        assert_int_equal(s.number, 3);
}

static void a_value_that_ends_in_a_backslash_goes_on(void **state) {
        _cleanup_(settings_done) Settings s = {};
        partly("[B]\nText=a \\\n[A]\nNumber=3\n", &s, 1, "x.conf:2: Text= spans several lines");
        assert_null(s.text);
        assert_int_equal(s.number, 3);
        partly("[B]\nText=a\\\\\\ \t\r\n", &s, 1, "Text= spans several lines");
        partly("[B]\nText=\\\n", &s, 1, "Text= spans several lines");
        partly("[B]\nText=\\\\\\\n", &s, 1, "Text= spans several lines");
        good("[B]\nText=a\\\\\n", &s);
        assert_string_equal(s.text, "a\\\\");
        good("[B]\nText=\\\\\n", &s);
        assert_string_equal(s.text, "\\\\");
}

static void a_file_that_is_not_an_ini_file_is_reported_with_its_line(void **state) {
#define BROKEN(text, words) broken(text, sizeof(text) - 1, words)
        BROKEN("[A]\nFlag yes\n", "x.conf:2: ");
        BROKEN("[A]\n[B\n", "x.conf:2: ");
        BROKEN("[]\n", "x.conf:1: ");
        BROKEN("[A]\n[B] x\n", "x.conf:2: ");
        BROKEN("[A]]x\n", "x.conf:1: ");
        BROKEN("\xef\xbb\xbf[A]\nFlag=yes\n", "x.conf:1: begins with a byte order mark");
        BROKEN("\xef\xbb\xbf[A]", "x.conf:1: begins with a byte order mark");
        BROKEN("[A]\n; \xe4\nFlag=yes\n[B]\nText=\xe4\n", "x.conf:5: not UTF-8");
        BROKEN("[\xc3(]\n", "x.conf:1: not UTF-8");
        BROKEN("[A]\nFlag=yes\n\0[B]\n", "x.conf:3: contains a NUL byte");
        BROKEN("[A]\nFlag=yes\0", "x.conf:2: contains a NUL byte");
        BROKEN("\0", "x.conf:1: contains a NUL byte");
#undef BROKEN
}

static void long_lines_and_big_files_are_refused(void **state) {
        enum { size = 300 * 1024 };
        _cleanup_free_ char *text = malloc(size);
        assert_non_null(text);
        memset(text, '#', size);
        broken(text, size, "x.conf: larger than 64 KiB");
        broken(text, 4096, "x.conf:1: longer than 4095 bytes");
        text[0] = '\n';
        broken(text, 8192, "x.conf:2: longer than 4095 bytes");
        for (size_t i = 4095; i < size; i += 4096)
                text[i] = '\n';
        _cleanup_(settings_done) Settings s = {};
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        assert_int_equal(read_settings(text, 64 * 1024, &s, &problems, &log), 0);
        assert_string_equal(log, "");
        broken(text, 64 * 1024 + 1, "x.conf: larger than 64 KiB");
}

static void only_regular_files_are_read(void **state) {
        Scratch *t = *state;
        unsigned problems = 0;
        _cleanup_free_ char *missing = outer_path(t, "none"), *fifo = outer_path(t, "fifo");
        assert_int_equal(conffile_read(missing, NULL, 0, &problems, NULL), -ENOENT);
        assert_int_equal(conffile_read("/dev/null", NULL, 0, &problems, NULL), 0);
        assert_int_equal(problems, 0);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(conffile_read(fifo, NULL, 0, &problems, NULL), -EBADMSG);
        assert_int_equal(conffile_read(t->path, NULL, 0, &problems, NULL), -EBADMSG);
        Capture c = capture_begin();
        int r = conffile_read("/dev/zero", NULL, 0, &problems, NULL);
        _cleanup_free_ char *log = capture_end(&c);
        assert_int_equal(r, -EBADMSG);
        assert_non_null(strstr(log, "/dev/zero: not a regular file\n"));
        assert_int_equal(problems, 3);
}

static void only_the_null_device_is_null(void **state) {
        const struct {
                struct stat st;
                bool null;
        } cases[] = {
                {{.st_mode = S_IFCHR, .st_rdev = makedev(1, 3)}, true},
                {{.st_mode = S_IFBLK, .st_rdev = makedev(1, 3)}, false},
                {{.st_mode = S_IFCHR, .st_rdev = makedev(1, 5)}, false},
                {{.st_mode = S_IFCHR, .st_rdev = makedev(3, 3)}, false},
                {{.st_mode = S_IFREG}, false},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(conffile_is_null(&cases[i].st), cases[i].null);
}

static void a_file_is_read_in_however_many_pieces(void **state) {
        _cleanup_(settings_done) Settings s = {};
        world.piece = 7;
        world.interruptions = 2;
        good("[A]\nFlag=yes\nSec=1min 30s\nNumber=25\n[B]\nText=some words\n", &s);
        assert_int_equal(world.interruptions, 0);
        assert_int_equal(world.end, 64 * 1024); /* never more, though the file may grow meanwhile */
        world.piece = 0;
        assert_int_equal(s.number, 25);
        assert_string_equal(s.text, "some words");
}

static int read_number(unsigned *ret) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        int level = log_set_max_level(LOG_INFO);
        int r = read_settings("[A]\nNumber=1\n", 13, &s, &problems, &log);
        (void) log_set_max_level(level);
        assert_string_equal(log, "");
        assert_int_equal(problems, 0);
        *ret = s.number;
        return r;
}

static void errors_of_reading_are_returned(void **state) {
        unsigned number;
        world.error = EIO;
        assert_int_equal(read_number(&number), -EIO);
        assert_int_equal(number, 0);
        world.fstat_error = EOVERFLOW;
        assert_int_equal(read_number(&number), -EOVERFLOW);
        world.fstat_error = 0;
        assert_int_equal(number, 0);
        world.econf = ECONF_NOMEM;
        assert_int_equal(read_number(&number), -ENOMEM);
        world.econf = ECONF_SUCCESS;
        assert_int_equal(number, 0);
        assert_int_equal(read_number(&number), 0);
        assert_int_equal(number, 1);
}

/* Neither does a terminal become ours, nor does a fifo hold us up, nor does a child get it. */
static void a_file_is_opened_without_side_effects(void **state) {
        unsigned number, problems = 0;
        assert_int_equal(read_number(&number), 0);
        assert_int_equal(world.flags & ~O_LARGEFILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        assert_int_equal(conffile_read("/dev/null/none", NULL, 0, &problems, NULL), -ENOTDIR);
        assert_int_equal(problems, 0);
}

static void a_key_that_libeconf_does_not_find_does_not_count(void **state) {
        _cleanup_(settings_done) Settings s = {};
        world.econf = ECONF_NOKEY;
        partly("[A]\nNumber=1\n", &s, 1, "x.conf:2: Number= spans several lines");
        world.econf = ECONF_SUCCESS;
        assert_int_equal(s.number, 0);
}

/* Most have no bootkeep.conf. */
static void a_missing_file_is_no_error_to_trace(void **state) {
        unsigned problems = 0;
        int level = log_set_max_level(LOG_DEBUG);
        Capture c = capture_begin();
        int r = conffile_read("/nowhere", NULL, 0, &problems, NULL);
        _cleanup_free_ char *log = capture_end(&c);
        (void) log_set_max_level(level);
        assert_int_equal(r, -ENOENT);
        assert_string_equal(log, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test_current(every_kind_of_value_is_read),
                scratch_test_current(comments_are_not_part_of_values),
                scratch_test_current(a_semicolon_begins_a_comment_only_where_a_line_does),
                scratch_test_current(a_line_that_is_not_understood_is_reported_and_the_others_count),
                scratch_test_current(a_value_that_ends_in_a_backslash_goes_on),
                scratch_test_current(comments_may_have_any_encoding),
                scratch_test_current(a_hash_inside_a_word_or_quotes_stays),
                scratch_test_current(quotes_at_both_ends_stay),
                scratch_test_current(surrounding_space_and_carriage_returns_are_cut),
                scratch_test_current(a_section_can_come_again),
                scratch_test_current(empty_values),
                scratch_test_current(an_empty_file_is_no_fault),
                scratch_test_current(unknown_keys_are_reported_and_the_rest_counts),
                scratch_test_current(a_section_may_learn_of_unknown_keys),
                scratch_test_current(the_first_line_that_does_not_count_is_known),
                scratch_test_current(a_key_with_the_name_of_the_one_before_it_counts_in_its_own_section),
                scratch_test_current(what_libeconf_skips_is_reported),
                scratch_test_current(bad_values_change_nothing),
                scratch_test_current(a_repeated_key_is_reported_and_the_first_counts),
                scratch_test_current(values_over_several_lines_are_refused),
                scratch_test_current(a_file_that_is_not_an_ini_file_is_reported_with_its_line),
                scratch_test_current(long_lines_and_big_files_are_refused),
                scratch_test_current(only_regular_files_are_read),
                scratch_test_current(errors_of_a_parser_end_the_reading),
                scratch_test_current(without_items_every_key_is_unknown),
                scratch_test_current(a_file_is_read_in_however_many_pieces),
                scratch_test_current(errors_of_reading_are_returned),
                scratch_test_current(a_key_that_libeconf_does_not_find_does_not_count),
                scratch_test_current(a_file_is_opened_without_side_effects),
                cmocka_unit_test(only_the_null_device_is_null),
                cmocka_unit_test(a_missing_file_is_no_error_to_trace),
        };
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
