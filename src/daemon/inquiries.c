/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/inquiries.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/parse.h"
#include "bootkeep.h"
#include "daemon/opening.h"
#include "daemon/timer.h"
#include "daemon/world/bussources.h"

/* At the same time: whoever may ask may have everything scanned as well. Those that hang do not count: there
 * is no other for their volume until they end. */
#define INQUIRIES_MAX 4U

typedef struct Inquiry {
        Inquiries *all;
        BusCall *call; /* NULL: answered, or nobody waits for it */
        uint64_t client;
        char *volume, *mount_point;
        uint64_t mount_id;
        unsigned number;
        Job *job;
        bool asks; /* for stamps that a mount covers: */
        Opening opening;
        sd_event_source *output, *end, *timer;
        BusSources *answer;
        bool hangs;   /* it was killed because it took too long, and has not ended yet */
        char *reason; /* why there is none, in its words */
        TAILQ_ENTRY(Inquiry) link;
} Inquiry;

struct Inquiries {
        Daemon *daemon;
        TAILQ_HEAD(, Inquiry) items;
        unsigned n; /* but for those that hang */
        unsigned last;
};

static Inquiry *inquiry_free(Inquiry *q) {
        sd_event_source_disable_unref(q->output);
        sd_event_source_disable_unref(q->end);
        sd_event_source_disable_unref(q->timer);
        daemon_abandon(q->all->daemon, &q->opening.running);
        opening_done(&q->opening);
        q->answer = bus_sources_free(q->answer);
        sd_bus_message_unref(q->call);
        job_free(q->job);
        free(q->volume);
        free(q->mount_point);
        free(q->reason);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(Inquiry *, inquiry_free);

static void inquiry_forget(Inquiry *q) {
        TAILQ_REMOVE(&q->all->items, q, link);
        q->all->n -= !q->hangs;
        inquiry_free(q);
}

static void inquiry_fail(Inquiry *q, Outcome outcome, const char *detail) {
        if (q->call)
                answer(q->call, outcome, q->volume, detail);
        q->call = sd_bus_message_unref(q->call);
}

/* With spaces between them. */
static int join_how(char *const *words, char **ret) {
        _cleanup_free_ char *text = strdup("");
        for (; text && *words; words++) {
                _cleanup_free_ char *before = TAKE_PTR(text);
                (void) strprintf(&text, "%s%s%s", before, *before ? " " : "", *words);
        }
        *ret = TAKE_PTR(text);
        return *ret ? 0 : error_origin(-ENOMEM);
}

static const char *word_or_none(const char *word) {
        return streq(word, "-") ? "" : word;
}

/* W: SOURCE, cache, instance, kind, path, size, and in words how it is known. */
static int inquiry_take_source(Inquiry *q, char **w) {
        _cleanup_free_ char *how = NULL;
        uint64_t size;
        if (strv_length(w) < 7 || parse_u64(w[5], &size) < 0)
                return error_origin(-EBADMSG);
        int r = join_how(w + 6, &how);
        return r < 0 ? r
                     : bus_sources_add(q->answer, &(BusSource){word_or_none(w[1]), word_or_none(w[2]), w[3],
                                                               w[4], how, size});
}

/* What is not a record of ours ends it. */
static void inquiry_take_line(const char *line, void *userdata) {
        Inquiry *q = userdata;
        _cleanup_strv_free_ char **words = NULL;
        int r = q->answer ? split_words(line, &words) : 0;
        if (r >= 0 && words && words[0] && streq(words[0], "SOURCE"))
                r = inquiry_take_source(q, words);
        q->asks = q->asks || startswith(line, "UNCOVER ");
        const char *reason = startswith(line, "REASON ");
        if (r >= 0 && reason) {
                free(q->reason);
                q->reason = escape_print(reason);
        }
        if (r < 0) {
                q->answer = bus_sources_free(q->answer);
                (void) job_kill(q->job, SIGKILL);
        }
}

static void inquiry_open_stamps(Inquiry *q) {
        const Driver *d = daemon_driver(q->all->daemon);
        const OpeningRequest request = {
                .event = d->event,
                .bus = driver_get_connection(d),
                .launch = &d->launch,
                .scan = &q->job,
                .volume = q->volume,
                .mount_point = q->mount_point,
                .mount_id = q->mount_id,
                .inquiry = q->number,
        };
        opening_follow(&q->opening, &request);
}

static int on_inquiry_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Inquiry *q = userdata;
        if (job_read(q->job, inquiry_take_line, q) != 0)
                q->output = sd_event_source_disable_unref(q->output);
        if (q->asks)
                inquiry_open_stamps(q);
        return 0;
}

static void inquiry_send(Inquiry *q) {
        int r = bus_sources_send(q->answer);
        if (r < 0)
                inquiry_fail(q, OUTCOME_NO_SOURCES, strerror(-r));
}

