/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/handovers.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "bootkeep.h"
#include "daemon/launch.h"
#include "daemon/running.h"
#include "daemon/timer.h"

/* Whoever has begun may be gone: what takes longer is built as usual. */
#define BEGUN_USEC (60U * 60U * USEC_PER_SEC)
/* A record is made or taken in seconds, unless the disk hangs. */
#define CHILD_USEC (2U * 60U * USEC_PER_SEC)
/* At the same time. */
#define HANDOVERS_MAX 64U

typedef struct Handover {
        Handovers *all;
        uint64_t cookie;
        char *volume;           /* its name: the volume may go */
        char *file;             /* the record */
        char *cache, *instance; /* which to begin; NULL: all */
        Running running;        /* bootkeep-build, which makes the record or takes what was built */
        unsigned number;        /* of that */
        bool begun, ending;
        BusCall *call; /* NULL: nobody waits for the reply */
        uint64_t client;
        sd_event_source *timer;
        TAILQ_ENTRY(Handover) link;
} Handover;

struct Handovers {
        Daemon *daemon;
        TAILQ_HEAD(, Handover) items;
        unsigned n;
        char *folder;
};

/* ---- one of them ---- */

static Handover *handover_free(Handover *o) {
        running_done(&o->running);
        sd_event_source_disable_unref(o->timer);
        sd_bus_message_unref(o->call);
        free(o->volume);
        free(o->file);
        free(o->cache);
        free(o->instance);
        free(o);
        return NULL;
}
DEFINE_CLEANUP(Handover *, handover_free);

static int handover_new(const Handovers *h, uint64_t cookie, const char *volume, Handover **ret) {
        _cleanup_(handover_freep) Handover *o = calloc(1, sizeof(*o));
        if (!o)
                return error_origin(-ENOMEM);
        o->cookie = cookie;
        o->volume = strdup(volume);
        if (!o->volume)
                return error_origin(-ENOMEM);
        int r = strprintf(&o->file, "%s/%016" PRIx64, h->folder, cookie);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static void handovers_add(Handovers *h, Handover *o) {
        o->all = h;
        TAILQ_INSERT_TAIL(&h->items, o, link);
        h->n++;
}

/* Before the reply: a client that has it finds everything else done. */
static void handover_forget(Handover *o, Outcome outcome, const char *detail) {
        Handovers *h = o->all;
        (void) unlink(o->file);
        if (o->call)
                answer(o->call, outcome, o->volume, detail);
        TAILQ_REMOVE(&h->items, o, link);
        h->n--;
        handover_free(o);
}

static LogFields handover_fields(const Handover *o) {
        return (LogFields){.volume = o->volume};
}

static void end_handover(Handover *o, bool well, const char *problem);

static int on_handover_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Handover *o = userdata;
        LogFields fields = handover_fields(o);
        if (running_get_pid(&o->running) > 0) { /* its end tells the rest */
                running_kill(&o->running, SIGKILL);
                return 0;
        }
        if (running_runs(&o->running)) {
                running_kill(&o->running, SIGKILL);
                end_handover(o, false, "bootkeep-build was not started in time");
                return 0;
        }
        log_send(LOG_NOTICE, &fields, "What another program began to build is not waited for any longer");
        handover_forget(o, OUTCOME_GONE, NULL);
        return 0;
}

static int handover_set_timer(Handover *o, uint64_t after) {
        return timer_set(daemon_event_loop(o->all->daemon), &o->timer, now_usec() + after, on_handover_timer,
                         o);
}

/* ---- its children, or units ---- */

static LaunchHandover what_to_hand_over(const Handover *o, const Record *record) {
        const MountEntry *m = record_mount(record);
        assert(m);
        return (LaunchHandover){
                .volume = o->volume,
                .mount_point = m->target,
                .mount_id = m->id,
                .file = o->file,
                .begin = !o->ending,
                .cache = o->ending ? NULL : o->cache,
                .instance = o->ending ? NULL : o->instance,
        };
}

static void end_begin(Handover *o, bool well, const char *problem) {
        LogFields fields = handover_fields(o);
        if (well && o->call && handover_set_timer(o, BEGUN_USEC) >= 0) {
                bus_reply_number(o->call, o->cookie);
                o->call = sd_bus_message_unref(o->call);
                o->begun = true;
                log_send(LOG_INFO, &fields, "Another program is about to build");
                return;
        }
        handover_forget(o, OUTCOME_NOT_BEGUN, well ? "failed to set the timer" : strempty(problem));
}

static void end_done(Handover *o, bool well, const char *problem) {
        Daemon *d = o->all->daemon;
        Record *record = daemon_find(d, o->volume);
        LogFields fields = handover_fields(o);
        if (well && record)
                driver_feed(daemon_driver(d), record, VOLUME_SCAN_WANTED);
        if (!well)
                log_send(LOG_INFO, &fields, "What another program built does not count as built: %s",
                         strempty(problem));
        handover_forget(o, well ? OUTCOME_DONE : OUTCOME_NOT_TAKEN, problem);
}

