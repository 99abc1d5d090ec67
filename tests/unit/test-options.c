/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/options.h"

#include <getopt.h>

#include "base/log.h"
#include "config.h"
#include "fixture.h"

typedef struct Values {
        bool set, cleared, yes;
        const char *string, *maybe;
        char **list;
        uint64_t number;
} Values;

static void values_done(Values *v) {
        strv_free(v->list);
}

static int option_maybe(const char *value, void *data) {
        *(const char **) data = value ? value : "left out";
        return 0;
}

static int option_fails(const char *value, void *data) {
        return -ENOMEM;
}

static int option_refuses(const char *value, void *data) {
        return -EINVAL;
}

static void print_verbs(void) {
        (void) puts("VERBS");
}

/* Parses the arguments after the name of the program, up to NULL. Output and log are returned in
 * *RET_TEXT. */
static int parse(Values *v, char **ret_text, ...) {
        const Option options[] = {
                {"set", NULL, "Set it", option_set, &v->set, 's'},
                {"clear", NULL, "Clear it", option_clear, &v->cleared},
                {"yes", "yes|no", "Yes or no", option_yes_no, &v->yes},
                {"string", "TEXT", "A text", option_string, &v->string, 't'},
                {"maybe", "[TEXT]", "May have a value", option_maybe, &v->maybe, 'm'},
                {"list", "TEXT", "More texts", option_list, &v->list},
                {"number", "N", "A number", option_number, &v->number, .expects = "digits"},
                {"fails", "[WHY]", "Fails", option_fails, NULL},
                {"refuses", NULL, "Refuses", option_refuses, NULL},
                {NULL, "LETTER", "By its letter alone", option_string, &v->string, 'x'},
                {NULL, NULL, "Nothing", option_ignore, NULL, 'i'},
                {NULL, "N", "A number by its letter", option_number, &v->number, 'n'},
        };
        const OptionsHelp help = {
                .program = "test",
                .synopsis = "WHAT",
                .purpose = "Tests.",
                .print_verbs = print_verbs,
                .footer = "That is all.",
                .version_letter = 'V',
        };
        char *argv[16] = {(char *) "test"};
        int argc = 1;
        va_list ap;
        va_start(ap, ret_text);
        for (char *s; (s = va_arg(ap, char *));)
                argv[argc++] = s;
        va_end(ap);
        optind = 0;
        (void) fflush(stdout);
        Capture c = capture_begin();
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(dup2(STDERR_FILENO, STDOUT_FILENO) >= 0);
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        (void) fflush(stdout);
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        close(out);
        _cleanup_free_ char *text = capture_end(&c);
        if (ret_text)
                *ret_text = TAKE_PTR(text);
        else
                assert_string_equal(text, "");
        return r;
}

static void each_kind_of_value_is_taken(void **state) {
        _cleanup_(values_done) Values v = {.cleared = true};
        assert_int_equal(parse(&v, NULL, "--set", "--clear", "--yes=yes", "--string=a", "--list", "b",
                               "--list=c", "--number=18446744073709551615", "-i", "rest", NULL),
                         1);
        assert_int_equal(optind, 10);
        assert_true(v.set && !v.cleared && v.yes && v.number == UINT64_MAX);
        assert_string_equal(v.string, "a");
        assert_int_equal(strv_length(v.list), 2);
        assert_string_equal(v.list[0], "b");
        assert_string_equal(v.list[1], "c");
        assert_null(v.maybe);
        assert_int_equal(parse(&v, NULL, "--yes=no", NULL), 1);
        assert_false(v.yes);
}

static void letters_mean_what_names_do(void **state) {
        _cleanup_(values_done) Values v = {};
        assert_int_equal(parse(&v, NULL, "-st", "text", "-mhere", "--", "--clear", NULL), 1);
        assert_int_equal(optind, 5);
        assert_true(v.set);
        assert_string_equal(v.string, "text");
        assert_string_equal(v.maybe, "here");
        assert_int_equal(parse(&v, NULL, "-x", "other", NULL), 1);
        assert_string_equal(v.string, "other");
}

static void a_value_in_brackets_may_be_left_out(void **state) {
        _cleanup_(values_done) Values v = {};
        assert_int_equal(parse(&v, NULL, "--maybe", "a", NULL), 1);
        assert_string_equal(v.maybe, "left out");
        assert_int_equal(optind, 2);
        assert_int_equal(parse(&v, NULL, "--maybe=b", NULL), 1);
        assert_string_equal(v.maybe, "b");
        assert_int_equal(parse(&v, NULL, "-m", "a", NULL), 1);
        assert_string_equal(v.maybe, "left out");
}

static void refuses(const char *words, int r, const char *option, const char *value) {
        _cleanup_(values_done) Values v = {};
        _cleanup_free_ char *text = NULL;
        assert_int_equal(parse(&v, &text, option, value, NULL), r);
        if (!strstr(text, words))
                fail_msg("\"%s\" is not in: %s", words, text);
        assert_false(v.yes);
        assert_int_equal(v.number, 0);
}

