/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeepctl: the person's end of the D-Bus interface. It decides nothing and touches no volume: whatever it
 * shows or starts is the daemon's. */

#include <getopt.h>
#include <locale.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"
#include "config.h"
#include "ctl/client.h"

/* what a verb takes beside volumes */
#define TAKES_FORCE 1U
#define TAKES_WAIT 2U
#define TAKES_TIMEOUT 4U
#define TAKES_COMMAND 8U

typedef struct Verb {
        const char *name, *arguments, *help;
        size_t min, max; /* volumes */
        unsigned takes;
        int (*run)(Ctl *ctl, char *const *arguments);
} Verb;

static const Verb verbs[] = {
        /* the first is the default */
        {"status", "[VOLUME]", "Show all volumes, or one in detail", 0, 1, 0, verb_status},
        {"check", "[VOLUME...]", "Scan now and show what is stale, and why", 0, SIZE_MAX, 0, verb_check},
        {"rebuild", "[VOLUME...]", "Rebuild stale caches and helpers now", 0, SIZE_MAX, TAKES_FORCE,
         verb_rebuild},
        {"monitor", "[VOLUME...]", "Print events as they happen", 0, SIZE_MAX, 0, verb_monitor},
        {"trust", "VOLUME", "Act on the manifest of a volume from now on", 1, 1, 0, verb_trust},
        {"distrust", "VOLUME", "Watch a volume, but no longer build on it", 1, 1, 0, verb_distrust},
        {"lock", "VOLUME -- COMMAND...", "Run a command while holding a volume's lock", 1, 1,
         TAKES_WAIT | TAKES_COMMAND, verb_lock},
        {"reboot-lock", "-- COMMAND...", "Run a command while holding the reboot lock", 0, 0,
         TAKES_WAIT | TAKES_COMMAND, verb_reboot_lock},
        {"flush", "", "Complete owed work on all volumes", 0, 0, TAKES_TIMEOUT, verb_flush},
        {"unmount", "VOLUME", "Complete owed work on a volume, then unmount", 1, 1, 0, verb_unmount},
};

enum {
        OPTION_JSON = 0x100,
        OPTION_NO_PAGER,
        OPTION_NO_LEGEND,
        OPTION_VERSION,
        OPTION_WAIT,
        OPTION_TIMEOUT,
};

static const struct {
        struct option option;
        const char *spelling, *help;
} options[] = {
        {{"force", no_argument, NULL, 'f'}, "-f --force", "rebuild: build everything, even if fresh"},
        {{"wait", no_argument, NULL, OPTION_WAIT}, "   --wait", "lock, reboot-lock: wait for the lock"},
        {{"timeout", required_argument, NULL, OPTION_TIMEOUT},
         "   --timeout=SEC",
         "flush: stop waiting after SEC seconds"},
        {{"json", optional_argument, NULL, OPTION_JSON},
         "   --json[=MODE]",
         "Print JSON: short, pretty or off"},
        {{"no-pager", no_argument, NULL, OPTION_NO_PAGER},
         "   --no-pager",
         "Do not pipe output into a pager"},
        {{"no-legend", no_argument, NULL, OPTION_NO_LEGEND},
         "   --no-legend",
         "Do not print headings and footer"},
        {{"quiet", no_argument, NULL, 'q'}, "-q --quiet", "Print errors and warnings only"},
        {{"help", no_argument, NULL, 'h'}, "-h --help", "Show this help"},
        {{"version", no_argument, NULL, OPTION_VERSION}, "   --version", "Show package version"},
};

static int help(void) {
        (void) puts("bootkeepctl [OPTIONS...] VERB\n\n"
                    "Query and control bootkeepd, which keeps boot caches up to date.\n\nVerbs:");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) printf("  %-11s %-21s %s%s\n", verbs[i].name, verbs[i].arguments, verbs[i].help,
                              i == 0 ? " (the default)" : "");
        (void) puts("\nA VOLUME is a kernel name (sda2, sda2[/@]), a device node or link to one, UUID=,\n"
                    "LABEL=, PARTUUID=, or a mount point.\n\nOptions:");
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                (void) printf("  %-18s %s\n", options[i].spelling, options[i].help);
        (void) puts("\nSee bootkeepctl(1).");
        return EXIT_SUCCESS;
}

static int version(void) {
        (void) puts("bootkeepctl " BOOTKEEP_VERSION);
        return EXIT_SUCCESS;
}

static int usage_error(void) {
        (void) fputs("Try 'bootkeepctl --help'.\n", stderr);
        return BOOTKEEP_CTL_USAGE;
}

static int set_json(Ctl *ctl, const char *mode) {
        if (!mode) {
                ctl->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
                return 0;
        }
        JsonMode m = json_mode_from_string(mode);
        if (m < 0) {
                log_error("--json=%s: expected short, pretty or off", mode);
                return error_origin(-EINVAL);
        }
        ctl->json = m;
        return 0;
}

