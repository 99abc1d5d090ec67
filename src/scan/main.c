/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeep-scan: reads the manifest of one volume, arms what it names and reports what is stale. This is its
 * command line. */

#include <bootkeep.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <limits.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "manifest/definition.h"
#include "scan/scan.h"

typedef struct Options {
        ScanOptions scan;
        bool check_builders;
} Options;

static void scan_options_done(Options *o) {
        strv_free(o->scan.builders);
        strv_free(o->scan.hold_locked);
        strv_free(o->scan.hold_exists);
        *o = (Options){};
}

static int option_inotify_fd(const char *value, void *data) {
        uint64_t n;
        if (option_number(value, &n) < 0 || n > INT_MAX || fcntl((int) n, F_SETFD, FD_CLOEXEC) < 0)
                return error_origin(-EINVAL);
        *(int *) data = (int) n;
        return 0;
}

static int option_absolute_paths(const char *value, void *data) {
        return *value == '/' ? option_list(value, data) : error_origin(-EINVAL);
}

/* const char * */
static int option_sources(const char *value, void *data) {
        *(const char **) data = strempty(value);
        return 0;
}

/* 1. */
static int take_mount_point(int argc, char **argv, Options *o) {
        int expected = o->check_builders ? 0 : 1;
        if (optind + expected != argc) {
                log_error("%s, see --help",
                          expected == 0 ? "Expected no mount point" : "Expected exactly one mount point");
                return error_origin(-EINVAL);
        }
        o->scan.mountpoint = argv[optind]; /* NULL where none is expected */
        return 1;
}

static int parse_scan_options(int argc, char **argv, Options *o) {
        const Option options[] = {
                {"inotify-fd", "N", "Arm watches on this inotify descriptor", option_inotify_fd,
                 &o->scan.inotify_fd},
                {"mount-id", "N", "Fail if this is not the mount's ID", option_number, &o->scan.mount_id},
                {"volume", "NAME", "Fail if this is not the volume's name", option_string, &o->scan.volume},
                {"builders", "DIR", "Read builder definitions from here (may be repeated)", option_list,
                 &o->scan.builders},
                {"hold-locked", "PATH", "Report this lock file if it exists (may be repeated)",
                 option_absolute_paths, &o->scan.hold_locked},
                {"hold-exists", "PATH", "Likewise, for a file whose existence is the lock",
                 option_absolute_paths, &o->scan.hold_exists},
                {"trust-ctime", "yes|no", "Whether a new ctime alone counts as a change", option_yes_no,
                 &o->scan.trust_ctime},
                {"efivars", "DIR", "Read the firmware's variables from here", option_string,
                 &o->scan.efivars},
                {"uncover", "SOCKET", "Where to ask for the stamps if a mount covers them", option_string,
                 &o->scan.uncover},
                {"sources", "[CACHE]", "Only print what this cache, or each, is made from", option_sources,
                 &o->scan.sources},
                {"quiet", NULL, "Do not repeat on stderr why the scan failed", option_set, &o->scan.quiet},
                {"check-builders", NULL, "Only check the builder definitions, and exit", option_set,
                 &o->check_builders},
        };
        static const OptionsHelp help = {
                .program = "bootkeep-scan",
                .synopsis = "MOUNTPOINT",
                .purpose = "Report which boot caches and helper partitions of a volume are stale, and why.",
                .footer = "Exit status: 0 fresh, 1 stale, 2 no manifest, 3 manifest refused, 4 error.\n"
                          "See the bootkeep-scan(8) man page for details.",
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        return r > 0 ? take_mount_point(argc, argv, o) : r;
}

/* For `bootkeepd --check-config`, which knows nothing about builder definitions. */
static int check_definitions(const Options *o) {
        _cleanup_(definition_set_freep) DefinitionSet *definitions = NULL;
        unsigned problems = 0;
        int r = definition_set_load(o->scan.builders, &definitions, &problems);
        if (r < 0)
                (void) log_errno(r, "Failed to read the builder definitions");
        else if (problems > 0)
                log_error("%u problem%s in the builder definitions", problems, problems == 1 ? "" : "s");
        return r < 0 || problems > 0 ? BOOTKEEP_SCAN_ERROR : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_(scan_options_done) Options options = {.scan = {.inotify_fd = -EBADF, .trust_ctime = true}};
        log_setup("bootkeep-scan");
        int r = parse_scan_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? BOOTKEEP_SCAN_ERROR : EXIT_SUCCESS;
        return options.check_builders ? check_definitions(&options) : scan_run(&options.scan);
}
