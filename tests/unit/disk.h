/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A real disk in a loop device, for tests that need root. The device always belongs to an image in the
 * scratch folder, never to the machine. */

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "scratch.h"

typedef struct Disk {
        char node[32]; /* /dev/loop7 */
        char name[16]; /* loop7 */
        bool partitioned;
        int own; /* its number if the device was made for this test; 0: it was a free one */
} Disk;

/* Reads the first line that COMMAND prints. */
static inline void shell_line(const char *command, char *ret, size_t size) {
        FILE *f = popen(command, "re");
        assert_non_null(f);
        assert_non_null(fgets(ret, (int) size, f));
        ret[strcspn(ret, "\n")] = 0;
        assert_int_equal(pclose(f), 0);
}

/* Attaches an image of SIZE (in the notation of truncate(1)). TABLE is the input of sfdisk; NULL: no
 * partitions. KNOWN: the kernel is told about the partitions. */
static inline void disk_attach(Disk *d, const Scratch *s, const char *size, const char *table, bool known) {
        char command[128];
        *d = (Disk){};
        if (geteuid() != 0)
                skip();
        shell("truncate -s %s %s/disk", size, s->path);
        if (table)
                shell("printf '%s' | sfdisk -q %s/disk", table, s->path);
        (void) snprintf(command, sizeof(command), "losetup -f --show %s/disk", s->path);
        shell_line(command, d->node, sizeof(d->node));
        assert_non_null(startswith(d->node, "/dev/loop"));
        (void) snprintf(d->name, sizeof(d->name), "%s", d->node + strlen("/dev/"));
        d->partitioned = table && known;
        if (d->partitioned) /* a test that was killed may have left some, which something may have open */
                shell("for i in 1 2 3 4 5 6 7 8 9; do partx -d %s 2>/dev/null; partx -a %s && exit; sleep "
                      "0.2; "
                      "done; exit 1",
                      d->node, d->node);
}

static inline int loop_control(unsigned long request, int number) {
        _cleanup_close_ int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        return ioctl(fd, request, number);
}

/* The same with a device made for this test, numbered above all others: the test may detach it for a moment
 * without anything that looks for a free device taking it. */
static inline void disk_attach_own(Disk *d, const Scratch *s, const char *size) {
        *d = (Disk){};
        if (geteuid() != 0)
                skip();
        d->own = 50000 + getpid() % 30000;
        assert_int_equal(loop_control(LOOP_CTL_ADD, d->own), d->own);
        (void) snprintf(d->node, sizeof(d->node), "/dev/loop%i", d->own);
        (void) snprintf(d->name, sizeof(d->name), "loop%i", d->own);
        shell("truncate -s %s %s/disk && losetup %s %s/disk", size, s->path, d->node, s->path);
}

static inline void disk_detach(Disk *d) {
        /* udev and others that probe new disks may keep one open for a moment, which is not a fault of the
         * test */
        if (d->partitioned)
                shell("for i in 1 2 3 4 5 6 7 8 9; do partx -d %s 2>/dev/null && exit; sleep 0.2; done; "
                      "partx -d %s",
                      d->node, d->node);
        if (*d->node)
                shell("losetup -d %s", d->node);
        for (int i = 0; d->own > 0 && loop_control(LOOP_CTL_REMOVE, d->own) < 0 && i < 50; i++)
                shell("sleep 0.1"); /* for the same reason */
        *d = (Disk){};
}

/* The same device with the content of IMAGE. udevd may be probing it for a moment, which makes it busy. */
static inline void disk_change_medium(const Disk *d, const char *image) {
        shell("losetup -d %s; for i in 1 2 3 4 5 6 7 8 9; do losetup %s %s 2>/dev/null && exit; "
              "udevadm settle --timeout=10; done; losetup %s %s",
              d->node, d->node, image, d->node, image);
}

static inline dev_t disk_devno(const char *node) {
        struct stat st;
        assert_int_equal(stat(node, &st), 0);
        return st.st_rdev;
}
