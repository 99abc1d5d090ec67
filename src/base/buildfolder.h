/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The folder of a build that runs in a unit of its own (bootkeep-build@.service): what bootkeepd and
 * bootkeep-build tell each other. It outlives both, so a bootkeepd that is started again finds in it what an
 * earlier one began.
 *
 *   arguments  the options of the build, each followed by a NUL; written by bootkeepd
 *   report     what the build prints. It holds a lock on it (fcntl) as long as it runs
 *   end        how systemd saw it end: $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS, as ExecStopPost= gets them
 *   builders   the socket where the unit of its builders finds the build, while that waits for it */

#include <sys/types.h>

#include "base/util.h"

#define BUILDFOLDER_ARGUMENTS "arguments"
#define BUILDFOLDER_REPORT "report"
#define BUILDFOLDER_END "end"
#define BUILDFOLDER_BUILDERS "builders"

/* The build's exit status if the unit in which its builders would run (bootkeep-builder@.service) cannot be
 * had: from 200 on they are systemd's, for what it could not set up. Nothing was begun. */
#define BUILDFOLDER_STATUS_NO_UNIT 248

/* At most this much of `arguments` and `end` is read. */
#define BUILDFOLDER_SIZE_MAX (64U * 1024U)

/* Replaces the file NAME at once, never by a part. */
int buildfolder_write(int folder, const char *name, const char *data, size_t size);

/* Reads all of the file NAME, followed by a NUL. -ENOENT: there is none; -EFBIG. */
int buildfolder_read(int folder, const char *name, char **ret, size_t *ret_size);

int buildfolder_write_arguments(int folder, char *const *argv);
/* -EBADMSG: it is not such a file. */
int buildfolder_read_arguments(int folder, char ***ret);

/* The build that has REPORT open for writing is the one that runs; -EAGAIN: another one is. */
int buildfolder_claim(int report);
/* The process that claimed it and still runs, or 0. Another process asks. */
pid_t buildfolder_claimed_by(int report);
