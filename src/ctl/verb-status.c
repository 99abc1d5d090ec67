/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl status`: shows what the daemon knows. Nothing is scanned for it. */

#include <langinfo.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/owedlines.h"
#include "ctl/pager.h"
#include "ctl/table.h"

static bool needs_attention(const VolumeInfo *v) {
        return v->trusted && !volume_info_is_plain(v) && !streq(v->state, "fresh");
}

static int status_exit_code(const VolumeInfoList *l) {
        for (size_t i = 0; i < l->n; i++)
                if (needs_attention(l->items[i]))
                        return BOOTKEEP_CTL_NO;
        return EXIT_SUCCESS;
}

/* What the daemon says, and the command line asks for. */
typedef struct StatusAnswer {
        const VolumeInfoList *volumes;
        const OwedList *owed;
        const char *booted_stale;
        bool details; /* of the only volume */
} StatusAnswer;

static void status_print_json(const Ctl *ctl, const StatusAnswer *a) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        owed_lines_to_json(a->owed, &j);
        json_string(&j, "booted_stale", a->booted_stale);
        json_array_open(&j, "volumes");
        for (size_t i = 0; i < a->volumes->n; i++)
                volume_info_to_json(a->volumes->items[i], &j);
        json_array_close(&j);
        json_object_close(&j);
}

/* "3", "1/3 stale", or "-" if there are none. */
static int status_describe_count(size_t stale, size_t n, char **ret) {
        assert(stale <= n && ret);
        if (n == 0)
                return strprintf(ret, "-");
        return stale > 0 ? strprintf(ret, "%zu/%zu stale", stale, n) : strprintf(ret, "%zu", n);
}

static int status_add_volume(Table *t, const VolumeInfo *v) {
        _cleanup_free_ char *caches = NULL, *helpers = NULL;
        size_t stale_caches = volume_info_stale_caches(v), stale_helpers = volume_info_stale_helpers(v);
        bool plain = volume_info_is_plain(v);
        if (status_describe_count(stale_caches, v->n_caches, &caches) < 0 ||
            status_describe_count(stale_helpers, v->n_helpers, &helpers) < 0)
                return error_origin(-ENOMEM);
        const TableCell cells[] = {
                {v->name},
                {v->mount_point},
                {v->state, format_state_color(v->state)},
                {caches, stale_caches > 0 ? COLOR_YELLOW : NULL},
                {helpers, stale_helpers > 0 ? COLOR_YELLOW : NULL},
                {plain && !*v->reason ? "no manifest" : v->reason},
        };
        return table_add(t, NULL, plain ? COLOR_DIM : NULL, cells, NULL);
}

static void status_print_trust_hint(const VolumeInfo *v) {
        _cleanup_free_ char *name = escape_print(v->name);
        if (name)
                (void) printf("%s is not trusted, so nothing is built there; run: bootkeepctl trust %s\n",
                              name, name);
}

static void status_print_legend(const VolumeInfoList *l) {
        size_t busy = 0, plain = 0;
        for (size_t i = 0; i < l->n; i++) {
                busy += l->items[i]->busy;
                plain += volume_info_is_plain(l->items[i]);
        }
        (void) printf("\n%zu volume%s", l->n, l->n == 1 ? "" : "s");
        if (plain > 0)
                (void) printf(", %zu without a manifest", plain);
        (void) printf(", %zu busy.\n", busy);
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i]->state, "untrusted"))
                        status_print_trust_hint(l->items[i]);
}

static int status_print_table(const Ctl *ctl, const VolumeInfoList *l) {
        static const TableColumn columns[] = {
                {"VOLUME"},  {"MOUNTPOINT", TABLE_WRAP}, {"STATE"}, {"CACHES"},
                {"HELPERS"}, {"WHY", TABLE_WRAP},
        };
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = status_add_volume(t, l->items[i]);
        if (r >= 0)
                r = table_print(t);
        if (r >= 0 && ctl->legend)
                status_print_legend(l);
        return r;
}

/* One `Key: value` line of the block; VALUE is made harmless for a terminal. An empty one is left out. */
static void status_print_key(const char *key, const char *value) {
        _cleanup_free_ char *printable = escape_print(value);
        if (printable && *printable)
                (void) printf("%14s: %s\n", key, printable);
}

static void status_print_last_build(const VolumeInfo *v) {
        static const struct {
                int status;
                const char *text;
        } results[] = {
                {BOOTKEEP_BUILD_SUCCESS, "succeeded"},
                {BOOTKEEP_BUILD_FAILED, "failed"},
                {BOOTKEEP_BUILD_REFUSED, "manifest refused"},
                {BOOTKEEP_BUILD_TEMPFAIL, "deferred"},
        };
        char time[FORMAT_TIME_MAX], span[FORMAT_SPAN_MAX];
        const char *result = "ended abnormally";
        if (v->last_build_start == 0)
                return status_print_key("Last build", "none since bootkeepd started");
        (void) format_time(v->last_build_start, time);
        if (v->last_build_end < v->last_build_start) {
                (void) printf("%14s: %s, still running\n", "Last build", time);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (results[i].status == v->last_build_status)
                        result = results[i].text;
        (void) printf("%14s: %s, took %s, %s\n", "Last build", time,
                      format_span(v->last_build_end - v->last_build_start, span), result);
}

static void status_print_state(const Ctl *ctl, const VolumeInfo *v) {
        const char *color = ctl->colors ? format_state_color(v->state) : NULL;
        _cleanup_free_ char *reason = escape_print(v->reason), *state = escape_print(v->state);
        (void) printf("%14s: %s%s%s%s%s\n", "State", strempty(color), strempty(state), color ? COLOR_OFF : "",
                      isempty(reason) ? "" : " - ", strempty(reason));
        if (streq(v->state, "building") && v->progress_of > 0) {
                char done[FORMAT_BYTES_MAX], of[FORMAT_BYTES_MAX];
                (void) printf("%14s: %s of %s\n", "Progress", format_bytes(v->progress_done, done),
                              format_bytes(v->progress_of, of));
        }
}

static void status_print_trust(const VolumeInfo *v) {
        _cleanup_free_ char *name = escape_print(v->name);
        if (v->trusted)
                status_print_key("Trusted", "yes");
        else
                (void) printf("%14s: no; to keep it up to date, run: bootkeepctl trust %s\n", "Trusted",
                              strempty(name));
}

static void status_print_lock(const VolumeInfo *v) {
        _cleanup_free_ char *text = NULL;
        if (isempty(v->lock_holder))
                return status_print_key("Lock", "free");
        if (strprintf(&text, "held by PID %" PRIu32 " (%s), %" PRIu32 " waiting", v->lock_holder_pid,
                      v->lock_holder, v->lock_waiters) >= 0)
                status_print_key("Lock", text);
}

static void status_print_failures(const VolumeInfo *v) {
        if (v->failures == 0)
                return status_print_key("Failures", "none");
        (void) printf("%14s: %" PRIu32 " in a row, %" PRIu32 " attempt%s since the last success\n",
                      "Failures", v->failures, v->attempts, v->attempts == 1 ? "" : "s");
        status_print_key("Last failure", v->last_failure);
}

/* Of each cache of which it is not known what its builder reads; or that there is none. */
static void status_print_learned(const VolumeInfo *v) {
        bool all = true;
        for (size_t i = 0; i < v->n_learned; i++) {
                _cleanup_free_ char *text = NULL;
                const VolumeInfoLearned *l = &v->learned[i];
                if (streq(l->text, "yes"))
                        continue;
                all = false;
                if (strprintf(&text, "%s (%s)", l->text, l->cache) >= 0)
                        status_print_key("Learned", text);
        }
        if (all && v->n_learned > 0)
                status_print_key("Learned", "yes");
}

static void status_print_block(const Ctl *ctl, const VolumeInfo *v) {
        const char *color = ctl->colors ? format_state_color(v->state) : NULL;
        _cleanup_free_ char *name = escape_print(v->name), *mount_point = escape_print(v->mount_point);
        const char *dot = streq(nl_langinfo(CODESET), "UTF-8") ? "●" : "*";
        (void) printf("%s%s%s %s on %s\n", strempty(color), dot, color ? COLOR_OFF : "", strempty(name),
                      strempty(mount_point));
        status_print_state(ctl, v);
        status_print_trust(v);
        status_print_key("Device", v->device);
        status_print_key("Mount point", v->mount_point);
        status_print_key("File system", v->fs_type);
        status_print_key("UUID", v->uuid);
        status_print_key("Manifest", v->manifest);
        status_print_learned(v);
        status_print_lock(v);
        status_print_failures(v);
        status_print_last_build(v);
}

static TableCell freshness_cell(bool fresh) {
        return fresh ? (TableCell){"fresh", COLOR_GREEN} : (TableCell){"stale", COLOR_YELLOW};
}

static int status_print_caches(const Ctl *ctl, const VolumeInfo *v) {
        static const TableColumn columns[] = {{"CACHE"}, {"INSTANCE"}, {"STATE"}, {"WHY", TABLE_WRAP}};
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; r >= 0 && i < v->n_caches; i++) {
                const VolumeInfoCache *c = v->caches + i;
                const char *instance = *c->instance ? c->instance : "-";
                const TableCell cells[] = {{c->name}, {instance}, freshness_cell(c->fresh), {c->reason}};
                r = table_add(t, NULL, NULL, cells, NULL);
        }
        if (r < 0 || v->n_caches == 0)
                return r;
        (void) putchar('\n');
        return table_print(t);
}

static int status_print_helpers(const Ctl *ctl, const VolumeInfo *v) {
        static const TableColumn columns[] = {
                {"HELPER"}, {"TYPE"}, {"PARTITION UUID"}, {"STATE"}, {"WHY", TABLE_WRAP}};
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; r >= 0 && i < v->n_helpers; i++) {
                const VolumeInfoHelper *h = v->helpers + i;
                const TableCell cells[] = {
                        {h->device}, {h->type}, {h->partuuid}, freshness_cell(h->fresh), {h->reason}};
                r = table_add(t, NULL, NULL, cells, NULL);
        }
        if (r < 0 || v->n_helpers == 0)
                return r;
        (void) putchar('\n');
        return table_print(t);
}

static int status_print_details(const Ctl *ctl, const VolumeInfo *v) {
        status_print_block(ctl, v);
        int r = status_print_caches(ctl, v);
        return r < 0 ? r : status_print_helpers(ctl, v);
}

/* Whatever volume is asked for: it is the machine that is concerned. */
static void status_print_booted(const Ctl *ctl, const char *stale) {
        _cleanup_free_ char *printable = escape_print(stale);
        if (!isempty(printable))
                (void) printf("%sBooted from the past:%s %s\n\n", ctl->colors ? COLOR_YELLOW : "",
                              ctl->colors ? COLOR_OFF : "", printable);
}

static int status_print_text(const Ctl *ctl, const StatusAnswer *a) {
        const VolumeInfoList *l = a->volumes;
        owed_lines_print(ctl, a->owed);
        status_print_booted(ctl, a->booted_stale);
        if (l->n == 0) {
                (void) puts("No volumes.");
                return 0;
        }
        return a->details ? status_print_details(ctl, l->items[0]) : status_print_table(ctl, l);
}

static int status_print(const Ctl *ctl, const StatusAnswer *a) {
        assert(!a->details || a->volumes->n == 1);
        Pager pager = PAGER_NULL;
        if (ctl->json != JSON_OFF) {
                status_print_json(ctl, a);
                return 0;
        }
        if (ctl->pager && ctl->width > 0 && a->volumes->n > 0)
                pager_open(&pager);
        int r = status_print_text(ctl, a);
        pager_done(&pager);
        return r;
}

int verb_status(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes);
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        _cleanup_(owed_list_done) OwedList owed = {};
        bool details = *volumes;
        int r = details ? client_select(ctl, volumes, &l) : client_list(ctl, &l);
        if (r == EXIT_SUCCESS)
                r = owed_lines_get(ctl, &owed);
        if (r != EXIT_SUCCESS)
                return r;
        _cleanup_free_ char *booted_stale = client_manager_text(ctl, "BootedStale");
        const StatusAnswer answer = {
                .volumes = l, .owed = &owed, .booted_stale = booted_stale, .details = details};
        if (!ctl->quiet && (!booted_stale || status_print(ctl, &answer) < 0)) {
                (void) log_oom();
                return BOOTKEEP_CTL_NO;
        }
        return status_exit_code(l);
}
