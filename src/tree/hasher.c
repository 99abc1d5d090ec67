/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one file that knows which hash it is. */

#include "tree/hasher.h"

#include <xxhash.h>

/* There is no struct Hasher: a pointer to one is a pointer to the state. */
static XXH3_state_t *hasher_state(const Hasher *h) {
        assert(h);
        return (XXH3_state_t *) h;
}

Hasher *hasher_free(Hasher *h) {
        if (h)
                (void) XXH3_freeState(hasher_state(h));
        return NULL;
}

Hasher *hasher_new(void) {
        XXH3_state_t *state = XXH3_createState();
        if (state)
                (void) XXH3_128bits_reset(state);
        return (Hasher *) state;
}

void hasher_update(Hasher *h, const void *data, size_t size) {
        assert(data || size == 0);
        (void) XXH3_128bits_update(hasher_state(h), data, size);
}

void hasher_update_string(Hasher *h, const char *s) {
        assert(s);
        hasher_update(h, s, strlen(s) + 1);
}

Fingerprint hasher_digest(const Hasher *h) {
        XXH128_canonical_t canonical;
        Fingerprint f;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hasher_state(h)));
        _Static_assert(sizeof(canonical.digest) == sizeof(f.bytes), "XXH3-128 has 128 bits");
        memcpy(f.bytes, canonical.digest, sizeof(f.bytes));
        return f;
}
