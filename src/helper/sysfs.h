/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Block devices as sysfs shows them. A device is given by its own folder there, with links resolved. It may
 * go away at any moment: reading it then gives one of the errors that sysfs_is_gone() knows. */

#include <sys/types.h>

#include "base/util.h"

bool sysfs_is_gone(int r);

int sysfs_read_number(const char *directory, const char *name, uint64_t *ret);
int sysfs_read_devno(const char *directory, dev_t *ret);

/* The names in DIRECTORY/NAME as a strv, sorted; none if it is missing. */
int sysfs_list(const char *directory, const char *name, char ***ret);

/* The folder that the link DIRECTORY/NAME points to; NAME may have several parts. */
int sysfs_follow(const char *directory, const char *name, char **ret);

/* The kernel's name of the device of DIRECTORY, `sda1`, `cciss/c0d0`. */
int sysfs_device_name(const char *directory, char **ret);

bool sysfs_is_partition(const char *directory);
