/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lock-client rounds|vanish|line VOLUME N: what locks cost a client, beside what the bus alone costs it, in
 * turn in one run. Prints "NAME VALUE" lines for bench/lock. On the bus it is a stranger: of ours it knows no
 * more than the header that a client has. */

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
#define PART 1000U

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

static void process(sd_bus *bus) {
        if (check(sd_bus_process(bus, NULL), "process") == 0)
                check(sd_bus_wait(bus, UINT64_MAX), "wait");
}

/* A child that writes its unique name, when it is ready, and goes on until it is killed. */
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

/* ---- rounds ---- */

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
                process(bus);
}

/* N pairs of calls; returns pairs a second. */
static double pairs(sd_bus *bus, const char *destination, const char *path, const char *interface,
                    const char *volume, unsigned n) {
        uint64_t start = now_nsec();

        for (unsigned i = 0; i < n; i++) {
                check(sd_bus_call_method(bus, destination, path, interface, "LockVolume", NULL, NULL, "su",
                                         volume, 0U),
                      "LockVolume");
                check(sd_bus_call_method(bus, destination, path, interface, "UnlockVolume", NULL, NULL, "si",
                                         volume, 0),
                      "UnlockVolume");
        }
        return n * 1e9 / (double) (now_nsec() - start);
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

static double median(double *values, unsigned n) {
        qsort(values, n, sizeof(*values), compare);
        return values[n / 2];
}

static void rounds(const char *volume, unsigned n) {
        Peer bare = peer_start(serve_bare, volume);
        sd_bus *bus = connect_to_bus();
        double ours[TURNS], theirs[TURNS];

        for (unsigned i = 0; i < TURNS; i++) {
                theirs[i] = pairs(bus, bare.name, BARE_PATH, BARE_INTERFACE, volume, n / TURNS);
                ours[i] = pairs(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                volume, n / TURNS);
        }
        (void) printf("bare_pairs_per_s %.0f\n", median(theirs, TURNS));
        (void) printf("lock_pairs_per_s %.0f\n", median(ours, TURNS));
        peer_kill(&bare);
        peer_reap(&bare);
        sd_bus_flush_close_unref(bus);
}

/* ---- vanish ---- */

static void hold(const char *volume, int out) {
        sd_bus *bus = connect_to_bus();

        check(sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                 "LockVolume", NULL, NULL, "su", volume, BOOTKEEP_LOCK_WAIT),
              "LockVolume");
        say_ready(bus, out);
        for (;;)
                (void) pause();
}

static void be_there(const char *volume, int out) {
        say_ready(connect_to_bus(), out);
        for (;;)
                (void) pause();
}

static int on_event(void *userdata) {
        *(uint64_t *) userdata = now_nsec();
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_error(m, NULL))
                check(-EPROTO, sd_bus_message_get_error(m)->message);
        return on_event(userdata);
}

static int on_untracked(sd_bus_track *t, void *userdata) {
        return on_event(userdata);
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

/* Behind it the daemon has read all that was sent on this connection before. */
static void catch_up(sd_bus *bus) {
        check(sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, "org.freedesktop.DBus.Peer",
                                 "Ping", NULL, NULL, NULL),
              "Ping");
}

static double until(sd_bus *bus, const uint64_t *at, const Peer *p) {
        uint64_t start = now_nsec();

        peer_kill(p);
        while (*at == 0)
                process(bus);
        peer_reap(p);
        return (double) (*at - start) / 1000;
}

static double vanish_of_holder(const char *volume) {
        Peer holder = peer_start(hold, volume);
        sd_bus *bus = connect_to_bus();
        uint64_t at = 0;
        double usec;

        ask_for_lock(bus, volume, on_reply, &at);
        catch_up(bus);
        usec = until(bus, &at, &holder);
        check(sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                 "UnlockVolume", NULL, NULL, "si", volume, 0),
              "UnlockVolume");
        sd_bus_flush_close_unref(bus);
        return usec;
}

static double vanish_of_tracked(const char *volume) {
        Peer tracked = peer_start(be_there, volume);
        sd_bus *bus = connect_to_bus();
        sd_bus_track *track = NULL;
        uint64_t at = 0;
        double usec;

        check(sd_bus_track_new(bus, &track, on_untracked, &at), "track");
        check(sd_bus_track_add_name(track, tracked.name), "track");
        check(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL),
              "Ping"); /* the match is there */
        usec = until(bus, &at, &tracked);
        sd_bus_track_unref(track);
        sd_bus_flush_close_unref(bus);
        return usec;
}

static void vanish(const char *volume, unsigned n) {
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

/* ---- line ---- */

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
                catch_up(w->bus);
        }
}

/* The time of each: from the unlock of the one before to the answer. */
static void serve_line(Line *line, const char *volume, double *usec) {
        for (unsigned i = 0; i < line->n; i++) {
                Waiter *w = line->waiters + i;
                uint64_t start = now_nsec();
                while (w->at == 0)
                        process(w->bus);
                check(sd_bus_call_method(w->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                         BOOTKEEP_MANAGER_INTERFACE, "UnlockVolume", NULL, NULL, "si", volume,
                                         BOOTKEEP_BUILD_TEMPFAIL),
                      "UnlockVolume");
                usec[i] = (double) (now_nsec() - start) / 1000;
        }
}

static double mean(const double *values, unsigned n) {
        double sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += values[i];
        return sum / n;
}

static void line(const char *volume, unsigned n) {
        Line l = {.waiters = calloc(n, sizeof(Waiter)), .n = n};
        double *usec = calloc(n, sizeof(*usec));
        unsigned part = n < PART ? n : PART;

        check(l.waiters && usec ? 0 : -ENOMEM, "start");
        join_line(&l, volume);
        serve_line(&l, volume, usec);
        (void) printf("waiters %u\n", l.served);
        (void) printf("first_usec %.1f\n", mean(usec, part));
        (void) printf("last_usec %.1f\n", mean(usec + n - part, part));
        (void) fflush(stdout);
        _exit(EXIT_SUCCESS); /* to close ten thousand connections one by one is nobody's business */
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                void (*run)(const char *volume, unsigned n);
        } benches[] = {{"rounds", rounds}, {"vanish", vanish}, {"line", line}};

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
