/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeepctl: the user's end of the D-Bus interface. It decides nothing and touches no volume: everything
 * that it shows or starts belongs to the daemon. */

#include <getopt.h> /* optind */
#include <locale.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/limit.h"
#include "ctl/terminal.h"

/* what a verb accepts besides volumes */
#define TAKES_FORCE 1U
#define TAKES_WAIT 2U
#define TAKES_TIMEOUT 4U
#define TAKES_COMMAND 8U
#define TAKES_WAY 16U
#define TAKES_NO_WAIT 32U
/* for hooks: does not start the daemon, ends after a time in any case, and succeeds whatever happens */
#define FOR_HOOKS 64U
#define TAKES_HOOK 128U /* the same only if it is told so */

/* How long a hook takes at most, if nothing else is said. */
#define LIMIT_USEC (30 * USEC_PER_SEC)

typedef struct Verb {
        const char *name, *arguments, *help;
        size_t min, max; /* volumes */
        unsigned takes;
        int (*run)(Ctl *ctl, char *const *arguments);
} Verb;

static const Verb verbs[] = {
        /* the first is the default */
        {"status", "[VOLUME]", "Show all volumes, or one in detail", 0, 1, 0, verb_status},
        {"check", "[VOLUME...]", "Scan now and show what is stale, and why", 0, SIZE_MAX,
         TAKES_NO_WAIT | TAKES_TIMEOUT, verb_check},
        {"rebuild", "[VOLUME...]", "Rebuild stale caches and helpers now", 0, SIZE_MAX, TAKES_FORCE,
         verb_rebuild},
        {"monitor", "[VOLUME...]", "Print events as they happen", 0, SIZE_MAX, 0, verb_monitor},
        {"trust", "VOLUME", "Act on the manifest of a volume from now on", 1, 1, 0, verb_trust},
        {"distrust", "VOLUME", "Watch a volume, but no longer build on it", 1, 1, 0, verb_distrust},
        {"lock", "VOLUME -- COMMAND...", "Run a command while holding a volume's lock", 1, 1,
         TAKES_WAIT | TAKES_COMMAND, verb_lock},
        {"reboot-lock", "-- COMMAND...", "Run a command while holding the reboot lock", 0, 0,
         TAKES_WAIT | TAKES_COMMAND, verb_reboot_lock},
        {"reboot", "", "Reboot once nothing is owed", 0, 0, TAKES_WAIT | TAKES_WAY, verb_reboot},
        {"flush", "", "Complete owed work on all volumes", 0, 0, TAKES_TIMEOUT | TAKES_HOOK, verb_flush},
        {"ready", "", "Tell whether the system may go down now, and why not", 0, 0, 0, verb_ready},
        {"sources", "VOLUME [CACHE]", "Show what a cache is made from", 1, 2, 0, verb_sources},
        {"history", "[VOLUME...]", "Show the builds so far", 0, SIZE_MAX, 0, verb_history},
        {"begin", "[VOLUME [CACHE [INSTANCE]]]", "Say that another program is about to build", 0, 3,
         FOR_HOOKS | TAKES_TIMEOUT, verb_begin},
        {"done", "COOKIE [STATUS]", "Hand over what it built since \"begin\"", 1, 2,
         FOR_HOOKS | TAKES_TIMEOUT, verb_done},
        {"unmount", "VOLUME", "Complete owed work on a volume, then unmount", 1, 1, 0, verb_unmount},
};

static void print_verbs(void) {
        (void) puts("Verbs:");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) printf("  %-11s %-27s %s%s\n", verbs[i].name, verbs[i].arguments, verbs[i].help,
                              i == 0 ? " (the default)" : "");
        (void) puts("\nA VOLUME is a kernel name (sda2, sda2[/@]), a device node or link to one, UUID=,\n"
                    "LABEL=, PARTUUID=, or a mount point.\n\nOptions:");
}

static int usage_error(void) {
        (void) fputs("Try 'bootkeepctl --help'.\n", stderr);
        return BOOTKEEP_CTL_USAGE;
}

/* JsonMode */
static int option_json(const char *mode, void *data) {
        JsonMode m = mode ? json_mode_from_string(mode) : isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
        if (m < 0)
                return error_origin(-EINVAL);
        *(JsonMode *) data = m;
        return 0;
}

/* uint64_t usec */
static int option_seconds(const char *seconds, void *data) {
        uint64_t n;
        if (parse_u64_max(seconds, USEC_INFINITY / USEC_PER_SEC - 1, &n) < 0)
                return error_origin(-EINVAL);
        *(uint64_t *) data = n * USEC_PER_SEC;
        return 0;
}

