/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of it: the scan that asks, and the build-side process that opens the stamps for it. */

/* tests: scan/uncover.c builder/opener.c */

#include "builder/opener.h"

#include <bootkeep.h>
#include <sys/wait.h>

#include "base/fdpass.h"
#include "disk.h"
#include "scan/uncover.h"

#define STATE BOOTKEEP_VOLUME_STATE

/* A volume at SCRATCH/mnt with something mounted over its stamps, and the socket of a scan. */
typedef struct World {
        Disk disk;
        char mnt[96], socket[96];
} World;

static void world_start(World *w, Scratch *s) {
        scratch_unshare(s);
        disk_attach(&w->disk, s, "20M", NULL, false);
        (void) snprintf(w->mnt, sizeof(w->mnt), "%s/mnt", s->path);
        (void) snprintf(w->socket, sizeof(w->socket), "%s/socket", s->path);
        shell("mkfs.ext4 -q %s && mkdir %s && mount %s %s && mkdir -p %s/var", w->disk.node, w->mnt,
              w->disk.node, w->mnt, w->mnt);
}

static void world_cover(const World *w) {
        shell("mount -t tmpfs tmpfs %s/var && mkdir -p %s" STATE "/of-the-tmpfs", w->mnt, w->mnt);
}

static void world_end(World *w) {
        shell("umount -R %s", w->mnt);
        disk_detach(&w->disk);
}

static int open_stamps(const World *w) {
        Root *root = NULL;
        int r = root_open(w->mnt, 0, &root);
        return opener_run(r, root, w->socket);
}

/* Opens the stamps for whoever asks. */
static pid_t start_opener(const World *w) {
        (void) fflush(stdout);
        pid_t pid = fork();
        if (pid != 0)
                return pid;
        while (access(w->socket, F_OK) < 0) /* whoever runs a scan reads its record instead */
                usleep(1000);
        int status;
        do
                status = open_stamps(w);
        while (status == BOOTKEEP_BUILD_FAILED && access(w->socket, F_OK) >= 0); /* it does not listen yet */
        _exit(status);
}

/* What a scan sees that may not look itself. Returns its result; *RET_STATE is the state it has then,
 * *RET_MARK whether that is the volume's own. */
static int ask(const World *w, int *ret_state, bool *ret_mark) {
        char text[128] = "";
        Root *root = NULL;
        FILE *f = fmemopen(text, sizeof(text), "w");
        assert_int_equal(root_open(w->mnt, 0, &root), 0);
        closep(&root->state_fd);
        root->state_fd = -EXDEV;
        pid_t pid = start_opener(w);
        int status, r = uncover_state(root, w->socket, f);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        (void) fclose(f);
        assert_string_equal(text, "UNCOVER " STATE "\n");
        *ret_state = root->state_fd;
        *ret_mark = root->state_fd >= 0 && faccessat(root->state_fd, "of-the-volume", F_OK, 0) >= 0;
        root_free(root);
        return r;
}

static void stamps_below_a_mount_are_opened_for_a_scan(void **state) {
        World w;
        int found;
        bool mark;
        world_start(&w, *state);
        shell("mkdir -p %s" STATE "/of-the-volume", w.mnt);
        world_cover(&w);
        int r = ask(&w, &found, &mark);
        int left = access(w.socket, F_OK);
        world_end(&w); /* the device is free again */
        assert_int_equal(r, 0);
        assert_true(found >= 0 && mark);
        assert_int_equal(left, -1);
}

static void stamps_that_are_not_there_are_none(void **state) {
        World w;
        int found;
        bool mark;
        world_start(&w, *state);
        world_cover(&w);
        int r = ask(&w, &found, &mark);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(found, -ENOENT);
}

static void stamps_behind_a_link_are_none(void **state) {
        World w;
        int found;
        bool mark;
        world_start(&w, *state);
        shell("mkdir -p %s/elsewhere %s/var/lib && ln -s /elsewhere %s" STATE, w.mnt, w.mnt, w.mnt);
        world_cover(&w);
        int r = ask(&w, &found, &mark);
        world_end(&w);
        assert_int_equal(r, 0);
        assert_int_equal(found, -ELOOP);
}

static void volume_that_is_gone_is_told(void **state) {
        World w;
        Root *root = NULL;
        int fd = -EBADF, listener;
        world_start(&w, *state);
        int opened = root_open(w.mnt, 0, &root);
        root_free(root);
        world_end(&w);
        assert_int_equal(opened, 0);
        assert_int_equal(fdpass_listen(w.socket, &listener), 0);
        assert_int_equal(open_stamps(&w), BOOTKEEP_BUILD_SUCCESS);
        assert_int_equal(fdpass_receive(listener, USEC_INFINITY / 2, &fd), -EINVAL);
        close(listener);
}

static void nobody_who_listens_is_a_failure(void **state) {
        World w;
        world_start(&w, *state);
        int status = open_stamps(&w);
        world_end(&w);
        assert_int_equal(status, BOOTKEEP_BUILD_FAILED);
}

static void scan_that_cannot_listen_goes_on_without(void **state) {
        Root root = {.state_fd = -EXDEV};
        assert_int_equal(uncover_state(&root, "/nonexistent/socket", stdout), -ENOENT);
        assert_int_equal(root.state_fd, -EXDEV);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(stamps_below_a_mount_are_opened_for_a_scan),
                scratch_test(stamps_that_are_not_there_are_none),
                scratch_test(stamps_behind_a_link_are_none),
                scratch_test(volume_that_is_gone_is_told),
                scratch_test(nobody_who_listens_is_a_failure),
                scratch_test(scan_that_cannot_listen_goes_on_without),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
