/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lock-client rounds|vanish|line VOLUME N: what locks cost a client, compared with the bus alone;
 * both are measured alternately in one run. Prints "NAME VALUE" lines for bench/lock. On the bus it is an
 * ordinary client: it knows nothing of the daemon but the installed header. */

#include <bootkeep.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

#define BARE_PATH "/bench"
#define BARE_INTERFACE "org.bootkeep1.Bench"
#define TURNS 200
#define PART 1000U /* of those in line */

static int check(int r, const char *what) {
        if (r < 0) {
                (void) fprintf(stderr, "lock-client: %s: %s\n", what, strerror(-r));
                exit(EXIT_FAILURE);
        }
        return r;
}

static uint64_t now_nsec(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000U + (uint64_t) t.tv_nsec;
}

static sd_bus *connect_to_bus(void) {
        sd_bus *bus = NULL;
        const char *name;
        check(sd_bus_open_system(&bus), "connect");
        check(sd_bus_get_unique_name(bus, &name), "connect");
        return bus;
}

static void process_messages(sd_bus *bus) {
        if (check(sd_bus_process(bus, NULL), "process") == 0)
                check(sd_bus_wait(bus, UINT64_MAX), "wait");
}

/* A child process with a connection of its own. It writes its unique name once it is ready and runs until it
 * is killed. */
typedef struct Peer {
        pid_t pid;
        char name[64];
} Peer;

typedef void (*PeerMain)(const char *volume, int out);

static Peer peer_start(PeerMain run, const char *volume) {
        Peer p = {};
        int fd[2];
        check(pipe(fd) < 0 ? -errno : 0, "pipe");
        p.pid = fork();
        check(p.pid < 0 ? -errno : 0, "fork");
        if (p.pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(fd[0]);
                run(volume, fd[1]);
                _exit(EXIT_SUCCESS);
        }
        (void) close(fd[1]);
        ssize_t n = read(fd[0], p.name, sizeof(p.name) - 1);
        check(n <= 0 ? -EPIPE : 0, "start of a peer");
        (void) close(fd[0]);
        return p;
}

static void peer_kill(const Peer *p) {
        (void) kill(p->pid, SIGKILL);
}

static void peer_reap(const Peer *p) {
        (void) waitpid(p->pid, NULL, 0);
}

static void say_ready(sd_bus *bus, int out) {
        const char *name;
        check(sd_bus_get_unique_name(bus, &name), "name");
        check(write(out, name, strlen(name)) < 0 ? -errno : 0, "write");
}

/* rounds: LockVolume and UnlockVolume again and again, of the daemon and of a service that only answers. */

typedef struct Service {
        const char *destination, *path, *interface;
} Service;

static const Service bootkeepd = {BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE};

static int on_bare_lock(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *volume;
        uint32_t flags;
        check(sd_bus_message_read(m, "su", &volume, &flags), "read");
        return sd_bus_reply_method_return(m, NULL);
}

