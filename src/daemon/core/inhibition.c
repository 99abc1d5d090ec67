/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/inhibition.h"

/* With the drop-in, systemd refuses with a text; with a delay, logind would accept first, wait, and fail
 * without it. */
static bool wants_delay(const InhibitionFacts *f) {
        if (!f->kept || f->refused)
                return false;
        return !f->preparing || (f->moving && !f->reboot_locked);
}

unsigned inhibition_wanted(const InhibitionFacts *f) {
        assert(f->setting < _INHIBITION_SETTING_MAX);
        unsigned wanted = 0;
        if (f->setting == INHIBITION_NO)
                return 0;
        if (wants_delay(f))
                wanted |= INHIBITOR_DELAY;
        if (f->setting == INHIBITION_BLOCKS && f->owed && !f->reboot_locked)
                wanted |= INHIBITOR_BLOCK;
        else if (f->switching)
                wanted |= INHIBITOR_WEAK;
        return f->preparing ? wanted & f->held : wanted;
}

bool inhibition_concerns(const Volume *v) {
        return v->trusted && v->state != VOLUME_NEW && v->state != VOLUME_PLAIN &&
               v->state != VOLUME_REFUSED && v->state != VOLUME_UNTRUSTED;
}

bool inhibition_moves(const Volume *v, bool unseen) {
        return v->trusted && v->state != VOLUME_HUNG &&
               (unseen || (volume_busy(v) && v->state != VOLUME_FAILED));
}

const char *inhibitor_mode(Inhibitor kind, bool weak) {
        if (kind == INHIBITOR_DELAY)
                return "delay";
        return kind == INHIBITOR_WEAK && weak ? "block-weak" : "block";
}

static const char *const setting_names[_INHIBITION_SETTING_MAX] = {
        [INHIBITION_NO] = "no",
        [INHIBITION_DELAYS] = "delay",
        [INHIBITION_BLOCKS] = "block",
};

int inhibition_setting_from_string(const char *s, InhibitionSetting *ret) {
        for (InhibitionSetting i = 0; i < _INHIBITION_SETTING_MAX; i++)
                if (streq(s, setting_names[i])) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}
