/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/chance.h"

bool chance_needs_hurry(const Volume *v) {
        switch (v->state) {
        case VOLUME_NEW:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
        case VOLUME_STALE:
        case VOLUME_BUILDING:
        case VOLUME_FAILED:
                return v->trusted;
        case VOLUME_FRESH:
        case VOLUME_REFUSED:
                return v->trusted && (v->unwatched || v->unlocked || v->changed);
        case VOLUME_PLAIN:
        case VOLUME_UNTRUSTED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}

bool chance_is_pending(const Volume *v) {
        if (!v->trusted)
                return false;
        switch (v->state) {
        case VOLUME_NEW:
        case VOLUME_SETTLING:
        case VOLUME_SCANNING:
        case VOLUME_BUILDING:
                return true;
        case VOLUME_STALE:
                return !(v->holds & VOLUME_HOLD_BLOCKED);
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}

bool chance_is_owed(const Volume *v) {
        if (!v->trusted)
                return false;
        switch (v->state) {
        case VOLUME_SETTLING:
        case VOLUME_STALE:
        case VOLUME_BUILDING:
        case VOLUME_FAILED:
        case VOLUME_GIVEN_UP:
        case VOLUME_HUNG:
                return true;
        case VOLUME_SCANNING:
                return v->owed;
        case VOLUME_NEW:
        case VOLUME_PLAIN:
        case VOLUME_REFUSED:
        case VOLUME_UNTRUSTED:
        case VOLUME_FRESH:
        case _VOLUME_STATE_MAX:
                return false;
        }
        return false;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) {
        uint64_t sum;
        return __builtin_add_overflow(a, b, &sum) ? USEC_INFINITY - 1 : MIN(sum, USEC_INFINITY - 1);
}

static uint64_t end_in_silence(const Chance *c, uint64_t sign_of_life) {
        return add_saturated(MAX(c->begun, sign_of_life), c->patience);
}

static uint64_t end_in_any_case(const Chance *c) {
        uint64_t all;
        if (__builtin_mul_overflow(c->patience, CHANCE_TOTAL, &all))
                all = USEC_INFINITY - 1;
        return add_saturated(c->begun, all);
}

uint64_t chance_end(const Chance *c, uint64_t sign_of_life) {
        return MIN(end_in_any_case(c), end_in_silence(c, sign_of_life));
}

bool chance_ends_in_silence(const Chance *c, uint64_t sign_of_life) {
        return end_in_silence(c, sign_of_life) < end_in_any_case(c);
}
