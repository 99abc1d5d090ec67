/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/helper fails in turn. (privatemount.c makes none.) */

#include "allocations.h"

#include "disk.h"

#include "helper/helperlist.h"

#define GPT                                                                                                  \
        "label: gpt\\nsize=8M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\\n"                                 \
        "size=8M, type=BC13C2FF-59E6-4262-A352-B275FD6F7172\\nsize=8M\\n"

static int list_helpers(void *userdata) {
        const dev_t *volume = userdata;
        HelperList *l = UNTOUCHED;
        int r = helper_list_new("/sys", *volume, &l);
        assert_true(r < 0 || l->n == 2); /* none is left out */
        return OUTCOME(r, l, helper_list_free);
}

static void helpers_are_found_all_or_none(void **state) {
        Scratch *s = *state;
        dev_t volume;
        Disk d;
        char node[48];
        scratch_unshare(s);
        disk_attach(&d, s, "40M", GPT, true);
        shell("mkfs.ext4 -q %sp1 2>/dev/null", d.node);
        (void) snprintf(node, sizeof(node), "%sp3", d.node);
        volume = disk_devno(node);
        allocations_fail_in_turn(list_helpers, &volume);
        disk_detach(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helpers_are_found_all_or_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
