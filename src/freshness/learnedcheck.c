/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/learnedcheck.h"

#include "freshness/sight.h"

typedef struct LearnedCheck {
        const Subject *subject;
        Freshness *f;
} LearnedCheck;

static int note_present(const LearnedCheck *c, const Sight *sight, Difference difference, unsigned changes) {
        _cleanup_free_ char *detail = NULL;
        const struct statx_timestamp *when = sight->item->kind == LEARNED_LIST  ? &sight->stx.stx_mtime
                                             : c->subject->context->trust_ctime ? &sight->stx.stx_ctime
                                                                                : NULL;
        int r = reason_detail_changed(changes, when, &detail);
        return r < 0 ? r : finding_note(c->f, difference, sight->item->words[0], detail);
}

static unsigned sight_changes(const Sight *sight) {
        switch (sight->item->kind) {
        case LEARNED_LIST:
                return CHANGE_NAMES;
        case LEARNED_LINK:
                return sight->now ? CHANGE_TARGET : CHANGE_REPLACED;
        case LEARNED_READ:
        case LEARNED_LOOK:
                return fingerprint_difference(sight->item->words[1], strempty(sight->now));
        case LEARNED_MISS:
        case _LEARNED_KIND_MAX:
                break;
        }
        return 0;
}

static int note_sight(const Sight *sight, void *userdata) {
        const LearnedCheck *c = userdata;
        if (sight->same || sight->covered || c->f->difference != DIFFERENCE_NONE)
                return 0;
        if (sight->stx.stx_mask == 0)
                return finding_note_absence(c->f, c->subject->context->root->fd, DIFFERENCE_GONE,
                                            sight->item->words[0]);
        return note_present(c, sight, sight->item->kind == LEARNED_MISS ? DIFFERENCE_NEW : DIFFERENCE_CHANGED,
                            sight_changes(sight));
}

int learned_compare(const Subject *subject, const Stamp *head, Freshness *f) {
        assert(subject && subject->cache && head && f);
        _cleanup_(learned_done) Learned list = LEARNED_NULL;
        LearnedCheck check = {subject, f};
        int r = learned_read(head, &list);
        if (r >= 0)
                r = free_and_strdup(&f->unlearned, learned_why_not(head, &list));
        if (r >= 0)
                r = sights_visit(subject, &list, subject->context->arm, &(SightVisitor){note_sight, &check});
        if (r < 0)
                return r;
        if (list.damaged)
                return finding_note(f, DIFFERENCE_UNREADABLE, REASON_LEARNED_LIST, REASON_DETAIL_DAMAGED);
        if (list.wanted)
                return finding_note(f, DIFFERENCE_MISSING, REASON_LEARNED_LIST, REASON_DETAIL_HANDED_OVER);
        return list.raced ? finding_note(f, DIFFERENCE_CHANGED, list.raced, REASON_DETAIL_RACED) : 0;
}
