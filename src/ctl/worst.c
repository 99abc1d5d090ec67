/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/worst.h"

#include "base/error.h"
#include "base/escape.h"
#include "ctl/format.h"

/* The worst first: what does not pass by itself, then what takes longest. */
static const struct {
        const char *state, *text;
} ranks[] = {
        {"failed", "failed"},
        {"stale", "is stale"},
        {"building", "is being built"},
        {"settling", "is settling"},
        {"scanning", "is being scanned"},
        {"new", "was not scanned yet"},
        /* these hold up nothing */
        {"hung", "does not respond"},
        {"given-up", "was given up"},
        {"refused", "is left alone"},
};

static size_t worst_rank(const VolumeInfo *v) {
        size_t i = 0;
        while (i < ELEMENTSOF(ranks) && !streq(v->state, ranks[i].state))
                i++;
        return i;
}

bool worst_is_busy(const VolumeInfo *v) {
        return v->busy;
}

const VolumeInfo *worst_of(const VolumeInfoList *l, bool (*matters)(const VolumeInfo *v), size_t *ret_n) {
        assert(l && matters && ret_n);
        const VolumeInfo *worst = NULL;
        size_t n = 0;
        for (size_t i = 0; i < l->n; i++) {
                if (!matters(l->items[i]))
                        continue;
                n++;
                if (!worst || worst_rank(l->items[i]) < worst_rank(worst))
                        worst = l->items[i];
        }
        *ret_n = n;
        return worst;
}

static bool worst_is_held_by_lock(const VolumeInfo *v) {
        return !isempty(v->lock_holder) && !streq(v->state, "building") && !streq(v->state, "failed");
}

int worst_describe(const VolumeInfo *v, char **ret) {
        assert(v && ret);
        _cleanup_free_ char *text = NULL;
        char process[FORMAT_PROCESS_MAX];
        size_t rank = worst_rank(v);
        int r = worst_is_held_by_lock(v) ? strprintf(&text, "%s is locked by %s", v->name,
                                                     format_process(v->lock_holder_pid, process))
                                         : strprintf(&text, "%s %s%s%s", v->name,
                                                     rank < ELEMENTSOF(ranks) ? ranks[rank].text : v->state,
                                                     isempty(v->reason) ? "" : ": ", v->reason);
        if (r < 0)
                return r;
        *ret = escape_print(text);
        return *ret ? 0 : error_origin(-ENOMEM);
}
