/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/commands.h"

#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/flush.h"
#include "daemon/goingdown.h"
#include "daemon/handovers.h"
#include "daemon/inquiries.h"
#include "daemon/lastchance.h"
#include "daemon/refusing.h"
#include "daemon/shown.h"
#include "daemon/world/bushistory.h"

/* How long until the next attempt to connect to a bus that went away, or was not there. */
#define RECONNECT_USEC (5 * USEC_PER_SEC)

struct Commands {
        Daemon *daemon;
        Bus *bus;
        Access *access;
        Locks *locks;
        RebootLock *reboot;
        GoingDown *going_down;
        Handovers *handovers;
        Inquiries *inquiries;
        Refusing *refusing;
        Flush flush;
        LastChance last_chance;
        WaiterQueue last_callers; /* of LastChance */
        sd_event_source *reconnect;
        void (*ready)(void);
        bool was_ready; /* we have owned the name once */
        bool serving;   /* we own it */
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
        *ret = (BusManager){
                .watching = daemon_options(d)->watch,
                .ready = daemon_is_quiet(d),
                .booted_stale = daemon_booted_stale(d),
                .inhibiting = goingdown_inhibiting(((Commands *) userdata)->going_down),
                .flush_timeout = daemon_flush_timeout(d),
                .wait_in_hooks = daemon_settings(d)->wait_in_hooks,
                .owed = daemon_owed(d),
        };
        rebootlock_view(((Commands *) userdata)->reboot, ret);
        return daemon_busy(d, &ret->busy);
}

static void trust_or_distrust(Daemon *d, Record *record, bool trusted, BusCall *call) {
        if (!trusted && record->volume.trusted && isempty(record->device.uuid)) {
                answer(call, OUTCOME_TRUSTED_ALWAYS, record->name, NULL);
                return;
        }
        int r = daemon_trust(d, record, trusted);
        if (r == -EINVAL)
                answer(call, OUTCOME_NO_UUID, record->name, NULL);
        else if (r == -ENOENT)
                answer(call, OUTCOME_NOT_ENROLLED, record->name,
                       record->volume.trusted ? ", it is trusted by RunningSystem=" : "");
        else if (r < 0)
                answer(call, OUTCOME_NOT_SAVED, record->name, strerror(-r));
        else
                answer_done(call);
}

static void request_rebuild(Commands *c, Record *record, uint32_t flags, const Caller *caller) {
        if (answer_refuses_flags(caller->call, flags, BOOTKEEP_REBUILD_FORCE))
                return;
        if (rebootlock_is_held(c->reboot))
                answer(caller->call, OUTCOME_REBOOT_SOON, NULL, NULL);
        else if (record->unread)
                answer(caller->call, OUTCOME_BLOCKED, NULL, record->unread);
        else
                daemon_request(c->daemon, record, WAIT_FOR_BUILD, flags & BOOTKEEP_REBUILD_FORCE, caller);
}

static void prepare_unmount_of(const Commands *c, Record *record, const Caller *caller) {
        if (locks_is_locked(record) && !record->volume.build_runs) /* our own build holds it: that will end */
                answer(caller->call, OUTCOME_LOCKED, record->name, locks_holder_name(c->locks, record));
        else if (record->volume.state == VOLUME_HUNG || record->volume.state == VOLUME_GIVEN_UP)
                answer_done(caller->call); /* never busy: there is nothing to do for it */
        else
                daemon_request(c->daemon, record, WAIT_FOR_UNMOUNT, false, caller);
}

static void tell_history(const Commands *c, const Record *record, uint32_t max, BusCall *call) {
        _cleanup_(history_done) History history = {};
        int r = chronicle_read(&daemon_driver(c->daemon)->chronicle, record, &history);
        if (r < 0)
                answer(call, OUTCOME_NO_HISTORY, record->name, strerror(-r));
        else
                bus_reply_history(call, &history, max);
}

/* A command about a volume. */
typedef struct VolumeCommand {
        BusVerb verb;
        const BusArguments *arguments;
        Caller caller;
} VolumeCommand;

