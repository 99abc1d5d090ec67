/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The D-Bus interface, org.bootkeep1(5): properties and methods. It knows messages, not volumes: the owner of
 * the volumes provides views of them and replies to calls, at once or later. Nor does it know who may call
 * what: it asks. */

#include <systemd/sd-event.h>

#include "base/owed.h"
#include "daemon/world/busreply.h"
#include "daemon/world/busvolume.h"

typedef struct Bus Bus;

typedef struct BusManager {
        bool watching;
        bool ready;  /* nothing is owed: the system may go down */
        char **busy; /* strv of names, owned by the taker */
        bool reboot_locked;
        const char *reboot_lock_holder;
        unsigned reboot_waiters;
        const char *booted_stale;
        const char *inhibiting;
        uint64_t flush_timeout;
        bool wait_in_hooks;
        const OwedList *owed; /* borrowed */
} BusManager;

typedef enum BusVerb {
        BUS_SCAN,
        BUS_REBUILD,
        BUS_TRUST,
        BUS_DISTRUST,
        BUS_GET_VOLUME,
        BUS_RELOAD,
        BUS_LOCK_VOLUME,
        BUS_UNLOCK_VOLUME,
        BUS_BEGIN_SWITCH,
        BUS_END_SWITCH,
        BUS_LOCK_REBOOT,
        BUS_FLUSH,
        BUS_FLUSH_IN_HOOK,
        BUS_PREPARE_UNMOUNT,
        BUS_LAST_CHANCE,
        BUS_BEGIN,
        BUS_DONE,
        BUS_HISTORY,
        BUS_SOURCES,
} BusVerb;

/* The arguments of a verb; those it does not have are 0. */
typedef struct BusArguments {
        const char *volume;
        uint32_t flags;
        int32_t status;
        union { /* the second string */
                const char *reason, *second;
        };
        const char *third; /* string */
        union {
                uint64_t timeout; /* microseconds */
                uint64_t number;
        };
} BusArguments;

typedef struct BusHandlers {
        BusVolumeSource volumes;
        int (*manager)(void *userdata, BusManager *ret);
        /* May the sender of CALL change something? Returns true; or false: it was refused and has got the
         * reply, or it is not known yet, and bus_authorised() will be called if it may. */
        bool (*authorise)(void *userdata, BusCall *call);
        /* An authorised call. Must be answered, now or later, by one of bus_reply…(); to keep CALL beyond the
         * return take a reference (sd_bus_message_ref). */
        void (*command)(void *userdata, BusVerb verb, const BusArguments *arguments, BusCall *call);
        void (*ready)(void *userdata); /* we own the name */
        /* The bus went away, or the name could not be acquired: bus_close() and try later. */
        void (*lost)(void *userdata, int error);
} BusHandlers;

/* HANDLERS and USERDATA must outlive the bus. */
int bus_new(const BusHandlers *handlers, void *userdata, Bus **ret);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free);

/* Connects to the system bus (DBUS_SYSTEM_BUS_ADDRESS) and asks for the name; `ready` or `lost` tells how
 * that went. */
int bus_open(Bus *b, sd_event *event);
void bus_close(Bus *b);
/* For those who call others on it; borrowed. NULL: there is none. */
sd_bus *bus_get_connection(const Bus *b);

/* The sender of CALL is authorised, as it turned out: continues with it. */
void bus_authorised(Bus *b, BusCall *call);

/* None of these fails for the caller: a signal that cannot be sent has nobody left to receive it. */
void bus_volume_added(Bus *b, const char *name);
void bus_volume_removed(Bus *b, const char *name);
void bus_volume_changed(Bus *b, const char *name, char **properties);
void bus_manager_changed(Bus *b, const char *property);
/* What was owed at the last shutdown has changed. ALL: it is settled, so our unit that failed has not. */
void bus_owed_changed(Bus *b, bool all);
/* How far the last chance has got: what is still owed, and the time that is left for it. */
void bus_last_chance(Bus *b, uint64_t left_usec, const OwedView *views, size_t n);
void bus_build_finished(Bus *b, const char *name, int status, const char *summary);
