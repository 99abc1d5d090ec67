/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeep-flush: run when bootkeep-flush.service stops. If that is because the system goes down, everything
 * that is owed is done now, by bootkeepd or without it; what remains is recorded, and said again at the next
 * boot. */

#include <getopt.h> /* optind */
#include <inttypes.h>
#include <time.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/options.h"
#include "bootkeep.h"
#include "config.h"
#include "flush/alone.h"
#include "flush/leftovers.h"
#include "flush/overbus.h"
#include "flush/systemstate.h"

typedef struct FlushOptions {
        const char *state, *console, *bootkeepd, *systemd;
        bool say_owed;
} FlushOptions;

static int flush_parse_options(int argc, char **argv, FlushOptions *o) {
        const Option options[] = {
                {"owed", NULL,
                 "Say what was owed when the system last went down; exit with 1 if anything was", option_set,
                 &o->say_owed},
                {"state", "DIR", "Where that is recorded, in `owed`", option_string, &o->state},
                {"console", "FILE", "Where to show how far it is", option_string, &o->console},
                {"bootkeepd", "FILE", "The program to run if no bootkeepd answers", option_string,
                 &o->bootkeepd},
                {"systemd", "SOCKET", "Where systemd answers without a bus", option_string, &o->systemd},
        };
        static const OptionsHelp help = {
                .program = "bootkeep-flush",
                .purpose = "If the system goes down: bring all boot files up to date before it does.",
                .footer = "See the bootkeep-flush(8) man page for details.",
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        if (r > 0 && optind < argc) {
                log_error("Unexpected argument: %s", argv[optind]);
                return error_origin(-EINVAL);
        }
        return r;
}

/* What was owed */

static void say_owed_record(const Owed *owed) {
        const LogFields fields = {.message_id = BOOTKEEP_MESSAGE_OWED, .volume = owed->volume};
        char when[32] = "";
        time_t since = (time_t) (owed->since / USEC_PER_SEC);
        struct tm tm;
        if (owed->since > 0 && localtime_r(&since, &tm))
                (void) strftime(when, sizeof(when), " at %Y-%m-%d %H:%M:%S", &tm);
        log_send(LOG_ERR, &fields, "the system went down with boot files that were out of date%s: %s", when,
                 owed->reason);
}

static int say_what_was_owed(const char *dir) {
        _cleanup_(owed_list_done) OwedList list = {};
        int r = owed_read(dir, &list);
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot read what was owed at the last shutdown from %s", dir);
                return EXIT_SUCCESS;
        }
        for (size_t i = 0; i < list.n; i++)
                say_owed_record(&list.items[i]);
        return list.n > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What is owed */

static int do_what_is_owed(const FlushOptions *o, Witness *w) {
        int r = overbus_run(w);
        if (r >= 0)
                return r;
        log_warning("bootkeepd does not answer (%s): doing what is owed without it", strerror(-r));
        r = alone_run(w, o->bootkeepd);
        if (r < 0) {
                (void) log_errno(r, "Boot files may be out of date: %s --flush failed", o->bootkeepd);
                console_say(&w->console, "boot files may be out of date, bootkeepd cannot be run: %s",
                            strerror(-r));
        }
        return r;
}

static int flush_now(const FlushOptions *o, const char *owed_dir) {
        _cleanup_(witness_done) Witness w = {
                .owed_dir = owed_dir,
                .console = {.path = o->console},
                .give_up_at = USEC_INFINITY,
        };
        int r = do_what_is_owed(o, &w);
        if (r < 0 || w.last.n > 0)
                leftovers_stop();
        bool nothing_owed = witness_conclude(&w);
        return r >= 0 && nothing_owed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        FlushOptions o = {
                .state = BOOTKEEP_VOLUME_STATE,
                .console = "/dev/console",
                .bootkeepd = BOOTKEEP_SBINDIR "/bootkeepd",
                .systemd = "/run/systemd/private",
        };
        _cleanup_free_ char *dir = NULL;
        log_setup("bootkeep-flush");
        int r = flush_parse_options(argc, argv, &o);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (strprintf(&dir, "%s/owed", o.state) < 0) {
                (void) log_oom();
                return EXIT_FAILURE;
        }
        if (o.say_owed)
                return say_what_was_owed(dir);
        r = system_goes_down(o.systemd);
        if (r == 0) {
                log_info("The system does not go down: nothing is done now");
                return EXIT_SUCCESS;
        }
        if (r < 0)
                (void) log_warning_errno(
                        r, "Nobody says whether the system goes down, so it is taken for granted");
        return flush_now(&o, dir);
}
