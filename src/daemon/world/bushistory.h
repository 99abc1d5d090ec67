/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/history.h"
#include "daemon/world/busreply.h"

/* Answers with the last MAX builds of HISTORY (0: all), the newest first. */
void bus_reply_history(BusCall *call, const History *history, uint32_t max);
