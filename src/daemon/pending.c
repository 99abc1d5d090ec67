/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/pending.h"

#include "base/error.h"
#include "daemon/answer.h"

/* How long a volume is not held again after it was prepared for unmounting. */
#define UNPINNED_USEC (10 * USEC_PER_SEC)

int pending_add(Record *r, BusVerb verb, BusCall *call) {
        if (grow(r->pending, r->n_pending) < 0)
                return error_origin(-ENOMEM);
        /* preparing for an unmount includes the scan after the build, which would be in the way */
        r->pending[r->n_pending++] = (Pending){
                .call = sd_bus_message_ref(call),
                .verb = verb,
                .build = verb == BUS_PREPARE_UNMOUNT ? UINT64_MAX : r->builds + 1,
        };
        return 0;
}

/* Keeps those that are not ANSWERED, in order. There may be tens of thousands. */
static void answer_some(Record *r, bool (*answered)(Record *, const Pending *, const void *),
                        const void *how) {
        size_t kept = 0;
        for (size_t i = 0; i < r->n_pending; i++)
                if (answered(r, &r->pending[i], how))
                        sd_bus_message_unref(r->pending[i].call);
                else
                        r->pending[kept++] = r->pending[i];
        r->n_pending = kept;
}

static bool answered_scan(Record *r, const Pending *p, const void *verdict) {
        if (p->verb == BUS_SCAN)
                bus_reply_string(p->call, verdict);
        return p->verb == BUS_SCAN;
}

void pending_answer_scans(Record *r, const char *verdict) {
        answer_some(r, answered_scan, verdict);
}

static void answer_prepare(Record *r, BusCall *call) {
        if (volume_busy(&r->volume))
                answer(call, OUTCOME_OWED, r->name,
                       isempty(r->reason) ? volume_state_to_string(r->volume.state) : r->reason);
        else {
                r->unpinned_until = now_usec() + UNPINNED_USEC;
                answer_done(call);
        }
}

static bool answered_prepare(Record *r, const Pending *p, const void *how) {
        if (p->verb == BUS_PREPARE_UNMOUNT)
                answer_prepare(r, p->call);
        return p->verb == BUS_PREPARE_UNMOUNT;
}

static void answer_rebuild(Record *r, BusCall *call, bool built_well) {
        switch (r->volume.state) {
        case VOLUME_PLAIN:
                answer(call, OUTCOME_NO_MANIFEST, r->name, NULL);
                return;
        case VOLUME_REFUSED:
                answer(call, OUTCOME_REFUSED, r->name, r->problem);
                return;
        case VOLUME_UNTRUSTED:
                answer(call, OUTCOME_UNTRUSTED, r->name, NULL);
                return;
        case VOLUME_NEW:
        case VOLUME_FRESH:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
        case VOLUME_STALE:
        case VOLUME_BUILDING:
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                break;
        }
        if (built_well)
                answer_done(call);
        else
                answer(call, OUTCOME_BUILD_FAILED, r->name, r->problem);
}

typedef struct Built {
        uint64_t build;
        bool well;
} Built;

static bool answered_rebuild(Record *r, const Pending *p, const void *how) {
        const Built *b = how;
        if (p->verb == BUS_SCAN || p->build > b->build)
                return false;
        if (p->verb == BUS_PREPARE_UNMOUNT)
                answer_prepare(r, p->call);
        else
                answer_rebuild(r, p->call, b->well);
        return true;
}

void pending_answer_rebuilds(Record *r, uint64_t build, bool well) {
        answer_some(r, answered_rebuild, &(Built){build, well});
}

static bool answered_hung(Record *r, const Pending *p, const void *how) {
        answer(p->call, OUTCOME_HUNG, r->name, NULL);
        return true;
}

/* Calls that wait for a build that may not be started. */
static bool answered_blocked(Record *r, const Pending *p, const void *how) {
        if (p->verb == BUS_PREPARE_UNMOUNT)
                answer_prepare(r, p->call);
        else
                answer(p->call, OUTCOME_BLOCKED, NULL, record_block(r));
        return true;
}

void pending_answer_resting(Record *r) {
        switch (r->volume.state) {
        case VOLUME_NEW:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
        case VOLUME_BUILDING:
                return; /* the end of that will */
        case VOLUME_STALE:
                if (r->volume.holds & VOLUME_HOLD_BLOCKED)
                        answer_some(r, answered_blocked, NULL);
                else if (r->volume.holds &
                         VOLUME_HOLD_LOCK) /* or its holder may be waiting for the unmount */
                        answer_some(r, answered_prepare, NULL);
                return;
        case VOLUME_HUNG:
                answer_some(r, answered_hung, NULL);
                return;
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
                pending_answer_scans(r, volume_state_to_string(r->volume.state));
                pending_answer_rebuilds(r, UINT64_MAX, r->volume.state == VOLUME_FRESH);
                return;
        case _VOLUME_STATE_MAX:
                return;
        }
}

static bool answered_gone(Record *r, const Pending *p, const void *how) {
        answer(p->call, OUTCOME_GONE, r->name, NULL);
        return true;
}

void pending_answer_gone(Record *r) {
        answer_some(r, answered_gone, NULL);
}
