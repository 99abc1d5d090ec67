/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What every part of making a plan does with a path: expand it, and report that it cannot be read. */

#include "manifest/planner.h"

#include "base/error.h"

int planner_could_not_look(Planner *p, int r, unsigned line, const char *path) {
        assert(r < 0);
        const char *problem = refusal_of_way(r);
        int k = planner_refuse(p, line, "cannot read %s: %s", path, problem ? problem : strerror(-r));
        return problem && r != -EXDEV ? k : r;
}

int planner_expand(Planner *p, const PathUse *use, const char *template,
                   char buffer[static TEMPLATE_PATH_MAX + 1]) {
        assert(p->plan && use && template);
        int r = template_expand(template, use->instance, p->plan->machine_id, buffer);
        if (r == -ENAMETOOLONG)
                return planner_refuse(p, use->line, "\"%.100s\" is longer than %u bytes for %s", template,
                                      TEMPLATE_PATH_MAX, strempty(use->instance));
        return r < 0 ? planner_could_not_look(p, r, use->line, template) : 0;
}
