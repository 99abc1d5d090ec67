/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names in one directory, in byte order, without "." and "..". */

#include "base/util.h"

#define LISTING_ROOM (32U * 1024U)

/* What the kernel writes directory entries into. */
typedef struct ListingBuffer {
        char bytes[LISTING_ROOM] __attribute__((__aligned__(8)));
} ListingBuffer;

typedef struct Listing {
        char *text;   /* the names, each with its NUL */
        char **names; /* into it, sorted */
        size_t n_names;
} Listing;

void listing_done(Listing *l);

/* Reads the directory DIRFD from where its descriptor stands. That it is removed meanwhile ends the listing,
 * and is no error. *RET is all zero before; listing_done() it also on failure. */
int listing_read(int dirfd, ListingBuffer *buffer, Listing *ret);

/* Does the directory FD (O_PATH) hold nothing? 0, 1 or negative errno. */
int listing_is_empty(int fd);
