/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one file that knows which hash it is. */

#include "tree/hasher.h"

#include <xxhash.h>

struct Hasher {
        XXH3_state_t *state;
};

Hasher *hasher_free(Hasher *h) {
        if (h)
                (void) XXH3_freeState(h->state);
        free(h);
        return NULL;
}

Hasher *hasher_new(void) {
        _cleanup_(hasher_freep) Hasher *h = calloc(1, sizeof(Hasher));
        if (!h)
                return NULL;
        h->state = XXH3_createState();
        if (!h->state)
                return NULL;
        (void) XXH3_128bits_reset(h->state);
        return TAKE_PTR(h);
}

void hasher_update(Hasher *h, const void *data, size_t size) {
        assert(h && (data || size == 0));
        (void) XXH3_128bits_update(h->state, data, size);
}

void hasher_update_string(Hasher *h, const char *s) {
        hasher_update(h, s, strlen(s) + 1);
}

Fingerprint hasher_digest(const Hasher *h) {
        assert(h);
        XXH128_canonical_t canonical;
        Fingerprint f;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(h->state));
        _Static_assert(sizeof(canonical.digest) == sizeof(f.bytes), "XXH3-128 has 128 bits");
        memcpy(f.bytes, canonical.digest, sizeof(f.bytes));
        return f;
}
