/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon, seen from the other end of the bus. Calls log their own failure, in words for people, and
 * return the exit status that it asks for; EXIT_SUCCESS when all went well. */

#include <stdarg.h>

#include "ctl/ctl.h"
#include "ctl/volumeinfo.h"

/* Connects to the system bus. */
int client_open(sd_bus **ret);

/* What people type as the name of a volume: "." and other relative paths, and links to devices or mount
 * points, are made absolute here, for the daemon does not know our working directory. The rest is left to the
 * daemon. NULL: out of memory. */
char *client_volume_argument(const char *s);

/* A call of a method of the manager. SUBJECT (a volume, or NULL) is named in complaints. */
typedef struct ClientCall {
        Ctl *ctl;
        const char *method, *subject;
} ClientCall;

/* Makes it with arguments by TYPES (sd_bus_message_append). RET may be NULL. Waits for the answer without
 * end: what is asked for may take minutes. */
int client_call(const ClientCall *call, sd_bus_message **ret, const char *types, ...);
/* The message alone. Negative errno of sd-bus. */
int client_message(Ctl *ctl, const char *method, sd_bus_message **ret, const char *types, va_list ap);

/* Logs ERROR as the answer to a call about SUBJECT and returns the exit status for it. */
int client_complain(const sd_bus_error *error, const char *subject);
/* The same for a failure on our own side, negative errno. */
int client_complain_errno(int r);
/* Where a call about SUBJECT could not even be made: what is not UTF-8 does not go over the bus. */
int client_complain_call(int r, const char *subject);

/* Reads one object with its interfaces, as GetManagedObjects and InterfacesAdded have it. *RET is NULL where
 * it is no volume. Negative errno of sd-bus. */
int client_read_object(sd_bus_message *m, VolumeInfo **ret);
/* The volumes in the answer of GetManagedObjects, sorted. Negative errno of sd-bus. */
int client_read_list(sd_bus_message *m, VolumeInfoList **ret);

/* All volumes that the daemon knows. */
int client_list(Ctl *ctl, VolumeInfoList **ret);
/* The one that a person calls VOLUME. */
int client_get(Ctl *ctl, const char *volume, VolumeInfo **ret);
/* The same anew, by its object. */
int client_refresh(Ctl *ctl, VolumeInfo **v);
/* Those named, or all but the plain ones where none is named. */
int client_select(Ctl *ctl, char *const *volumes, VolumeInfoList **ret);
