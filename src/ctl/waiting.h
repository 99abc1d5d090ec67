/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/client.h"

/* One call that may be answered much later. On a terminal a line says meanwhile what it waits for. */

typedef enum WaitingFor {
        WAITING_FOR_HOLDER, /* of the volume's lock */
        WAITING_FOR_VOLUME, /* which is looked at or built */
        WAITING_FOR_BUSY,   /* all volumes that are busy */
} WaitingFor;

/* Like client_call. V is the volume that is called about; NULL with WAITING_FOR_BUSY. */
int waiting_call(Ctl *ctl, WaitingFor what, VolumeInfo *v, const char *method, sd_bus_message **ret,
                 const char *types, ...);
