/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/roster.h"

#include "base/error.h"

void roster_done(Roster *r) {
        for (size_t i = 0; i < r->n; i++)
                record_free(r->items[i]);
        free(r->items);
        *r = ROSTER_NULL;
}

int roster_add(Roster *r, Record *record) {
        if (grow(r->items, r->n) < 0)
                return error_origin(-ENOMEM);
        r->items[r->n++] = record;
        return 0;
}

Record *roster_take(Roster *r, size_t i) {
        Record *record = r->items[i];
        memmove(r->items + i, r->items + i + 1, (r->n - i - 1) * sizeof(*r->items));
        r->n--;
        return record;
}

bool roster_has(const Roster *r, const Record *record) {
        for (size_t i = 0; i < r->n; i++)
                if (r->items[i] == record)
                        return true;
        return false;
}

Record *roster_find(const Roster *r, const char *name) {
        for (size_t i = 0; i < r->n; i++)
                if (streq(r->items[i]->name, name))
                        return r->items[i];
        return NULL;
}

Record *roster_look_up(const Roster *r, const char *argument) {
        Record *named = roster_find(r, argument);
        if (named)
                return named;
        for (size_t i = 0; i < r->n; i++)
                if (record_matches(r->items[i], argument))
                        return r->items[i];
        return NULL;
}

Record *roster_next(const Roster *r, const Record *record) {
        size_t i = 0;
        if (record) {
                while (i < r->n && r->items[i] != record)
                        i++;
                i++;
        }
        return i < r->n ? r->items[i] : NULL;
}

int roster_busy(const Roster *r, char ***ret) {
        _cleanup_strv_free_ char **busy = NULL;
        for (size_t i = 0; i < r->n; i++)
                if (volume_busy(&r->items[i]->volume) && strv_extend(&busy, r->items[i]->name) < 0)
                        return error_origin(-ENOMEM);
        *ret = TAKE_PTR(busy);
        return 0;
}

bool roster_any_runs(const Roster *r) {
        for (size_t i = 0; i < r->n; i++)
                if (r->items[i]->scan.job || r->items[i]->build.job)
                        return true;
        return false;
}

bool roster_any_stale(const Roster *r) {
        for (size_t i = 0; i < r->n; i++)
                if (r->items[i]->volume.state == VOLUME_STALE && r->items[i]->volume.trusted)
                        return true;
        return false;
}

static unsigned roster_count(const Roster *r, bool (*holds)(const Volume *)) {
        unsigned n = 0;
        for (size_t i = 0; i < r->n; i++)
                n += holds(&r->items[i]->volume);
        return n;
}

unsigned roster_scans(const Roster *r) {
        return roster_count(r, volume_holds_scan_slot);
}

unsigned roster_builds(const Roster *r) {
        return roster_count(r, volume_holds_build_slot);
}

static bool scans_before(const Record *a, const Record *b) {
        bool a_asked = a->n_pending > 0, b_asked = b->n_pending > 0;
        return a_asked != b_asked ? a_asked : a->scan_due_since < b->scan_due_since;
}

Record *roster_next_to_scan(const Roster *r) {
        Record *first = NULL;
        for (size_t i = 0; i < r->n; i++)
                if (volume_wants_scan(&r->items[i]->volume) && (!first || scans_before(r->items[i], first)))
                        first = r->items[i];
        return first;
}

Record *roster_next_to_build(const Roster *r) {
        Record *first = NULL;
        for (size_t i = 0; i < r->n; i++) {
                Record *record = r->items[i];
                if (volume_wants_build(&record->volume) &&
                    (!first || record->stale_since < first->stale_since))
                        first = record;
        }
        return first;
}

size_t roster_without_watch(const Roster *r) {
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++)
                n += !r->items[i]->watch;
        return n;
}

size_t roster_untrusted_size(const Roster *r) {
        size_t size = 0;
        for (size_t i = 0; i < r->n; i++)
                size += r->items[i]->volume.trusted ? 0 : report_size(r->items[i]->report);
        return size;
}
