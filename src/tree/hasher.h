/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XXH3-128 over bytes that arrive piece by piece. Not cryptographic: it detects change, not forgery. */

#include "base/util.h"

typedef struct Fingerprint {
        uint8_t bytes[16];
} Fingerprint;

typedef struct Hasher Hasher; /* an XXH3 state */

Hasher *hasher_new(void); /* NULL: out of memory */
Hasher *hasher_free(Hasher *h);
DEFINE_CLEANUP(Hasher *, hasher_free);
void hasher_update(Hasher *h, const void *data, size_t size);
void hasher_update_string(Hasher *h, const char *s); /* with its NUL, so that "ab","c" is not "a","bc" */
Fingerprint hasher_digest(const Hasher *h);
