/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/clienttext.h"

#include "base/utf8.h"
#include "fixture.h"

static const Peer client = {.id = 1, .name = ":1.7", .pid = 1234};

static void assert_released(int status, const char *said, const char *expected) {
        _cleanup_free_ char *text = clienttext_released(&client, status, said);
        assert_string_equal(text, expected);
}

static void a_client_that_says_nothing_is_described(void **state) {
        const Peer unknown = {.id = 1, .name = ":1.8"};
        assert_released(3, NULL, ":1.7 (PID 1234) released its lock with status 3");
        assert_released(-1, "", ":1.7 (PID 1234) released its lock with status -1");
        _cleanup_free_ char *vanished = clienttext_vanished(&client);
        assert_string_equal(vanished, ":1.7 (PID 1234) vanished and lost its lock");
        _cleanup_free_ char *without_pid = clienttext_vanished(&unknown);
        assert_string_equal(without_pid, ":1.8 vanished and lost its lock");
        _cleanup_free_ char *late = clienttext_late(&client);
        assert_string_equal(late,
                            ":1.7 (PID 1234) still held its lock when the system went down, and lost it");
}

static void its_own_words_follow_its_name(void **state) {
        assert_released(1, "builder pack was killed by SIGKILL",
                        ":1.7 (PID 1234) released its lock with status 1 and said: "
                        "builder pack was killed by SIGKILL");
        assert_released(1, "größer", ":1.7 (PID 1234) released its lock with status 1 and said: größer");
}

static void what_controls_a_terminal_or_begins_a_line_is_escaped(void **state) {
        assert_released(1, "a\nb\033[31m\x7f",
                        ":1.7 (PID 1234) released its lock with status 1 and said: "
                        "a\\x0ab\\x1b[31m\\x7f");
}

/* The bus does not carry them, but this does not rely on it. */
static void bytes_that_are_no_characters_are_escaped(void **state) {
        char said[2 * CLIENTTEXT_MAX] = "\xff";
        memset(said + 2, 'x', sizeof(said) - 3); /* after its end */
        assert_released(1, said, ":1.7 (PID 1234) released its lock with status 1 and said: \\xff");
        assert_released(1, "\xc3", ":1.7 (PID 1234) released its lock with status 1 and said: \\xc3");
}

/* Only as much as may be kept, in whole characters. */
static void long_words_are_cut(void **state) {
        static const char *const letters[] = {"x", "é", "€", "😀"};
        static const char head[] = ":1.7 (PID 1234) released its lock with status 1 and said: ", mark[] = "…";
        for (size_t i = 0; i < ELEMENTSOF(letters); i++) {
                char said[2 * CLIENTTEXT_MAX + 8] = "";
                size_t n = strlen(letters[i]), whole = CLIENTTEXT_MAX / n * n;
                for (size_t length = 0; length < 2 * CLIENTTEXT_MAX; length += n)
                        memcpy(said + length, letters[i], n);
                _cleanup_free_ char *cut = clienttext_released(&client, 1, said);
                assert_int_equal(strlen(cut), strlen(head) + whole + strlen(mark));
                assert_true(utf8_is_valid(cut));
                assert_string_equal(cut + strlen(head) + whole, mark);
                said[whole] = '\0'; /* just fits */
                _cleanup_free_ char *all = clienttext_released(&client, 1, said);
                assert_string_equal(all + strlen(head), said);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_client_that_says_nothing_is_described),
                cmocka_unit_test(its_own_words_follow_its_name),
                cmocka_unit_test(what_controls_a_terminal_or_begins_a_line_is_escaped),
                cmocka_unit_test(bytes_that_are_no_characters_are_escaped),
                cmocka_unit_test(long_words_are_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
