/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bootkeep-scan: reads the manifest of one volume, arms what it names and says what is stale. It changes
 * nothing, remembers nothing and decides nothing: the records on stdout and the exit status are all that
 * comes of it. */

#include <bootkeep.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <limits.h>
#include <stdarg.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/report.h"
#include "freshness/freshness.h"
#include "scan/sandbox.h"
#include "scan/watcher.h"

typedef struct Options {
        int inotify_fd;
        uint64_t mount_id;
        char **builders;
        char **hold_locked, **hold_exists; /* lock files of package managers */
        bool trust_ctime;
        bool quiet;
        bool check_builders;
        const char *mountpoint;
} Options;

typedef struct Scan {
        const Options *options;
        Watcher watcher;
        Root *root;
        Manifest *manifest;
        DefinitionSet *builders;
        Plan *plan;
        bool stale;
} Scan;

static void options_done(Options *o) {
        o->builders = strv_free(o->builders);
        o->hold_locked = strv_free(o->hold_locked);
        o->hold_exists = strv_free(o->hold_exists);
}

static void scan_done(Scan *s) {
        (void) plan_free(s->plan);
        (void) definition_set_free(s->builders);
        (void) manifest_free(s->manifest);
        (void) root_free(s->root);
        watcher_done(&s->watcher);
}

static int option_inotify_fd(const char *value, void *data) {
        uint64_t n;
        if (option_number(value, &n) < 0 || n > INT_MAX || fcntl((int) n, F_SETFD, FD_CLOEXEC) < 0)
                return error_origin(-EINVAL);
        *(int *) data = (int) n;
        return 0;
}

