/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/pending.h"

#include "base/error.h"

/* How long a volume is not held again after it was prepared for unmounting. */
#define UNPINNED_USEC (10 * USEC_PER_SEC)

int pending_add(Waiters *s, Record *record, WaitFor what, const Caller *caller) {
        Waiter *w = waiter_new(s, caller, record, (Wait){what, record->builds + 1});
        if (!w)
                return error_origin(-ENOMEM);
        waiter_join_queue(w, &record->waiters);
        return 0;
}

/* What there is to say about OUTCOME besides the name of the volume. */
static const char *detail_of(const Record *record, Outcome outcome) {
        switch ((int) outcome) {
        case OUTCOME_OWED:
                return isempty(record->reason) ? volume_state_to_string(record->volume.state)
                                               : record->reason;
        case OUTCOME_REFUSED:
        case OUTCOME_BUILD_FAILED:
                return record->problem;
        case OUTCOME_BLOCKED:
                return record_block(record);
        }
        return NULL;
}

static void answer_pending(Record *record, Waiter *w, Outcome outcome) {
        if (w->wait.what == WAIT_FOR_UNMOUNT && outcome == OUTCOME_DONE)
                record->unpinned_until = now_usec() + UNPINNED_USEC;
        waiter_answer(w, outcome, outcome == OUTCOME_BLOCKED ? NULL : record->name,
                      detail_of(record, outcome));
}

/* VERDICT is the reply to Scan. */
static void answer_at_milestone(Record *record, const Milestone *milestone, const char *verdict) {
        Waiter *next;
        for (Waiter *w = TAILQ_FIRST(&record->waiters); w; w = next) {
                next = TAILQ_NEXT(w, in_queue);
                Outcome outcome = wait_outcome(&w->wait, milestone, &record->volume);
                if (outcome == OUTCOME_SCANNED)
                        waiter_answer(w, outcome, NULL, verdict);
                else if (outcome != _OUTCOME_MAX)
                        answer_pending(record, w, outcome);
        }
}

void pending_answer_scans(Record *record, const char *verdict) {
        answer_at_milestone(record, &(Milestone){.kind = MILESTONE_SCANNED}, verdict);
}

void pending_answer_rebuilds(Record *record, uint64_t build, bool well) {
        answer_at_milestone(record, &(Milestone){MILESTONE_BUILT, build, well}, NULL);
}

void pending_answer_resting(Record *record) {
        const char *state = volume_state_to_string(record->volume.state);
        if (wait_rests(&record->volume))
                pending_answer_scans(record, state); /* before the others */
        answer_at_milestone(record, &(Milestone){.kind = MILESTONE_STATE}, state);
}
