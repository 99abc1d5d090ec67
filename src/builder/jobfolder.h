/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The side of bootkeep-build in the folder that base/buildfolder.h describes: how a build that systemd runs
 * for bootkeepd gets its options, reports, and tells how it ended. */

#include "base/util.h"

/* The folder PATH is ours from now on, and standard output is its report. *RET_ARGV is the command line:
 * PROGRAM and what bootkeepd left there. -EAGAIN: another build runs there; -EPERM: it is not root's alone.
 */
int jobfolder_enter(const char *path, const char *program, char ***ret_argv);

/* For ExecStopPost=: notes what systemd says in the environment. Does nothing if the folder is gone. */
int jobfolder_note_end(const char *path);