static int set_timeout(Ctl *ctl, const char *seconds) {
        uint64_t n;
        if (parse_u64_max(seconds, USEC_INFINITY / USEC_PER_SEC - 1, &n) < 0) {
                log_error("--timeout=%s: expected a number of seconds", seconds);
                return error_origin(-EINVAL);
        }
        ctl->timeout_usec = n * USEC_PER_SEC;
        return 0;
}

/* 1: go on; 0: all was said, leave with *STATUS. */
static int take_option(Ctl *ctl, int c, int *status) {
        switch (c) {
        case 'f':
                ctl->force = true;
                return 1;
        case 'q':
                ctl->quiet = true;
                return 1;
        case OPTION_NO_PAGER:
                ctl->pager = false;
                return 1;
        case OPTION_NO_LEGEND:
                ctl->legend = false;
                return 1;
        case OPTION_JSON:
                if (set_json(ctl, optarg) >= 0)
                        return 1;
                *status = BOOTKEEP_CTL_USAGE;
                return 0;
        case OPTION_WAIT:
                ctl->wait = true;
                return 1;
        case OPTION_TIMEOUT:
                if (set_timeout(ctl, optarg) >= 0)
                        return 1;
                *status = BOOTKEEP_CTL_USAGE;
                return 0;
        case 'h':
                *status = help();
                return 0;
        case OPTION_VERSION:
                *status = version();
                return 0;
        default: /* getopt said what is wrong */
                *status = usage_error();
                return 0;
        }
}

static int parse_options(Ctl *ctl, int argc, char *argv[], int *status) {
        struct option table[ELEMENTSOF(options) + 1] = {};
        int c, r = 1;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                table[i] = options[i].option;
        while (r > 0 && (c = getopt_long(argc, argv, "fhq", table, NULL)) >= 0)
                r = take_option(ctl, c, status);
        return r;
}

static const Verb *find_verb(const char *name) {
        if (!name)
                return verbs;
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(name, verbs[i].name))
                        return verbs + i;
        log_error("unknown verb '%s'", name);
        return NULL;
}

static const char *option_out_of_place(const Ctl *ctl, const Verb *verb) {
        if (ctl->force && !(verb->takes & TAKES_FORCE))
                return "--force";
        if (ctl->wait && !(verb->takes & TAKES_WAIT))
                return "--wait";
        if (ctl->timeout_usec != USEC_INFINITY && !(verb->takes & TAKES_TIMEOUT))
                return "--timeout";
        return NULL;
}

/* Options of a command must not be taken for ours, so what is behind "--" alone is a command. MARKED: there
 * is something behind it, or it is missing. */
static bool arguments_are_good(const Ctl *ctl, const Verb *verb, char *const *arguments, bool marked) {
        const char *option = option_out_of_place(ctl, verb);
        size_t n = strv_length(arguments);

        if (option)
                log_error("%s does not take %s", verb->name, option);
        else if (n < verb->min)
                log_error("%s: no volume given", verb->name);
        else if (verb->takes & TAKES_COMMAND && (n == verb->max || !marked))
                log_error("%s: expected a command after '--'", verb->name);
        else if (!(verb->takes & TAKES_COMMAND) && n > verb->max)
                log_error("%s: too many arguments", verb->name);
        else
                return true;
        return false;
}

static size_t terminal_width(void) {
        struct winsize w = {};

        if (!isatty(STDOUT_FILENO))
                return 0;
        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) >= 0 && w.ws_col > 0 ? w.ws_col : 80;
}

/* What could not be written was not said: a full disk behind a redirection must not look like success. */
static int flush_output(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        if (errno == EPIPE || errno == EBADF) /* the reader has seen enough; the pager has closed it */
                return status;
        (void) log_errno(-errno, "cannot write");
        return status == EXIT_SUCCESS ? BOOTKEEP_CTL_NO : status;
}

static int run(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Ctl ctl = {
                .legend = true,
                .pager = true,
                .timeout_usec = USEC_INFINITY,
                .colors = log_colors(stdout),
                .width = terminal_width(),
        };
        int status = EXIT_SUCCESS;

        if (parse_options(&ctl, argc, argv, &status) <= 0)
                return status;
        char *const *rest = argv + optind;
        const Verb *verb = find_verb(*rest);
        if (*rest)
                rest++;
        if (!verb || !arguments_are_good(&ctl, verb, rest, streq(argv[optind - 1], "--")))
                return usage_error();
        status = client_open(&bus);
        if (status != EXIT_SUCCESS)
                return status;
        ctl.bus = bus;
        return verb->run(&ctl, rest);
}

int main(int argc, char *argv[]) {
        (void) setlocale(LC_ALL, "");
        log_setup("bootkeepctl");
        return flush_output(run(argc, argv));
}
