/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/bytes.h"

static void sizes_are_told_in_the_largest_unit_that_they_fill(void **state) {
        static const struct {
                uint64_t size;
                const char *text;
        } cases[] = {
                {0, "0 bytes"},
                {1023, "1023 bytes"},
                {1024, "1.0 KiB"},
                {1536, "1.5 KiB"},
                {(1U << 20) - 1024, "1023.0 KiB"},
                {1U << 20, "1.0 MiB"},
                {42152755, "40.2 MiB"},
                {1U << 30, "1.0 GiB"},
                {UINT64_C(1) << 40, "1.0 TiB"},
                {UINT64_C(1) << 50, "1024.0 TiB"}, /* the largest unit */
                {UINT64_MAX, "16777216.0 TiB"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char b[BYTES_TEXT_MAX];
                assert_ptr_equal(bytes_to_text(cases[i].size, b), b);
                assert_string_equal(b, cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes_are_told_in_the_largest_unit_that_they_fill),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
