/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
        uint32_t c;
        const char *bytes;
} characters[] = {
        {1, "\x01"},
        {'a', "a"},
        {0x7f, "\x7f"},
        {0x80, "\xc2\x80"},
        {0xe4, "\xc3\xa4"},
        {0x7ff, "\xdf\xbf"},
        {0x800, "\xe0\xa0\x80"},
        {0x20ac, "\xe2\x82\xac"},
        {0xd7ff, "\xed\x9f\xbf"},
        {0xe000, "\xee\x80\x80"},
        {0xffff, "\xef\xbf\xbf"},
        {0x10000, "\xf0\x90\x80\x80"},
        {0x40000, "\xf1\x80\x80\x80"},
        {0xbffff, "\xf2\xbf\xbf\xbf"},
        {0xe0001, "\xf3\xa0\x80\x81"},
        {0x1f600, "\xf0\x9f\x98\x80"},
        {0x10ffff, "\xf4\x8f\xbf\xbf"},
};

static void characters_are_read_and_written_alike(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(characters); i++) {
                char text[16], buffer[UTF8_CHARACTER_MAX];
                size_t n = strlen(characters[i].bytes);
                uint32_t c = 0;
                (void) snprintf(text, sizeof(text), "%sx", characters[i].bytes);
                assert_int_equal(utf8_decode(text, &c), n);
                assert_int_equal(c, characters[i].c);
                assert_int_equal(utf8_encode(c, buffer), n);
                assert_memory_equal(buffer, characters[i].bytes, n);
                assert_true(utf8_is_valid(text));
        }
}

static void code_points_outside_unicode_are_not_characters(void **state) {
        static const char *const bad[] = {
                "\x80",
                "\xbf",
                "\xc3",
                "\xc3x",
                "\xc0\x80",
                "\xc1\xbf",
                "\xe0\x9f\xbf",
                "\xe2\x82",
                "\xe2\x82x",
                "\xe2\x28\xac",
                "\xed\xa0\x80",
                "\xed\xbf\xbf",
                "\xf0\x8f\xbf\xbf",
                "\xf4\x90\x80\x80",
                "\xf0\x9f\x98",
                "\xf5\x80\x80\x80",
                "\xf8\x88\x80\x80\x80",
                "\xff",
                "\xfe",
                "\xc3\xc3",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint32_t c = 42;
                char text[16];
                assert_int_equal(utf8_decode(bad[i], &c), 0);
                assert_int_equal(c, 42);
                (void) snprintf(text, sizeof(text), "ab%s", bad[i]);
                assert_false(utf8_is_valid(text));
        }
        char buffer[UTF8_CHARACTER_MAX] = "abc";
        static const uint32_t none[] = {0xd800, 0xdbff, 0xdc00, 0xdfff, 0x110000, UINT32_MAX};
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(utf8_encode(none[i], buffer), 0);
        assert_string_equal(buffer, "abc");
}

static void nul_takes_one_byte(void **state) {
        char buffer[UTF8_CHARACTER_MAX] = "abc";
        assert_int_equal(utf8_encode(0, buffer), 1);
        assert_memory_equal(buffer, "\0bc", 3);
}

static void the_empty_string_is_valid(void **state) {
        assert_true(utf8_is_valid(""));
        assert_true(utf8_is_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(characters_are_read_and_written_alike),
                cmocka_unit_test(code_points_outside_unicode_are_not_characters),
                cmocka_unit_test(nul_takes_one_byte),
                cmocka_unit_test(the_empty_string_is_valid),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
