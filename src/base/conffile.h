/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ini files, read against a table: anything that is not in the table, or does not parse, is a warning with
 * file and line, never a failure. Used for bootkeep.conf and for builder definitions. */

#include "base/log.h"
#include "base/util.h"
#include "bootkeep.h"

/* The fields of a complaint about FILE. */
#define CONF_FIELDS(file) (&(const LogFields){.message_id = BOOTKEEP_MESSAGE_CONFIG, .path = (file)})

typedef struct ConfItem {
        const char *section, *key;
        /* Parses VALUE into DATA; on -EINVAL *RETERR (static text) says what was expected. DATA is unchanged
         * on failure. */
        int (*parse)(const char *value, void *data, const char **reterr);
        void *data;
        /* With the key "*" PARSE is called, with an empty value, where SECTION sets a key that no item names.
         * This is a warning all the same: it may be a misspelt key that matters. */
} ConfItem;

/* How much of a file was read, besides errors. */
enum {
        CONFFILE_READ = 0, /* every line */
        /* not all: a line was not understood or does not count (a key set again, a key outside its section, a
         * value over several lines); each is logged, all others count */
        CONFFILE_PARTLY = 1,
};

/* Applies FILE. *PROBLEMS is increased by the number of warnings logged, including those for unknown keys and
 * bad values, which do not make the outcome CONFFILE_PARTLY. *RET_LINE (may be NULL) is the first line that
 * does not count, 0 where there is none, or not one in particular. One of the outcomes above, or: -EBADMSG,
 * nothing of FILE counts, because it is not an ini file at all (logged, with the line); -ENOENT and other
 * errors of open(2) and read(2), not logged. A caller for whom a missing setting could mean more rights than
 * the setting must insist on CONFFILE_READ. */
int conffile_read(const char *file, const ConfItem *items, size_t n_items, unsigned *problems,
                  size_t *ret_line);

/* Is it /dev/null? That is an empty file, and a link to it masks those in less important folders. */
struct stat;
bool conffile_is_null(const struct stat *st);

/* Logs a mistake in FILE (in its LINE, or 0) under the message ID common to all of them. */
void conffile_warn(const char *file, size_t line, const char *format, ...) _printf_(3, 4);

/* The files that make up NAME (`bootkeep.conf`): the first NAME found below DIRS, then NAME.d's *.conf of all
 * DIRS sorted by name, the first of equal names winning, a link to /dev/null masking. DIRS is a strv, most
 * important first. A file that cannot be accessed is in the list, so that reading it shows why. -EBADMSG: a
 * folder cannot be listed (logged). */
int conffile_list(char *const *dirs, const char *name, char ***ret);
/* The same for one folder of definitions (`builders.d`): all NAME.conf, the first folder winning. */
int conffile_list_directory(char *const *dirs, const char *suffix, char ***ret);

/* bool: yes/no/true/false/on/off/1/0 */
int conf_parse_bool(const char *value, void *data, const char **reterr);
/* uint64_t usec: a span as in systemd.time(7); a bare number is seconds; "infinity" */
int conf_parse_sec(const char *value, void *data, const char **reterr);
/* unsigned, at least 1 */
int conf_parse_unsigned(const char *value, void *data, const char **reterr);
/* strv of absolute paths; empty: none */
int conf_parse_paths(const char *value, void *data, const char **reterr);
/* char * */
int conf_parse_string(const char *value, void *data, const char **reterr);
