/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One logger for all programs: to the journal with fields when stderr is connected to it (JOURNAL_STREAM),
 * else one readable line on stderr, coloured on a terminal (NO_COLOR, SYSTEMD_COLORS). The logger is the only
 * global state of a program.
 *
 * Errors are logged once, where they are handled: a function either logs or returns its error. */

#include <syslog.h>

#include "base/util.h"

/* The structured fields of a message; NULL or 0 leaves one out. All borrowed for the call. */
typedef struct LogFields {
        const char *message_id; /* MESSAGE_ID= */
        const char *volume;     /* BOOTKEEP_VOLUME=, `sda2` */
        const char *path;       /* BOOTKEEP_PATH= */
        const char *cache;      /* BOOTKEEP_CACHE= */
        const char *instance;   /* BOOTKEEP_INSTANCE= */
        const char *helper;     /* BOOTKEEP_HELPER=, `sda1` */
        int error; /* ERRNO=, positive or negative; the caller adds the text with %m or strerror */
} LogFields;

/* IDENTIFIER is kept, not copied. Messages less urgent than MAX_LEVEL (LOG_INFO) are dropped. Reads the
 * environment once: BOOTKEEP_LOG_LEVEL (a name or number of syslog(3)), JOURNAL_STREAM, colours. */
void log_setup(const char *identifier);
/* For a program that is about to give up the right to open a socket: if stderr is connected to the journal,
 * lines prefixed with their level go there from now on; fields except the volume are lost. */
void log_stay_on_stderr(void);
int log_max_level(void);
/* Returns the previous level. */
int log_set_max_level(int level);

/* Does not change errno. */
void log_send(int level, const LogFields *fields, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_send(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_send(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_send(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_send(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_send(LOG_DEBUG, NULL, __VA_ARGS__)

/* `return log_errno(r, "Failed to open %s", path)`: appends ": " and the text of the error, returns R
 * (negative). */
#define log_errno(r, ...) log_send_errno(LOG_ERR, NULL, (r), __VA_ARGS__)
#define log_warning_errno(r, ...) log_send_errno(LOG_WARNING, NULL, (r), __VA_ARGS__)
int log_send_errno(int level, const LogFields *fields, int r, const char *format, ...) _printf_(4, 5);

#define log_oom() log_errno(-ENOMEM, "Out of memory")

/* True if F is a terminal and the environment does not forbid colours. */
bool log_colors(FILE *f);
