/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a reader of --json gets: always well-formed, whatever the strings contain. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/json.h"

static void write_values(Json *j) {
        json_object_open(j, NULL);
        json_string(j, "s", "a");
        json_array_open(j, "empty");
        json_array_close(j);
        json_array_open(j, "list");
        json_object_open(j, NULL);
        json_bool(j, "b", true);
        json_object_close(j);
        json_signed(j, NULL, -7);
        json_array_close(j);
        json_unsigned(j, "n", UINT64_MAX);
        json_object_close(j);
}

static void assert_written(JsonMode mode, void (*fill)(Json *j), const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        assert_non_null(f);
        Json j = JSON_INIT(f, mode);
        fill(&j);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, expected);
}

static void short_is_one_line(void **state) {
        assert_written(JSON_SHORT, write_values,
                       "{\"s\":\"a\",\"empty\":[],\"list\":[{\"b\":true},-7],\"n\":18446744073709551615}\n");
}

static void pretty_is_indented(void **state) {
        assert_written(JSON_PRETTY, write_values,
                       "{\n"
                       "        \"s\": \"a\",\n"
                       "        \"empty\": [],\n"
                       "        \"list\": [\n"
                       "                {\n"
                       "                        \"b\": true\n"
                       "                },\n"
                       "                -7\n"
                       "        ],\n"
                       "        \"n\": 18446744073709551615\n"
                       "}\n");
}

static void write_strings(Json *j) {
        json_array_open(j, NULL);
        json_string(j, NULL, "quote \" backslash \\ newline \n escape \033 delete \177 csi \302\233");
        json_string(j, NULL, "é € 😀");
        json_array_close(j);
}

static void special_characters_are_escaped_and_utf8_is_kept(void **state) {
        assert_written(JSON_SHORT, write_strings,
                       "[\"quote \\\" backslash \\\\ newline \\u000a escape \\u001b delete \\u007f csi "
                       "\\u009b\",\"é € 😀\"]\n");
}

static void write_edges(Json *j) {
        json_array_open(j, NULL);
        json_string(j, NULL, "\x1f\x20\x7e\x7f\xc2\x80\xc2\x9f\xc2\xa0");
        json_string(j, NULL, "");
        json_array_close(j);
}

static void control_characters_are_those_of_ascii_and_latin_1(void **state) {
        assert_written(JSON_SHORT, write_edges, "[\"\\u001f ~\\u007f\\u0080\\u009f\xc2\xa0\",\"\"]\n");
}

static void write_each_kind(Json *j) {
        json_object_open(j, NULL);
        json_bool(j, "t\"", true);
        json_bool(j, "f", false);
        json_signed(j, "min", INT64_MIN);
        json_signed(j, "max", INT64_MAX);
        json_unsigned(j, "zero", 0);
        json_object_open(j, "o");
        json_object_close(j);
        json_array_open(j, "a");
        json_array_open(j, NULL);
        json_array_close(j);
        json_unsigned(j, NULL, 1);
        json_array_close(j);
        json_object_close(j);
}

static void each_kind_of_value_is_written(void **state) {
        assert_written(JSON_SHORT, write_each_kind,
                       "{\"t\\\"\":true,\"f\":false,\"min\":-9223372036854775808,"
                       "\"max\":9223372036854775807,\"zero\":0,\"o\":{},\"a\":[[],1]}\n");
        assert_written(JSON_PRETTY, write_each_kind,
                       "{\n"
                       "        \"t\\\"\": true,\n"
                       "        \"f\": false,\n"
                       "        \"min\": -9223372036854775808,\n"
                       "        \"max\": 9223372036854775807,\n"
                       "        \"zero\": 0,\n"
                       "        \"o\": {},\n"
                       "        \"a\": [\n"
                       "                [],\n"
                       "                1\n"
                       "        ]\n"
                       "}\n");
}

static void write_nothing(Json *j) {
        json_array_open(j, NULL);
        json_array_close(j);
}

static void an_empty_document_is_a_line(void **state) {
        assert_written(JSON_SHORT, write_nothing, "[]\n");
        assert_written(JSON_PRETTY, write_nothing, "[]\n");
}

/* a lone continuation, a truncated sequence, an overlong slash, a surrogate, beyond Unicode, an invalid
 * byte */
static void write_broken(Json *j) {
        json_array_open(j, NULL);
        json_string(j, NULL, "\x80");
        json_string(j, NULL, "a\xe2\x82");
        json_string(j, NULL, "\xc0\xaf");
        json_string(j, NULL, "\xed\xa0\x80");
        json_string(j, NULL, "\xf4\x90\x80\x80");
        json_string(j, NULL, "\xff.");
        json_array_close(j);
}

static void what_is_not_utf8_is_replaced(void **state) {
        assert_written(JSON_SHORT, write_broken,
                       "[\"\\ufffd\",\"a\\ufffd\\ufffd\",\"\\ufffd\\ufffd\",\"\\ufffd\\ufffd\\ufffd\","
                       "\"\\ufffd\\ufffd\\ufffd\\ufffd\",\"\\ufffd.\"]\n");
}

static void modes_have_names(void **state) {
        assert_int_equal(json_mode_from_string("off"), JSON_OFF);
        assert_int_equal(json_mode_from_string("short"), JSON_SHORT);
        assert_int_equal(json_mode_from_string("pretty"), JSON_PRETTY);
        static const char *const others[] = {"yaml", "", "of", "offf", "Short", "pretty "};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(json_mode_from_string(others[i]), _JSON_MODE_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(short_is_one_line),
                cmocka_unit_test(pretty_is_indented),
                cmocka_unit_test(special_characters_are_escaped_and_utf8_is_kept),
                cmocka_unit_test(control_characters_are_those_of_ascii_and_latin_1),
                cmocka_unit_test(each_kind_of_value_is_written),
                cmocka_unit_test(an_empty_document_is_a_line),
                cmocka_unit_test(what_is_not_utf8_is_replaced),
                cmocka_unit_test(modes_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
