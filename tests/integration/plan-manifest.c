/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* plan-manifest MOUNTPOINT BUILDERS: reads the manifest of a volume and makes its plan, as bootkeep-scan
 * does, but examines nothing that the plan names: so its cost is that of the manifest, not of the volume. */

#include "manifest/plan.h"
#include "tree/contain.h"

int main(int argc, char **argv) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(definition_set_freep) DefinitionSet *builders = NULL;
        _cleanup_(plan_freep) Plan *plan = NULL;
        _cleanup_free_ char *reason = NULL;
        _cleanup_close_ int root = -EBADF;
        if (argc != 3 || contain_open_root(argv[1], 0, &root) < 0)
                return EXIT_FAILURE;
        int r = manifest_load(&(Walk){.root = root}, &manifest, &reason);
        if (r >= 0)
                r = definition_set_load((char *[]){argv[2], NULL}, &builders, NULL);
        if (r >= 0)
                r = plan_new(&(Walk){.root = root}, manifest, builders, &plan, &reason);
        if (r == -EBADMSG)
                return printf("refused: %s\n", reason) < 0;
        return r < 0 ? EXIT_FAILURE
                     : printf("accepted: %zu caches, %zu copies\n", plan->n_caches, plan->n_copies) < 0;
}
