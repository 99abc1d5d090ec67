/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The fingerprint of a set of files: XXH3-128 over their metadata, and of bytes: XXH3-128 over content. Not
 * cryptographic: it detects change, not forgery.
 *
 * For each file: path, type, mode, owner, size, mtime, inode, link target, and ctime if that is trusted
 * (TrustCTime=). For a directory only path, type, mode and owner: its contents are covered on their own. */

#include "base/reason.h"
#include "tree/hasher.h"
#include "tree/walk.h"

#define FINGERPRINT_HEX_MAX 33 /* 32 digits and the NUL */

/* What is known about one file, as text: one line without newline or spaces in its fields, in the order
 * type+mode (octal), uid, gid, size, mtime (s.ns), inode, ctime (s.ns), "-" if it does not count. Two
 * descriptions are equal exactly if the fingerprint considers the files equal. Kept in stamps, so that a
 * difference can be explained. */
int fingerprint_describe(const WalkEntry *entry, bool trust_ctime, char **ret);

/* Adds an entry: its path, description and link target. */
void fingerprint_add(Hasher *h, const WalkEntry *entry, bool trust_ctime);

/* The type of file (S_IFMT) that DESCRIPTION is of; 0: it is no description. */
mode_t fingerprint_type(const char *description);

/* Are they of the same type, mode, owner and size? Then they differ in times and inode at most. */
bool fingerprint_is_like(const char *before, const char *after);

/* How two descriptions differ, as a set of Change. Anything that is not a description counts as replaced. */
unsigned fingerprint_difference(const char *before, const char *after);

/* Content of the regular file FD (read from its start by pread). STOP (or NULL) is called before each piece:
 * true ends it with -EINTR. *RET_SIZE may be NULL. */
int fingerprint_content(int fd, bool (*stop)(void *userdata), void *userdata, Fingerprint *ret,
                        uint64_t *ret_size);

char *fingerprint_to_hex(const Fingerprint *f, char buffer[static FINGERPRINT_HEX_MAX]);
int fingerprint_from_hex(const char *s, Fingerprint *ret); /* -EINVAL */
bool fingerprint_equal(const Fingerprint *a, const Fingerprint *b);
