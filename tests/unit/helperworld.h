/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of files on a helper in few words, for the tests of what is decided about them. */

#include "scratch.h"

#include "builder/transaction/helperplan.h"

#define BOOT_NOW "22222222-2222-2222-2222-222222222222"
#define BOOT_BEFORE "11111111-1111-1111-1111-111111111111"

static inline Fingerprint content(const char *text) {
        Hasher *h = hasher_new();
        assert_non_null(h);
        hasher_update(h, text, strlen(text));
        Fingerprint f = hasher_digest(h);
        (void) hasher_free(h);
        return f;
}

static inline char *copy(const char *s) {
        char *c = strdup(s);
        assert_non_null(c);
        return c;
}

/* A file that is wanted, TEXT its content; of an entry its text. */
static inline void want(HelperSet *s, CopyRole role, const char *to, const char *text) {
        HelperFile f = {
                .role = role,
                .to = copy(to),
                .source = copy(to),
                .description = copy("d"),
                .content = content(text),
                .size = strlen(text),
                .text = role == ROLE_ENTRY ? copy(text) : NULL,
        };
        assert_int_equal(helper_set_add(s, &f), 0);
}

static inline const HelperFile *file_of(const HelperSet *s, const char *to) {
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->items[i].to, to))
                        return &s->items[i];
        fail_msg("%s is not in the set", to);
        return NULL;
}
