/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/builderspace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "builder/run/chroot.h"

void builderspace_done(BuilderSpace *space) {
        closep(&space->tree);
        buildertmp_remove(&space->tmp);
        buildertmp_done(&space->tmp);
        *space = BUILDER_SPACE_NULL;
}

int builderspace_make(int root, const char *place, char *const *words, BuilderSpace *ret) {
        assert(root >= 0 && ret);
        BuilderSpace space = BUILDER_SPACE_NULL;
        space.place = place;
        int r = chroot_clone(root, place ? MS_SLAVE : MS_PRIVATE, &space.tree);
        if (r < 0)
                return r;
        _cleanup_close_ int host = place ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        if (!place || host >= 0)
                buildertmp_make(&(BuilderTmpNeed){place ? host : root, place, words}, &space.tmp);
        *ret = space;
        return 0;
}

/* The clone is all that there is, as far as the builder can tell. Where the root cannot be exchanged (it is
 * the kernel's first one), that of the process is. */
static int become_root(int tree) {
        if (move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(tree) < 0)
                return error_origin(-errno);
        if (syscall(SYS_pivot_root, ".", ".") >= 0)
                (void) umount2(".", MNT_DETACH);
        else if (chroot(".") < 0)
                return error_origin(-errno);
        return 0;
}

static int cover_place(int tree, const char *place) {
        _cleanup_close_ int fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || move_mount(tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return error_origin(-errno);
        return 0;
}

static int enter_host(const BuilderSpace *space, const char **ret_what) {
        *ret_what = "mount namespace";
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_origin(-errno);
        int r = streq(space->place, "/") ? become_root(space->tree) : cover_place(space->tree, space->place);
        if (r < 0)
                return r;
        return chdir("/") < 0 ? error_origin(-errno) : 0;
}

int builderspace_enter(const BuilderSpace *space, const char **ret_what) {
        assert(space->tree >= 0 && ret_what);
        int r = space->place ? enter_host(space, ret_what) : chroot_enter(space->tree, ret_what);
        if (r >= 0)
                buildertmp_attach(&space->tmp);
        return r;
}
