/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeep-build: builds one volume and exits. This is its command line; session.c does the rest. */

#include <bootkeep.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <signal.h>
#include <sys/stat.h>

#include "base/buildfolder.h"
#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/report.h"
#include "builder/builderunit.h"
#include "builder/jobfolder.h"
#include "builder/run/builderhost.h"
#include "builder/session.h"

typedef struct BuildArguments {
        SessionOptions session;
        const char *job, *job_ended, *host; /* folders */
        const char *builder_unit;           /* of the job; NULL: builders are children */
        const char *folder;                 /* of the job that was entered */
} BuildArguments;

static void build_arguments_done(BuildArguments *a) {
        a->session.builders = strv_free(a->session.builders);
}

/* Must be known before the first message, so it is passed the way the logger knows. */
static int option_quiet(const char *value, void *data) {
        if (setenv("BOOTKEEP_LOG_LEVEL", "warning", true) < 0)
                return error_origin(-errno);
        log_setup("bootkeep-build");
        return 0;
}

static int check_build_options(int argc, char **argv, BuildArguments *a) {
        SessionOptions *o = &a->session;
        if (a->builder_unit && !a->job && !a->folder) {
                log_error("--builder-unit requires --job");
                return error_origin(-EINVAL);
        }
        if (a->job || a->job_ended || a->host)
                return 1; /* the folder says the rest */
        if (optind + 1 != argc) {
                log_error("Expected exactly one mount point, see --help");
                return error_origin(-EINVAL);
        }
        if (o->caches_only && o->helpers_only) {
                log_error("--caches-only and --helpers-only exclude each other");
                return error_origin(-EINVAL);
        }
        if ((o->begin || o->done) &&
            ((o->begin && o->done) || o->force || o->caches_only || o->helpers_only)) {
                log_error("--begin and --done exclude each other, --force, --caches-only and --helpers-only");
                return error_origin(-EINVAL);
        }
        const char *record = o->begin ? o->begin : o->done;
        if (record && (record[0] != '/' || record[strlen(record) - 1] == '/')) {
                log_error("--begin and --done expect the absolute path of a file");
                return error_origin(-EINVAL);
        }
        o->mount_point = argv[optind];
        return 1;
}

static const OptionsHelp build_help = {
        .program = "bootkeep-build",
        .synopsis = "MOUNTPOINT",
        .purpose = "Build the stale boot caches of a volume, then bring its helper partitions up to "
                   "date.",
        .footer = "Exit status: 0 success, 1 failed, 2 bad usage, 3 manifest refused or none, 75 not "
                  "now.\n"
                  "See the bootkeep-build(8) man page for details.",
};

static int parse_build_options(int argc, char **argv, BuildArguments *a) {
        SessionOptions *o = &a->session;
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
                {"no-wait", NULL, "Exit with status 75 if a client of bootkeepd holds the volume's lock",
                 option_set, &o->no_wait},
                {"uncover", "SOCKET", "Build nothing; send the directory of the stamps to the scan there",
                 option_string, &o->uncover},
                {"begin", "FILE", "Build nothing: record in FILE what another program is about to build",
                 option_string, &o->begin},
                {"done", "FILE", "Build nothing: take what was built since then as built", option_string,
                 &o->done},
                {"cache", "NAME", "With --begin: only this cache", option_string, &o->cache},
                {"instance", "NAME", "With --begin: only this instance", option_string, &o->instance},
                {"quiet", NULL, "Log only errors and warnings", option_quiet, NULL},
                {"job", "DIR", "Take the options from this folder, and report there", option_string, &a->job},
                {"job-ended", "DIR", "Note there how systemd saw that end", option_string, &a->job_ended},
                {"builder-unit", "UNIT", "Run builders in this unit, not as children", option_string,
                 &a->builder_unit},
                {"run-builders", "DIR", "In that unit: run the builders of the build there", option_string,
                 &a->host},
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &build_help);
        return r > 0 ? check_build_options(argc, argv, a) : r;
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

