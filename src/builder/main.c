/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeep-build: one build of one volume, then gone. It trusts no earlier scan: the manifest is read and
 * everything compared anew, behind the lock that keeps two builds of a volume apart. Whether the volume may
 * be built at all is for who calls it to know. */

#include <bootkeep.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/report.h"
#include "builder/build.h"
#include "builder/buildlock.h"
#include "builder/buslock.h"

typedef struct Options {
        uint64_t mount_id;
        char **builders;
        bool force, caches_only, helpers_only;
        bool trust_ctime;
        const char *mountpoint;
} Options;

typedef struct Program {
        const Options *options;
        Interrupt *interrupt;
        Root *root;
        Manifest *manifest;
        DefinitionSet *builders;
        Plan *plan;
        HelperList *helpers;
        BusLock *lock;
        int lock_fd;
        const char *waits; /* for what, as was said; NULL: for nothing yet */
} Program;

static void options_done(Options *o) {
        o->builders = strv_free(o->builders);
}

static void program_done(Program *p) {
        (void) helper_list_free(p->helpers);
        (void) plan_free(p->plan);
        (void) definition_set_free(p->builders);
        (void) manifest_free(p->manifest);
        (void) root_free(p->root);
        (void) buslock_free(p->lock);
        closep(&p->lock_fd);
        (void) interrupt_free(p->interrupt);
}

/* ---- options ---- */

/* Has to be known before the first message, so it goes by the way that the logger knows. */
static int option_quiet(const char *value, void *data) {
        if (setenv("BOOTKEEP_LOG_LEVEL", "warning", true) < 0)
                return error_origin(-errno);
        log_setup("bootkeep-build");
        return 0;
}

static int check_options(int argc, char **argv, Options *o) {
        if (optind + 1 != argc) {
                log_error("Expected exactly one mount point, see --help");
                return error_origin(-EINVAL);
        }
        if (o->caches_only && o->helpers_only) {
                log_error("--caches-only and --helpers-only exclude each other");
                return error_origin(-EINVAL);
        }
        o->mountpoint = argv[optind];
        return 1;
}

