/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command that runs while a lock is held. We exit with it but never stop it: only a signal from outside
 * stops it early, and that is forwarded to it. What the terminal sends (Ctrl-C) goes to the whole process
 * group, so the command gets it, too. Ctrl-Z stops both; the connection, and with it the lock, stays. */

#include "ctl/command.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "base/escape.h"
#include "base/log.h"

#define CANNOT_START 126
#define NOT_FOUND 127

static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

typedef struct Command {
        sd_bus *bus;
        sd_event *event;
        sd_bus_slot *owner, *disconnected;
        sigset_t before;
        const char *lock;
        pid_t pid;
        int status;
        bool ended, lost;
} Command;

static void command_done(Command *c) {
        (void) sd_bus_detach_event(c->bus);
        sd_bus_slot_unref(c->owner);
        sd_bus_slot_unref(c->disconnected);
        sd_event_unref(c->event);
        (void) sigprocmask(SIG_SETMASK, &c->before, NULL);
}

static void command_lose_lock(Command *c, const char *gone) {
        if (!c->lost)
                log_warning("%s went away: lost %s, the command keeps running", gone, c->lock);
        c->lost = true;
}

static int command_on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0 && !isempty(old))
                command_lose_lock(userdata, "bootkeepd");
        return 0;
}

static int command_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        command_lose_lock(userdata, "the system bus");
        return 0;
}

/* The terminal signals all processes in the foreground, but its hangup only goes to the session leader. */
static bool is_for_us_alone(const struct signalfd_siginfo *info) {
        return info->ssi_code != SI_KERNEL || (info->ssi_signo == SIGHUP && getsid(0) == getpid());
}

static int command_on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata) {
        const Command *c = userdata;
        assert(c->pid > 0);
        if (is_for_us_alone(info) && (pid_t) info->ssi_pid != c->pid)
                /* not reaped yet: the PID is still that of this process */
                (void) kill(c->pid, (int) info->ssi_signo);
        return 0;
}

static int command_on_exit(sd_event_source *s, const siginfo_t *info, void *userdata) {
        Command *c = userdata;
        assert(!c->ended && info->si_pid == c->pid);
        c->status = info->si_code == CLD_EXITED ? info->si_status : COMMAND_KILLED_BY + info->si_status;
        c->ended = true;
        return 0;
}

/* No signal must be lost between here and the loop, so all are blocked. */
static void command_take_signals(Command *c) {
        sigset_t signals;
        (void) sigemptyset(&signals);
        for (size_t i = 0; i < ELEMENTSOF(forwarded); i++)
                (void) sigaddset(&signals, forwarded[i]);
        (void) sigaddset(&signals, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &signals, &c->before);
        (void) signal(SIGCHLD, SIG_DFL); /* while it is ignored, children leave no exit status */
}

static int command_prepare(Command *c) {
        int r = sd_event_new(&c->event);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(forwarded); i++)
                r = sd_event_add_signal(c->event, NULL, forwarded[i], command_on_signal, c);
        if (r >= 0)
                r = sd_bus_add_match(c->bus, &c->owner,
                                     "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" BOOTKEEP_BUS_NAME "'",
                                     command_on_owner, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, &c->disconnected, "org.freedesktop.DBus.Local", NULL,
                                        "org.freedesktop.DBus.Local", "Disconnected", command_on_disconnected,
                                        c);
        return r < 0 ? r : sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
}

/* Our signal handling applies only to us: the command inherits what we inherited. */
static int command_spawn(Command *c, char *const *argv) {
        _cleanup_(posix_spawnattr_destroy) posix_spawnattr_t attributes;
        (void) posix_spawnattr_init(&attributes);
        (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        (void) posix_spawnattr_setsigmask(&attributes, &c->before);
        return -posix_spawnp(&c->pid, argv[0], NULL, &attributes, argv, environ);
}

static int command_complain(const char *name, int r) {
        _cleanup_free_ char *printable = escape_print(name);
        (void) log_errno(r, "cannot run %s", strempty(printable));
        return r == -ENOENT ? NOT_FOUND : CANNOT_START;
}

/* It is running already: whatever fails here, we wait for it to exit. */
static int command_wait(Command *c) {
        int status, r = sd_event_add_child(c->event, NULL, c->pid, WEXITED, command_on_exit, c);
        while (r >= 0 && !c->ended)
                r = sd_event_run(c->event, UINT64_MAX); /* exiting the loop would close the bus */
        if (r >= 0)
                return c->status;
        (void) log_errno(r, "cannot monitor the command, waiting for it to exit");
        while (waitpid(c->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        return WIFEXITED(status) ? WEXITSTATUS(status) : COMMAND_KILLED_BY + WTERMSIG(status);
}

int command_run(Ctl *ctl, char *const *argv, const char *lock, bool *ret_lost) {
        assert(ctl && ctl->bus && argv && argv[0] && lock && ret_lost);
        _cleanup_(command_done) Command c = {.bus = ctl->bus, .lock = lock};
        *ret_lost = false;
        command_take_signals(&c);
        int r = command_prepare(&c);
        if (r < 0) {
                (void) log_errno(r, "cannot run a command");
                return CANNOT_START;
        }
        r = command_spawn(&c, argv);
        int status = r < 0 ? command_complain(argv[0], r) : command_wait(&c);
        *ret_lost = c.lost;
        return status;
}
