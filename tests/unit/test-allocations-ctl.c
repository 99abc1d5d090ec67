/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/ctl fails in turn, but for what needs a bus or a terminal. */

#include "allocations.h"

#include "ctl/format.h"

static int wrap_text(void *userdata) {
        _cleanup_free_ char *text = format_wrap("some words that are too many for one line", 10, '\n');
        return text ? 0 : -ENOMEM;
}

static void text_is_wrapped_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(wrap_text, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_wrapped_or_the_error_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
