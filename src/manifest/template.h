/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A path with specifiers, as in manifests: %i the instance, %m the machine ID, %% a percent sign. */

#include "base/util.h"

#define TEMPLATE_PATH_MAX 4095U

/* What is wrong with S as a template of a path, as a sentence for people; NULL: nothing. */
const char *template_problem(const char *s);

/* Does S use %WHICH? */
bool template_uses(const char *s, char which);

/* Expands S. -ENAMETOOLONG; -EINVAL: INSTANCE or MACHINE_ID is NULL but used, or the result is not a valid
 * path. BUFFER is undefined then. */
int template_expand(const char *s, const char *instance, const char *machine_id,
                    char buffer[static TEMPLATE_PATH_MAX + 1]);

/* The cost of expanding, determined without doing it: bytes that are needed in any case, and how many times
 * those of the instance are added. Each path, and each part of one, counts for some bytes more than its
 * length. */
typedef struct TemplateCost {
        size_t fixed, instances;
} TemplateCost;

void template_add_cost(const char *s, TemplateCost *cost);
