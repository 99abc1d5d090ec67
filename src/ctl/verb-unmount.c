/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl unmount`: has the daemon complete the work owed on a volume and release it, then becomes
 * umount(8). */

#include <sys/stat.h>

#include "base/log.h"
#include "ctl/waiting.h"

/* If the user named a directory, it is one of possibly several places where the volume is mounted, and its
 * name may not be valid on D-Bus, which only carries UTF-8. */
static char *find_what_to_unmount(const char *argument, const VolumeInfo *v) {
        struct stat st;
        if (stat(argument, &st) >= 0 && S_ISDIR(st.st_mode))
                return client_volume_argument(argument);
        return strdup(stat(v->mount_point, &st) >= 0 ? v->mount_point : v->device);
}

static int become_umount(char *what) {
        char program[] = "umount", end_of_options[] = "--";
        char *const argv[] = {program, end_of_options, what, NULL};
        (void) execvp(argv[0], argv);
        (void) log_errno(-errno, "cannot run umount");
        return BOOTKEEP_CTL_NO;
}

int verb_unmount(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes[0] && !volumes[1]);
        _cleanup_(volume_info_freep) VolumeInfo *v = NULL;
        int r = client_get(ctl, volumes[0], &v);
        if (r != EXIT_SUCCESS)
                return r;
        _cleanup_free_ char *what = find_what_to_unmount(volumes[0], v);
        if (!what)
                return client_complain_errno(-ENOMEM);
        r = waiting_call(&(const WaitingCall){ctl, "PrepareUnmount", WAITING_FOR_VOLUME, v}, NULL, "s",
                         v->name);
        return r != EXIT_SUCCESS ? r : become_umount(what);
}
