/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `bootkeepctl monitor` prints: one line for each thing that happened, or one JSON object. */

#include "ctl/ctl.h"
#include "ctl/volumeinfo.h"

/* To stdout, each flushed; what could not be written is told by ferror(3). */
void monitor_line_daemon(const Ctl *ctl, bool running);
void monitor_line_present(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_appeared(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_gone(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_progress(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_build(const Ctl *ctl, const VolumeInfo *v, int status, const char *summary);
/* A line for everything that is other in NOW than it was: state, trust, lock, caches, helpers. BEFORE is NULL
 * when nothing was told yet: then only what is stale is. */
void monitor_line_changes(const Ctl *ctl, const VolumeInfo *before, const VolumeInfo *now);
