/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Allocations that fail in turn. The linker puts wrappers in place of every function of libc, and of some
 * other libraries, through which our code gets memory (allocations.c, meson.build): a call is repeated, and
 * in the Nth run the Nth of its allocations fails, until there is a run in which none does. Allocations
 * inside of libraries do not fail: libxml2 2.9 itself would crash. */

#include "fixture.h"

/* Makes the call. On success it releases what the call returned, and returns 0 or more; on failure it checks
 * that the call did not touch its outputs, and returns the errno. It must do the same in every run. */
typedef int (*allocations_call_t)(void *userdata);

/* Every failure must end in -ENOMEM, without a leak of memory or descriptors. At least one allocation is
 * expected. */
void allocations_fail_in_turn(allocations_call_t call, void *userdata);

/* The same for calls that can do without: a failure ends in -ENOMEM or in success. */
void allocations_fail_or_cope(allocations_call_t call, void *userdata);

/* The same if each run must begin with the same state, which PREPARE creates. */
typedef struct AllocationsCase {
        void (*prepare)(void *userdata);
        allocations_call_t call;
        void *userdata;
        bool hands_over; /* memory to libraries, which release it: only LeakSanitizer can tell a leak */
} AllocationsCase;

void allocations_fail_or_cope_prepared(const AllocationsCase *c);

/* Nothing fails while the test itself does something. */
void allocations_pause(bool paused);

/* Has one failed in this run? */
bool allocations_have_failed(void);

/* An output that was not touched. */
#define UNTOUCHED ((void *) 0x5a5a5a5a)

/* The result R of a call that returns OUTPUT, which was UNTOUCHED before. */
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
