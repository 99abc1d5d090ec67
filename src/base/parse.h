/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers in text. A number is a sequence of digits and nothing else: no sign, no white space, no prefix,
 * nothing after it; strtoul(3) accepts all of these. Not being a number is an outcome, not an error, so
 * nothing is logged here, and *RET is set only on success. */

#include <sys/types.h>

#include "base/util.h"

/* S is a decimal number of at most MAX. -EINVAL: not a number; -ERANGE: larger. */
int parse_u64_max(const char *s, uint64_t max, uint64_t *ret);
/* The same, up to the maximum of the type. */
int parse_u64(const char *s, uint64_t *ret);
int parse_unsigned(const char *s, unsigned *ret);

/* Removes the digits from the beginning of *S, in BASE 8, 10 or 16, and moves *S to what follows. -EINVAL:
 * there are none; -ERANGE: more than 64 bits. *S is moved on success only. */
int parse_digits(const char **s, unsigned base, uint64_t *ret);
/* The value of one digit in BASE, above 9 a lower-case letter; -EINVAL if C is not one. */
int parse_digit(char c, unsigned base);

/* A device number as sysfs writes it: "8:1". -EINVAL or -ERANGE. */
int parse_devno(const char *s, dev_t *ret);

/* A file as /proc/locks names it: "fd:01:5678", with the device in hexadecimal and the inode in decimal.
 * -EINVAL or -ERANGE. */
int parse_locked_file(const char *s, dev_t *ret_devno, uint64_t *ret_inode);

/* The number at the beginning of FILE, as in files of /proc and /sys. Errors of open(2), -ENODATA: there is
 * none. */
int parse_file_u64(const char *file, uint64_t *ret);
