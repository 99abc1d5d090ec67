/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/monitorline.h"

#include "base/escape.h"
#include "base/report.h"
#include "ctl/format.h"

/* A word and its colour, or NULL. */
typedef struct ColoredWord {
        const char *color, *text;
} ColoredWord;

/* "TIME SUBJECT  TEXT"; WORD comes first in the text. Everything is made harmless for a terminal. */
static void line_print(const Ctl *ctl, const char *subject, ColoredWord word, const char *format, ...)
        _printf_(4, 5);
static void line_print(const Ctl *ctl, const char *subject, ColoredWord word, const char *format, ...) {
        assert(ctl && ctl->json == JSON_OFF && subject && word.text);
        _cleanup_free_ char *text = NULL, *name = escape_print(subject);
        char time[FORMAT_TIME_MAX];
        va_list ap;
        va_start(ap, format);
        int r = vstrprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        _cleanup_free_ char *harmless = escape_print(text);
        const char *color = ctl->colors ? word.color : NULL;
        (void) printf("%s  %s  %s%s%s%s\n", format_moment(realtime_usec(), time), strempty(name),
                      strempty(color), word.text, color ? COLOR_OFF : "", strempty(harmless));
        (void) fflush(stdout);
}

static Json open_event(const Ctl *ctl, const char *event, const char *volume) {
        assert(ctl && ctl->json != JSON_OFF && event);
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_unsigned(&j, "time", realtime_usec());
        json_string(&j, "event", event);
        if (volume)
                json_string(&j, "volume", volume);
        return j;
}

static void close_event(Json *j) {
        json_object_close(j);
        (void) fflush(stdout);
}

void monitor_line_daemon(const Ctl *ctl, bool running) {
        if (ctl->json == JSON_OFF) {
                line_print(
                        ctl, "bootkeepd",
                        (ColoredWord){running ? COLOR_GREEN : COLOR_RED, running ? "running" : "not running"},
                        "%s", "");
                return;
        }
        Json j = open_event(ctl, "daemon", NULL);
        json_bool(&j, "running", running);
        close_event(&j);
}

static const char *colon(const char *reason) {
        return isempty(reason) ? "" : ": ";
}

/* The state of V as the event EVENT; BEFORE is the previous state (or NULL). */
static void line_print_state(const Ctl *ctl, const char *event, const VolumeInfo *v, const char *before) {
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){format_state_color(v->state), v->state}, "%s%s",
                           colon(v->reason), v->reason);
                return;
        }
        Json j = open_event(ctl, event, v->name);
        json_string(&j, "state", v->state);
        json_string(&j, "reason", v->reason);
        if (before)
                json_string(&j, "before", before);
        close_event(&j);
}

void monitor_line_present(const Ctl *ctl, const VolumeInfo *v) {
        line_print_state(ctl, "present", v, NULL);
        monitor_line_changes(ctl, NULL, v);
}

void monitor_line_appeared(const Ctl *ctl, const VolumeInfo *v) {
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){NULL, "appeared"}, " on %s (%s)", v->mount_point,
                           v->fs_type);
                return;
        }
        Json j = open_event(ctl, "appeared", v->name);
        json_string(&j, "state", v->state);
        json_string(&j, "mount_point", v->mount_point);
        json_string(&j, "device", v->device);
        json_string(&j, "file_system_type", v->fs_type);
        close_event(&j);
}

void monitor_line_gone(const Ctl *ctl, const VolumeInfo *v) {
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){COLOR_DIM, "gone"}, "%s", "");
                return;
        }
        Json j = open_event(ctl, "gone", v->name);
        close_event(&j);
}

void monitor_line_progress(const Ctl *ctl, const VolumeInfo *v) {
        char done[FORMAT_BYTES_MAX], of[FORMAT_BYTES_MAX];
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){NULL, "copied"}, " %s of %s",
                           format_bytes(v->progress_done, done), format_bytes(v->progress_of, of));
                return;
        }
        Json j = open_event(ctl, "progress", v->name);
        json_unsigned(&j, "done", v->progress_done);
        json_unsigned(&j, "of", v->progress_of);
        close_event(&j);
}

void monitor_line_build(const Ctl *ctl, const VolumeInfo *v, int status, const char *summary) {
        assert(ctl && v && summary);
        bool well = status == BOOTKEEP_BUILD_SUCCESS;
        uint64_t start = v->last_build_start,
                 usec = v->last_build_end > start ? v->last_build_end - start : 0;
        char span[FORMAT_SPAN_MAX];
        if (ctl->json == JSON_OFF && well && streq(summary, REPORT_NOTHING_TO_BUILD)) {
                line_print(ctl, v->name, (ColoredWord){COLOR_GREEN, summary}, "%s", "");
                return;
        }
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name,
                           (ColoredWord){well ? COLOR_GREEN : COLOR_RED, well ? "built" : "build failed"},
                           " in %s%s%s", format_span(usec, span), well ? "" : colon(summary),
                           well ? "" : summary);
                return;
        }
        Json j = open_event(ctl, "build", v->name);
        json_signed(&j, "status", status);
        json_string(&j, "summary", summary);
        json_unsigned(&j, "duration", usec);
        close_event(&j);
}