static int ctl_parse_options(int argc, char **argv, Ctl *ctl) {
        const Option options[] = {
                {"force", NULL, "rebuild: build everything, even if fresh", option_set, &ctl->force, 'f'},
                {"wait", NULL, "lock, reboot-lock, reboot: wait for the lock", option_set, &ctl->wait},
                {"poweroff", NULL, "reboot: power off instead", option_set, &ctl->way[CTL_POWEROFF]},
                {"halt", NULL, "reboot: halt instead", option_set, &ctl->way[CTL_HALT]},
                {"kexec", NULL, "reboot: into the kernel that was loaded, without the firmware", option_set,
                 &ctl->way[CTL_KEXEC]},
                {"soft", NULL, "reboot: user space only", option_set, &ctl->way[CTL_SOFT]},
                {"no-wait", NULL, "check: request the scans and return at once", option_set, &ctl->no_wait},
                {"hook", NULL, "flush: wait only with [Hooks] Wait=yes, and never fail", option_set,
                 &ctl->hook},
                {"timeout", "SEC", "flush, begin, done, --no-wait: give up after SEC seconds", option_seconds,
                 &ctl->timeout_usec, .expects = "a number of seconds"},
                {"json", "[MODE]", "Print JSON: short, pretty or off", option_json, &ctl->json,
                 .expects = "short, pretty or off"},
                {"no-pager", NULL, "Do not pipe output into a pager", option_clear, &ctl->pager},
                {"no-legend", NULL, "Do not print headings and footer", option_clear, &ctl->legend},
                {"quiet", NULL, "Print only errors and warnings", option_set, &ctl->quiet, 'q'},
        };
        static const OptionsHelp help = {
                .program = "bootkeepctl",
                .synopsis = "[VERB]",
                .purpose = "Query and control bootkeepd, which keeps boot caches up to date.",
                .print_verbs = print_verbs,
                .footer = "See the bootkeepctl(1) man page for details.",
        };
        return options_parse(argc, argv, options, ELEMENTSOF(options), &help);
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

static size_t ways_given(const Ctl *ctl) {
        size_t n = 0;
        for (size_t i = 0; i < _CTL_WAY_MAX; i++)
                n += ctl->way[i];
        return n;
}

static const char *option_out_of_place(const Ctl *ctl, const Verb *verb) {
        if (ctl->force && !(verb->takes & TAKES_FORCE))
                return "--force";
        if (ctl->wait && !(verb->takes & TAKES_WAIT))
                return "--wait";
        if (ctl->no_wait && !(verb->takes & TAKES_NO_WAIT))
                return "--no-wait";
        if (ctl->hook && !(verb->takes & TAKES_HOOK))
                return "--hook";
        if (ctl->timeout_usec != USEC_INFINITY && !(verb->takes & TAKES_TIMEOUT))
                return "--timeout";
        if (ways_given(ctl) > 0 && !(verb->takes & TAKES_WAY))
                return "--poweroff, --halt, --kexec or --soft";
        return NULL;
}

/* Options of a command must not be mistaken for ours, so only what follows "--" is a command. MARKED: there
 * was a "--". */
static bool arguments_are_good(const Ctl *ctl, const Verb *verb, char *const *arguments, bool marked) {
        const char *option = option_out_of_place(ctl, verb);
        size_t n = strv_length(arguments);
        if (option)
                log_error("%s does not take %s", verb->name, option);
        else if (ways_given(ctl) > 1)
                log_error("%s: only one of --poweroff, --halt, --kexec and --soft", verb->name);
        else if (n < verb->min)
                log_error("%s: no %s given", verb->name, verb->takes & FOR_HOOKS ? "cookie" : "volume");
        else if (verb->takes & TAKES_COMMAND && (n == verb->max || !marked))
                log_error("%s: expected a command after '--'", verb->name);
        else if (!(verb->takes & TAKES_COMMAND) && n > verb->max)
                log_error("%s: too many arguments", verb->name);
        else
                return true;
        return false;
}

/* Output that could not be written is an error: a full disk must not look like success. */
static int flush_output(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        if (errno == EPIPE || errno == EBADF) /* the reader has seen enough and quit the pager */
                return status;
        (void) log_errno(-errno, "cannot write");
        return status == EXIT_SUCCESS ? BOOTKEEP_CTL_NO : status;
}

static bool must_succeed(const Ctl *ctl, const Verb *verb) {
        return verb->takes & FOR_HOOKS || ctl->hook;
}

/* Before anything that might hang. Whoever calls from a hook does not want to see why it is of no use. */
static int be_brief(const Ctl *ctl, const Verb *verb) {
        uint64_t limit = ctl->timeout_usec == USEC_INFINITY ? LIMIT_USEC : ctl->timeout_usec;
        if (!ctl->brief)
                return 0;
        if (ctl->quiet || ctl->hook)
                (void) log_set_max_level(LOG_CRIT);
        int r = limit_set(limit, must_succeed(ctl, verb) ? EXIT_SUCCESS : BOOTKEEP_CTL_UNREACHABLE);
        return r < 0 ? log_errno(r, "cannot set a timer") : 0;
}

static int run_verb(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Ctl ctl = {
                .legend = true,
                .pager = true,
                .timeout_usec = USEC_INFINITY,
                .colors = log_colors(stdout),
                .width = terminal_width(STDOUT_FILENO),
        };
        int r = ctl_parse_options(argc, argv, &ctl);
        if (r <= 0)
                return r < 0 ? usage_error() : EXIT_SUCCESS;
        char *const *rest = argv + optind;
        const Verb *verb = find_verb(*rest);
        if (*rest)
                rest++;
        if (!verb || !arguments_are_good(&ctl, verb, rest, streq(argv[optind - 1], "--")))
                return usage_error();
        ctl.brief = ctl.no_wait || must_succeed(&ctl, verb);
        int limited = be_brief(&ctl, verb), status = client_open(&bus);
        if (status == EXIT_SUCCESS) {
                ctl.bus = bus;
                status = verb->run(&ctl, rest);
        }
        if (limited >= 0 && must_succeed(&ctl, verb) && status != BOOTKEEP_CTL_USAGE)
                return EXIT_SUCCESS;
        return status;
}

int main(int argc, char *argv[]) {
        (void) setlocale(LC_ALL, "");
        log_setup("bootkeepctl");
        return flush_output(run_verb(argc, argv));
}
