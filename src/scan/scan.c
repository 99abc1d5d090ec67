/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What requires root comes first: opening the volume and the paths to lock files. No content of the volume is
 * read before those privileges are gone. */

#include "scan/scan.h"

#include <bootkeep.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/report.h"
#include "freshness/cover.h"
#include "freshness/freshness.h"
#include "helper/helperlist.h"
#include "scan/bootfacts.h"
#include "scan/bootline.h"
#include "scan/ending.h"
#include "scan/lockfiles.h"
#include "scan/places.h"
#include "scan/sandbox.h"
#include "scan/sourcelist.h"
#include "scan/uncover.h"
#include "scan/watcher.h"

typedef struct Scan {
        const ScanOptions *options;
        Watcher watcher;
        Root *root;
        LockFiles lock_files;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
        bool stale;
} Scan;

static void scan_done(Scan *s) {
        (void) plan_free(s->plan);
        (void) definition_set_free(s->definitions);
        (void) manifest_free(s->manifest);
        lock_files_done(&s->lock_files);
        (void) root_free(s->root);
        watcher_done(&s->watcher);
}

static Ending scan_ending(const Scan *s) {
        return (Ending){
                .watcher = &s->watcher,
                .volume = s->root ? s->root->name : NULL,
                .manifest = s->manifest ? s->manifest->path : NULL,
                .quiet = s->options->quiet,
        };
}

#define SUBJECT_WORDS_MAX 3U

/* SUBJECT: what the record is about, up to SUBJECT_WORDS_MAX words, the rest NULL. */
static int scan_print_freshness(Scan *s, const char *key, const char *const subject[static SUBJECT_WORDS_MAX],
                                const Freshness *f) {
        const char *words[SUBJECT_WORDS_MAX + 5] = {};
        size_t n = 0;
        while (n < SUBJECT_WORDS_MAX && subject[n]) {
                words[n] = subject[n];
                n++;
        }
        bool fresh = f->difference == DIFFERENCE_NONE;
        words[n++] = fresh ? "fresh" : "stale";
        if (!fresh) {
                words[n++] = f->path ? f->path : "-";
                words[n++] = difference_to_string(f->difference);
                words[n++] = f->detail;
                s->stale = true;
        }
        return report_print(stdout, key, words[0], words[1], words[2], words[3], words[4], words[5], words[6],
                            words[7], NULL);
}

/* Whatever else may be wrong with it: it cannot be built now. */
static int scan_print_cover(const FreshnessContext *c, const PlanCache *cache) {
        _cleanup_free_ char *covered = NULL;
        int r = cover_find(c, cache, &covered);
        return r < 0 || !covered ? r : report_print(stdout, "COVERED", covered, NULL);
}

static int scan_caches(Scan *s, const FreshnessContext *c) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->plan->n_caches; i++) {
                const PlanCache *cache = &s->plan->caches[i];
                _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
                const char *const subject[SUBJECT_WORDS_MAX] = {cache->cache->name,
                                                                cache->instance ? cache->instance : "-"};
                r = freshness_of_cache(c, cache, &f);
                if (r >= 0)
                        r = scan_print_freshness(s, "CACHE", subject, &f);
                if (r >= 0)
                        r = report_print(stdout, "LEARNED", subject[0], subject[1],
                                         f.unlearned ? "no" : "yes", f.unlearned, NULL);
                if (r >= 0 && f.difference != DIFFERENCE_NONE)
                        r = scan_print_cover(c, cache);
        }
        return r;
}

static int scan_print_left_out(const StampRoom *room) {
        char text[128];
        if (room->n_left_out == 0)
                return 0;
        (void) snprintf(text, sizeof(text),
                        "the learned lists are too large: %zu %s by the sources in the manifest alone",
                        room->n_left_out,
                        room->n_left_out == 1 ? "cache is compared" : "caches are compared");
        return report_print(stdout, "NOTE", text, NULL);
}

#define HELPER_NOTES_MAX 128U /* of about two notes */
static_assert(1 + HELPER_NOTES_MAX + REPORT_HOLDS_MAX <= REPORT_NOTES_MAX,
              "a report takes all of a scan's notes");

