/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Numbers, times and states as people read them. */

#define COLOR_RED "\033[1;31m"
#define COLOR_GREEN "\033[32m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_DIM "\033[2m"
#define COLOR_OFF "\033[0m"

/* Of a volume's state, or NULL. */
const char *format_state_color(const char *state);

/* "512 B", "1.5 KiB", "12.4 MiB". */
#define FORMAT_BYTES_MAX 16
char *format_bytes(uint64_t bytes, char buffer[static FORMAT_BYTES_MAX]);

/* "420 ms", "3.2 s", "4 min 5 s", "2 h 10 min", "3 days". */
#define FORMAT_SPAN_MAX 32
char *format_span(uint64_t usec, char buffer[static FORMAT_SPAN_MAX]);

/* "Sat 2026-08-22 10:11:12 CEST", from microseconds of CLOCK_REALTIME. "-" if it cannot be formatted. */
#define FORMAT_TIME_MAX 64
char *format_time(uint64_t usec, char buffer[static FORMAT_TIME_MAX]);
/* "2026-08-22 10:11:12", for many in a column. */
char *format_moment(uint64_t usec, char buffer[static FORMAT_TIME_MAX]);

/* "apt-get (1234)" as long as that process exists, else "PID 1234". Never more than one line. */
#define FORMAT_PROCESS_MAX 96
char *format_process(uint32_t pid, char buffer[static FORMAT_PROCESS_MAX]);

/* How many columns of a terminal SIZE bytes of TEXT take. */
size_t format_width(const char *text, size_t size);
/* TEXT with LINE_END inserted so that no line is wider than WIDTH if possible: between words, else after a
 * slash. NULL: out of memory. */
char *format_wrap(const char *text, size_t width, char line_end);