static void line_print_trust(const Ctl *ctl, const VolumeInfo *v) {
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){NULL, v->trusted ? "trusted" : "no longer trusted"},
                           "%s", "");
                return;
        }
        Json j = open_event(ctl, "trust", v->name);
        json_bool(&j, "trusted", v->trusted);
        close_event(&j);
}

static void line_print_lock(const Ctl *ctl, const VolumeInfo *v) {
        bool locked = !isempty(v->lock_holder);
        if (ctl->json == JSON_OFF && locked) {
                line_print(ctl, v->name, (ColoredWord){COLOR_YELLOW, "locked"}, " by PID %" PRIu32 " (%s)",
                           v->lock_holder_pid, v->lock_holder);
                return;
        }
        if (ctl->json == JSON_OFF) {
                line_print(ctl, v->name, (ColoredWord){NULL, "unlocked"}, "%s", "");
                return;
        }
        Json j = open_event(ctl, "lock", v->name);
        json_string(&j, "lock_holder", v->lock_holder);
        json_unsigned(&j, "lock_holder_pid", v->lock_holder_pid);
        close_event(&j);
}

/* A cache or helper. */
typedef struct Item {
        const char *kind;          /* "cache", "helper" */
        const char *name, *detail; /* initramfs 6.1.0; sda1 esp */
        bool fresh;
        const char *reason;
} Item;

static Item cache_item(const VolumeInfo *v, size_t i) {
        const VolumeInfoCache *c = v->caches + i;
        return (Item){"cache", c->name, c->instance, c->fresh, c->reason};
}

static Item helper_item(const VolumeInfo *v, size_t i) {
        const VolumeInfoHelper *h = v->helpers + i;
        return (Item){"helper", h->device, h->type, h->fresh, h->reason};
}

static void line_print_item(const Ctl *ctl, const char *volume, const Item *item) {
        assert(item->name && item->detail && item->reason);
        bool is_cache = streq(item->kind, "cache");
        if (ctl->json == JSON_OFF) {
                line_print(ctl, volume,
                           (ColoredWord){item->fresh ? COLOR_GREEN : COLOR_YELLOW,
                                         item->fresh ? "fresh" : "stale"},
                           " %s %s%s%s%s%s", item->kind, item->name, *item->detail ? " " : "", item->detail,
                           item->fresh ? "" : colon(item->reason), item->fresh ? "" : item->reason);
                return;
        }
        Json j = open_event(ctl, item->kind, volume);
        json_string(&j, is_cache ? "name" : "device", item->name);
        json_string(&j, is_cache ? "instance" : "type", item->detail);
        json_bool(&j, "fresh", item->fresh);
        json_string(&j, "reason", item->reason);
        close_event(&j);
}

/* What V consists of, first as caches, then as helpers. */
typedef struct Items {
        Item *items;
        size_t n;
} Items;

/* Does ITEM differ from what was KNOWN? One that was not known at all is worth a line only if it is stale. */
static bool is_news(const Item *item, const Items *known) {
        for (size_t i = 0; i < known->n; i++) {
                const Item *k = &known->items[i];
                if (streq(k->name, item->name) && streq(k->detail, item->detail))
                        return k->fresh != item->fresh || (!item->fresh && !streq(k->reason, item->reason));
        }
        return !item->fresh;
}

static void items_done(Items *l) {
        free(l->items);
}

/* V may be NULL: nothing is known about it. What is not available is left out. */
static Items list_caches(const VolumeInfo *v) {
        Items l = {};
        for (size_t i = 0; v && i < v->n_caches && grow(l.items, l.n) >= 0; i++)
                l.items[l.n++] = cache_item(v, i);
        return l;
}

static Items list_helpers(const VolumeInfo *v) {
        Items l = {};
        for (size_t i = 0; v && i < v->n_helpers && grow(l.items, l.n) >= 0; i++)
                l.items[l.n++] = helper_item(v, i);
        return l;
}

static void line_print_items(const Ctl *ctl, const VolumeInfo *before, const VolumeInfo *now,
                             Items (*list)(const VolumeInfo *v)) {
        _cleanup_(items_done) Items known = list(before), items = list(now);
        for (size_t i = 0; i < items.n; i++)
                if (is_news(&items.items[i], &known))
                        line_print_item(ctl, now->name, &items.items[i]);
}

void monitor_line_changes(const Ctl *ctl, const VolumeInfo *before, const VolumeInfo *now) {
        assert(ctl && now);
        if (before && (!streq(before->state, now->state) || !streq(before->reason, now->reason)))
                line_print_state(ctl, "state", now, before->state);
        if (before && before->trusted != now->trusted)
                line_print_trust(ctl, now);
        if (!streq(before ? before->lock_holder : "", now->lock_holder))
                line_print_lock(ctl, now);
        line_print_items(ctl, before, now, list_caches);
        line_print_items(ctl, before, now, list_helpers);
}
