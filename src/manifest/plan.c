/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A complete plan (see plan-make.c): what it says about paths and helpers. */

#include "manifest/plan.h"

#include "base/error.h"
#include "manifest/template.h"

Plan *plan_free(Plan *p) {
        if (!p)
                return NULL;
        free(p->caches);
        free(p->copies);
        free(p->machine_id);
        strv_free(p->instances);
        free(p);
        return NULL;
}

int plan_path(const Plan *plan, const char *template, const char *instance, char **ret) {
        assert(plan && template && ret);
        char buffer[TEMPLATE_PATH_MAX + 1];
        int r = template_expand(template, instance, plan->machine_id, buffer);
        if (r < 0)
                return r;
        char *path = strdup(buffer);
        if (!path)
                return error_origin(-ENOMEM);
        *ret = path;
        return 0;
}

bool plan_copy_is_for(const PlanCopy *copy, HelperType type, bool disk_has_xbootldr) {
        assert(copy && type >= 0 && type < _HELPER_TYPE_MAX);
        if (copy->copy->helper == type)
                return true;
        return copy->copy->helper == HELPER_XBOOTLDR && type == HELPER_ESP && !disk_has_xbootldr;
}
