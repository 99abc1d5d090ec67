/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's builder definitions, bootkeep-builder(5): NAME.conf in builders.d; the first folder that
 * contains NAME wins, a link to /dev/null masks it. A manifest names a builder; only the host says which
 * command that is. */

#include "tree/fingerprint.h"

typedef enum DefinitionRoot {
        DEFINITION_CHROOT, /* run inside the volume */
        DEFINITION_HOST,   /* run on the host */
} DefinitionRoot;

/* What of what it does with a volume becomes a source of what it builds. */
typedef enum DefinitionLearn {
        LEARN_OPENS,   /* what it opens, executes and lists */
        LEARN_LOOKUPS, /* also what it only looks at or looks for */
        LEARN_NO,
} DefinitionLearn;

const char *definition_learn_to_string(DefinitionLearn learn);
int definition_learn_from_string(const char *s, DefinitionLearn *ret); /* -EINVAL */

typedef struct Definition {
        char *name;
        char *file; /* where it was read, for messages */
        char *description;
        char **exec; /* words, specifiers not expanded; the first is an absolute path */
        DefinitionRoot root;
        uint64_t timeout_usec;
        bool quick;               /* whoever builds something from its outputs waits for it (Begin) */
        bool running_system_only; /* what it builds depends on the machine that it runs on */
        DefinitionLearn learn;
        char **learn_ignore;     /* patterns of paths that are nothing to learn */
        Fingerprint fingerprint; /* of all that decides what it builds or learns: a change of the command
                                    makes its caches stale */
} Definition;

typedef struct DefinitionSet {
        Definition *items; /* sorted by name */
        size_t n;
} DefinitionSet;

void definition_done(Definition *d);

/* Reads the definition in FILE, NAME.conf. 1: success; 0: ignored, logged why; -ENOMEM. */
int definition_read(const char *file, Definition *ret, unsigned *problems);

DefinitionSet *definition_set_free(DefinitionSet *s);
DEFINE_CLEANUP(DefinitionSet *, definition_set_free);

/* Reads all definitions in DIRS (strv, most important first; NULL: the standard four). A bad file (unknown
 * key: a warning only; no Exec=, relative path, unbalanced quote, bad value, unknown specifier) is logged
 * with file and line and ignored, so its name is unknown. *RET_PROBLEMS (may be NULL) counts warnings and
 * errors, for --check-config. -ENOMEM. */
int definition_set_load(char *const *dirs, DefinitionSet **ret, unsigned *ret_problems);
const Definition *definition_set_find(const DefinitionSet *s, const char *name); /* NULL: not defined */

/* The values of the specifiers. */
typedef struct DefinitionArguments {
        const char *instance; /* %i, NULL: empty */
        const char *root;     /* %r */
        char *const *sources; /* %s is the first, empty if none */
        char *const *outputs; /* %o is the first; %O, alone in its word, becomes a word for each */
} DefinitionArguments;

/* The command line: paths are as the command sees them (prefixed with %r for DEFINITION_HOST). -ENOMEM. */
int definition_command(const Definition *d, const DefinitionArguments *arguments, char ***ret);
