/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names in a folder, and of what type they are: what somebody who lists it sees. */

#include "tree/fingerprint.h"
#include "tree/listing.h"

/* LEAVES_OUT may be NULL: none is. */
typedef struct NameFilter {
        bool (*leaves_out)(const char *name, void *userdata);
        void *userdata;
} NameFilter;

/* The names in the folder FD (O_PATH). *RET must be all zero before; call listing_done() even on failure. */
int names_read(int fd, Listing *ret);

/* The fingerprint of LISTING of the folder FD: names, types, and the targets of links. */
int names_fingerprint(int fd, const Listing *listing, const NameFilter *filter, Fingerprint *ret);
