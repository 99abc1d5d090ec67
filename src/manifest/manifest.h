/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manifest as written: parsed, validated against the schema and checked for everything that does not
 * depend on the volume. bootcaches.xml(5) is the contract. What it means on a given volume is plan.h.
 *
 * A refusal is an outcome, not an error: -EBADMSG with a reason "FILE:LINE: what was expected" for people. */

#include "tree/walk.h"

#define MANIFEST_SIZE_MAX (64U * 1024U)
#define MANIFEST_CACHES_MAX 64U
#define MANIFEST_COPIES_MAX 256U
#define MANIFEST_PATHS_MAX 64U /* sources of a cache; outputs of a cache */
#define MANIFEST_INSTANCES_MAX 4096U
#define MANIFEST_NAME_MAX 64U
#define MANIFEST_EXPANDED_MAX (3U << 20) /* of all paths of all instances, by template_add_cost() */

/* In the order in which they are written. */
typedef enum CopyRole {
        ROLE_REQUIRED,
        ROLE_ENTRY,
        ROLE_BOOTER,
        ROLE_MISC,
        _ROLE_MAX,
        _ROLE_INVALID = -EINVAL,
} CopyRole;

typedef enum HelperType {
        HELPER_ESP,
        HELPER_XBOOTLDR,
        _HELPER_TYPE_MAX,
        _HELPER_TYPE_INVALID = -EINVAL,
} HelperType;

const char *copy_role_to_string(CopyRole role);
CopyRole copy_role_from_string(const char *s);
const char *helper_type_to_string(HelperType type); /* "esp", "xbootldr" */
HelperType helper_type_from_string(const char *s);

/* Paths here are templates: they may contain %i, %m, %%. */
typedef struct ManifestCache ManifestCache;

typedef struct ManifestSource {
        char *path;                /* or NULL: what a cache makes, in all its instances */
        char *cache;               /* its name, or NULL */
        const ManifestCache *from; /* that one */
        bool optional;
        unsigned line;
} ManifestSource;

struct ManifestCache {
        char *name;
        char *each; /* NULL: one instance without a name */
        char *builder;
        ManifestSource *sources;
        size_t n_sources;
        char **outputs; /* strv */
        size_t n_outputs;
        unsigned line;
};

typedef struct ManifestCopy {
        CopyRole role;
        HelperType helper;
        char *each;
        char *from;
        char *to;
        unsigned line;
} ManifestCopy;

typedef struct Manifest {
        char *path; /* the name used in messages: its path on the volume */
        ManifestCache *caches;
        size_t n_caches;
        ManifestCopy *copies;
        size_t n_copies;
} Manifest;

Manifest *manifest_free(Manifest *m); /* returns NULL */
DEFINE_CLEANUP(Manifest *, manifest_free);

/* Parses SIZE bytes of TEXT. PATH is the name used in messages. 0; -EBADMSG: refused, *RETERR says why;
 * -ENOMEM. */
int manifest_parse(const char *path, const char *text, size_t size, Manifest **ret, char **reterr);

/* Finds, checks and parses the manifest of the volume WALK: the administrator's, else the vendor's. Both
 * places are armed first, even if there is nothing yet. 0; -ENOENT: there is none; -EBADMSG: refused
 * (*RETERR), also if it is not a regular file, not owned by root, writable by others or too big; other errno:
 * could not be read. */
int manifest_load(const Walk *walk, Manifest **ret, char **reterr);
