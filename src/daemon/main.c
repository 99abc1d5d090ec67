/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeepd: options, signals, and the loop. */

#include <getopt.h> /* optind */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "bootkeep.h"
#include "config.h"
#include "daemon/census.h"
#include "daemon/commands.h"
#include "daemon/launch.h"
#include "daemon/oneshot.h"
#include "daemon/refusing.h"
#include "daemon/world/refusaldropins.h"

/* RuntimeDirectory= of its unit. */
#define RUNTIME_FOLDER "/run/bootkeep"

typedef struct Arguments {
        DaemonOptions options;
        bool check_config;
        bool flush;
        bool allow_reboot;
} Arguments;

static int parse_arguments(int argc, char **argv, Arguments *a) {
        DaemonOptions *o = &a->options;
        const Option options[] = {
                {"config", "FILE", "Read configuration from this file only", option_string, &o->config},
                {"builders", "DIR", "Read builder definitions from this directory only", option_string,
                 &o->builders},
                {"libexec", "DIR", "Where bootkeep-scan and bootkeep-build are", option_string, &o->libexec},
                {"state", "DIR", "Where the list of trusted volumes is kept", option_string, &o->state},
                {"runtime", "DIR", "Where sockets and the files of running builds are", option_string,
                 &o->runtime},
                {"build-units", "yes|no", "Whether builds run in units of their own", option_yes_no,
                 &o->build_units},
                {"units", "DIR", "Where Refuse=yes puts drop-ins of systemd's targets", option_string,
                 &o->units},
                {"mount-table", "FILE",
                 "The mountinfo of the machine, if bootkeepd has a mount namespace of its own", option_string,
                 &o->mount_table},
                {"no-watch", NULL, "Serve on D-Bus only; watch nothing", option_clear, &o->watch},
                {"flush", NULL,
                 "Without a bus: do what is owed, say on stdout how far it is, and exit; for bootkeep-flush",
                 option_set, &a->flush},
                {"allow-reboot", NULL, "Take back what Refuse=yes has told systemd, and exit", option_set,
                 &a->allow_reboot},
                {"check-config", NULL, "Check configuration and builder definitions, and exit", option_set,
                 &a->check_config},
        };
        static const OptionsHelp help = {
                .program = "bootkeepd",
                .purpose = "Keep the boot caches of every mounted volume, and their copies on its "
                           "helper\npartitions, up to date.",
                .footer = "See the bootkeepd(8) man page for details.",
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        if (r > 0 && optind < argc) {
                log_error("Unexpected argument: %s", argv[optind]);
                return error_origin(-EINVAL);
        }
        return r;
}

/* A child reads the definitions: the daemon need not know what a builder is. */
static int check_builders(const DaemonOptions *o) {
        const LaunchOptions launch = {.libexec = o->libexec, .builders = o->builders};
        _cleanup_(job_freep) Job *job = NULL;
        int status = 0, r = launch_check_builders(&launch, &job);
        if (r < 0)
                return log_errno(r, "Failed to start %s/bootkeep-scan", o->libexec);
        struct pollfd ended = {.fd = job_get_process_fd(job), .events = POLLIN};
        do
                r = poll(&ended, 1, -1) < 0 && errno != EINTR ? error_origin(-errno) : job_reap(job, &status);
        while (r == -EAGAIN);
        if (r < 0)
                return log_errno(r, "Failed to wait for %s/bootkeep-scan", o->libexec);
        return status == 0 ? 0 : -EINVAL; /* it said why */
}

static int check_config(const DaemonOptions *o, unsigned problems) {
        if (problems > 0)
                log_error("%u problem%s in the configuration", problems, problems == 1 ? "" : "s");
        int r = check_builders(o);
        return problems > 0 ? error_origin(-EINVAL) : r;
}

static int on_terminate(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        log_info("Stopping");
        (void) sd_notify(false, "STOPPING=1");
        daemon_stop(userdata);
        return 0;
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        (void) commands_reload(userdata);
        return 0;
}

static int handle_signals(sd_event *event, Daemon *d) {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return error_origin(-errno);
        (void) signal(SIGPIPE, SIG_IGN);
        int r = sd_event_add_signal(event, NULL, SIGTERM, on_terminate, d);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_terminate, d);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, d);
        return r;
}

