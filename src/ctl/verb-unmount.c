/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl unmount`: has the daemon do what is owed on a volume and let go of it, then becomes umount(8).
 */

#include <sys/stat.h>

#include "common/log.h"
#include "ctl/waiting.h"

/* What a person called a directory is one of perhaps several places where the volume is mounted, and named as
 * D-Bus, which carries UTF-8 alone, might not name it. */
static char *find_mount_point(const char *argument, const VolumeInfo *v) {
        struct stat st;

        if (stat(argument, &st) >= 0 && S_ISDIR(st.st_mode))
                return client_volume_argument(argument);
        return strdup(v->mount_point);
}

static int become_umount(char *mount_point) {
        char program[] = "umount", end_of_options[] = "--";
        char *const argv[] = {program, end_of_options, mount_point, NULL};

        (void) execvp(argv[0], argv);
        (void) log_errno(-errno, "cannot run umount");
        return BOOTKEEP_CTL_NO;
}

int verb_unmount(Ctl *ctl, char *const *volumes) {
        _cleanup_(volume_info_freep) VolumeInfo *v = NULL;
        _cleanup_free_ char *mount_point = NULL;
        int r = client_get(ctl, volumes[0], &v);

        if (r != EXIT_SUCCESS)
                return r;
        mount_point = find_mount_point(volumes[0], v);
        if (!mount_point)
                return client_complain_errno(-ENOMEM);
        r = waiting_call(ctl, WAITING_FOR_VOLUME, v, "PrepareUnmount", NULL, "s", v->name);
        return r != EXIT_SUCCESS ? r : become_umount(mount_point);
}
