/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/kernelfile.h"

#include "fixture.h"

static void first_line_of(const Scratch *s, const char *text, const char *expected) {
        char path[96];
        _cleanup_free_ char *line = NULL;
        scratch_write(s, "f", text);
        (void) snprintf(path, sizeof(path), "%s/f", s->path);
        assert_int_equal(kernelfile_read_line(path, &line), 0);
        assert_string_equal(line, expected);
}

static void first_line_is_read_without_its_newline(void **state) {
        char text[5000];
        first_line_of(*state, "one\ntwo\n", "one");
        first_line_of(*state, "one", "one");
        first_line_of(*state, "", "");
        memset(text, 'x', sizeof(text));
        text[4999] = 0;
        char expected[4097];
        memcpy(expected, text, 4096);
        expected[4096] = 0;
        first_line_of(*state, text, expected);
}

static void what_cannot_be_read_is_an_error(void **state) {
        char *line = NULL;
        assert_int_equal(kernelfile_read_line("/nonexistent", &line), -ENOENT);
        assert_int_equal(kernelfile_read_line("/proc", &line), -EIO);
        assert_null(line);
}

static void kernel_has_these(void **state) {
        _cleanup_free_ char *id = NULL, *cmdline = NULL;
        assert_int_equal(kernelfile_read_line(KERNEL_BOOT_ID, &id), 0);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(kernelfile_read_line(KERNEL_CMDLINE, &cmdline), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(first_line_is_read_without_its_newline),
                cmocka_unit_test(what_cannot_be_read_is_an_error),
                cmocka_unit_test(kernel_has_these),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
