/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/uncover.h"

#include <bootkeep.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/report.h"

/* Whoever is asked starts a process for it. */
#define UNCOVER_USEC (60 * USEC_PER_SEC)

int uncover_state(Root *root, const char *socket, FILE *f) {
        assert(root && root->state_fd == -EXDEV && socket && f);
        _cleanup_close_ int listener = -EBADF;
        int fd = -EBADF, r = fdpass_listen(socket, &listener);
        if (r < 0)
                return r;
        r = report_print(f, "UNCOVER", BOOTKEEP_VOLUME_STATE, NULL);
        if (r >= 0)
                r = fdpass_receive(listener, UNCOVER_USEC, &fd);
        (void) unlink(socket);
        if (r == -ENOENT || root_state_problem(r)) {
                root->state_fd = r; /* as if we had looked ourselves */
                return 0;
        }
        return r < 0 ? r : root_take_state(root, fd);
}
