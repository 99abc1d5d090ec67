/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `bootkeepctl monitor` prints: one line for each thing that happened, or one JSON object. */

#include "ctl/ctl.h"
#include "ctl/volumeinfo.h"

/* To stdout, each flushed; ferror(3) tells whether anything could not be written. */
void monitor_line_daemon(const Ctl *ctl, bool running);
void monitor_line_present(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_appeared(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_gone(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_progress(const Ctl *ctl, const VolumeInfo *v);
void monitor_line_build(const Ctl *ctl, const VolumeInfo *v, int status, const char *summary);
/* A line for everything that has changed in NOW: state, trust, lock, caches, helpers. BEFORE is NULL if
 * nothing was printed yet: then only what is stale gets a line. */
void monitor_line_changes(const Ctl *ctl, const VolumeInfo *before, const VolumeInfo *now);
