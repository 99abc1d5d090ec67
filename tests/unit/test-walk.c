/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/walk.h"

#include "walkworld.h"

static void root_is_a_tree_too(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "a/b", "");
        assert_int_equal(walk(s, "/", &seen, NULL), 0);
        assert_string_equal(seen.text, "/\n/a\n/a/b\n");
}

/* A directory taken whole is examined after it is armed as such. */
static int open_up(int fd, ArmKind kind, void *userdata) {
        const Scratch *s = userdata;
        if (kind == ARM_TREE)
                assert_int_equal(fchmodat(s->fd, "t", 0711, 0), 0);
        return 0;
}

static int mode_of_first(const WalkEntry *entry, void *userdata) {
        *(mode_t *) userdata = entry->stx->stx_mode;
        return 1;
}

static void directory_is_examined_after_it_is_armed(void **state) {
        const Scratch *s = *state;
        mode_t mode = 0;
        assert_int_equal(mkdirat(s->fd, "t", 0755), 0);
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){open_up, (void *) s}}, "/t",
                                     &(Visitor){mode_of_first, &mode}),
                         1);
        assert_int_equal(mode, S_IFDIR | 0711);
}

static int arm_nothing_left(int fd, ArmKind kind, void *userdata) {
        return kind == ARM_TREE ? -ENOSPC : 0;
}

static void failing_arm_ends_the_walk(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        scratch_write(s, "t/a", "");
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){arm_nothing_left, NULL}}, "/t", &(Visitor){count, &n}),
                -ENOSPC);
}

static void mounts_are_not_entered(void **state) {
        Scratch *s = *state;
        char source[128], target[128];
        Seen tmpfs, bound;
        Armed armed = {};
        scratch_unshare(s);
        scratch_write(s, "t/mnt/below", "");
        scratch_write(s, "t/z", "");
        scratch_write(s, "foreign/file", "");
        (void) snprintf(source, sizeof(source), "%s/foreign", s->path);
        (void) snprintf(target, sizeof(target), "%s/t/mnt", s->path);
        assert_int_equal(mount("tmpfs", target, "tmpfs", 0, NULL), 0);
        scratch_write(s, "t/mnt/inside", "");
        int r = walk(s, "/t", &tmpfs, NULL);
        int inside = walk(s, "/t/mnt/inside", &bound, &armed);
        Armed link_armed = {};
        Seen linked;
        assert_int_equal(symlinkat("t/mnt/inside", s->fd, "link"), 0);
        int by_link = walk(s, "/link", &linked, &link_armed);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
        assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
        int r2 = walk(s, "/t", &bound, NULL);
        assert_int_equal(umount2(target, MNT_DETACH), 0); /* before anything can fail */
        assert_int_equal(r, 0);
        assert_int_equal(inside, -EXDEV);
        assert_int_equal(by_link, -EXDEV);
        assert_string_equal(linked.text, "/link -> t/mnt/inside (broken)\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ncovered /t\n");
        assert_int_equal(r2, 0);
        assert_string_equal(tmpfs.text, "/t\n/t/mnt\n/t/z\n");
        assert_string_equal(bound.text, "/t\n/t/mnt\n/t/z\n");
}

static void own_state_is_never_visited(void **state) {
        const Scratch *s = *state;
        Seen seen;
        Armed armed = {};
        scratch_write(s, "var/lib/bootkeep/caches/a.stamp", "");
        scratch_write(s, "var/lib/bootkeeper", "");
        assert_int_equal(symlinkat("/var/lib", s->fd, "link"), 0);
        assert_int_equal(walk(s, "/var", &seen, &armed), 0);
        assert_string_equal(seen.text, "/var\n/var/lib\n/var/lib/bootkeeper\n");
        assert_null(strstr(armed.text, "bootkeep\n"));
        assert_int_equal(walk(s, "/link", &seen, NULL), 0);
        assert_string_equal(seen.text, "/link -> /var/lib\n/var/lib\n/var/lib/bootkeeper\n");
        assert_int_equal(walk(s, "/link/bootkeep/caches", &seen, NULL), 0);
        assert_string_equal(seen.text, "/link -> /var/lib\n");
        assert_int_equal(walk(s, "/var/lib/bootkeep", &seen, NULL), 0);
        assert_string_equal(seen.text, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                walk_test(root_is_a_tree_too),         walk_test(directory_is_examined_after_it_is_armed),
                walk_test(failing_arm_ends_the_walk),  walk_test(mounts_are_not_entered),
                walk_test(own_state_is_never_visited),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
