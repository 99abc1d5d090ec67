/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was owed when the system went down: one record for each volume in a directory, written by
 * bootkeep-flush, said again at the next boot, and removed when the volume is up to date. A record is named
 * by the UUID of the file system and the root within it, since device names change at a reboot.
 *
 * Text, one `key value` a line, first line `bootkeep-owed 1`. A record that is not root's own regular file,
 * or that cannot be understood, is logged and ignored. */

#include "base/util.h"

typedef struct Owed {
        char *key;      /* the name of its file */
        char *volume;   /* its name at the time, of any bytes */
        char *uuid;     /* "": none */
        uint64_t since; /* CLOCK_REALTIME usec */
        char *reason;   /* safe for a terminal and for D-Bus */
} Owed;

typedef struct OwedList {
        Owed *items;
        size_t n;
} OwedList;

#define OWED_MAX 256U
#define OWED_PERCENT_UNKNOWN UINT32_MAX

/* A volume during the last chance, as bootkeepd reports it. All borrowed. */
typedef struct OwedView {
        const char *volume, *uuid;
        const char *doing;  /* what is done about it now, for people */
        const char *reason; /* why it is owed, if this were the end */
        uint32_t percent;   /* done, or OWED_PERCENT_UNKNOWN */
} OwedView;

void owed_list_done(OwedList *list);
/* Copies OWED, of which only `key` may be NULL. -ENOMEM. */
int owed_list_add(OwedList *list, const Owed *owed);
/* Forgets one of them. */
void owed_list_drop(OwedList *list, size_t i);

/* The key of the volume NAME, such as "sda2[/@]", on the file system UUID (NULL or "": it has none). */
int owed_make_key(const char *uuid, const char *name, char **ret);

/* All records in the directory PATH; none if it does not exist. Logs what it ignores. */
int owed_read(const char *path, OwedList *ret);
/* Writes the record of VIEW durably, replacing an older one. PATH is created if missing. */
int owed_write(const char *path, const OwedView *view);
/* Removes a record; one that does not exist is no error. */
int owed_remove(const char *path, const char *key);