static void bad_usage_is_reported(void **state) {
        refuses("--yes=maybe: bad value, expected yes|no", -EINVAL, "--yes=maybe", NULL);
        refuses("--number=-1: bad value, expected digits", -EINVAL, "--number=-1", NULL);
        refuses("--number=18446744073709551616: bad value", -EINVAL, "--number=18446744073709551616", NULL);
        refuses("-n x: bad value, expected N", -EINVAL, "-n", "x");
        refuses("--yes=: bad value, expected yes|no", -EINVAL, "--yes=", NULL);
        refuses("--refuses: Invalid argument", -EINVAL, "--refuses", NULL);
        refuses("--fails: Cannot allocate memory", -ENOMEM, "--fails", NULL);
        refuses("--fails: Cannot allocate memory", -ENOMEM, "--fails=x", NULL);
        refuses("bogus", -EINVAL, "--bogus", NULL);
        refuses("'z'", -EINVAL, "-z", NULL);
        refuses("--string", -EINVAL, "--string", NULL);
        refuses("--set", -EINVAL, "--set=x", NULL);
        refuses("'t'", -EINVAL, "-t", NULL);
}

static void help_shows_the_table(void **state) {
        static const char expected[] = "test [OPTIONS...] WHAT\n\n"
                                       "Tests.\n\n"
                                       "VERBS\n"
                                       "  -s --set           Set it\n"
                                       "     --clear         Clear it\n"
                                       "     --yes=yes|no    Yes or no\n"
                                       "  -t --string=TEXT   A text\n"
                                       "  -m --maybe[=TEXT]  May have a value\n"
                                       "     --list=TEXT     More texts\n"
                                       "     --number=N      A number\n"
                                       "     --fails[=WHY]   Fails\n"
                                       "     --refuses       Refuses\n"
                                       "  -x LETTER          By its letter alone\n"
                                       "  -i                 Nothing\n"
                                       "  -n N               A number by its letter\n"
                                       "  -h --help          Show this help\n"
                                       "  -V --version       Show package version\n"
                                       "\nThat is all.\n";
        static const char *const asked[] = {"--help", "-h"};
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                _cleanup_(values_done) Values v = {};
                _cleanup_free_ char *text = NULL;
                assert_int_equal(parse(&v, &text, asked[i], "--bogus", NULL), 0);
                assert_string_equal(text, expected);
        }
}

static void the_version_is_printed(void **state) {
        static const char *const asked[] = {"--version", "-V"};
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                _cleanup_(values_done) Values v = {};
                _cleanup_free_ char *text = NULL;
                assert_int_equal(parse(&v, &text, asked[i], NULL), 0);
                assert_string_equal(text, "test " BOOTKEEP_VERSION "\n");
        }
}

static void optional_parts_of_help_may_be_left_out(void **state) {
        const OptionsHelp help = {.program = "bare", .purpose = "Bare.", .footer = "End."};
        char *argv[] = {(char *) "bare", (char *) "--help", NULL},
             *letter[] = {(char *) "bare", (char *) "-V", NULL};
        optind = 0;
        (void) fflush(stdout);
        Capture c = capture_begin();
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(dup2(STDERR_FILENO, STDOUT_FILENO) >= 0);
        int r = options_parse(2, argv, NULL, 0, &help);
        (void) fflush(stdout);
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        close(out);
        optind = 0;
        int q = options_parse(2, letter, NULL, 0, &help);
        _cleanup_free_ char *text = capture_end(&c);
        assert_int_equal(r, 0);
        assert_int_equal(q, -EINVAL);
        assert_non_null(startswith(text, "bare [OPTIONS...]\n\nBare.\n\n"
                                         "  -h --help     Show this help\n"
                                         "     --version  Show package version\n"
                                         "\nEnd.\n"));
}

static void a_failing_write_is_reported(void **state) {
        static const char *const asked[] = {"--help", "--version"};
        const OptionsHelp help = {.program = "bare", .purpose = "Bare.", .footer = "End."};
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), full = open("/dev/full", O_WRONLY | O_CLOEXEC),
            r[2];
        (void) fflush(stdout);
        assert_true(dup2(full, STDOUT_FILENO) >= 0);
        close(full);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                char *argv[] = {(char *) "bare", (char *) asked[i], NULL};
                optind = 0;
                r[i] = options_parse(2, argv, NULL, 0, &help);
        }
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        close(out);
        clearerr(stdout);
        assert_int_equal(r[0], -EIO);
        assert_int_equal(r[1], -EIO);
}

/* With --help and --version 32, each with as long a form as there is. */
static void thirty_options_have_room(void **state) {
        static const char letters[] = "abcdefgijklmnopqrstuvwxyzABCDE";
        char names[30][2] = {};
        Option options[30];
        const char *values[30] = {};
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                names[i][0] = letters[i];
                options[i] = (Option){names[i], "[X]", "", option_maybe, &values[i], letters[i]};
        }
        const OptionsHelp help = {.program = "many", .purpose = "", .footer = "", .version_letter = 'V'};
        char *argv[] = {(char *) "many", (char *) "-E1",   (char *) "--E",
                        (char *) "-a2",  (char *) "--b=3", NULL};
        optind = 0;
        assert_int_equal(options_parse(5, argv, options, ELEMENTSOF(options), &help), 1);
        assert_string_equal(values[29], "left out");
        assert_string_equal(values[0], "2");
        assert_string_equal(values[1], "3");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_value_is_taken),
                cmocka_unit_test(letters_mean_what_names_do),
                cmocka_unit_test(a_value_in_brackets_may_be_left_out),
                cmocka_unit_test(bad_usage_is_reported),
                cmocka_unit_test(help_shows_the_table),
                cmocka_unit_test(the_version_is_printed),
                cmocka_unit_test(optional_parts_of_help_may_be_left_out),
                cmocka_unit_test(a_failing_write_is_reported),
                cmocka_unit_test(thirty_options_have_room),
        };
        (void) setvbuf(stdout, NULL, _IONBF, 0); /* each write fails where it is made */
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
