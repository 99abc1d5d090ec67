/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One survey of all that goes into a fingerprint: the builder and the sources of a cache, or what is copied
 * to a helper. Everything is looked at, and so armed, even where the first is missing already: whichever
 * changes next must call for a scan. */

#include "freshness/finding.h"
#include "freshness/subject.h"

typedef struct Survey {
        const FreshnessContext *context;
        const Arm *arm;
        const Visitor *visitor; /* sees each file */
        Hasher *hasher;
        Freshness finding; /* what could not be looked at */
        int error;         /* that is why; 0: nothing of the kind */
} Survey;

void survey_done(Survey *s);

/* VISITOR: NULL: each file goes into the fingerprint, and into no other hands. ARM may be NULL. -ENOMEM. */
int survey_start(Survey *s, const FreshnessContext *context, const Arm *arm, const Visitor *visitor);

/* Looks at all of SUBJECT. 0, also where something cannot be looked at; or a shortage (finding.h). */
int survey_subject(Survey *s, const Subject *subject);

/* Looks at what the template PATH of INSTANCE names; that it is missing is part of the fingerprint if it MAY
 * be. The same outcomes. */
int survey_path(Survey *s, const char *template, const char *instance, bool may_miss);

void survey_hash_entry(Survey *s, const WalkEntry *entry);