static void command_for_lock(const Commands *c, Record *record, const VolumeCommand *command) {
        const Caller *caller = &command->caller;
        if (command->verb == BUS_LOCK_VOLUME)
                locks_lock_volume(c->locks, record, command->arguments->flags, caller);
        else if (command->verb == BUS_UNLOCK_VOLUME)
                locks_unlock_volume(c->locks, record, command->arguments, caller);
        else if (locks_check_holder(c->locks, record, caller))
                goingdown_switch(c->going_down, record, command->verb == BUS_BEGIN_SWITCH, caller);
}

/* Nothing changes. */
static void tell_of_volume(const Commands *c, const Record *record, const VolumeCommand *command) {
        if (command->verb == BUS_GET_VOLUME)
                bus_reply_volume(command->caller.call, record->name);
        else if (command->verb == BUS_SOURCES)
                inquiries_ask_sources(c->inquiries, record, command->arguments->second, &command->caller);
        else
                tell_history(c, record, command->arguments->flags, command->caller.call);
}

static void command_for_volume(Commands *c, Record *record, const VolumeCommand *command) {
        const BusArguments *a = command->arguments;
        const Caller *caller = &command->caller;
        switch (command->verb) {
        case BUS_SCAN:
                daemon_request(c->daemon, record, WAIT_FOR_SCAN, false, caller);
                return;
        case BUS_REBUILD:
                request_rebuild(c, record, a->flags, caller);
                return;
        case BUS_TRUST:
        case BUS_DISTRUST:
                trust_or_distrust(c->daemon, record, command->verb == BUS_TRUST, caller->call);
                return;
        case BUS_GET_VOLUME:
        case BUS_HISTORY:
        case BUS_SOURCES:
                tell_of_volume(c, record, command);
                return;
        case BUS_LOCK_VOLUME:
        case BUS_UNLOCK_VOLUME:
        case BUS_BEGIN_SWITCH:
        case BUS_END_SWITCH:
                command_for_lock(c, record, command);
                return;
        case BUS_PREPARE_UNMOUNT:
                prepare_unmount_of(c, record, caller);
                return;
        case BUS_BEGIN:
                handovers_begin(c->handovers, record, a, caller);
                return;
        case BUS_RELOAD:
        case BUS_DONE:
        case BUS_LOCK_REBOOT:
        case BUS_FLUSH:
        case BUS_FLUSH_IN_HOOK:
        case BUS_LAST_CHANCE:
                return; /* have no volume */
        }
}

static void reload_configuration(Daemon *d, BusCall *call) {
        int r = commands_reload(d);
        if (r < 0)
                answer(call, OUTCOME_NOT_RELOADED, NULL, strerror(-r));
        else
                answer_done(call);
}

/* The system goes down: nobody's lock counts any more. */
static int begin_last_chance(Commands *c, uint64_t patience, const Caller *caller) {
        Waiter *w = waiter_new(daemon_waiters(c->daemon), caller, NULL, (Wait){.what = WAIT_FOR_QUIET});
        if (!w)
                return error_origin(-ENOMEM);
        locks_set_last_chance(c->locks, true);
        int r = lastchance_begin(&c->last_chance, patience);
        if (r < 0) {
                locks_set_last_chance(c->locks, false);
                waiter_free(w);
        } else
                waiter_join_queue(w, &c->last_callers);
        return r;
}

/* Only for root itself: it takes everybody's lock away. */
static void request_last_chance(Commands *c, uint64_t patience, const Caller *caller) {
        if (caller->peer->uid != 0) {
                answer(caller->call, OUTCOME_NOT_ROOT, NULL, NULL);
                return;
        }
        int r = begin_last_chance(c, patience, caller);
        if (r < 0)
                answer(caller->call, OUTCOME_CANNOT_WAIT, NULL, strerror(-r));
}

static void on_last_chance_progress(void *userdata, uint64_t left_usec, const OwedView *views, size_t n) {
        bus_last_chance(((Commands *) userdata)->bus, left_usec, views, n);
}

