/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A survey of everything that goes into a fingerprint: the builder and the sources of a cache, or what is
 * copied to a helper. Everything is examined, and thus armed, even if the first is already missing: whichever
 * changes next must cause a scan. */

#include "freshness/finding.h"
#include "freshness/subject.h"

typedef struct Survey {
        const FreshnessContext *context;
        const Arm *arm;
        const Visitor *visitor; /* sees each file */
        Hasher *hasher;
        Freshness finding; /* what could not be examined */
        int error;         /* why; 0: there is no such thing */
} Survey;

void survey_done(Survey *s);

/* VISITOR may be NULL: each file goes into the fingerprint only. ARM may be NULL. -ENOMEM. */
int survey_start(Survey *s, const FreshnessContext *context, const Arm *arm, const Visitor *visitor);

/* Examines all of SUBJECT. 0, even if something cannot be examined; or a shortage (finding.h). */
int survey_subject(Survey *s, const Subject *subject);

/* Examines what the template PATH of INSTANCE names; if it MAY be missing, that is part of the fingerprint.
 * The same outcomes. */
int survey_path(Survey *s, const char *template, const char *instance, bool may_miss);

void survey_hash_entry(Survey *s, const WalkEntry *entry);