/* An inotify instance for each volume, four descriptors for each running child. */
static void raise_descriptor_limit(void) {
        struct rlimit l;
        if (getrlimit(RLIMIT_NOFILE, &l) >= 0 && l.rlim_cur < l.rlim_max) {
                l.rlim_cur = l.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &l);
        }
}

static void say_ready(void) {
        (void) sd_notify(false, "READY=1");
        log_info("Ready");
}

/* Unless --no-watch is given, there is a census before any call or volume. */
static void look_afresh(void *userdata, bool anyway) {
        Census **census = userdata;
        if (*census && (anyway || census_is_behind(*census)))
                census_look(*census);
}

/* Neither calls nor clients: only what is owed, once. */
static int run_flush(const DaemonOptions *o, Settings *settings) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(daemon_freep) Daemon *d = NULL;
        _cleanup_(oneshot_done) OneShot oneshot = {};
        _cleanup_(census_freep) Census *census = NULL;
        raise_descriptor_limit();
        int r = sd_event_default(&event);
        if (r < 0)
                return log_errno(r, "Failed to create the event loop");
        r = daemon_new(event, o, settings, &d);
        if (r < 0)
                return r; /* logged */
        r = handle_signals(event, d);
        if (r < 0)
                return log_errno(r, "Failed to set up signal handling");
        daemon_set_look_afresh(d, look_afresh, &census);
        r = census_new(d, &census);
        if (r < 0)
                return log_errno(r, "Failed to read the mount table");
        r = oneshot_begin(&oneshot, d, stdout);
        if (r >= 0)
                r = sd_event_loop(event);
        return r < 0 ? log_errno(r, "Failed to do what is owed") : r;
}

static int run(const DaemonOptions *o, Settings *settings) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(daemon_freep) Daemon *d = NULL;
        _cleanup_(commands_freep) Commands *commands = NULL;
        _cleanup_(census_freep) Census *census = NULL;
        raise_descriptor_limit();
        int r = sd_event_default(&event);
        if (r < 0)
                return log_errno(r, "Failed to create the event loop");
        (void) sd_event_set_watchdog(event, true);
        r = daemon_new(event, o, settings, &d);
        if (r < 0)
                return r; /* logged */
        r = handle_signals(event, d);
        if (r < 0)
                return log_errno(r, "Failed to set up signal handling");
        daemon_set_look_afresh(d, look_afresh, &census);
        r = commands_new(d, say_ready, &commands);
        if (r < 0)
                return log_errno(r, "Failed to prepare the bus");
        if (o->watch) {
                r = census_new(d, &census);
                if (r < 0)
                        return log_errno(r, "Failed to read the mount table");
        }
        r = sd_event_loop(event);
        return r < 0 ? log_errno(r, "The event loop failed") : r;
}

/* Started by systemd as a service: so there are units. */
static bool is_service(void) {
        return getenv("INVOCATION_ID") && getenv("NOTIFY_SOCKET");
}

/* Also when the daemon was killed, or may not be started any more: a unit's ExecStopPost=. */
static int allow_reboot(const DaemonOptions *o) {
        int r = refusing_end(o->units);
        if (r >= 0)
                return EXIT_SUCCESS;
        (void) log_errno(r, "Failed to remove drop-ins below %s", o->units);
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        Arguments a = {.options = {.libexec = BOOTKEEP_LIBEXECDIR,
                                   .state = BOOTKEEP_VOLUME_STATE,
                                   .runtime = RUNTIME_FOLDER,
                                   .units = DROPINS_FOLDER,
                                   .build_units = is_service(),
                                   .watch = true}};
        _cleanup_(settings_done) Settings settings = {};
        unsigned problems = 0;
        log_setup("bootkeepd");
        int r = parse_arguments(argc, argv, &a);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (a.allow_reboot)
                return allow_reboot(&a.options);
        r = settings_load(a.options.config, &settings, &problems);
        if (r < 0)
                log_errno(r, "Failed to read %s", a.options.config ? a.options.config : "the configuration");
        else if (a.check_config)
                r = check_config(&a.options, problems);
        else if (a.flush)
                r = run_flush(&a.options, &settings);
        else
                r = run(&a.options, &settings);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