static int scan_print_helper_notes(const HelperList *helpers) {
        int r = 0;
        for (size_t i = 0; r >= 0 && helpers->notes && helpers->notes[i] && i < HELPER_NOTES_MAX; i++)
                r = report_print(stdout, "NOTE", helpers->notes[i], NULL);
        return r;
}

static int scan_print_booted(const Scan *s, const FreshnessContext *c, const HelperList *helpers) {
        _cleanup_(boot_facts_done) BootFacts facts = BOOT_FACTS_NULL;
        _cleanup_(booted_done) Booted booted = BOOTED_NULL;
        const char *efivars = s->options->efivars;
        if (!root_is_running(s->root))
                return 0;
        int r = boot_facts_read(efivars ? efivars : BOOT_FACTS_EFIVARS, &facts);
        if (r >= 0)
                r = bootline_judge(c, helpers, &facts, &booted);
        else if (r != -ENOMEM)
                r = strprintf(&booted.text, "cannot read what was booted: %s", strerror(-r));
        return r < 0 ? r : bootline_print(stdout, &booted);
}

static int scan_helpers(Scan *s, const FreshnessContext *c) {
        _cleanup_(helper_list_freep) HelperList *helpers = NULL;
        int r = helper_list_new("/sys", s->root->mount.devno, &helpers);
        if (r >= 0)
                r = scan_print_helper_notes(helpers);
        for (size_t i = 0; r >= 0 && i < helpers->n; i++) {
                const Helper *h = &helpers->items[i];
                _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
                const char *const subject[SUBJECT_WORDS_MAX] = {h->device, helper_type_to_string(h->type),
                                                                h->partuuid};
                r = freshness_of_helper(c, h, &f);
                if (r >= 0)
                        r = scan_print_freshness(s, "HELPER", subject, &f);
        }
        return r < 0 ? r : scan_print_booted(s, c, helpers);
}

static int scan_print_sources(Scan *s, const FreshnessContext *c) {
        Fingerprint f;
        char hex[FINGERPRINT_HEX_MAX];
        int r = freshness_of_sources(c, s->manifest, &f);
        return r < 0 ? r : report_print(stdout, "SOURCES", fingerprint_to_hex(&f, hex), NULL);
}

static int scan_print_places(const Scan *s) {
        _cleanup_strv_free_ char **places = NULL;
        int r = places_of_plan(s->root->fd, s->plan, REPORT_PLACES_MAX, &places);
        return r < 0 ? r : places_print(stdout, places);
}

/* Lock files last: whatever a package manager changed that was seen above, it had locked before. */
static int scan_compare(Scan *s, const Arm *arm) {
        assert(s->manifest && s->definitions && s->plan);
        const Ending ending = scan_ending(s);
        StampRoom room = STAMP_ROOM_FULL;
        const FreshnessContext context = {
                .root = s->root,
                .plan = s->plan,
                .arm = arm,
                .room = &room,
                .trust_ctime = s->options->trust_ctime,
        };
        int r = scan_caches(s, &context);
        if (r >= 0)
                r = scan_print_left_out(&room);
        if (r < 0)
                return ending_say_stopped(&ending, r, "Failed to check the caches");
        r = scan_helpers(s, &context);
        if (r < 0)
                return ending_say_stopped(&ending, r, "Failed to check the helpers");
        r = s->stale ? scan_print_sources(s, &context) : 0;
        if (r >= 0)
                r = scan_print_places(s);
        if (r < 0)
                return ending_say_stopped(&ending, r, "Failed to check the sources");
        r = lock_files_report(&s->lock_files, s->root, arm, stdout);
        if (r < 0)
                return ending_say_stopped(&ending, r, "Failed to look for lock files");
        return ending_say(&ending, s->stale ? BOOTKEEP_SCAN_STALE : BOOTKEEP_SCAN_FRESH, NULL);
}

