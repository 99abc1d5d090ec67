/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/commands.h"

#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/answer.h"
#include "daemon/locks.h"
#include "daemon/shown.h"

/* How long until the next attempt to connect to a bus that went away, or was not there. */
#define RECONNECT_USEC (5 * USEC_PER_SEC)

struct Commands {
        Daemon *daemon;
        Bus *bus;
        Access *access;
        Locks *locks;
        sd_event_source *reconnect;
        void (*ready)(void);
        bool was_ready; /* we have owned the name once */
        bool said_ready, complained;
};

/* What could not be read is as good as forbidden, see settings.h. */
static int read_settings_again(Daemon *d) {
        _cleanup_(settings_done) Settings settings = {};
        const char *file = daemon_options(d)->config;
        int r = settings_load(file, &settings, NULL);
        if (r < 0) {
                (void) log_errno(r, "Failed to read the configuration, keeping the old one");
                if (strprintf(&settings.unread, "%s: %s", file ? file : "bootkeep.conf", strerror(-r)) < 0)
                        return r; /* without a text for it these settings would be taken for complete */
        } else if (settings.unread)
                r = -EBADMSG; /* logged */
        else
                log_info("Configuration reloaded");
        daemon_set_settings(d, &settings);
        return r;
}

int commands_reload(Daemon *d) {
        (void) sd_notify(false, "RELOADING=1");
        int r = read_settings_again(d);
        (void) sd_notify(false, "READY=1");
        return r;
}

static void *find_volume(void *userdata, const char *name) {
        return daemon_find(((Commands *) userdata)->daemon, name);
}

static void *next_volume(void *userdata, void *volume) {
        return daemon_next(((Commands *) userdata)->daemon, volume);
}

static void view_volume(void *volume, BusVolume *ret) {
        const Record *record = volume;
        shown_view(record, news_holder(&record->driver->news, record), ret);
}

static const Peer *holder_of(void *userdata, const Record *record) {
        return access_find_peer(((Commands *) userdata)->access, record->lock.holder);
}

static int view_manager(void *userdata, BusManager *ret) {
        Daemon *d = ((Commands *) userdata)->daemon;
        *ret = (BusManager){.watching = daemon_options(d)->watch};
        locks_view(((Commands *) userdata)->locks, ret);
        return daemon_busy(d, &ret->busy);
}

static void trust_or_distrust(Daemon *d, Record *r, bool trusted, BusCall *call) {
        if (!trusted && r->volume.trusted && isempty(r->device.uuid)) {
                answer(call, OUTCOME_TRUSTED_ALWAYS, r->name, NULL);
                return;
        }
        int e = daemon_trust(d, r, trusted);
        if (e == -EINVAL)
                answer(call, OUTCOME_NO_UUID, r->name, NULL);
        else if (e == -ENOENT)
                answer(call, OUTCOME_NOT_ENROLLED, r->name,
                       r->volume.trusted ? ", it is trusted by RunningSystem=" : "");
        else if (e < 0)
                answer(call, OUTCOME_NOT_SAVED, r->name, strerror(-e));
        else
                answer_done(call);
}

static void request_rebuild(Commands *c, Record *r, uint32_t flags, BusCall *call) {
        if (answer_refuses_flags(call, flags, BOOTKEEP_REBUILD_FORCE))
                return;
        if (locks_reboot_is_locked(c->locks))
                answer(call, OUTCOME_REBOOT_SOON, NULL, NULL);
        else if (r->unread)
                answer(call, OUTCOME_BLOCKED, NULL, r->unread);
        else
                daemon_request(c->daemon, r, BUS_REBUILD, flags & BOOTKEEP_REBUILD_FORCE, call);
}

static void prepare_unmount_of(const Commands *c, Record *r, BusCall *call) {
        if (locks_is_locked(r) && !r->volume.build_runs) /* our own build holds it: that will end */
                answer(call, OUTCOME_LOCKED, r->name, locks_holder_name(c->locks, r));
        else if (r->volume.state == VOLUME_HUNG || r->volume.state == VOLUME_GIVEN_UP)
                answer_done(call); /* never busy: there is nothing to do for it */
        else
                daemon_request(c->daemon, r, BUS_PREPARE_UNMOUNT, false, call);
}

/* A call about a volume, and the client that makes it. */
typedef struct VolumeCommand {
        BusVerb verb;
        const BusArguments *arguments;
        const Peer *peer;
        BusCall *call;
} VolumeCommand;

static void command_for_volume(Commands *c, Record *r, const VolumeCommand *command) {
        Daemon *d = c->daemon;
        BusVerb verb = command->verb;
        const BusArguments *a = command->arguments;
        const Peer *peer = command->peer;
        BusCall *call = command->call;
        switch (verb) {
        case BUS_SCAN:
                daemon_request(d, r, verb, false, call);
                return;
        case BUS_REBUILD:
                request_rebuild(c, r, a->flags, call);
                return;
        case BUS_TRUST:
        case BUS_DISTRUST:
                trust_or_distrust(d, r, verb == BUS_TRUST, call);
                return;
        case BUS_GET_VOLUME:
                bus_reply_volume(call, r->name);
                return;
        case BUS_LOCK_VOLUME:
                locks_lock_volume(c->locks, r, a->flags, peer, call);
                return;
        case BUS_UNLOCK_VOLUME:
                locks_unlock_volume(c->locks, r, a, peer, call);
                return;
        case BUS_PREPARE_UNMOUNT:
                prepare_unmount_of(c, r, call);
                return;
        case BUS_RELOAD:
        case BUS_LOCK_REBOOT:
        case BUS_FLUSH:
                return; /* have no volume */
        }
}

