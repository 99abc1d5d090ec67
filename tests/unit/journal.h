/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What our code sends to the journal, in the place of libsystemd's sd_journal_sendv(): one line for each
 * message, `LEVEL VOLUME: TEXT {MESSAGE_ID}`. */

#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/log.h"
#include "scratch.h"

static struct {
        char text[32768];
        size_t n;
} journal;

static inline void journal_append(const char *before, const char *value, const char *after) {
        journal.n += (size_t) snprintf(journal.text + journal.n, sizeof(journal.text) - journal.n, "%s%s%s",
                                       before, value, after);
        assert_true(journal.n < sizeof(journal.text));
}

static inline void journal_append_field(const struct iovec *iov, int n, const char *name, const char *before,
                                        const char *after) {
        for (int i = 0; i < n; i++) {
                const char *value = startswith(iov[i].iov_base, name);
                if (value)
                        journal_append(before, value, after);
        }
}

int sd_journal_sendv(const struct iovec *iov, int n) {
        journal_append_field(iov, n, "PRIORITY=", "", " ");
        journal_append_field(iov, n, "BOOTKEEP_VOLUME=", "", ": ");
        journal_append_field(iov, n, "MESSAGE=", "", "");
        journal_append_field(iov, n, "MESSAGE_ID=", " {", "}");
        journal_append("", "\n", "");
        return 0;
}

/* From here on messages up to LEVEL are taken. */
static inline void journal_begin(int level) {
        char stream[64];
        struct stat st;
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) st.st_dev,
                        (unsigned long long) st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, true), 0);
        log_setup("test");
        (void) log_set_max_level(level);
        journal.n = 0;
        journal.text[0] = 0;
}

/* What was said since the last time. */
static inline void assert_said(const char *expected) {
        assert_string_equal(journal.text, expected);
        journal.n = 0;
        journal.text[0] = 0;
}