static int parse_options(int argc, char **argv, Options *o) {
        const Option options[] = {
                {"inotify-fd", "N", "Arm watches on this inotify descriptor", option_inotify_fd,
                 &o->inotify_fd},
                {"mount-id", "N", "Fail if this is not the mount's ID", option_number, &o->mount_id},
                {"builders", "DIR", "Read builder definitions from here (may be repeated)", option_list,
                 &o->builders},
                {"hold-locked", "PATH", "Report this lock file if it exists (may be repeated)", option_list,
                 &o->hold_locked},
                {"hold-exists", "PATH", "Likewise, for a file whose existence is the lock", option_list,
                 &o->hold_exists},
                {"trust-ctime", "yes|no", "Whether a new ctime alone counts as a change", option_yes_no,
                 &o->trust_ctime},
                {"quiet", NULL, "Do not repeat on stderr why the scan failed", option_set, &o->quiet},
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
        int expected = o->check_builders ? 0 : 1;
        if (r > 0 && optind + expected != argc) {
                log_error("%s, see --help",
                          expected == 0 ? "No mount point is expected" : "Expected exactly one mount point");
                return error_origin(-EINVAL);
        }
        if (r > 0)
                o->mountpoint = argv[optind]; /* NULL where none is expected */
        return r;
}

static unsigned long watches_max(void) {
        unsigned long n = 0;
        _cleanup_fclose_ FILE *f = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
        return f && fscanf(f, "%lu", &n) == 1 ? n : 0;
}

/* Each watch that could not be had is one more than the limit. */
static int describe_missing_watches(const Watcher *w, char **ret) {
        unsigned long max = watches_max();
        return strprintf(ret,
                         "%u of %u inotify watches could not be added: fs.inotify.max_user_watches is %lu "
                         "for all programs of this user together, at least %lu are needed",
                         w->n_watches - w->n_armed, w->n_watches, max, max + w->n_watches - w->n_armed);
}

/* Says so if not everything could be armed. */
static int print_unwatched(const Scan *s) {
        static const char covered[] = "a mount covers a place that should be watched";
        const Watcher *w = &s->watcher;
        _cleanup_free_ char *text = NULL;
        if (w->inotify_fd < 0 || (w->n_armed == w->n_watches && !w->covered))
                return 0;
        int r = w->n_armed < w->n_watches ? describe_missing_watches(w, &text)
                                          : free_and_strdup(&text, covered);
        return r < 0 ? r : report_print(stdout, "UNWATCHED", text, NULL);
}

/* Ends the scan with REASON (where there is one) and RESULT. The scan failed, so that the records cannot be
 * written either changes nothing. */
static int scan_end(const Scan *s, int status, const char *result, const char *reason) {
        const LogFields fields = {.volume = s->root ? s->root->name : NULL};
        char watches[3 * sizeof(unsigned) + 1];
        (void) snprintf(watches, sizeof watches, "%u", s->watcher.n_watches);
        (void) report_print(stdout, "WATCHES", watches, NULL);
        (void) print_unwatched(s);
        if (reason && !s->options->quiet)
                log_send(LOG_ERR, &fields, "%s", reason);
        if (reason)
                (void) report_print(stdout, "REASON", reason, NULL);
        return report_print(stdout, "RESULT", result, NULL) < 0 ? BOOTKEEP_SCAN_ERROR : status;
}

_printf_(2, 3) static int scan_error(const Scan *s, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list ap;
        va_start(ap, format);
        if (vasprintf(&reason, format, ap) < 0)
                reason = NULL;
        va_end(ap);
        return scan_end(s, BOOTKEEP_SCAN_ERROR, "error", reason ? reason : "Out of memory");
}

/* Ends a scan that R stopped while it looked at WHAT. */
static int scan_stopped(const Scan *s, int r, const char *what) {
        _cleanup_free_ char *reason = NULL;
        if (r != -E2BIG)
                return scan_error(s, "%s: %s", what, strerror(-r));
        if (strprintf(&reason, "%s: it names more than %u directories to watch",
                      s->manifest ? s->manifest->path : what, WATCHER_DIRECTORIES_MAX) < 0)
                return scan_error(s, "Out of memory");
        return scan_end(s, BOOTKEEP_SCAN_REFUSED, "refused", reason);
}

/* Ends a scan by what reading the manifest or making its plan returned. */
static int scan_refused(const Scan *s, int r, const char *reason) {
        if (r == -EBADMSG)
                return scan_end(s, BOOTKEEP_SCAN_REFUSED, "refused",
                                reason ? reason : "Failed to parse the manifest");
        if (reason && r != -E2BIG)
                return scan_error(s, "%s", reason);
        return scan_stopped(s, r, "Failed to read the manifest");
}

/* WORDS: what comes before "fresh" or "stale", at most three, the rest NULL. */
static int print_verdict(Scan *s, const char *key, const char *const words[static 3], const Freshness *f) {
        const char *all[8] = {}, *path = f->path ? f->path : "-";
        size_t n = 0;
        for (size_t i = 0; i < 3 && words[i]; i++)
                all[n++] = words[i];
        bool fresh = f->difference == DIFFERENCE_NONE;
        all[n++] = fresh ? "fresh" : "stale";
        if (!fresh) {
                all[n++] = path;
                all[n++] = difference_to_string(f->difference);
                all[n++] = f->detail;
                s->stale = true;
        }
        return report_print(stdout, key, all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7],
                            NULL);
}

static int scan_caches(Scan *s, const FreshnessContext *c) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->plan->n_caches; i++) {
                const PlanCache *cache = &s->plan->caches[i];
                _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
                const char *words[3] = {cache->cache->name, cache->instance ? cache->instance : "-"};
                r = freshness_of_cache(c, cache, &f);
                if (r >= 0)
                        r = print_verdict(s, "CACHE", words, &f);
        }
        return r;
}

static int scan_helpers(Scan *s, const FreshnessContext *c) {
        _cleanup_(helper_list_freep) HelperList *helpers = NULL;
        int r = helper_list_new("/sys", s->root->mount.devno, &helpers);
        for (size_t i = 0; r >= 0 && i < helpers->n; i++) {
                const Helper *h = &helpers->items[i];
                _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
                const char *words[3] = {h->device, helper_type_to_string(h->type), h->partuuid};
                r = freshness_of_helper(c, h, &f);
                if (r >= 0)
                        r = print_verdict(s, "HELPER", words, &f);
        }
        return r;
}

static int print_sources(Scan *s, const FreshnessContext *c) {
        Fingerprint f;
        char hex[FINGERPRINT_HEX_MAX];
        int r = freshness_of_sources(c, s->manifest, &f);
        return r < 0 ? r : report_print(stdout, "SOURCES", fingerprint_to_hex(&f, hex), NULL);
}

