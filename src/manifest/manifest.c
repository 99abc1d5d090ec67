/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a manifest consists of, and the names of roles and helpers. manifest-parse.c reads one,
 * manifest-load.c decides whether it may be honoured. */

#include "manifest/manifest.h"

static const char *const copy_roles[_ROLE_MAX] = {
        [ROLE_REQUIRED] = "required",
        [ROLE_ENTRY] = "entry",
        [ROLE_BOOTER] = "booter",
        [ROLE_MISC] = "misc",
};

static const char *const helper_types[_HELPER_TYPE_MAX] = {
        [HELPER_ESP] = "esp",
        [HELPER_XBOOTLDR] = "xbootldr",
};

const char *copy_role_to_string(CopyRole role) {
        return role >= 0 && role < _ROLE_MAX ? copy_roles[role] : NULL;
}

CopyRole copy_role_from_string(const char *s) {
        assert(s);
        for (CopyRole i = 0; i < _ROLE_MAX; i++)
                if (streq(s, copy_roles[i]))
                        return i;
        return _ROLE_INVALID;
}

const char *helper_type_to_string(HelperType type) {
        return type >= 0 && type < _HELPER_TYPE_MAX ? helper_types[type] : NULL;
}

HelperType helper_type_from_string(const char *s) {
        assert(s);
        for (HelperType i = 0; i < _HELPER_TYPE_MAX; i++)
                if (streq(s, helper_types[i]))
                        return i;
        return _HELPER_TYPE_INVALID;
}

static void manifest_cache_done(ManifestCache *c) {
        free(c->name);
        free(c->each);
        free(c->builder);
        for (size_t i = 0; i < c->n_sources; i++) {
                free(c->sources[i].path);
                free(c->sources[i].cache);
        }
        free(c->sources);
        strv_free(c->outputs);
}

static void manifest_copy_done(ManifestCopy *c) {
        free(c->each);
        free(c->from);
        free(c->to);
}

Manifest *manifest_free(Manifest *m) {
        if (!m)
                return NULL;
        free(m->path);
        for (size_t i = 0; i < m->n_caches; i++)
                manifest_cache_done(&m->caches[i]);
        free(m->caches);
        for (size_t i = 0; i < m->n_copies; i++)
                manifest_copy_done(&m->copies[i]);
        free(m->copies);
        free(m);
        return NULL;
}
