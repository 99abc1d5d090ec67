/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/wait.h"

#define GOES_ON_WAITING _OUTCOME_MAX

bool wait_rests(const Volume *v) {
        switch (v->state) {
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
                return true;
        case VOLUME_NEW:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
        case VOLUME_STALE:
        case VOLUME_BUILDING:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}

static Outcome unmount_outcome(const Volume *v) {
        return volume_busy(v) ? OUTCOME_OWED : OUTCOME_DONE;
}

static Outcome build_outcome(const Volume *v, bool well) {
        switch ((int) v->state) {
        case VOLUME_PLAIN:
                return OUTCOME_NO_MANIFEST;
        case VOLUME_REFUSED:
                return OUTCOME_REFUSED;
        case VOLUME_UNTRUSTED:
                return OUTCOME_UNTRUSTED;
        }
        return well ? OUTCOME_DONE : OUTCOME_BUILD_FAILED;
}

/* An unmount waits for the scan after the build, too, which would be in the way. */
static Outcome outcome_after_build(const Wait *w, const Milestone *m, const Volume *v) {
        if (w->what == WAIT_FOR_UNMOUNT && m->build == NOTHING_TO_BUILD)
                return unmount_outcome(v);
        if (w->what == WAIT_FOR_BUILD && w->build <= m->build)
                return build_outcome(v, m->well);
        return GOES_ON_WAITING;
}

/* Builds are held back by something that may last, and what holds them may itself wait for the unmount. */
static Outcome outcome_while_held(const Wait *w, const Volume *v) {
        bool blocked = v->holds & VOLUME_HOLD_BLOCKED, locked = v->holds & VOLUME_HOLD_LOCK;
        if (w->what == WAIT_FOR_UNMOUNT && (blocked || locked))
                return unmount_outcome(v);
        return w->what == WAIT_FOR_BUILD && blocked ? OUTCOME_BLOCKED : GOES_ON_WAITING;
}

static Outcome outcome_in_state(const Wait *w, const Volume *v) {
        if (v->state == VOLUME_STALE)
                return outcome_while_held(w, v);
        if (v->state == VOLUME_HUNG)
                return OUTCOME_HUNG;
        if (!wait_rests(v)) /* the end of what is under way will be a milestone */
                return GOES_ON_WAITING;
        if (w->what == WAIT_FOR_SCAN)
                return OUTCOME_SCANNED;
        const Milestone rest = {MILESTONE_BUILT, NOTHING_TO_BUILD, v->state == VOLUME_FRESH};
        return outcome_after_build(w, &rest, v);
}

Outcome wait_outcome(const Wait *w, const Milestone *m, const Volume *v) {
        assert(w->what == WAIT_FOR_SCAN || w->what == WAIT_FOR_BUILD || w->what == WAIT_FOR_UNMOUNT);
        switch (m->kind) {
        case MILESTONE_SCANNED:
                return w->what == WAIT_FOR_SCAN ? OUTCOME_SCANNED : GOES_ON_WAITING;
        case MILESTONE_BUILT:
                return outcome_after_build(w, m, v);
        case MILESTONE_STATE:
                return outcome_in_state(w, v);
        }
        return GOES_ON_WAITING;
}
