/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A Landlock ruleset without rules: everything it handles is forbidden everywhere. Reading is not handled, so
 * it is unaffected, even in mounts that no path leads to. ioctl(2) on devices is not handled either: libblkid
 * queries the size of block devices; syscalls.c says with which calls.
 *
 * The rights are given by number, because the kernel headers of the build machine may be older than the
 * running kernel. landlock(7). */

#include "scan/landlock.h"

#include <linux/landlock.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/util.h"

/* as in the kernel since version 6; older ones accept the beginning of it */
typedef struct Ruleset {
        uint64_t handled_fs, handled_net, scoped;
} Ruleset;

#define BIT(n) (UINT64_C(1) << (n))

/* What each version of the interface can forbid. */
static const struct {
        int since;
        Ruleset rights;
} table[] = {
        {1, {.handled_fs = BIT(0) | BIT(1)}},                   /* run, write a file */
        {1, {.handled_fs = BIT(4) | BIT(5)}},                   /* remove a directory, a file */
        {1, {.handled_fs = BIT(6) | BIT(7) | BIT(8) | BIT(9)}}, /* make a device, directory, file, socket */
        {1, {.handled_fs = BIT(10) | BIT(11) | BIT(12)}},       /* make a fifo, block device, symbolic link */
        {2, {.handled_fs = BIT(13)}},                           /* rename or link between directories */
        {3, {.handled_fs = BIT(14)}},                           /* truncate */
        {4, {.handled_net = BIT(0) | BIT(1)}},                  /* bind, connect by TCP */
        {6, {.scoped = BIT(0) | BIT(1)}},                       /* abstract Unix sockets, signals to others */
};

/* 0: this kernel has no Landlock, or it is disabled. */
static int supported_version(void) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        return version < 0 ? 0 : (int) version;
}

static size_t ruleset_size(int version) {
        return version >= 6   ? sizeof(Ruleset)
               : version >= 4 ? offsetof(Ruleset, scoped)
                              : offsetof(Ruleset, handled_net);
}

int landlock_enter(void) {
        Ruleset all = {};
        int version = supported_version();
        if (version == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (version >= table[i].since) {
                        all.handled_fs |= table[i].rights.handled_fs;
                        all.handled_net |= table[i].rights.handled_net;
                        all.scoped |= table[i].rights.scoped;
                }
        _cleanup_close_ int fd = (int) syscall(SYS_landlock_create_ruleset, &all, ruleset_size(version), 0);
        if (fd < 0)
                return error_origin(-errno);
        return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? error_origin(-errno) : 0;
}
