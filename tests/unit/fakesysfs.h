/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A sysfs of plain folders and links below the scratch folder, as the kernel would show devices that this
 * machine does not have. Their numbers, 4095:N, belong to none, so nothing is ever opened. */

#include <sys/sysmacros.h>

#include "scratch.h"

#define FAKE_MAJOR 4095U

/* The device 4095:NUMBER, whose folder is devices/PATH. */
static inline void sysfs_add_device(const Scratch *s, const char *path, unsigned number) {
        shell("set -e; cd %s; mkdir -p dev/block class/block devices/%s; echo %u:%u >devices/%s/dev;"
              "ln -s ../../devices/%s dev/block/%u:%u; ln -s ../../devices/%s class/block/",
              s->path, path, FAKE_MAJOR, number, path, path, FAKE_MAJOR, number, path);
}

static inline void sysfs_add_disk(const Scratch *s, const char *path, unsigned number) {
        sysfs_add_device(s, path, number);
        shell("mkdir %s/devices/%s/slaves", s->path, path);
}

/* PATH is `sda/sda1`. */
static inline void sysfs_add_partition(const Scratch *s, const char *path, unsigned number) {
        sysfs_add_device(s, path, number);
        shell("echo 1 >%s/devices/%s/partition", s->path, path);
}

/* The disk TOP is made of SLAVE, among others. */
static inline void sysfs_add_slave(const Scratch *s, const char *top, const char *slave) {
        shell("ln -s ../../%s %s/devices/%s/slaves/", slave, s->path, top);
}
