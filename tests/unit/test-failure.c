/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/failure.h"

#include "fixture.h"

static void the_text_is_set_and_the_error_returned(void **state) {
        _cleanup_free_ char *text = NULL;
        assert_int_equal(failure(&text, -ENOSPC, "%s is %i short", "sda1", 3), -ENOSPC);
        assert_string_equal(text, "sda1 is 3 short");
}

static void the_text_of_the_error_follows(void **state) {
        _cleanup_free_ char *text = NULL;
        assert_int_equal(failure_errno(&text, -ENOENT, "Failed to open %s", "/x"), -ENOENT);
        assert_string_equal(text, "Failed to open /x: No such file or directory");
}

/* That the earlier one is freed is for the leak sanitizer to say. */
static void an_earlier_text_is_replaced(void **state) {
        _cleanup_free_ char *text = strdup("first");
        assert_int_equal(failure(&text, -EINVAL, "second"), -EINVAL);
        assert_string_equal(text, "second");
        assert_int_equal(failure_errno(&text, -EPERM, "third"), -EPERM);
        assert_string_equal(text, "third: Operation not permitted");
}

static void without_a_place_for_it_nothing_is_set(void **state) {
        assert_int_equal(failure(NULL, -EINVAL, "text %s", "unused"), -EINVAL);
        assert_int_equal(failure_errno(NULL, -EINTR, "text %s", "unused"), -EINTR);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_text_is_set_and_the_error_returned),
                cmocka_unit_test(the_text_of_the_error_follows),
                cmocka_unit_test(an_earlier_text_is_replaced),
                cmocka_unit_test(without_a_place_for_it_nothing_is_set),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
