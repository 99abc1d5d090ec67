/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "umount/prepare.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mountentry.h"
#include "bootkeep.h"

/* Only a running daemon that refuses may keep a volume mounted. */
static bool error_is_refusal(const sd_bus_error *e) {
        assert(e);
        static const char *const others[] = {
                BOOTKEEP_ERROR_NO_SUCH_VOLUME, /* the daemon does not know it */
                SD_BUS_ERROR_SERVICE_UNKNOWN,  SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_NO_REPLY, /* it went away, and released what it held */
                SD_BUS_ERROR_DISCONNECTED,     SD_BUS_ERROR_UNKNOWN_METHOD,
        };
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (sd_bus_error_has_name(e, others[i]))
                        return false;
        return sd_bus_error_is_set(e);
}

/* The bus only carries UTF-8: a mount point that is not is replaced by the name of its volume, or by its
 * device. */
static int prepare_append_volume(sd_bus_message *m, const char *target) {
        _cleanup_(mount_entry_done) MountEntry e = MOUNT_ENTRY_NULL;
        _cleanup_free_ char *name = NULL;
        struct statx stx;
        int r = sd_bus_message_append(m, "s", target);
        if (r != -EINVAL)
                return r;
        if (statx(AT_FDCWD, target, AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
                return error_origin(-errno);
        r = mount_entry_find(stx.stx_mnt_id, &e);
        if (r > 0)
                r = mount_entry_volume_name(&e, &name);
        if (!name)
                return r < 0 ? r : error_origin(-ENOENT);
        assert(e.node);
        r = sd_bus_message_append(m, "s", name);
        return r == -EINVAL ? sd_bus_message_append(m, "s", e.node) : r;
}

static int prepare_call(sd_bus *bus, const char *target, sd_bus_error *error) {
        assert(bus && error && !sd_bus_error_is_set(error));
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, "PrepareUnmount");
        if (r >= 0) /* a daemon that does not run holds nothing */
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = prepare_append_volume(m, target);
        return r < 0 ? r : sd_bus_call(bus, m, UINT64_MAX, error, NULL);
}

int prepare_volume(const char *target, char **ret_why) {
        assert(target && *target && ret_why && !*ret_why);
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = prepare_call(bus, target, &error);
        if (r >= 0)
                return 0;
        if (!error_is_refusal(&error)) {
                log_debug("bootkeepd cannot be asked: %s",
                          isempty(error.message) ? strerror(-r) : error.message);
                return 0;
        }
        assert(r < 0);
        *ret_why = strdup(isempty(error.message) ? strempty(error.name) : error.message);
        return error_origin(-EBUSY);
}
