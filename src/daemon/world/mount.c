/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/mount.h"

#include "base/error.h"
#include "base/log.h"

struct MountTable {
        const MountSource *source;
        void *opened;
        MountSet *set;
};

static int open_best(MountTable *t) {
        static const MountSource *const sources[] = {&mount_events, &mount_info};
        int r = -ENODATA;
        for (size_t i = 0; r < 0 && i < ELEMENTSOF(sources); i++) {
                t->source = sources[i];
                r = t->source->open(&t->opened);
                log_debug("Following the mount table by %s: %s", t->source->name,
                          r < 0 ? strerror(-r) : "yes");
        }
        return r;
}

int mount_table_new(const MountSource *source, MountTable **ret) {
        _cleanup_(mount_table_freep) MountTable *t = calloc(1, sizeof(*t));
        int r = t ? mount_set_new(&t->set) : error_origin(-ENOMEM);
        if (r < 0)
                return r;
        t->source = source;
        r = source ? source->open(&t->opened) : open_best(t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

MountTable *mount_table_free(MountTable *t) {
        if (t) {
                if (t->opened)
                        t->source->close(t->opened);
                mount_set_free(t->set);
        }
        free(t);
        return NULL;
}

int mount_table_get_fd(const MountTable *t) {
        return t->source->get_fd(t->opened);
}

int mount_table_dispatch(MountTable *t, mount_change_t change, void *userdata) {
        int r = t->source->look(t->opened, t->set);
        return r < 0 ? r : mount_set_tell(t->set, change, userdata);
}