static int on_handover_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Handover *o = userdata;
        (void) running_read(&o->running);
        return 0;
}

static void end_handover(Handover *o, bool well, const char *problem) {
        running_done(&o->running);
        if (o->ending)
                end_done(o, well, problem);
        else
                end_begin(o, well, problem);
}

static const Driver *driver_of_handover(const Handover *o) {
        return daemon_driver(o->all->daemon);
}

static int start_handover_child(Handover *o, const LaunchHandover *launch);

/* systemd did not run it. */
static void replace_handover_unit(Handover *o) {
        const Record *record = daemon_find(o->all->daemon, o->volume);
        _cleanup_free_ char *problem = NULL;
        (void) free_and_strdup(&problem, running_get_refusal(&o->running));
        (void) unitjob_conclude(o->running.unit);
        running_done(&o->running);
        int r = -EOPNOTSUPP;
        if (record && !driver_of_handover(o)->launch.apart) {
                const LaunchHandover launch = what_to_hand_over(o, record);
                r = start_handover_child(o, &launch);
        }
        if (r < 0)
                end_handover(o, false, strempty(problem));
}

static int on_handover_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Handover *o = userdata;
        _cleanup_free_ char *problem = NULL;
        if (!running_has_ended(&o->running)) {
                running_inquire(&o->running, driver_get_connection(driver_of_handover(o)));
                return 0;
        }
        if (running_get_refusal(&o->running)) {
                replace_handover_unit(o);
                return 0;
        }
        bool well = running_conclude(&o->running, "bootkeep-build", &problem) == BOOTKEEP_BUILD_SUCCESS;
        end_handover(o, well, problem);
        return 0;
}

static int start_handover_child(Handover *o, const LaunchHandover *launch) {
        Job *job = NULL;
        int r = launch_handover(&driver_of_handover(o)->launch, launch, &job);
        return r < 0 ? r
                     : running_listen(&o->running, daemon_event_loop(o->all->daemon), job,
                                      &(RunningHandlers){on_handover_output, on_handover_exit, o});
}

static bool number_is_taken(const Handovers *h, unsigned number) {
        const Handover *other = NULL;
        TAILQ_FOREACH (other, &h->items, link)
                if (running_runs(&other->running) && other->number == number)
                        return true;
        return false;
}

/* Those of a daemon before us may still run, too. */
static int start_handover_unit(Handover *o, LaunchHandover launch) {
        const Driver *driver = driver_of_handover(o);
        const RunningStart with = {daemon_event_loop(o->all->daemon), driver_get_connection(driver)};
        UnitJob *unit = NULL;
        int r = -EBUSY;
        for (unsigned n = 0; r == -EBUSY && n < 2 * HANDOVERS_MAX; n++) {
                if (number_is_taken(o->all, n))
                        continue;
                launch.number = n;
                r = launch_handover_in_unit(&driver->launch, &launch, &unit);
        }
        o->number = launch.number;
        return r < 0 ? r
                     : running_start_unit(&o->running, with, unit,
                                          &(RunningHandlers){on_handover_output, on_handover_exit, o});
}

static int handover_start(Handover *o, const Record *record) {
        const LaunchHandover launch = what_to_hand_over(o, record);
        int r = start_handover_unit(o, launch);
        if (r < 0 && !driver_of_handover(o)->launch.apart)
                r = start_handover_child(o, &launch);
        return r < 0 ? r : handover_set_timer(o, CHILD_USEC);
}

/* ---- the calls ---- */

/* Why nobody else's build of RECORD counts. */
static Outcome outcome_against(const Record *record) {
        if (!record->volume.trusted)
                return OUTCOME_UNTRUSTED;
        return record->volume.state == VOLUME_HUNG ? OUTCOME_HUNG : OUTCOME_DONE;
}

static int handovers_begin_one(Handovers *h, const Record *record, const BusArguments *a,
                               const Caller *caller) {
        Handover *o = NULL;
        uint64_t cookie;
        if (getrandom(&cookie, sizeof(cookie), GRND_NONBLOCK) != sizeof(cookie))
                return error_origin(-EAGAIN);
        int r = handover_new(h, cookie, record->name, &o);
        if (r < 0)
                return r;
        handovers_add(h, o);
        if (!isempty(a->second))
                r = free_and_strdup(&o->cache, a->second);
        if (r >= 0 && !isempty(a->third))
                r = free_and_strdup(&o->instance, a->third);
        if (r >= 0)
                r = handover_start(o, record);
        if (r < 0) {
                handover_forget(o, OUTCOME_DONE, NULL);
                return r;
        }
        o->call = sd_bus_message_ref(caller->call);
        o->client = caller->peer->id;
        return 0;
}

