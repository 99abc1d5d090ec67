/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon, as seen from the other end of the bus. Calls log their own failure, in words for people, and
 * return the exit status for it; EXIT_SUCCESS on success. */

#include <stdarg.h>

#include "ctl/ctl.h"
#include "ctl/volumeinfo.h"

/* Connects to the system bus. */
int client_open(sd_bus **ret);

/* What people type as the name of a volume: "." and other relative paths, and links to devices or mount
 * points, are made absolute here, since the daemon does not know our working directory. The rest is up to the
 * daemon. NULL: out of memory. */
char *client_volume_argument(const char *s);

/* A call of a method of the manager. SUBJECT (a volume, or NULL) is named in complaints. */
typedef struct ClientCall {
        Ctl *ctl;
        const char *method, *subject;
} ClientCall;

/* Makes the call with arguments according to TYPES (sd_bus_message_append). RET may be NULL. Waits for the
 * reply without a timeout: it may take minutes. */
int client_call(const ClientCall *call, sd_bus_message **ret, const char *types, ...);
/* Sends the call without waiting for a reply. Before we vanish, client_ping() must have been answered: what
 * comes from nobody is not acted on. */
int client_request(Ctl *ctl, const char *method, const char *types, ...);
/* Returns when the daemon has taken everything that was sent before. */
int client_ping(Ctl *ctl);
/* Only the message. Negative errno of sd-bus. */
int client_message(Ctl *ctl, const char *method, sd_bus_message **ret, const char *types, va_list ap);

/* Logs ERROR as the answer to a call about SUBJECT and returns the exit status for it. */
int client_complain(const sd_bus_error *error, const char *subject);
/* The same for a failure on our own side, negative errno. */
int client_complain_errno(int r);
/* For a call about SUBJECT that could not even be made: text that is not UTF-8 cannot be sent over the
 * bus. */
int client_complain_call(int r, const char *subject);

/* Reads one object with its interfaces, as in GetManagedObjects and InterfacesAdded. *RET is NULL if it is
 * not a volume. Negative errno of sd-bus. */
int client_read_object(sd_bus_message *m, VolumeInfo **ret);
/* The volumes in the reply of GetManagedObjects, sorted. Negative errno of sd-bus. */
int client_read_list(sd_bus_message *m, VolumeInfoList **ret);

/* A text property of the manager; "" if it cannot be had, also from a daemon that does not know it. NULL: out
 * of memory. */
char *client_manager_text(Ctl *ctl, const char *property);

/* All volumes that the daemon knows. */
int client_list(Ctl *ctl, VolumeInfoList **ret);
/* The one that the user calls VOLUME. */
int client_get(Ctl *ctl, const char *volume, VolumeInfo **ret);
/* The same again, by its object. */
int client_refresh(Ctl *ctl, VolumeInfo **v);
/* Those named, or all that have a manifest if none is named. */
int client_select(Ctl *ctl, char *const *volumes, VolumeInfoList **ret);
