/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/opener.h"

#include <bootkeep.h>

#include "base/fdpass.h"
#include "base/log.h"
#include "tree/root.h"

int opener_run(const char *mount_point, uint64_t mount_id, const char *socket) {
        assert(mount_point && socket);
        _cleanup_(root_freep) Root *root = NULL;
        int r = root_open(mount_point, mount_id, &root);
        r = fdpass_send(socket, r < 0 ? r : root->state_fd);
        if (r < 0)
                (void) log_errno(r, "Failed to send the stamps of %s to %s", mount_point, socket);
        return r < 0 ? BOOTKEEP_BUILD_FAILED : BOOTKEEP_BUILD_SUCCESS;
}
