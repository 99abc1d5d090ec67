/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The builds of a volume so far, as the daemon tells them: History of org.bootkeep1(5). */

#include <systemd/sd-bus.h>

#include "base/history.h"
#include "ctl/json.h"

/* One of them. */
typedef struct BuildPast {
        char *volume;
        uint64_t bytes;
        HistoryEntry entry;
} BuildPast;

typedef struct BuildPastList {
        BuildPast *items;
        size_t n;
} BuildPastList;

void build_past_list_done(BuildPastList *l);

/* Adds those in the reply M about VOLUME. Negative errno of sd-bus. */
int build_past_read(BuildPastList *l, const char *volume, sd_bus_message *m);
/* The newest first. */
void build_past_sort(BuildPastList *l);
void build_past_to_json(const BuildPast *b, Json *j);
