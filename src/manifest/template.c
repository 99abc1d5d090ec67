/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Expands into the caller's buffer: a plan needs hundreds of thousands of paths and keeps none of them. */

#include "manifest/template.h"

#include "base/error.h"
#include "tree/contain.h"

#define PATH_COST 32U /* of keeping one at all */
#define PART_COST 4U
#define MACHINE_ID_BYTES 32U

const char *template_problem(const char *s) {
        assert(s);
        if (s[0] != '/')
                return "a path must begin with /";
        if (strlen(s) > TEMPLATE_PATH_MAX)
                return "a path must not be longer than 4095 bytes";
        if (streq(s, "/"))
                return "the root itself is not allowed";
        if (!contain_path_is_valid(s))
                return "a path must not contain an empty part, \".\" or \"..\"";
        for (const char *p = s; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return "a path must not contain control characters";
        for (const char *p = s; (p = strchr(p, '%')); p += 2)
                if (p[1] != 'i' && p[1] != 'm' && p[1] != '%')
                        return "the specifiers are %i, %m and %%";
        return NULL;
}

bool template_uses(const char *s, char which) {
        assert(s && which);
        for (; (s = strchr(s, '%')) && s[1]; s += 2)
                if (s[1] == which)
                        return true;
        return false;
}

static const char *template_specifier(char specifier, const char *instance, const char *machine_id) {
        switch (specifier) {
        case 'i':
                return instance;
        case 'm':
                return machine_id;
        case '%':
                return "%";
        }
        return NULL;
}

void template_add_cost(const char *s, TemplateCost *cost) {
        assert(s && cost);
        cost->fixed += PATH_COST;
        while (*s) {
                bool special = s[0] == '%' && s[1];
                cost->fixed += special && s[1] == 'm' ? MACHINE_ID_BYTES : s[0] == '/' ? 1 + PART_COST : 1;
                cost->instances += special && s[1] == 'i';
                s += special ? 2 : 1;
        }
}

int template_expand(const char *s, const char *instance, const char *machine_id,
                    char buffer[static TEMPLATE_PATH_MAX + 1]) {
        assert(s && buffer);
        size_t used = 0;
        while (*s) {
                const char *piece = s;
                size_t n = strcspn(s, "%");
                if (n == 0) {
                        piece = template_specifier(s[1], instance, machine_id);
                        if (!piece)
                                return error_origin(-EINVAL);
                        n = strlen(piece);
                        s += 2;
                } else
                        s += n;
                if (used + n > TEMPLATE_PATH_MAX)
                        return error_origin(-ENAMETOOLONG);
                memcpy(buffer + used, piece, n);
                used += n;
        }
        buffer[used] = 0;
        return contain_path_is_valid(buffer) ? 0 : error_origin(-EINVAL);
}