static void on_last_chance_ended(void *userdata) {
        Commands *c = userdata;
        locks_set_last_chance(c->locks, false);
        while (!TAILQ_EMPTY(&c->last_callers)) {
                _cleanup_strv_free_ char **owed = NULL;
                Waiter *w = TAILQ_FIRST(&c->last_callers);
                if (lastchance_owed(&c->last_chance, &owed) < 0)
                        waiter_answer(w, OUTCOME_NO_MEMORY, NULL, NULL);
                else
                        waiter_answer_names(w, owed);
        }
}

/* A client that mounts a volume and calls at once must not be told that there is no such volume. But anybody
 * may ask for volumes that do not exist, as often as they like: nothing is done needlessly for clients that
 * may not change anything. */
static Record *look_up_volume(const Commands *c, const char *argument, const Peer *peer) {
        Record *record = daemon_look_up(c->daemon, argument);
        if (record)
                return record;
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
        /* these are for everybody: their callers are not peers */
        bool public = verb == BUS_GET_VOLUME || verb == BUS_HISTORY;
        const Peer *peer = public ? NULL : access_get_peer(c->access, call);
        if (!peer && !public)
                return; /* vanished: there is nobody left to reply to */
        const Caller caller = {peer, call};
        if (verb == BUS_RELOAD)
                reload_configuration(c->daemon, call);
        else if (verb == BUS_LOCK_REBOOT)
                rebootlock_request(c->reboot, a->flags, &caller);
        else if (verb == BUS_FLUSH || verb == BUS_FLUSH_IN_HOOK)
                flush_request(&c->flush, &(FlushRequest){a->timeout, verb == BUS_FLUSH_IN_HOOK}, &caller);
        else if (verb == BUS_LAST_CHANCE)
                request_last_chance(c, a->timeout, &caller);
        else if (verb == BUS_DONE)
                handovers_end(c->handovers, a, &caller);
        else {
                Record *record = look_up_volume(c, a->volume, peer);
                if (record)
                        command_for_volume(c, record, &(VolumeCommand){verb, a, caller});
                else
                        answer(call, OUTCOME_NO_SUCH_VOLUME, a->volume, NULL);
        }
}

static void on_line_left(void *userdata, Record *record) {
        const Commands *c = userdata;
        if (record)
                locks_follow(c->locks, record);
        else
                rebootlock_tell(c->reboot);
}

static void peer_gone(void *userdata, const Peer *peer) {
        Commands *c = userdata;
        if (!c->locks)
                return;
        waiters_drop_client(daemon_waiters(c->daemon), peer->id, on_line_left, c);
        locks_peer_gone(c->locks, peer);
        rebootlock_peer_gone(c->reboot, peer, goingdown_prepares(c->going_down));
        handovers_peer_gone(c->handovers, peer);
        inquiries_peer_gone(c->inquiries, peer);
}

static void on_settled(void *userdata) {
        Commands *c = userdata;
        flush_settled(&c->flush);
        lastchance_settled(&c->last_chance);
        refusing_settled(c->refusing);
        rebootlock_settled(c->reboot);
        goingdown_settled(c->going_down);
}

static void adopt_lock(Commands *c, Record *record) {
        if (c->serving)
                locks_adopt(c->locks, bus_get_connection(c->bus), record);
}

/* Nothing is built on it either while the system is about to go down. */
static void on_added(void *userdata, Record *record) {
        Commands *c = userdata;
        locks_follow(c->locks, record);
        adopt_lock(c, record);
}

static void on_forgive(void *userdata, LockedFiles *locked) {
        flush_forgive(&((Commands *) userdata)->flush, locked);
}

static const DaemonHooks hooks = {.settled = on_settled, .added = on_added, .forgive = on_forgive};

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
        c->was_ready = c->serving = true;
        for (Record *record = daemon_next(c->daemon, NULL); record; record = daemon_next(c->daemon, record))
                adopt_lock(c, record); /* before any call */
        daemon_set_connected(c->daemon, true);
        say_ready_once(c);
}

static void on_bus_lost(void *userdata, int error);