static void inquiry_answer(Inquiry *q, int status) {
        if (!q->call)
                return;
        if (status == BOOTKEEP_SCAN_NO_MANIFEST)
                inquiry_fail(q, OUTCOME_NO_MANIFEST, NULL);
        else if (status == BOOTKEEP_SCAN_REFUSED)
                inquiry_fail(q, OUTCOME_REFUSED, strempty(q->reason));
        else if (status != BOOTKEEP_SCAN_FRESH || !q->answer)
                inquiry_fail(q, OUTCOME_NO_SOURCES, q->reason ? q->reason : "bootkeep-scan failed");
        else
                inquiry_send(q);
}

static int on_inquiry_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Inquiry *q = userdata;
        int status = -ECHILD;
        (void) job_read_rest(q->job, inquiry_take_line, q);
        int r = job_reap(q->job, &status);
        if (r == -EAGAIN)
                return 0;
        opening_end(&q->opening);
        inquiry_answer(q, r < 0 ? r : status);
        inquiry_forget(q);
        return 0;
}

/* One that hangs on a disk may not even die: it is in the list until it does. */
static int on_inquiry_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Inquiry *q = userdata;
        inquiry_fail(q, OUTCOME_HUNG, NULL);
        (void) job_kill(q->job, SIGKILL);
        q->hangs = true;
        q->all->n--;
        return 0;
}

/* Does the volume not respond, as far as is known? */
static bool volume_hangs(const Inquiries *i, const Record *record) {
        const Inquiry *q = NULL;
        TAILQ_FOREACH (q, &i->items, link)
                if (q->hangs && streq(q->volume, record->name))
                        return true;
        return record->volume.state == VOLUME_HUNG;
}

static int inquiry_start(Inquiry *q, const char *cache) {
        const Driver *d = daemon_driver(q->all->daemon);
        const LaunchBuild scan = {q->volume, q->mount_point, q->mount_id, .inquiry = q->number};
        int r = launch_sources(&d->launch, &scan, cache, &q->job);
        if (r >= 0)
                r = sd_event_add_io(d->event, &q->output, job_get_output_fd(q->job), EPOLLIN,
                                    on_inquiry_output, q);
        if (r >= 0)
                r = sd_event_add_io(d->event, &q->end, job_get_process_fd(q->job), EPOLLIN, on_inquiry_end,
                                    q);
        if (r >= 0)
                r = timer_set(d->event, &q->timer, now_usec() + d->config.scan_timeout, on_inquiry_timer, q);
        if (r < 0 && q->job)
                (void) job_kill(q->job, SIGKILL);
        return r;
}

static int inquiry_begin(Inquiries *i, const Record *record, const char *cache, const Caller *caller) {
        _cleanup_(inquiry_freep) Inquiry *q = calloc(1, sizeof(*q));
        if (!q)
                return error_origin(-ENOMEM);
        q->all = i;
        q->client = caller->peer->id;
        q->number = ++i->last;
        q->mount_id = record_mount(record)->id;
        q->volume = strdup(record->name);
        q->mount_point = strdup(record_mount(record)->target);
        int r = q->volume && q->mount_point ? bus_sources_new(caller->call, &q->answer)
                                            : error_origin(-ENOMEM);
        if (r >= 0)
                r = inquiry_start(q, cache);
        if (r < 0)
                return r;
        q->call = sd_bus_message_ref(caller->call);
        TAILQ_INSERT_TAIL(&i->items, q, link);
        i->n++;
        q = NULL;
        return 0;
}

void inquiries_ask_sources(Inquiries *i, const Record *record, const char *cache, const Caller *caller) {
        assert(i && record && cache && caller && caller->peer);
        if (volume_hangs(i, record)) {
                answer(caller->call, OUTCOME_HUNG, record->name, NULL);
                return;
        }
        if (i->n >= INQUIRIES_MAX) {
                answer(caller->call, OUTCOME_NO_SOURCES, record->name, "too many ask at the same time");
                return;
        }
        int r = inquiry_begin(i, record, cache, caller);
        if (r < 0)
                answer(caller->call, OUTCOME_NO_SOURCES, record->name, strerror(-r));
}

void inquiries_peer_gone(Inquiries *i, const Peer *peer) {
        Inquiry *q = NULL;
        TAILQ_FOREACH (q, &i->items, link)
                if (q->client == peer->id) {
                        q->call = sd_bus_message_unref(q->call);
                        (void) job_kill(q->job, SIGKILL);
                }
}

int inquiries_new(Daemon *d, Inquiries **ret) {
        Inquiries *i = calloc(1, sizeof(*i));
        if (!i)
                return error_origin(-ENOMEM);
        i->daemon = d;
        TAILQ_INIT(&i->items);
        *ret = i;
        return 0;
}

Inquiries *inquiries_free(Inquiries *i) {
        if (!i)
                return NULL;
        for (Inquiry *q; (q = TAILQ_FIRST(&i->items));) {
                (void) job_kill(q->job, SIGKILL);
                inquiry_forget(q);
        }
        free(i);
        return NULL;
}
