/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/namemap.h"

#include <search.h>

typedef struct Named {
        const char *name;
        const void *value;
} Named;

static int compare_names_exactly(const void *a, const void *b) {
        return strcmp(((const Named *) a)->name, ((const Named *) b)->name);
}

static int compare_names_without_case(const void *a, const void *b) {
        return strcasecmp(((const Named *) a)->name, ((const Named *) b)->name);
}

static __compar_fn_t comparison_of(const NameMap *m) {
        return m->exact ? compare_names_exactly : compare_names_without_case;
}

void name_map_done(NameMap *m) {
        tdestroy(m->tree, free);
        m->tree = NULL;
}

int name_map_put(NameMap *m, const char *name, const void *value) {
        assert(name && value);
        _cleanup_free_ Named *named = malloc(sizeof(*named));
        if (!named)
                return -ENOMEM;
        *named = (Named){.name = name, .value = value};
        Named **place = tsearch(named, &m->tree, comparison_of(m));
        if (!place)
                return -ENOMEM;
        if (*place != named)
                return 0;
        (void) TAKE_PTR(named);
        return 1;
}

int name_map_put_all(NameMap *m, char *const *names) {
        for (; names && *names; names++)
                if (name_map_put(m, *names, *names) < 0)
                        return -ENOMEM;
        return 0;
}

const void *name_map_get(const NameMap *m, const char *name) {
        assert(name);
        Named **place = tfind(&(Named){.name = name}, &m->tree, comparison_of(m));
        return place ? (*place)->value : NULL;
}