/* What the folder says takes the place of the command line. */
static int parse_job(const char *program, BuildArguments *a, char ***argv) {
        int r = jobfolder_enter(a->job, program, argv);
        if (r < 0) {
                (void) log_errno(r, "Failed to read what to build from %s", a->job);
                return r;
        }
        a->folder = a->job;
        a->job = NULL;
        optind = 0; /* getopt(3) starts afresh */
        return parse_build_options((int) strv_length(*argv), *argv, a);
}

static char *explain_end_of_unit(void *userdata) {
        return builderunit_explain_end(userdata);
}

static void report_that_it_waits(void *userdata) {
        (void) report_print(stdout, "IDLE", "waiting for the unit of the builders", NULL);
}

/* Without its builders it is as if the unit had not been started, and bootkeepd takes it so. */
static int build_with_unit(const BuildArguments *a, Interrupt *interrupt) {
        _cleanup_close_ int socket = -EBADF;
        _cleanup_free_ char *why = NULL;
        const BuilderUnitRequest request = {
                .unit = a->builder_unit,
                .folder = a->folder,
                .patience = {interrupt, report_that_it_waits, NULL},
        };
        int r = builderunit_connect(&request, &socket, &why);
        if (r == -EINTR) {
                (void) report_print(stdout, "RESULT", "not-now", NULL);
                return BOOTKEEP_BUILD_TEMPFAIL;
        }
        if (r < 0) {
                const char *reason = why ? why : strerror(-r);
                log_error("Builders cannot be run: %s", reason);
                (void) report_print(stdout, "REASON", reason, NULL);
                return BUILDFOLDER_STATUS_NO_UNIT;
        }
        BuilderLink link = BUILDER_LINK_NULL;
        link.socket = socket;
        link.interrupt = interrupt;
        link.explain = explain_end_of_unit;
        link.userdata = (void *) a->builder_unit;
        SessionOptions options = a->session;
        options.link = &link;
        return session_run(&options, interrupt);
}

static int run_builders(const char *folder, Interrupt *interrupt) {
        int socket, r = builderunit_call_back(folder, &socket);
        if (r >= 0)
                r = builderhost_serve(socket, interrupt);
        if (r < 0)
                (void) log_errno(r, "Failed to run the builders of the build in %s", folder);
        return r < 0 ? BOOTKEEP_BUILD_FAILED : BOOTKEEP_BUILD_SUCCESS;
}

static int build(const BuildArguments *a) {
        _cleanup_(interrupt_freep) Interrupt *interrupt = NULL;
        (void) umask(0022);
        (void) signal(SIGPIPE, SIG_IGN);
        int r = interrupt_new(&interrupt);
        if (r < 0) {
                (void) log_errno(r, "Failed to set up signal handling");
                return BOOTKEEP_BUILD_FAILED;
        }
        if (a->host)
                return run_builders(a->host, interrupt);
        return a->builder_unit ? build_with_unit(a, interrupt) : session_run(&a->session, interrupt);
}

static int note_end(const char *folder) {
        int r = jobfolder_note_end(folder);
        if (r < 0)
                (void) log_errno(r, "Failed to note in %s how the build ended", folder);
        return r < 0 ? BOOTKEEP_BUILD_FAILED : BOOTKEEP_BUILD_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_strv_free_ char **job_argv = NULL;
        _cleanup_(build_arguments_done) BuildArguments a = {.session = {.trust_ctime = true}};
        if (open_standard_descriptors() < 0)
                return BOOTKEEP_BUILD_FAILED;
        log_setup("bootkeep-build");
        int r = parse_build_options(argc, argv, &a);
        if (r > 0 && a.job)
                r = parse_job(argv[0], &a, &job_argv);
        if (r <= 0)
                return r < 0 ? BOOTKEEP_BUILD_USAGE : BOOTKEEP_BUILD_SUCCESS;
        return a.job_ended ? note_end(a.job_ended) : build(&a);
}
