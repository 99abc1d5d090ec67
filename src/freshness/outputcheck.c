/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/outputcheck.h"

#include "base/error.h"
#include "base/escape.h"

#define NO_TIME " -" /* a directory has none of its own */

/* The present state of an output. */
typedef struct SeenOutput {
        Hasher *hasher;
        bool seen, directory, trust_ctime;
        struct statx stx; /* of the first thing that is no link */
        char *line;       /* the value of its line in the stamp */
} SeenOutput;

static void seen_output_done(SeenOutput *o) {
        (void) hasher_free(o->hasher);
        free(o->line);
        *o = (SeenOutput){};
}

static int see_output_entry(const WalkEntry *entry, void *userdata) {
        SeenOutput *o = userdata;
        if (!o->seen && !entry->target) { /* the links in the path came before */
                o->seen = true;
                o->directory = S_ISDIR(entry->stx->stx_mode);
                o->stx = *entry->stx;
        }
        fingerprint_add(o->hasher, entry, o->trust_ctime);
        return 0;
}

int output_describe(const char *path, const struct statx *stx, char **ret) {
        assert(path && stx && ret);
        _cleanup_free_ char *word = escape_word(path);
        return word ? strprintf(ret, "%s %llu %lld.%09u", word, (unsigned long long) stx->stx_size,
                                (long long) stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec)
                    : error_origin(-ENOMEM);
}

static int seen_output_describe(SeenOutput *o, const char *path) {
        char hex[FINGERPRINT_HEX_MAX];
        if (!o->directory)
                return output_describe(path, &o->stx, &o->line);
        _cleanup_free_ char *word = escape_word(path);
        if (!word)
                return error_origin(-ENOMEM);
        Fingerprint f = hasher_digest(o->hasher);
        return strprintf(&o->line, "%s %s" NO_TIME, word, fingerprint_to_hex(&f, hex));
}

static int see_output(const FreshnessContext *c, const char *path, SeenOutput *o) {
        *o = (SeenOutput){.hasher = hasher_new(), .trust_ctime = c->trust_ctime};
        if (!o->hasher)
                return error_origin(-ENOMEM);
        int r = walk_source(&(Walk){.root = c->root->fd, .arm = c->arm}, path,
                            &(Visitor){see_output_entry, o});
        return r < 0 ? r : seen_output_describe(o, path);
}

/* How the lines BEFORE and NOW of one output differ, as a set of Change; 0: in the content of a directory. */
static unsigned output_changes(const char *before, const char *now) {
        const char *a = strrchr(before, ' '), *b = strrchr(now, ' ');
        assert(a && b); /* both begin with the word of the path and a space */
        bool size = a - before != b - now || memcmp(before, now, (size_t) (b - now)) != 0;
        if (streq(a, NO_TIME) || streq(b, NO_TIME))
                return streq(a, b) ? 0 : CHANGE_REPLACED;
        return (size ? CHANGE_SIZE : 0) | (streq(a, b) ? 0 : CHANGE_MTIME);
}

/* The ctime of a directory says nothing about its content. */
static const struct statx_timestamp *seen_output_since(const SeenOutput *o) {
        return o->trust_ctime && !o->directory ? &o->stx.stx_ctime : NULL;
}

static int note_changed_output(Freshness *f, const SeenOutput *o, const char *before, const char *path) {
        _cleanup_free_ char *detail = NULL;
        int r = reason_detail_rebuilt(output_changes(before, o->line), seen_output_since(o), &detail);
        return r < 0 ? r : finding_note(f, DIFFERENCE_CHANGED, path, detail);
}

static int note_new_output(Freshness *f, const SeenOutput *o, const char *path) {
        _cleanup_free_ char *detail = NULL;
        int r = reason_detail_changed(0, seen_output_since(o), &detail);
        return r < 0 ? r : finding_note(f, DIFFERENCE_NEW, path, detail);
}

static int seen_output_compare(const SeenOutput *o, const Stamp *stamp, const char *path, Freshness *f) {
        size_t i = 0, n = strcspn(o->line, " ") + 1;
        const char *value;
        while (stamp && (value = stamp_next(stamp, "output", &i)))
                if (strncmp(value, o->line, n) == 0)
                        return streq(value, o->line) ? 0 : note_changed_output(f, o, value, path);
        return note_new_output(f, o, path);
}

int outputs_compare(const Subject *subject, const Stamp *stamp, Freshness *f) {
        const FreshnessContext *c = subject->context;
        const PlanCache *cache = subject->cache;
        int r = 0;
        assert(cache);
        for (size_t i = 0; r >= 0 && i < cache->cache->n_outputs; i++) {
                _cleanup_(seen_output_done) SeenOutput now = {};
                _cleanup_free_ char *path = NULL;
                r = plan_path(c->plan, cache->cache->outputs[i], cache->instance, &path);
                if (r < 0)
                        return r;
                r = see_output(c, path, &now);
                r = r < 0 ? finding_note_error(f, c->root->fd, r, path)
                          : seen_output_compare(&now, stamp, path, f);
        }
        return r;
}

int outputs_record(const Subject *subject, Stamp *stamp, char **ret_missing) {
        const PlanCache *cache = subject->cache;
        int r = 0;
        assert(cache && stamp);
        for (size_t i = 0; r >= 0 && i < cache->cache->n_outputs; i++) {
                _cleanup_(seen_output_done) SeenOutput now = {};
                _cleanup_free_ char *path = NULL;
                r = plan_path(subject->context->plan, cache->cache->outputs[i], cache->instance, &path);
                if (r >= 0)
                        r = see_output(subject->context, path, &now);
                if (r >= 0)
                        r = stamp_add(stamp, "output", "%s", now.line);
                else if (ret_missing && !finding_is_shortage(r))
                        *ret_missing = TAKE_PTR(path);
        }
        return r;
}