static int parse_options(int argc, char **argv, Options *o) {
        const Option options[] = {
                {"force", NULL, "Build everything, even if fresh; override the guards", option_set,
                 &o->force},
                {"caches-only", NULL, "Leave the helpers alone", option_set, &o->caches_only},
                {"helpers-only", NULL, "Do not run builders", option_set, &o->helpers_only},
                {"mount-id", "N", "Fail if this is not the mount's ID", option_number, &o->mount_id},
                {"builders", "DIR", "Read builder definitions from here (may be repeated)", option_list,
                 &o->builders},
                {"trust-ctime", "yes|no", "Whether a new ctime alone counts as a change", option_yes_no,
                 &o->trust_ctime},
                {"quiet", NULL, "Log warnings and errors only", option_quiet, NULL},
        };
        static const OptionsHelp help = {
                .program = "bootkeep-build",
                .synopsis = "MOUNTPOINT",
                .purpose = "Build the stale boot caches of a volume, then bring its helper partitions up to "
                           "date.",
                .footer = "Exit status: 0 success, 1 failed, 2 bad usage, 3 manifest refused or none, 75 not "
                          "now.\n"
                          "See the bootkeep-build(8) man page for details.",
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        return r > 0 ? check_options(argc, argv, o) : r;
}

/* ---- ends ---- */

/* A reader of the records that has gone changes nothing about the build. */
static int end(int status, const char *result, const char *reason) {
        if (reason)
                (void) report_print(stdout, "REASON", reason, NULL);
        (void) report_print(stdout, "RESULT", result, NULL);
        return status;
}

/* Logs the reason, too. */
_printf_(4, 5) static int end_by(const Program *p, int status, const char *result, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        (void) vstrprintf(&reason, format, ap);
        va_end(ap);
        log_send(status == BOOTKEEP_BUILD_TEMPFAIL ? LOG_NOTICE : LOG_ERR,
                 &(LogFields){.volume = p->root ? p->root->name : NULL}, "%s",
                 reason ? reason : "Out of memory");
        return end(status, result, reason ? reason : "Out of memory");
}

#define end_error(p, ...) end_by((p), BOOTKEEP_BUILD_FAILED, "error", __VA_ARGS__)

/* ---- the build ---- */

static int build(Program *p) {
        static const struct {
                int status;
                const char *result;
        } ends[] = {
                [BUILD_SUCCESS] = {BOOTKEEP_BUILD_SUCCESS, "success"},
                [BUILD_FAILED] = {BOOTKEEP_BUILD_FAILED, "failed"},
                [BUILD_NOT_NOW] = {BOOTKEEP_BUILD_TEMPFAIL, "not-now"},
        };
        const FreshnessContext context = {
                .root = p->root,
                .plan = p->plan,
                .room = &STAMP_ROOM_FULL,
                .trust_ctime = p->options->trust_ctime,
        };
        const Build b = {
                .context = &context,
                .helpers = p->helpers,
                .interrupt = p->interrupt,
                .report = stdout,
                .force = p->options->force,
                .caches_only = p->options->caches_only,
                .helpers_only = p->options->helpers_only,
        };
        _cleanup_free_ char *reason = NULL;
        BuildResult result;
        int r = build_run(&b, &result, &reason);

        if (r < 0)
                return end_error(p, "The build was aborted: %s", strerror(-r));
        return end(ends[result].status, ends[result].result, reason);
}

static int prepare(Program *p) {
        _cleanup_free_ char *reason = NULL;
        int r = manifest_load(&(Walk){.root = p->root->fd}, &p->manifest, &reason);

        if (r == -ENOENT)
                return end_by(p, BOOTKEEP_BUILD_REFUSED, "none", "There is no manifest on %s",
                              p->options->mountpoint);
        if (r >= 0) {
                r = definition_set_load(p->options->builders, &p->builders, NULL);
                if (r < 0)
                        return end_error(p, "Failed to read the builder definitions: %s", strerror(-r));
                r = plan_new(&(Walk){.root = p->root->fd}, p->manifest, p->builders, &p->plan, &reason);
        }
        if (r == -EBADMSG)
                return end_by(p, BOOTKEEP_BUILD_REFUSED, "refused", "%s",
                              reason ? reason : "Failed to parse the manifest");
        if (r < 0 && reason)
                return end_error(p, "%s", reason);
        if (r < 0)
                return end_error(p, "Failed to read the manifest: %s", strerror(-r));
        r = helper_list_new("/sys", p->root->mount.devno, &p->helpers);
        if (r < 0)
                return end_error(p, "Failed to find the helpers: %s", strerror(-r));
        for (char **note = p->helpers->notes; note && *note; note++)
                log_send(LOG_WARNING, &(LogFields){.volume = p->root->name}, "%s", *note);
        return build(p);
}

/* Again and again: who is waited for may take long, and to wait for them is not to hang. */
static void say_waiting(Program *p, const char *why) {
        if (!streq_ptr(p->waits, why))
                log_send(LOG_NOTICE, &(LogFields){.volume = p->root->name}, "%s", why);
        p->waits = why;
        (void) report_print(stdout, "PROGRESS", "0", "0", NULL);
}

static void on_waiting_for_build(void *userdata) {
        say_waiting(userdata, "Another build of this volume is running: waiting");
}

static void on_waiting_in_line(void *userdata) {
        say_waiting(userdata, "The volume is locked: waiting in line");
}

static int end_interrupted(const Program *p) {
        return end_by(p, BOOTKEEP_BUILD_TEMPFAIL, "not-now", "interrupted");
}

static int build_alone(Program *p) {
        int r = buildlock_open(p->root->state_fd, &p->lock_fd);

        if (r >= 0)
                r = buildlock_take(p->lock_fd, p->interrupt, on_waiting_for_build, p);
        if (r == -EINTR)
                return end_interrupted(p);
        if (r < 0)
                return end_error(p, "Failed to lock the volume: %s", strerror(-r));
        return prepare(p);
}

/* Among all who change the volume's caches, not builds alone. */
static int build_in_turn(Program *p) {
        BusLockResult result;

        if (buslock_take(p->root->name, p->interrupt, on_waiting_in_line, p, &p->lock, &result) == -EINTR)
                return end_interrupted(p);
        switch (result) {
        case BUSLOCK_REBOOT:
                return end_by(p, BOOTKEEP_BUILD_TEMPFAIL, "not-now", "The system is about to go down");
        case BUSLOCK_TAKEN:
        case BUSLOCK_NOBODY:
                break;
        }
        return build_alone(p);
}

static int lock_and_build(Program *p) {
        int r = root_make_state(p->root);
        const char *problem = root_state_problem(r);

        if (problem)
                return end_error(p, BOOTKEEP_VOLUME_STATE ": %s", problem);
        if (r < 0)
                return end_error(p, BOOTKEEP_VOLUME_STATE " cannot be made: %s", strerror(-r));
        return build_in_turn(p);
}

static int run(Program *p) {
        const char *mountpoint = p->options->mountpoint;
        int r = root_open(mountpoint, p->options->mount_id, &p->root);

        switch (r) {
        case 0:
                return lock_and_build(p);
        case -EINVAL:
                return end_error(p, "%s is not a mount point", mountpoint);
        case -ENOTBLK:
                return end_error(p, "%s is not on a block device", mountpoint);
        case -ESTALE:
                return end_error(p, "%s is a different mount now", mountpoint);
        }
        return end_error(p, "%s: %s", mountpoint, strerror(-r));
}

/* The file lock goes first, so that who is next in line finds it free. */
static int run_and_release(Program *p) {
        int status = run(p);

        p->root = root_free(p->root);
        closep(&p->lock_fd);
        p->lock_fd = -EBADF;
        p->lock = buslock_release(p->lock, status);
        return status;
}

/* A builder's pipe must not become our standard output. */
static int open_standard_descriptors(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd >= 0)
                (void) close(fd);
        return fd < 0 ? error_origin(-errno) : 0;
}

int main(int argc, char **argv) {
        _cleanup_(options_done) Options options = {.trust_ctime = true};
        _cleanup_(program_done) Program program = {.options = &options, .lock_fd = -EBADF};

        if (open_standard_descriptors() < 0)
                return BOOTKEEP_BUILD_FAILED;
        log_setup("bootkeep-build");
        int r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? BOOTKEEP_BUILD_USAGE : BOOTKEEP_BUILD_SUCCESS;
        (void) umask(0022);
        (void) signal(SIGPIPE, SIG_IGN);
        r = interrupt_new(&program.interrupt);
        if (r < 0)
                return end_error(&program, "Failed to set up signal handling: %s", strerror(-r));
        return run_and_release(&program);
}
