/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/tree fails in turn. */

#include "allocations.h"

#include <bootkeep.h>
#include <sys/xattr.h>

#include "disk.h"
#include "fixture.h"

#include "tree/attributes.h"
#include "tree/contain.h"
#include "tree/fingerprint.h"
#include "tree/root.h"
#include "tree/walk.h"

/* contain */

static int open_parent(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = -EBADF;
        char *name = UNTOUCHED;
        return OUTCOME_FREE(contain_open_parent(s->fd, "/d/e/file", &fd, &name), name);
}

static int make_parent(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = -EBADF;
        char *name = UNTOUCHED;
        return OUTCOME_FREE(contain_make_parent(s->fd, "/d/new/file", 0755, &fd, &name), name);
}

static int read_file(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = openat(s->fd, "d/e/file", O_PATH | O_CLOEXEC);
        char *text = UNTOUCHED;
        return OUTCOME_FREE(contain_read(fd, 4096, &text, NULL), text);
}

static void contained_opens_leave_nothing_open(void **state) {
        Scratch *s = *state;
        scratch_write(s, "d/e/file", "text");
        allocations_fail_in_turn(open_parent, s);
        allocations_fail_in_turn(make_parent, s);
        allocations_fail_in_turn(read_file, s);
}

/* walk, fingerprint */

static int arm_nothing(int fd, ArmKind kind, void *userdata) {
        return 0;
}

static int resolve(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = -EBADF;
        char *path = UNTOUCHED;
        int r = walk_resolve(&(Walk){s->fd, &(Arm){arm_nothing, NULL}}, "/link/e/file", NULL, &fd, &path);
        return OUTCOME_FREE(r, path);
}

static int describe_entry(const WalkEntry *entry, void *userdata) {
        char *text = UNTOUCHED;
        fingerprint_add(userdata, entry, true);
        return OUTCOME_FREE(fingerprint_describe(entry, true, &text), text);
}

static int fingerprint_source(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        if (!h)
                return -ENOMEM;
        return walk_source(&(Walk){s->fd, &(Arm){arm_nothing, NULL}}, "/link", &(Visitor){describe_entry, h});
}

static int see_nothing(const WalkEntry *entry, void *userdata) {
        return 0;
}

static int walk_to_nowhere(void *userdata) {
        const Scratch *s = userdata;
        int r = walk_source(&(Walk){s->fd, &(Arm){arm_nothing, NULL}}, "/link/missing/file",
                            &(Visitor){see_nothing, NULL});
        return r == -ENOENT ? 0 : r;
}

static int fingerprint_of_content(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = openat(s->fd, "d/e/file", O_RDONLY | O_CLOEXEC);
        Fingerprint f = {{7}};
        int r = fingerprint_content(fd, NULL, NULL, &f, NULL);
        if (r < 0)
                assert_int_equal(f.bytes[0], 7);
        return r;
}

static int fingerprint_of_attributes(void *userdata) {
        const Scratch *s = userdata;
        _cleanup_close_ int fd = openat(s->fd, "d/e/file", O_RDONLY | O_CLOEXEC);
        Fingerprint f = {{7}};
        (void) fsetxattr(fd, "user.a", "1", 1, 0);
        int r = attributes_add(fd, &f);
        if (r < 0)
                assert_int_equal(f.bytes[0], 7);
        return r;
}

static void walks_end_with_the_error(void **state) {
        Scratch *s = *state;
        scratch_write(s, "d/e/file", "text");
        scratch_write(s, "d/e/other", "");
        scratch_write(s, "d/f/third", "");
        make_link(s, "d/inside", "e/file");
        make_link(s, "link", "/d");
        allocations_fail_in_turn(resolve, s);
        allocations_fail_in_turn(fingerprint_source, s);
        allocations_fail_in_turn(walk_to_nowhere, s);
        allocations_fail_in_turn(fingerprint_of_content, s);
        allocations_fail_in_turn(fingerprint_of_attributes, s);
}

/* root */

static int open_volume(void *userdata) {
        Root *root = UNTOUCHED;
        int r = root_open(userdata, 0, &root);
        if (r < 0)
                assert_ptr_equal(root, UNTOUCHED);
        else {
                r = root_make_state(root);
                assert_true(r >= 0 || root->state_fd == -ENOENT || root->state_fd >= 0);
                root_free(root);
        }
        return r;
}

static int adopt_volume(void *userdata) {
        Root *root = UNTOUCHED;
        const char *mnt = userdata;
        _cleanup_close_ int fd = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        return OUTCOME(root_adopt(&(RootDescriptors){fd, -EXDEV, mountinfo}, &root), root, root_free);
}

static void volume_is_opened_whole_or_not_at_all(void **state) {
        Scratch *s = *state;
        Disk d;
        char mnt[128];
        scratch_unshare(s);
        disk_attach(&d, s, "20M", NULL, false);
        (void) snprintf(mnt, sizeof(mnt), "%s/mnt", s->path);
        shell("mkfs.ext4 -q %s && mkdir %s && mount %s %s", d.node, mnt, d.node, mnt);
        /* without a number of its disk where that file cannot be opened */
        allocations_fail_or_cope(open_volume, mnt);
        allocations_fail_or_cope(adopt_volume, mnt);
        shell("umount %s", mnt);
        disk_detach(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(contained_opens_leave_nothing_open),
                scratch_test(walks_end_with_the_error),
                scratch_test(volume_is_opened_whole_or_not_at_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
