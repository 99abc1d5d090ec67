/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Allocations that fail in turn. The linker puts wrappers in the place of every function of libc, and of some
 * other libraries, by which our code gets memory (allocations.c, meson.build): a call is made again and
 * again, and in the N-th run the N-th of its allocations fails, until there is a run in which none does. What
 * libraries allocate inside does not fail: libxml2 2.9 itself crashes then. */

#include "fixture.h"

/* Makes the call. On success it releases what the call handed out, and returns 0 or more; on failure it
 * checks that the call left its outputs alone, and returns the errno. It must do the same in every run. */
typedef int (*allocations_call_t)(void *userdata);

/* Every failure must end in -ENOMEM, without a leak of memory or descriptors. At least one allocation is
 * expected. */
void allocations_fail_in_turn(allocations_call_t call, void *userdata);

/* The same for what may do without: a failure ends in -ENOMEM or in success. */
void allocations_fail_or_cope(allocations_call_t call, void *userdata);

/* The same where each run has to begin at the same state, which PREPARE makes. */
typedef struct AllocationsCase {
        void (*prepare)(void *userdata);
        allocations_call_t call;
        void *userdata;
} AllocationsCase;

void allocations_fail_or_cope_prepared(const AllocationsCase *c);

/* An output that was not touched. */
#define UNTOUCHED ((void *) 0x5a5a5a5a)

/* How a call ends that hands out OUTPUT, which was UNTOUCHED before: R. */
#define OUTCOME(r, output, release)                                                                          \
        ({                                                                                                   \
                int _outcome = (r);                                                                          \
                if (_outcome < 0)                                                                            \
                        assert_ptr_equal(output, UNTOUCHED);                                                 \
                else                                                                                         \
                        (void) release(output);                                                              \
                _outcome;                                                                                    \
        })
/* The same for free(3) and others that return nothing. */
#define OUTCOME_FREE(r, output) OUTCOME(r, output, freed)
static inline void *freed(void *p) {
        free(p);
        return NULL;
}