void handovers_begin(Handovers *h, Record *record, const BusArguments *a, const Caller *caller) {
        Outcome against = outcome_against(record);
        int r = against != OUTCOME_DONE ? 0
                : h->n >= HANDOVERS_MAX ? error_origin(-EBUSY)
                                        : handovers_begin_one(h, record, a, caller);
        if (against != OUTCOME_DONE)
                answer(caller->call, against, record->name, NULL);
        else if (r < 0)
                answer(caller->call, OUTCOME_NOT_BEGUN, record->name,
                       r == -EBUSY ? "too much is begun already" : strerror(-r));
}

static Handover *handovers_find(const Handovers *h, uint64_t cookie) {
        Handover *o = NULL;
        TAILQ_FOREACH (o, &h->items, link)
                if (o->cookie == cookie && o->begun && !o->ending)
                        return o;
        return NULL;
}

void handovers_end(Handovers *h, const BusArguments *a, const Caller *caller) {
        Handover *o = handovers_find(h, a->number);
        if (!o) {
                answer(caller->call, OUTCOME_NO_SUCH_COOKIE, NULL, NULL);
                return;
        }
        o->ending = true;
        o->call = sd_bus_message_ref(caller->call);
        o->client = caller->peer->id;
        const Record *record = daemon_find(h->daemon, o->volume);
        Outcome against = record ? outcome_against(record) : OUTCOME_GONE;
        if (a->status != 0 || against != OUTCOME_DONE) {
                handover_forget(o, a->status != 0 ? OUTCOME_DONE : against, NULL);
                return;
        }
        int r = handover_start(o, record);
        if (r < 0)
                end_done(o, false, strerror(-r));
}

void handovers_peer_gone(Handovers *h, const Peer *peer) {
        Handover *o = NULL;
        TAILQ_FOREACH (o, &h->items, link) {
                if (!o->call || o->client != peer->id)
                        continue;
                o->call = sd_bus_message_unref(o->call);
                if (!o->ending)
                        running_kill(&o->running, SIGTERM); /* nobody knows its cookie */
        }
}

/* ---- all of them ---- */

/* The volume that the record FILE is of. */
static int read_record_volume(const char *file, char **ret) {
        _cleanup_fclose_ FILE *f = fopen(file, "re");
        char line[1024];
        if (!f)
                return error_origin(-errno);
        while (fgets(line, sizeof(line), f)) {
                const char *value = startswith(line, "volume ");
                if (value)
                        return unescape_word(value, strcspn(value, "\n"), ret);
        }
        return error_origin(-EBADMSG);
}

/* -EBADMSG: it is none of ours. */
static int take_over_record(Handovers *h, const char *name) {
        _cleanup_free_ char *file = NULL, *volume = NULL;
        Handover *o = NULL;
        uint64_t cookie;
        int end = 0;
        if (h->n >= HANDOVERS_MAX || strlen(name) != 16 ||
            sscanf(name, "%16" SCNx64 "%n", &cookie, &end) != 1 || end != 16)
                return error_origin(-EBADMSG);
        int r = strprintf(&file, "%s/%s", h->folder, name);
        if (r >= 0)
                r = read_record_volume(file, &volume);
        if (r >= 0)
                r = handover_new(h, cookie, strempty(volume), &o);
        if (r < 0)
                return r;
        handovers_add(h, o);
        o->begun = true;
        return handover_set_timer(o, BEGUN_USEC);
}

/* Those of a bootkeepd before us; it may have been killed while it made one. */
static int take_over_records(Handovers *h) {
        _cleanup_closedir_ DIR *dir = opendir(h->folder);
        if (!dir)
                return errno == ENOENT ? 0 : error_origin(-errno);
        for (const struct dirent *e; (e = readdir(dir));) {
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                int r = take_over_record(h, e->d_name);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        (void) unlinkat(dirfd(dir), e->d_name, 0);
        }
        return 0;
}

int handovers_new(Daemon *d, Handovers **ret) {
        _cleanup_(handovers_freep) Handovers *h = calloc(1, sizeof(*h));
        if (!h)
                return error_origin(-ENOMEM);
        h->daemon = d;
        TAILQ_INIT(&h->items);
        int r = strprintf(&h->folder, "%s/begun", daemon_options(d)->runtime);
        if (r < 0)
                return r;
        r = take_over_records(h);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                (void) log_warning_errno(r, "Failed to read %s", h->folder);
        *ret = TAKE_PTR(h);
        return 0;
}

/* The records are kept for the next one. */
Handovers *handovers_free(Handovers *h) {
        if (!h)
                return NULL;
        for (Handover *o; (o = TAILQ_FIRST(&h->items));) {
                TAILQ_REMOVE(&h->items, o, link);
                handover_free(o);
        }
        free(h->folder);
        free(h);
        return NULL;
}