static void reload_configuration(Daemon *d, BusCall *call) {
        int e = commands_reload(d);
        if (e < 0)
                answer(call, OUTCOME_NOT_RELOADED, NULL, strerror(-e));
        else
                answer_done(call);
}

/* A client that mounts a volume and calls at once must not be told that there is no such volume. But anybody
 * may ask for volumes that do not exist, as often as they like: nothing is done needlessly for clients that
 * may not change anything. */
static Record *look_up_volume(const Commands *c, const char *argument, const Peer *peer) {
        Record *r = daemon_look_up(c->daemon, argument);
        if (r)
                return r;
        daemon_look_afresh(c->daemon, peer);
        return daemon_look_up(c->daemon, argument);
}

static bool authorise(void *userdata, BusCall *call) {
        return access_authorise(((Commands *) userdata)->access, call);
}

static void authorised(void *userdata, BusCall *call) {
        bus_authorised(((Commands *) userdata)->bus, call);
}

static void take_command(void *userdata, BusVerb verb, const BusArguments *a, BusCall *call) {
        Commands *c = userdata;
        /* GetVolume is for everybody: its callers are not peers */
        const Peer *peer = verb == BUS_GET_VOLUME ? NULL : access_get_peer(c->access, call);
        if (!peer && verb != BUS_GET_VOLUME)
                return; /* vanished: there is nobody left to reply to */
        if (verb == BUS_RELOAD)
                reload_configuration(c->daemon, call);
        else if (verb == BUS_LOCK_REBOOT)
                locks_lock_reboot(c->locks, a->flags, peer, call);
        else if (verb == BUS_FLUSH)
                locks_flush(c->locks, a->timeout, peer, call);
        else {
                Record *r = look_up_volume(c, a->volume, peer);
                if (r)
                        command_for_volume(c, r, &(VolumeCommand){verb, a, peer, call});
                else
                        answer(call, OUTCOME_NO_SUCH_VOLUME, a->volume, NULL);
        }
}

static void peer_gone(void *userdata, const Peer *peer) {
        const Commands *c = userdata;
        if (c->locks)
                locks_peer_gone(c->locks, peer);
}

static void say_ready_once(Commands *c) {
        if (!c->said_ready)
                c->ready();
        c->said_ready = true;
}

static void on_bus_ready(void *userdata) {
        Commands *c = userdata;
        if (c->complained)
                log_notice("Connected to the system bus");
        c->complained = false;
        c->was_ready = true;
        say_ready_once(c);
}

static void on_bus_lost(void *userdata, int error);

static int on_reconnect(sd_event_source *s, uint64_t usec, void *userdata) {
        Commands *c = userdata;
        access_clear(c->access);
        bus_close(c->bus);
        int r = bus_open(c->bus, daemon_event_loop(c->daemon));
        if (r < 0)
                on_bus_lost(c, r);
        return 0;
}

/* Watching and building continue without a bus, which is logged once; but never alongside another
 * bootkeepd. */
static void on_bus_lost(void *userdata, int error) {
        Commands *c = userdata;
        uint64_t when = now_usec() + RECONNECT_USEC;
        if (error == -EEXIST && !c->was_ready) {
                log_error("Another bootkeepd is already running: it owns the name " BOOTKEEP_BUS_NAME);
                (void) sd_event_exit(daemon_event_loop(c->daemon), EXIT_FAILURE);
                return;
        }
        if (!c->complained)
                (void) log_warning_errno(
                        error, "Cannot serve on the system bus, continuing without it and retrying");
        else /* whoever started us must not wait for something that may never happen */
                say_ready_once(c);
        c->complained = true;
        int r = sd_event_source_set_time(c->reconnect, when);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->reconnect, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_errno(r, "Failed to set the timer for the bus");
}

static const BusHandlers handlers = {
        .volumes = {.find = find_volume, .next = next_volume, .view = view_volume},
        .manager = view_manager,
        .authorise = authorise,
        .command = take_command,
        .ready = on_bus_ready,
        .lost = on_bus_lost,
};

int commands_new(Daemon *d, void (*ready_handler)(void), Commands **ret) {
        _cleanup_(commands_freep) Commands *c = calloc(1, sizeof(*c));
        if (!c)
                return error_origin(-ENOMEM);
        c->daemon = d;
        c->ready = ready_handler;
        const AccessHandlers access = {.peer_gone = peer_gone, .authorised = authorised, .userdata = c};
        int r = bus_new(&handlers, c, &c->bus);
        if (r >= 0)
                r = access_new(&access, &c->access);
        if (r >= 0)
                r = locks_new(d, c->bus, c->access, &c->locks);
        if (r >= 0) /* the first attempt is made in the first iteration of the loop */
                r = sd_event_add_time(daemon_event_loop(d), &c->reconnect, CLOCK_BOOTTIME, 0, 1000,
                                      on_reconnect, c);
        if (r < 0)
                return r;
        daemon_set_news(d, &(News){.bus = c->bus, .holder = holder_of, .userdata = c});
        *ret = TAKE_PTR(c);
        return 0;
}

Commands *commands_free(Commands *c) {
        if (c) {
                daemon_set_news(c->daemon, &(News){});
                sd_event_source_disable_unref(c->reconnect);
                c->locks = locks_free(c->locks); /* first: that we exit is nobody's failure */
                access_free(c->access);
                bus_free(c->bus);
        }
        free(c);
        return NULL;
}
