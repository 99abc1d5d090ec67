/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/opener.h"

#include <bootkeep.h>

#include "base/fdpass.h"
#include "base/log.h"

int opener_run(int r, Root *root, const char *socket) {
        assert((r < 0) == !root && socket);
        _cleanup_(root_freep) Root *volume = root;
        r = fdpass_send(socket, r < 0 ? r : volume->state_fd);
        if (r < 0)
                (void) log_errno(r, "Failed to send the stamps to %s", socket);
        return r < 0 ? BOOTKEEP_BUILD_FAILED : BOOTKEEP_BUILD_SUCCESS;
}
