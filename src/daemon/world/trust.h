/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which volumes the administrator has enrolled: by the UUID of the file system, together with the serial of
 * its disk where it has one, so that a copy of the file system on another disk is not trusted as well. One
 * file per volume in a directory, named by the UUID. */

#include "base/util.h"

typedef struct TrustStore TrustStore;

/* Reads what is enrolled below DIR (created if missing). An enrolment that cannot be read or understood is
 * logged, left alone, and has no effect. */
int trust_store_new(const char *dir, TrustStore **ret);
TrustStore *trust_store_free(TrustStore *t);
DEFINE_CLEANUP(TrustStore *, trust_store_free);

/* SERIAL may be NULL or empty: the disk has none. Then the disk that was enrolled must have had none either,
 * or any USB stick with a copied UUID would be trusted in its place. */
bool trust_store_has(const TrustStore *t, const char *uuid, const char *serial);
/* Enrols, durably. -EINVAL: UUID is not valid. */
int trust_store_add(TrustStore *t, const char *uuid, const char *serial);
/* Forgets, durably. -ENOENT: it was not enrolled. */
int trust_store_remove(TrustStore *t, const char *uuid);
