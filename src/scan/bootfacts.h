/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel and the firmware tell about the boot that runs. */

#include "freshness/booted.h"

/* Where efivarfs is. */
#define BOOT_FACTS_EFIVARS "/sys/firmware/efi/efivars"

/* EFIVARS: the directory of the firmware's variables; where it is missing, or a variable is not what
 * systemd-boot writes, the boot loader told nothing. Negative errno if the kernel does not say which boot
 * this is. */
int boot_facts_read(const char *efivars, BootFacts *ret);
