/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/escape.h"

#include <malloc.h>

#include "interpose.h"

/* Moves always, as it may. */
void *realloc(void *ptr, size_t size) {
        char *moved = malloc(size);
        if (ptr && moved) {
                memcpy(moved, ptr, MIN(malloc_usable_size(ptr), size));
                memset(ptr, 'x', malloc_usable_size(ptr));
                free(ptr);
        }
        return moved;
}

static void any_string_comes_back(void **state) {
        char all[256] = {};
        for (int i = 1; i < 256; i++)
                all[i - 1] = (char) i;
        const char *strings[] = {"", "a", " ", "\\", "\\x", "\\x41", "a b\nc", "ax", "xy", "ü\xff", all};
        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                char *word = escape_word(strings[i]), *back = NULL;
                assert_non_null(word);
                for (const char *p = word; *p; p++)
                        assert_true(*p > 0x20 && *p < 0x7f);
                assert_int_equal(unescape_word(word, strlen(word), &back), 0);
                assert_string_equal(back, strings[i]);
                free(word);
                free(back);
        }
}

static void what_is_printable_stays(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {{"!~aZ09", "!~aZ09"},
                     {" ", "\\x20"},
                     {"\\", "\\x5c"},
                     {"\x7f\x80", "\\x7f\\x80"},
                     {"", "\\x"}};
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *word = escape_word(cases[i].in);
                assert_string_equal(word, cases[i].out);
        }
}

static void only_what_is_written_is_read(void **state) {
        const char *bad[] = {"",      "a b",   "\\",     "\\x2", "\\x2g", "\\xg2",    "\\xgg",   "\\x2F",
                             "\\x00", "\\x41", "\\x7\n", "a\tb", "\\n",   "\xc3\xa4", "\\xff\\", "\\X20"};
        char *back = NULL;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(unescape_word(bad[i], strlen(bad[i]), &back), -EINVAL);
        assert_int_equal(unescape_word("ab\0cd", 5, &back), -EINVAL);
        assert_int_equal(unescape_word("\\x20", 3, &back), -EINVAL);
        assert_int_equal(unescape_word("\\x20", 0, &back), -EINVAL);
        assert_int_equal(unescape_word("a\\x20", 4, &back), -EINVAL);
        assert_null(back);
}

static void no_more_is_read_than_there_is(void **state) {
        static const struct {
                const char *text;
                size_t size;
                const char *word;
        } cases[] = {{"ab cd", 2, "ab"}, {"\\x20cd", 4, " "}, {"\\x cd", 2, ""}, {"a\\x20", 1, "a"}};
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *word = NULL;
                assert_int_equal(unescape_word(cases[i].text, cases[i].size, &word), 0);
                assert_string_equal(word, cases[i].word);
        }
}

static void terminal_gets_no_control_characters(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                {"größer \\ 漢 😀", "größer \\ 漢 😀"},
                {"\033[2J\n\x7f", "\\x1b[2J\\x0a\\x7f"},
                {"\x1f ~", "\\x1f ~"},
                {"\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0"},
                {"\xc2\x85", "\\xc2\\x85"},          /* U+0085 */
                {"\xc0\xaf", "\\xc0\\xaf"},          /* overlong */
                {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"}, /* overlong */
                {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
                {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
                {"a\xe2\x82", "a\\xe2\\x82"}, /* cut short */
                {"\xff", "\\xff"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *text = escape_print(cases[i].in);
                assert_string_equal(text, cases[i].out);
                free(text);
        }
}

static void line_is_split_into_its_words(void **state) {
        char **words = NULL;
        assert_int_equal(split_words("one \\x two\\x20words", &words), 0);
        assert_int_equal(strv_length(words), 3);
        assert_string_equal(words[0], "one");
        assert_string_equal(words[1], "");
        assert_string_equal(words[2], "two words");
        words = strv_free(words);
        assert_int_equal(split_words("", &words), 0);
        assert_int_equal(strv_length(words), 0);
        words = strv_free(words);
        const char *bad[] = {" ", " a", "a ", "a  b", "a\nb", "a \\q"};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(split_words(bad[i], &words), -EINVAL);
        assert_null(words);
}

static void long_strings_have_room(void **state) {
        enum { SIZE = 200000 };
        _cleanup_free_ char *s = calloc(1, SIZE + 1);
        assert_non_null(s);
        memset(s, 1, SIZE);
        _cleanup_free_ char *word = escape_word(s), *text = escape_print(s);
        assert_string_equal(word, text);
        assert_int_equal(strlen(word), 4 * SIZE);
        _cleanup_free_ char *back = NULL;
        assert_int_equal(unescape_word(word, strlen(word), &back), 0);
        assert_string_equal(back, s);
        for (size_t i = 0; i < SIZE; i++)
                assert_memory_equal(word + 4 * i, "\\x01", 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(any_string_comes_back),
                cmocka_unit_test(what_is_printable_stays),
                cmocka_unit_test(only_what_is_written_is_read),
                cmocka_unit_test(no_more_is_read_than_there_is),
                cmocka_unit_test(terminal_gets_no_control_characters),
                cmocka_unit_test(long_strings_have_room),
                cmocka_unit_test(line_is_split_into_its_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
