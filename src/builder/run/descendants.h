/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Kills every child of the calling process, and then what these leave to it as their subreaper
 * (PR_SET_CHILD_SUBREAPER), until none is left or DEADLINE_USEC (of now_usec()) has come. Returns the most
 * that there were at once. */
unsigned descendants_kill(uint64_t deadline_usec);
