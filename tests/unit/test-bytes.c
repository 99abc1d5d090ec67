/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/bytes.h"

static void sizes_read_well(void **state) {
        char b[BYTES_TEXT_MAX];

        assert_string_equal(bytes_to_text(0, b), "0 bytes");
        assert_string_equal(bytes_to_text(1023, b), "1023 bytes");
        assert_string_equal(bytes_to_text(42152755, b), "40.2 MiB");
        assert_string_equal(bytes_to_text(UINT64_MAX, b), "16777216.0 TiB");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes_read_well),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