static int scan_compare(Scan *s, const Arm *arm) {
        const FreshnessContext context = {
                .root = s->root,
                .plan = s->plan,
                .arm = arm,
                .trust_ctime = s->options->trust_ctime,
        };
        int r = scan_caches(s, &context);
        if (r < 0)
                return scan_stopped(s, r, "Failed to check the caches");
        r = scan_helpers(s, &context);
        if (r < 0)
                return scan_stopped(s, r, "Failed to check the helpers");
        if (!s->stale)
                return scan_end(s, BOOTKEEP_SCAN_FRESH, "fresh", NULL);
        r = print_sources(s, &context);
        return r < 0 ? scan_stopped(s, r, "Failed to check the sources")
                     : scan_end(s, BOOTKEEP_SCAN_STALE, "stale", NULL);
}

/* That a key of a builder is unknown is told by each build and by --check-config, not by every scan of the
 * daemon's. */
static int scan_load_builders(Scan *s) {
        int level = s->options->quiet ? log_set_max_level(MIN(log_max_level(), LOG_ERR)) : log_max_level();
        int r = definition_set_load(s->options->builders, &s->builders, NULL);
        (void) log_set_max_level(level);
        return r;
}

static int scan_volume(Scan *s) {
        const Arm arm = {.arm = watcher_arm, .userdata = &s->watcher};
        const Walk walk = {.root = s->root->fd, .arm = &arm};
        _cleanup_free_ char *reason = NULL;
        int r = manifest_load(&walk, &s->manifest, &reason);
        if (r == -ENOENT)
                return scan_end(s, BOOTKEEP_SCAN_NO_MANIFEST, "none", NULL);
        if (r < 0)
                return scan_refused(s, r, reason);
        (void) report_print(stdout, "MANIFEST", s->manifest->path, NULL);
        const char *problem = root_state_problem(s->root->state_fd);
        if (problem)
                return scan_error(s, BOOTKEEP_VOLUME_STATE ": %s", problem);
        r = scan_load_builders(s);
        if (r < 0)
                return scan_stopped(s, r, "Failed to read the builder definitions");
        r = plan_new(&walk, s->manifest, s->builders, &s->plan, &reason);
        return r < 0 ? scan_refused(s, r, reason) : scan_compare(s, &arm);
}

static int scan_open(Scan *s) {
        const Options *o = s->options;
        int r = root_open(o->mountpoint, o->mount_id, &s->root);
        switch (r) {
        case 0:
                break;
        case -EINVAL:
                return scan_error(s, "%s is not a mount point", o->mountpoint);
        case -ENOTBLK:
                return scan_error(s, "%s is not on a block device", o->mountpoint);
        case -ESTALE:
                return scan_error(s, "%s is a different mount now", o->mountpoint);
        default:
                return scan_error(s, "%s: %s", o->mountpoint, strerror(-r));
        }
        log_stay_on_stderr();
        tzset(); /* the time zone is a file too */
        r = sandbox_enter();
        return r < 0 ? scan_error(s, "Failed to drop privileges: %s", strerror(-r)) : scan_volume(s);
}

/* For `bootkeepd --check-config`, which knows nothing of builder definitions. */
static int check_builders(const Options *o) {
        _cleanup_(definition_set_freep) DefinitionSet *definitions = NULL;
        unsigned problems = 0;
        int r = definition_set_load(o->builders, &definitions, &problems);
        if (r < 0)
                (void) log_errno(r, "Failed to read the builder definitions");
        else if (problems > 0)
                log_error("%u problem%s in the builder definitions", problems, problems == 1 ? "" : "s");
        return r < 0 || problems > 0 ? BOOTKEEP_SCAN_ERROR : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_(options_done) Options options = {.inotify_fd = -EBADF, .trust_ctime = true};
        log_setup("bootkeep-scan");
        int r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? BOOTKEEP_SCAN_ERROR : EXIT_SUCCESS;
        if (options.check_builders)
                return check_builders(&options);
        _cleanup_(scan_done) Scan scan = {.options = &options};
        watcher_init(&scan.watcher, options.inotify_fd);
        return scan_open(&scan);
}
