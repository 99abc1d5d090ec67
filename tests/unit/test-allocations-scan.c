/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/scan fails in turn. (The sandbox makes none of its own.) */

#include "allocations.h"

#include "scan/watcher.h"

static int see_nothing(const WalkEntry *entry, void *userdata) {
        return 0;
}

static int arm_places(void *userdata) {
        const Scratch *s = userdata;
        Watcher w;
        watcher_init(&w, -EBADF);
        int r = walk_source(&(Walk){s->fd, &(Arm){watcher_arm, &w}}, "/d", &(Visitor){see_nothing, NULL});
        watcher_done(&w);
        return r;
}

static void places_are_armed_or_the_error_is_told(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "d/a/b/c/d/e", "");
        scratch_write(s, "d/f/g", "");
        allocations_fail_in_turn(arm_places, (void *) s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(places_are_armed_or_the_error_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
