/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include "fixture.h"

static int fails(int r) {
        return error_origin(r);
}

/* What a call of fails(R) logs at LEVEL. */
static char *logged(int level, int r) {
        Capture c = capture_begin();
        int before = log_set_max_level(level);
        errno = ERANGE;
        int returned = fails(r), after = errno;
        (void) log_set_max_level(before);
        char *text = capture_end(&c);
        assert_int_equal(returned, r);
        assert_int_equal(after, ERANGE);
        return text;
}

static void an_origin_is_logged_once_at_debug_level(void **state) {
        _cleanup_free_ char *log = logged(LOG_DEBUG, -EINVAL);
        const char *line = strstr(log, "fails()");
        if (!line || !strstr(log, "test-error.c:7") || !strstr(log, "Invalid argument"))
                fail_msg("neither function nor place: %s", log);
        assert_null(strstr(line + 1, "fails()"));
        assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
}

static void nothing_is_logged_otherwise(void **state) {
        static const int levels[] = {LOG_EMERG, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO};
        for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
                _cleanup_free_ char *log = logged(levels[i], -EINVAL);
                assert_string_equal(log, "");
        }
        _cleanup_free_ char *zero = logged(LOG_DEBUG, 0), *positive = logged(LOG_DEBUG, 3);
        assert_string_equal(zero, "");
        assert_string_equal(positive, "");
}

/* Each errno is logged once, however deep the calls that pass it on. */
static int passes_on(int r) {
        r = fails(r);
        return r;
}

static void passing_an_error_on_logs_nothing(void **state) {
        Capture c = capture_begin();
        int before = log_set_max_level(LOG_DEBUG);
        assert_int_equal(passes_on(-ENOENT), -ENOENT);
        (void) log_set_max_level(before);
        _cleanup_free_ char *log = capture_end(&c);
        assert_null(strstr(log, "passes_on"));
        assert_non_null(strstr(log, "fails()"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_origin_is_logged_once_at_debug_level),
                cmocka_unit_test(nothing_is_logged_otherwise),
                cmocka_unit_test(passing_an_error_on_logs_nothing),
        };
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
