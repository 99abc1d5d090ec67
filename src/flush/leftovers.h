/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stops the builds that run in units of their own and have not ended in time: nothing else would, before the
 * file systems are unmounted. */
void leftovers_stop(void);
