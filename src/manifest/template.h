/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A path with specifiers, as manifests have them: %i the instance, %m the machine id, %% a percent sign. */

#include "base/util.h"

#define TEMPLATE_PATH_MAX 4095U

/* What is wrong with S as a template of a path, as a sentence for people; NULL: nothing. */
const char *template_problem(const char *s);

/* Does S use %WHICH? */
bool template_uses(const char *s, char which);

/* What S stands for. -ENAMETOOLONG; -EINVAL: INSTANCE or MACHINE_ID is NULL but used, or the result is no
 * valid path. BUFFER is undefined then. */
int template_expand(const char *s, const char *instance, const char *machine_id,
                    char buffer[static TEMPLATE_PATH_MAX + 1]);

/* What expanding costs, told without doing it: bytes that are there in any case and how often the instance's
 * bytes come on top. Each path, and each part of one, counts for some bytes more than it has. */
typedef struct TemplateCost {
        size_t fixed, instances;
} TemplateCost;

void template_add_cost(const char *s, TemplateCost *cost);
