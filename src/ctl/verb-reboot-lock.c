/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl reboot-lock`: runs a command, such as one that takes the system down, once nothing is owed and
 * while nothing new begins. The lock is released with our connection. */

#include "ctl/command.h"
#include "ctl/waiting.h"

int verb_reboot_lock(Ctl *ctl, char *const *command) {
        assert(ctl && ctl->bus && command && *command);
        bool lost;
        int r = waiting_call(&(const WaitingCall){ctl, "LockReboot", WAITING_FOR_BUSY}, NULL, "u",
                             ctl->wait ? BOOTKEEP_LOCK_WAIT : 0U);
        return r != EXIT_SUCCESS ? r : command_run(ctl, command, "the reboot lock", &lost);
}
