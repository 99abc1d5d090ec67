/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/inodeset.h"

#include "fixture.h"

static struct statx inode(uint64_t ino, uint32_t device, int64_t born) {
        struct statx stx = {.stx_ino = ino, .stx_dev_minor = device, .stx_mask = STATX_BTIME};
        stx.stx_btime.tv_sec = born;
        return stx;
}

static void what_is_new_is_told_once(void **state) {
        _cleanup_(inodeset_done) InodeSet set = {};
        const struct statx a = inode(1, 1, 1), b = inode(1, 2, 1), again = inode(1, 1, 2);
        assert_int_equal(inodeset_add(&set, &a, 1), 1);
        assert_int_equal(inodeset_add(&set, &a, 1), 0);
        assert_int_equal(inodeset_add(&set, &a, 1 | 4), 1);
        assert_int_equal(inodeset_add(&set, &a, 4), 0);
        assert_int_equal(inodeset_add(&set, &b, 4), 1);
        assert_int_equal(inodeset_add(&set, &again, 4), 1);
        assert_int_equal(set.n, 3);
}

static void many_are_kept_apart(void **state) {
        _cleanup_(inodeset_done) InodeSet set = {};
        for (int round = 0; round < 2; round++)
                for (uint64_t ino = 0; ino < 100000; ino++) {
                        const struct statx stx = inode(ino, 7, 0);
                        if (inodeset_add(&set, &stx, 2) != (round == 0))
                                fail_msg("inode %llu", (unsigned long long) ino);
                }
        assert_int_equal(set.n, 100000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_new_is_told_once),
                cmocka_unit_test(many_are_kept_apart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