static int on_bare_unlock(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *volume;
        int32_t status;
        check(sd_bus_message_read(m, "si", &volume, &status), "read");
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable bare_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("LockVolume", "su", "", on_bare_lock, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("UnlockVolume", "si", "", on_bare_unlock, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void serve_bare(const char *volume, int out) {
        sd_bus *bus = connect_to_bus();
        check(sd_bus_add_object_vtable(bus, NULL, BARE_PATH, BARE_INTERFACE, bare_vtable, NULL), "vtable");
        say_ready(bus, out);
        for (;;)
                process_messages(bus);
}

static void unlock(sd_bus *bus, const Service *service, const char *volume, int32_t status) {
        check(sd_bus_call_method(bus, service->destination, service->path, service->interface, "UnlockVolume",
                                 NULL, NULL, "si", volume, status),
              "UnlockVolume");
}

static void lock(sd_bus *bus, const Service *service, const char *volume, uint32_t flags) {
        check(sd_bus_call_method(bus, service->destination, service->path, service->interface, "LockVolume",
                                 NULL, NULL, "su", volume, flags),
              "LockVolume");
}

/* Makes N pairs of calls and returns how many that is per second. */
static double pairs_per_second(sd_bus *bus, const Service *service, const char *volume, unsigned n) {
        uint64_t start = now_nsec();
        for (unsigned i = 0; i < n; i++) {
                lock(bus, service, volume, 0);
                unlock(bus, service, volume, 0);
        }
        return n * 1e9 / (double) (now_nsec() - start);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

static double median(double *values, unsigned n) {
        qsort(values, n, sizeof(*values), compare_doubles);
        return values[n / 2];
}

static void bench_rounds(const char *volume, unsigned n) {
        Peer peer = peer_start(serve_bare, volume);
        const Service bare = {peer.name, BARE_PATH, BARE_INTERFACE};
        sd_bus *bus = connect_to_bus();
        double ours[TURNS], theirs[TURNS];
        for (unsigned i = 0; i < TURNS; i++) {
                theirs[i] = pairs_per_second(bus, &bare, volume, n / TURNS);
                ours[i] = pairs_per_second(bus, &bootkeepd, volume, n / TURNS);
        }
        (void) printf("bare_pairs_per_s %.0f\n", median(theirs, TURNS));
        (void) printf("lock_pairs_per_s %.0f\n", median(ours, TURNS));
        peer_kill(&peer);
        peer_reap(&peer);
        sd_bus_flush_close_unref(bus);
}

/* vanish: from the death of a client to the answer to the one that waits for its lock; and, for comparison,
 * to the end of an sd_bus_track. */

static void hold_lock(const char *volume, int out) {
        sd_bus *bus = connect_to_bus();
        lock(bus, &bootkeepd, volume, BOOTKEEP_LOCK_WAIT);
        say_ready(bus, out);
        for (;;)
                (void) pause();
}

static void stay_connected(const char *volume, int out) {
        say_ready(connect_to_bus(), out);
        for (;;)
                (void) pause();
}

static int note_time(void *userdata) {
        *(uint64_t *) userdata = now_nsec();
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_error(m, NULL))
                check(-EPROTO, sd_bus_message_get_error(m)->message);
        return note_time(userdata);
}

static int on_untracked(sd_bus_track *t, void *userdata) {
        return note_time(userdata);
}

static void ask_for_lock(sd_bus *bus, const char *volume, sd_bus_message_handler_t handler, void *userdata) {
        sd_bus_message *m = NULL;
        check(sd_bus_message_new_method_call(bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                             BOOTKEEP_MANAGER_INTERFACE, "LockVolume"),
              "call");
        check(sd_bus_message_append(m, "su", volume, BOOTKEEP_LOCK_WAIT), "call");
        check(sd_bus_call_async(bus, NULL, m, handler, userdata, UINT64_MAX), "call");
        sd_bus_message_unref(m);
}

/* When it returns, the daemon has read everything that was sent on this connection before. */
static void wait_until_read(sd_bus *bus) {
        check(sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, "org.freedesktop.DBus.Peer",
                                 "Ping", NULL, NULL, NULL),
              "Ping");
}

/* Kills PEER and returns the microseconds until *AT is set. */
static double usec_from_death(const Peer *peer, sd_bus *bus, const uint64_t *at) {
        uint64_t start = now_nsec();
        peer_kill(peer);
        while (*at == 0)
                process_messages(bus);
        peer_reap(peer);
        return (double) (*at - start) / 1000;
}

static double vanish_of_holder(const char *volume) {
        Peer holder = peer_start(hold_lock, volume);
        sd_bus *bus = connect_to_bus();
        uint64_t at = 0;
        ask_for_lock(bus, volume, on_reply, &at);
        wait_until_read(bus);
        double usec = usec_from_death(&holder, bus, &at);
        unlock(bus, &bootkeepd, volume, 0);
        sd_bus_flush_close_unref(bus);
        return usec;
}

static double vanish_of_tracked(const char *volume) {
        Peer tracked = peer_start(stay_connected, volume);
        sd_bus *bus = connect_to_bus();
        sd_bus_track *track = NULL;
        uint64_t at = 0;
        check(sd_bus_track_new(bus, &track, on_untracked, &at), "track");
        check(sd_bus_track_add_name(track, tracked.name), "track");
        check(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL),
              "Ping"); /* by now the bus has the match */
        double usec = usec_from_death(&tracked, bus, &at);
        sd_bus_track_unref(track);
        sd_bus_flush_close_unref(bus);
        return usec;
}

static void bench_vanish(const char *volume, unsigned n) {
        double *ours = calloc(n, sizeof(*ours)), *theirs = calloc(n, sizeof(*theirs));
        check(ours && theirs ? 0 : -ENOMEM, "start");
        for (unsigned i = 0; i < n; i++) {
                theirs[i] = vanish_of_tracked(volume);
                ours[i] = vanish_of_holder(volume);
        }
        (void) printf("track_usec %.0f\n", median(theirs, n));
        (void) printf("waiter_usec %.0f\n", median(ours, n));
        free(ours);
        free(theirs);
}

/* line: how long it takes to serve each of many waiters, for the first thousand and the last thousand. */

typedef struct Waiter {
        sd_bus *bus;
        uint64_t at;
        struct Line *line;
} Waiter;

typedef struct Line {
        Waiter *waiters;
        unsigned n, served;
} Line;

static int on_turn(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiter *w = userdata;
        if (w != w->line->waiters + w->line->served)
                check(-EPROTO, "served out of order");
        w->line->served++;
        return on_reply(m, &w->at, error);
}

static void join_line(Line *line, const char *volume) {
        for (unsigned i = 0; i < line->n; i++) {
                Waiter *w = line->waiters + i;
                w->bus = connect_to_bus();
                w->line = line;
                ask_for_lock(w->bus, volume, on_turn, w);
                wait_until_read(w->bus);
        }
}

/* Each holds the lock and gives it back. *USEC: how long that took, from the unlock of the one before. */
static void serve_line(Line *line, const char *volume, double *usec) {
        for (unsigned i = 0; i < line->n; i++) {
                Waiter *w = line->waiters + i;
                uint64_t start = now_nsec();
                while (w->at == 0)
                        process_messages(w->bus);
                unlock(w->bus, &bootkeepd, volume, BOOTKEEP_BUILD_TEMPFAIL);
                usec[i] = (double) (now_nsec() - start) / 1000;
        }
}

static double mean(const double *values, unsigned n) {
        double sum = 0;
        for (unsigned i = 0; i < n; i++)
                sum += values[i];
        return sum / n;
}

static void bench_line(const char *volume, unsigned n) {
        Line line = {.waiters = calloc(n, sizeof(Waiter)), .n = n};
        double *usec = calloc(n, sizeof(*usec));
        check(line.waiters && usec ? 0 : -ENOMEM, "start");
        join_line(&line, volume);
        serve_line(&line, volume, usec);
        unsigned part = n < PART ? n : PART;
        (void) printf("waiters %u\n", line.served);
        (void) printf("first_usec %.1f\n", mean(usec, part));
        (void) printf("last_usec %.1f\n", mean(usec + n - part, part));
        (void) fflush(stdout);
        _exit(EXIT_SUCCESS); /* no point in closing ten thousand connections one by one */
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                void (*run)(const char *volume, unsigned n);
        } benches[] = {{"rounds", bench_rounds}, {"vanish", bench_vanish}, {"line", bench_line}};

        for (size_t i = 0; argc == 4 && i < sizeof(benches) / sizeof(benches[0]); i++)
                if (strcmp(argv[1], benches[i].name) == 0) {
                        unsigned n;
                        if (parse_unsigned(argv[3], &n) < 0)
                                break;
                        benches[i].run(argv[2], n);
                        return EXIT_SUCCESS;
                }
        (void) fputs("lock-client rounds|vanish|line VOLUME N\n", stderr);
        return EXIT_FAILURE;
}
