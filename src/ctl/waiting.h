/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/client.h"

/* A call that may be answered much later. On a terminal a line shows meanwhile what it waits for. */

typedef enum WaitingFor {
        WAITING_FOR_HOLDER, /* of the volume's lock */
        WAITING_FOR_VOLUME, /* which is being scanned or built */
        WAITING_FOR_BUSY,   /* all volumes that are busy */
} WaitingFor;

typedef struct WaitingCall {
        Ctl *ctl;
        const char *method;
        WaitingFor what;
        VolumeInfo *volume; /* the subject of the call, kept up to date meanwhile; NULL: all busy volumes */
        /* logs what ERROR means, and returns the exit status; NULL: client_complain */
        int (*complain)(Ctl *ctl, const VolumeInfo *v, const sd_bus_error *error);
} WaitingCall;

/* Like client_call. */
int waiting_call(const WaitingCall *call, sd_bus_message **ret, const char *types, ...);