static int on_reconnect(sd_event_source *s, uint64_t usec, void *userdata) {
        Commands *c = userdata;
        waiters_drop_all(daemon_waiters(c->daemon)); /* first: or one might get a lock, and lose it */
        access_clear(c->access);
        bus_close(c->bus);
        int r = bus_open(c->bus, daemon_event_loop(c->daemon));
        if (r < 0)
                on_bus_lost(c, r);
        return 0;
}

static void complain_of_bus(const Commands *c, int error) {
        const char *builds =
                daemon_options(c->daemon)->mount_table ? ", nothing is built until it is back" : "";
        (void) log_warning_errno(
                error, "Cannot serve on the system bus, continuing without it and retrying%s", builds);
}

/* Watching continues without a bus, and building if it can, which is logged once; but never alongside another
 * bootkeepd. */
static void on_bus_lost(void *userdata, int error) {
        Commands *c = userdata;
        uint64_t when = now_usec() + RECONNECT_USEC;
        c->serving = false;
        if (error == -EEXIST && !c->was_ready) {
                log_error("Another bootkeepd is already running: it owns the name " BOOTKEEP_BUS_NAME);
                (void) sd_event_exit(daemon_event_loop(c->daemon), EXIT_FAILURE);
                return;
        }
        if (!c->complained)
                complain_of_bus(c, error);
        else /* whoever started us must not wait for something that may never happen */
                say_ready_once(c);
        c->complained = true;
        daemon_set_connected(c->daemon, false);
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

static int prepare_commands(Commands *c) {
        const AccessHandlers access = {.peer_gone = peer_gone, .authorised = authorised, .userdata = c};
        int r = bus_new(&handlers, c, &c->bus);
        if (r >= 0)
                r = access_new(&access, &c->access);
        if (r >= 0)
                r = locks_new(c->daemon, c->access, &c->locks);
        if (r >= 0)
                r = rebootlock_new(c->daemon, c->bus, c->access, c->locks, &c->reboot);
        if (r >= 0)
                r = goingdown_new(c->daemon, c->bus, c->reboot, &c->going_down);
        if (r >= 0)
                r = handovers_new(c->daemon, &c->handovers);
        if (r >= 0)
                r = inquiries_new(c->daemon, &c->inquiries);
        if (r >= 0)
                r = refusing_new(c->daemon, c->reboot, c->going_down, &c->refusing);
        if (r >= 0) /* the first attempt is made in the first iteration of the loop */
                r = sd_event_add_time(daemon_event_loop(c->daemon), &c->reconnect, CLOCK_BOOTTIME, 0, 1000,
                                      on_reconnect, c);
        return r;
}

int commands_new(Daemon *d, void (*ready_handler)(void), Commands **ret) {
        _cleanup_(commands_freep) Commands *c = calloc(1, sizeof(*c));
        if (!c)
                return error_origin(-ENOMEM);
        c->daemon = d;
        c->ready = ready_handler;
        flush_init(&c->flush, d);
        TAILQ_INIT(&c->last_callers);
        lastchance_init(&c->last_chance, d,
                        &(LastChanceHandlers){on_last_chance_progress, on_last_chance_ended, c});
        int r = prepare_commands(c);
        if (r < 0)
                return r;
        daemon_set_hooks(d, &hooks, c);
        daemon_set_news(d, &(News){.bus = c->bus, .holder = holder_of, .userdata = c});
        *ret = TAKE_PTR(c);
        return 0;
}

/* Whoever waits gets no reply: the bus tells them that we are gone. */
Commands *commands_free(Commands *c) {
        if (c) {
                daemon_set_news(c->daemon, &(News){});
                daemon_set_hooks(c->daemon, NULL, NULL);
                waiters_drop_all(daemon_waiters(c->daemon));
                lastchance_deinit(&c->last_chance);
                sd_event_source_disable_unref(c->reconnect);
                c->refusing = refusing_free(c->refusing);
                c->going_down = goingdown_free(c->going_down);
                c->inquiries = inquiries_free(c->inquiries);
                c->handovers = handovers_free(c->handovers);
                c->reboot = rebootlock_free(c->reboot);
                c->locks = locks_free(c->locks); /* first: that we exit is nobody's failure */
                access_free(c->access);
                bus_free(c->bus);
        }
        free(c);
        return NULL;
}