/* Instead of comparing anything. */
static int scan_list_sources(const Scan *s) {
        const Ending ending = scan_ending(s);
        StampRoom room = STAMP_ROOM_FULL;
        const FreshnessContext context = {
                .root = s->root,
                .plan = s->plan,
                .room = &room,
                .trust_ctime = s->options->trust_ctime,
        };
        int r = source_list_print(&context, s->options->sources, stdout);
        if (r == -ENOENT)
                return ending_say_error(&ending, "no cache is called %s", s->options->sources);
        return r < 0 ? ending_say_stopped(&ending, r, "Failed to list the sources") : BOOTKEEP_SCAN_FRESH;
}

/* Unknown keys of builders are reported by each build and by --check-config, not by every scan that the
 * daemon runs. */
static int scan_load_definitions(Scan *s) {
        int level = s->options->quiet ? log_set_max_level(MIN(log_max_level(), LOG_ERR)) : log_max_level();
        int r = definition_set_load(s->options->builders, &s->definitions, NULL);
        (void) log_set_max_level(level);
        return r;
}

static int scan_volume(Scan *s) {
        assert(s->root && !s->manifest && !s->plan);
        const Arm arm = {.arm = watcher_arm, .userdata = &s->watcher};
        const Walk walk = {.root = s->root->fd, .arm = &arm};
        _cleanup_free_ char *reason = NULL;
        int r = manifest_load(&walk, &s->manifest, &reason);
        const Ending ending = scan_ending(s);
        if (r == -ENOENT)
                return ending_say(&ending, BOOTKEEP_SCAN_NO_MANIFEST, NULL);
        if (r < 0)
                return ending_say_refused(&ending, r, reason);
        (void) report_print(stdout, "MANIFEST", s->manifest->path, NULL);
        const char *problem = root_state_problem(s->root->state_fd);
        if (problem)
                return ending_say_error(&ending, BOOTKEEP_VOLUME_STATE ": %s", problem);
        r = scan_load_definitions(s);
        if (r < 0)
                return ending_say_stopped(&ending, r, "Failed to read the builder definitions");
        r = plan_new(&walk, s->manifest, s->definitions, &s->plan, &reason);
        if (r >= 0 && !root_is_running(s->root))
                r = plan_check_running(s->plan, s->manifest, &reason);
        if (r < 0)
                return ending_say_refused(&ending, r, reason);
        return s->options->sources ? scan_list_sources(s) : scan_compare(s, &arm);
}

/* Opens what only root can open. */
static int scan_open(Scan *s) {
        assert(!s->root && s->lock_files.n == 0);
        const ScanOptions *o = s->options;
        int r = root_open(o->mountpoint, o->mount_id, &s->root);
        if (r >= 0 && o->volume && !streq(s->root->name, o->volume))
                r = error_origin(-ESTALE);
        const Ending ending = scan_ending(s);
        if (r < 0) {
                const char *problem = root_open_problem(r);
                return ending_say_error(&ending, "%s%s %s", o->mountpoint, problem ? "" : ":",
                                        problem ? problem : strerror(-r));
        }
        if (s->root->state_fd == -EXDEV && o->uncover) /* where that fails, only stamps are missed */
                (void) uncover_state(s->root, o->uncover, stdout);
        r = lock_files_add(&s->lock_files, o->hold_locked, false);
        if (r >= 0)
                r = lock_files_add(&s->lock_files, o->hold_exists, true);
        return r < 0 ? ending_say_stopped(&ending, r, "Failed to look for lock files") : 0;
}

int scan_run(const ScanOptions *o) {
        _cleanup_(scan_done) Scan scan = {.options = o};
        assert(o && o->mountpoint);
        watcher_init(&scan.watcher, o->inotify_fd);
        int status = scan_open(&scan);
        if (status != 0)
                return status;
        log_stay_on_stderr();
        tzset(); /* the time zone is a file, too */
        int r = sandbox_enter();
        const Ending ending = scan_ending(&scan);
        return r < 0 ? ending_say_error(&ending, "Failed to drop privileges: %s", strerror(-r))
                     : scan_volume(&scan);
}
