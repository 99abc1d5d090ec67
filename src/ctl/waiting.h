/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/client.h"

/* One call that may be answered much later. On a terminal a line says meanwhile what it waits for. */

typedef enum WaitingFor {
        WAITING_FOR_HOLDER, /* of the volume's lock */
        WAITING_FOR_VOLUME, /* which is looked at or built */
        WAITING_FOR_BUSY,   /* all volumes that are busy */
} WaitingFor;

typedef struct WaitingCall {
        Ctl *ctl;
        const char *method;
        WaitingFor what;
        VolumeInfo *volume; /* that is called about, and kept up to date meanwhile; NULL: all that are busy */
        /* says what ERROR means, and returns the exit status; NULL: client_complain */
        int (*complain)(const VolumeInfo *v, const sd_bus_error *error);
} WaitingCall;

/* Like client_call. */
int waiting_call(const WaitingCall *call, sd_bus_message **ret, const char *types, ...);
