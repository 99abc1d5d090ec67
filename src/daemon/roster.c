/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/roster.h"

#include "base/error.h"
#include "daemon/match.h"

void roster_done(Roster *roster) {
        for (size_t i = 0; i < roster->n; i++)
                record_free(roster->items[i]);
        free(roster->items);
        *roster = ROSTER_NULL;
}

int roster_add(Roster *roster, Record *record) {
        assert(!roster_find(roster, record->name));
        if (grow(roster->items, roster->n) < 0)
                return error_origin(-ENOMEM);
        roster->items[roster->n++] = record;
        return 0;
}

void roster_take(Roster *roster, const Record *record) {
        size_t i = 0;
        while (i < roster->n && roster->items[i] != record)
                i++;
        assert(i < roster->n);
        memmove(roster->items + i, roster->items + i + 1, (roster->n - i - 1) * sizeof(*roster->items));
        roster->n--;
}

bool roster_has(const Roster *roster, const Record *record) {
        for (size_t i = 0; i < roster->n; i++)
                if (roster->items[i] == record)
                        return true;
        return false;
}

Record *roster_find(const Roster *roster, const char *name) {
        for (size_t i = 0; i < roster->n; i++)
                if (streq(roster->items[i]->name, name))
                        return roster->items[i];
        return NULL;
}

Record *roster_look_up(const Roster *roster, const char *argument) {
        Record *named = roster_find(roster, argument);
        if (named)
                return named;
        for (size_t i = 0; i < roster->n; i++)
                if (match_volume(roster->items[i], argument))
                        return roster->items[i];
        return NULL;
}

Record *roster_next(const Roster *roster, const Record *record) {
        size_t i = 0;
        if (record) {
                while (i < roster->n && roster->items[i] != record)
                        i++;
                i++;
        }
        return i < roster->n ? roster->items[i] : NULL;
}

int roster_busy(const Roster *roster, char ***ret) {
        _cleanup_strv_free_ char **busy = NULL;
        for (size_t i = 0; i < roster->n; i++)
                if (volume_busy(&roster->items[i]->volume) && strv_extend(&busy, roster->items[i]->name) < 0)
                        return error_origin(-ENOMEM);
        *ret = TAKE_PTR(busy);
        return 0;
}

bool roster_any_runs(const Roster *roster) {
        for (size_t i = 0; i < roster->n; i++)
                if (roster->items[i]->scan.job || roster->items[i]->build.job ||
                    roster->items[i]->opening.running.job)
                        return true;
        return false;
}

bool roster_any_busy(const Roster *roster) {
        for (size_t i = 0; i < roster->n; i++)
                if (volume_busy(&roster->items[i]->volume))
                        return true;
        return false;
}

bool roster_any_stale(const Roster *roster) {
        for (size_t i = 0; i < roster->n; i++)
                if (roster->items[i]->volume.state == VOLUME_STALE && roster->items[i]->volume.trusted)
                        return true;
        return false;
}

unsigned roster_scans(const Roster *roster) {
        unsigned n = 0;
        for (size_t i = 0; i < roster->n; i++)
                n += volume_holds_scan_slot(&roster->items[i]->volume);
        return n;
}

unsigned roster_builds(const Roster *roster) {
        unsigned n = 0;
        for (size_t i = 0; i < roster->n; i++)
                n += volume_holds_build_slot(&roster->items[i]->volume) &&
                     !record_build_waits(roster->items[i]);
        return n;
}

static bool is_left_alone(const Record *record, uint64_t now) {
        return TAILQ_EMPTY(&record->waiters) && now < record->left_alone_until;
}

static bool waits_for_scan(const Record *record, uint64_t now) {
        return volume_wants_scan(&record->volume) && !is_left_alone(record, now);
}

/* USEC_INFINITY: nobody waits. */
static uint64_t longest_wait_since(const Roster *roster, uint64_t now) {
        uint64_t since = USEC_INFINITY;
        for (size_t i = 0; i < roster->n; i++)
                if (waits_for_scan(roster->items[i], now))
                        since = MIN(since, roster->items[i]->scan_due_since);
        return since;
}

/* One that a client waits for comes before others, but only once while any of them waits: a client that
 * requests scans without end must not starve them. */
static bool jumps_queue(const Record *record, uint64_t longest) {
        return !TAILQ_EMPTY(&record->waiters) && record->volume.scanned_at < longest;
}

static bool scans_before(const Record *a, const Record *b, uint64_t longest) {
        bool a_jumps = jumps_queue(a, longest), b_jumps = jumps_queue(b, longest);
        return a_jumps != b_jumps ? a_jumps : a->scan_due_since < b->scan_due_since;
}

uint64_t roster_next_scan_time(const Roster *roster, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        for (size_t i = 0; i < roster->n; i++)
                if (volume_wants_scan(&roster->items[i]->volume) && is_left_alone(roster->items[i], now))
                        next = MIN(next, roster->items[i]->left_alone_until);
        return next;
}

Record *roster_next_to_scan(const Roster *roster, uint64_t now) {
        uint64_t longest = longest_wait_since(roster, now);
        Record *first = NULL;
        for (size_t i = 0; i < roster->n; i++)
                if (waits_for_scan(roster->items[i], now) &&
                    (!first || scans_before(roster->items[i], first, longest)))
                        first = roster->items[i];
        return first;
}

Record *roster_next_to_build(const Roster *roster) {
        Record *first = NULL;
        for (size_t i = 0; i < roster->n; i++) {
                Record *record = roster->items[i];
                if (volume_wants_build(&record->volume) &&
                    (!first || record->stale_since < first->stale_since))
                        first = record;
        }
        return first;
}

size_t roster_without_watch(const Roster *roster) {
        size_t n = 0;
        for (size_t i = 0; i < roster->n; i++)
                n += !roster->items[i]->watch;
        return n;
}

size_t roster_untrusted_size(const Roster *roster, const Record *except) {
        size_t size = 0;
        for (size_t i = 0; i < roster->n; i++)
                if (!roster->items[i]->volume.trusted && roster->items[i] != except)
                        size += report_size(roster->items[i]->report);
        return size;
}
