/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands that the host is willing to run for a manifest: all definitions in the folders where they are
 * kept. It refuses to access volumes and to run anything. */

#include "manifest/definition.h"

#include "base/conffile.h"
#include "base/error.h"

static const char *const standard_dirs[] = {
        "/etc/bootkeep/builders.d",
        "/run/bootkeep/builders.d",
        "/usr/local/lib/bootkeep/builders.d",
        "/usr/lib/bootkeep/builders.d",
        NULL,
};

DefinitionSet *definition_set_free(DefinitionSet *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n; i++)
                definition_done(&s->items[i]);
        free(s->items);
        free(s);
        return NULL;
}

static int definition_set_add_file(DefinitionSet *s, const char *file, unsigned *problems) {
        _cleanup_(definition_done) Definition d = {};
        int r = definition_read(file, &d, problems);
        if (r <= 0)
                return r;
        if (grow(s->items, s->n) < 0)
                return error_origin(-ENOMEM);
        s->items[s->n++] = d;
        d = (Definition){};
        return 0;
}

static int definition_compare(const void *a, const void *b) {
        return strcmp(((const Definition *) a)->name, ((const Definition *) b)->name);
}

int definition_set_load(char *const *dirs, DefinitionSet **ret, unsigned *ret_problems) {
        assert(ret);
        _cleanup_(definition_set_freep) DefinitionSet *s = calloc(1, sizeof(*s));
        _cleanup_strv_free_ char **files = NULL;
        unsigned problems = 0;
        if (!s)
                return error_origin(-ENOMEM);
        int r = conffile_list_directory(dirs ? dirs : (char *const *) standard_dirs, ".conf", &files);
        if (r < 0)
                return r;
        for (char **f = files; f && *f; f++) {
                r = definition_set_add_file(s, *f, &problems);
                if (r < 0)
                        return r;
        }
        if (s->n > 0) /* by file name `a-b.conf` would sort before `a.conf` */
                qsort(s->items, s->n, sizeof(*s->items), definition_compare);
        if (ret_problems)
                *ret_problems = problems;
        *ret = TAKE_PTR(s);
        return 0;
}

const Definition *definition_set_find(const DefinitionSet *s, const char *name) {
        assert(s && name);
        const Definition key = {.name = (char *) name};
        return s->n > 0 ? bsearch(&key, s->items, s->n, sizeof(*s->items), definition_compare) : NULL;
}
