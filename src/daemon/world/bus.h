/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The D-Bus interface, org.bootkeep1(5): what is shown and what may be asked. It knows messages, not volumes:
 * whoever owns the volumes gives views of them and answers calls, at once or later. */

#include <systemd/sd-bus.h>

#include "base/report.h"
#include "daemon/world/peer.h"

typedef struct Bus Bus;
typedef sd_bus_message BusCall; /* a call that waits for its answer */

/* What the bus shows of a volume. Everything is borrowed until the volume's next event. */
typedef struct BusVolume {
        const char *name, *device, *mount_point, *fstype, *uuid, *manifest, *state, *reason;
        bool busy, trusted;
        const char *lock_holder;
        unsigned lock_holder_pid, lock_waiters;
        unsigned failures, attempts;
        uint64_t last_build_start, last_build_end; /* CLOCK_REALTIME, 0: none yet */
        int last_build_status;
        const Report *report; /* of the last scan, or NULL */
        uint64_t progress_done, progress_of;
} BusVolume;

typedef struct BusManager {
        bool watching;
        char **busy; /* strv of names, owned by the taker */
        bool reboot_locked;
        const char *reboot_lock_holder;
        unsigned reboot_waiters;
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
        BUS_LOCK_REBOOT,
        BUS_FLUSH,
        BUS_PREPARE_UNMOUNT,
} BusVerb;

/* What a verb was called with; what it does not have is 0. */
typedef struct BusArguments {
        const char *volume;
        uint32_t flags;
        int32_t status;
        uint64_t timeout; /* microseconds */
} BusArguments;

typedef struct BusHandlers {
        void *(*find)(void *userdata, const char *name); /* the volume of this exact name, or NULL */
        void *(*next)(void *userdata, void *volume); /* the one behind VOLUME (NULL: the first), or NULL */
        void (*view)(void *volume, BusVolume *ret);
        int (*manager)(void *userdata, BusManager *ret);
        /* An authorised call of PEER. Must be answered, now or later, by one of bus_reply…(); to keep CALL
         * beyond the return take a reference (sd_bus_message_ref). */
        void (*command)(void *userdata, BusVerb verb, const BusArguments *arguments, const Peer *peer,
                        BusCall *call);
        void (*peer_gone)(void *userdata, const Peer *peer); /* who called once has vanished */
        void (*ready)(void *userdata);                       /* the name is ours */
        void (*lost)(
                void *userdata,
                int error); /* the bus went away, or the name could not be had: bus_close() and try later */
} BusHandlers;

/* HANDLERS and USERDATA must outlive the bus. */
int bus_new(const BusHandlers *handlers, void *userdata, Bus **ret);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free);

/* Connects to the system bus (DBUS_SYSTEM_BUS_ADDRESS) and asks for the name; `ready` or `lost` tells how
 * that went. */
int bus_open(Bus *b, sd_event *event);
void bus_close(Bus *b);

/* Who has this id, or NULL: has vanished. */
const Peer *bus_find_peer(const Bus *b, uint64_t id);

/* Nothing below fails for the caller: what cannot be sent is nobody's to mend. */
void bus_volume_added(Bus *b, const char *name);
void bus_volume_removed(Bus *b, const char *name);
void bus_volume_changed(Bus *b, const char *name, char **properties);
void bus_manager_changed(Bus *b, const char *property);
void bus_build_finished(Bus *b, const char *name, int status, const char *summary);

void bus_reply(BusCall *call);
void bus_reply_string(BusCall *call, const char *s);
void bus_reply_strings(BusCall *call, char **strings);
void bus_reply_volume(BusCall *call, const char *name); /* its object */
void bus_reply_error(BusCall *call, const char *error, const char *format, ...) _printf_(3, 4);
