/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines are split into words as by systemd. */

#include "scratch.h"

#include "base/words.h"

/* LINE must be split into the words that follow, up to NULL. */
static void gives(const char *line, ...) {
        _cleanup_strv_free_ char **words = NULL;
        const char *why = NULL, *expected;
        size_t i = 0;
        assert_int_equal(words_split(line, &words, &why), 0);
        va_list ap;
        va_start(ap, line);
        while ((expected = va_arg(ap, const char *))) {
                assert_true(i < strv_length(words));
                assert_string_equal(words[i++], expected);
        }
        va_end(ap);
        assert_int_equal(strv_length(words), i);
}

static void refuses(const char *line, const char *expected) {
        char **words = (char **) 0x1;
        const char *why = NULL;
        assert_int_equal(words_split(line, &words, &why), -EINVAL);
        assert_ptr_equal(words, (char **) 0x1);
        assert_string_equal(why, expected);
}

static void white_space_separates(void **state) {
        gives("", NULL);
        gives("  \t ", NULL);
        gives("one", "one", NULL);
        gives(" /bin/a  b\tc\nd ", "/bin/a", "b", "c", "d", NULL);
}

static void quotes_join_words(void **state) {
        gives("\"a b\" 'c d'", "a b", "c d", NULL);
        gives("\"it's\" 'say \"x\"'", "it's", "say \"x\"", NULL);
        gives("a\"b c\"d", "ab cd", NULL);
        gives("\"\" ''", "", "", NULL);
        gives("--opt=\"a # b\"", "--opt=a # b", NULL);
}

static void escapes_are_those_of_c(void **state) {
        gives("a\\sb", "a b", NULL);
        gives("\\n\\t\\\\\\\"\\'", "\n\t\\\"'", NULL);
        gives("\"\\n\" '\\x41'", "\n", "A", NULL);
        gives("\\x41\\101\\u00e9\\U0001F600", "AA\xc3\xa9\xf0\x9f\x98\x80", NULL);
        gives("\\u20ac", "\xe2\x82\xac", NULL);
        gives("\\xff", "\xff", NULL);
        gives("\\a\\b\\f\\r\\v", "\a\b\f\r\v", NULL);
        gives("\\012\\377\\001\\177", "\n\xff\x01\x7f", NULL);
}

static void an_escape_has_a_fixed_number_of_digits(void **state) {
        gives("\\x41f", "Af", NULL);
        gives("\\1012", "A2", NULL);
        gives("\\u00412", "A2", NULL);
        gives("\\U000000412", "A2", NULL);
        gives("\\u00A3\\xaAb",
              "\xc2\xa3\xaa"
              "b",
              NULL);
}

static void there_is_no_shell(void **state) {
        gives("$HOME * ; | > ~ `x` #c", "$HOME", "*", ";", "|", ">", "~", "`x`", "#c", NULL);
}

static void what_is_not_understood_is_refused(void **state) {
        static const struct {
                const char *why, *lines[8];
        } cases[] = {
                {"an unclosed quote", {"\"open", "'open", "a b \"c d", "\"a\\\"", "\"a'", "'a\"", "\""}},
                {"a backslash at the end", {"a\\", "\\", "\"\\", "\\\\\\"}},
                {"an unknown escape", {"\\q", "\\8", "\\/", "\\9", "\\X41", "\\:", "\\ ", "\\\n"}},
                {"an escape with too few digits",
                 {"\\x4", "\\xgg", "\\08", "\\u12", "\\x4g", "\\7", "\\U0001F60", "\\018"}},
                {"an escape for NUL", {"\\x00", "\\000", "\\u0000", "\\U00000000"}},
                {"an octal escape above \\377", {"\\400", "\\777"}},
                {"an escape that is not a Unicode character",
                 {"\\ud800", "\\uDFFF", "\\U00110000", "\\Uffffffff"}},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t k = 0; k < ELEMENTSOF(cases[i].lines) && cases[i].lines[k]; k++)
                        refuses(cases[i].lines[k], cases[i].why);
}

static void long_lines_are_no_problem(void **state) {
        enum { n = 3000 };
        char line[2 * n + 1];
        for (size_t i = 0; i < n; i++)
                memcpy(line + 2 * i, "x ", 3);
        _cleanup_strv_free_ char **words = NULL;
        const char *why = NULL;
        assert_int_equal(words_split(line, &words, &why), 0);
        assert_int_equal(strv_length(words), n);
        assert_string_equal(words[n - 1], "x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(white_space_separates),
                cmocka_unit_test(quotes_join_words),
                cmocka_unit_test(escapes_are_those_of_c),
                cmocka_unit_test(an_escape_has_a_fixed_number_of_digits),
                cmocka_unit_test(there_is_no_shell),
                cmocka_unit_test(what_is_not_understood_is_refused),
                cmocka_unit_test(long_lines_are_no_problem),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
