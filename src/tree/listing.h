/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names in one directory, in byte order, without "." and "..". */

#include "base/util.h"

#define LISTING_ROOM (32U * 1024U)

/* The buffer that the kernel writes directory entries into. */
typedef struct ListingBuffer {
        char bytes[LISTING_ROOM] __attribute__((__aligned__(8)));
} ListingBuffer;

typedef struct Listing {
        char *text;   /* the names, each with its type before it and its NUL behind */
        char **names; /* into it, sorted */
        size_t n_names;
} Listing;

void listing_done(Listing *l);

/* Reads the directory DIRFD from the position of its descriptor. If it is removed meanwhile, the listing
 * ends, which is not an error. *RET must be all zero before; call listing_done() even on failure. */
int listing_read(int dirfd, ListingBuffer *buffer, Listing *ret);

/* The type of a name of a listing, as the kernel gave it: DT_REG, … or DT_UNKNOWN. */
static inline unsigned char listing_type(const char *name) {
        return (unsigned char) name[-1];
}

/* Is the directory FD (O_PATH) empty? 0, 1 or negative errno. */
int listing_is_empty(int fd);
