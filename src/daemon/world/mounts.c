/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/mounts.h"

#include "base/error.h"
#include "base/log.h"

struct Mounts {
        const MountSource *source;
        void *opened;
        MountSet *set;
};

static int open_best(Mounts *m, const char *table) {
        static const MountSource *const sources[] = {&mount_events, &mount_info};
        int r = -ENODATA;
        for (size_t i = 0; r < 0 && i < ELEMENTSOF(sources); i++) {
                m->source = sources[i];
                r = m->source->open(table, &m->opened);
                log_debug("Reading the mount table by %s: %s", m->source->name, r < 0 ? strerror(-r) : "yes");
        }
        return r;
}

int mounts_new(const MountSource *source, const char *table, Mounts **ret) {
        assert(ret);
        _cleanup_(mounts_freep) Mounts *m = calloc(1, sizeof(*m));
        int r = m ? mount_set_new(&m->set) : error_origin(-ENOMEM);
        if (r < 0)
                return r;
        m->source = source;
        table = table ? table : MOUNT_TABLE_OWN;
        r = source ? source->open(table, &m->opened) : open_best(m, table);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Mounts *mounts_free(Mounts *m) {
        if (m) {
                if (m->opened)
                        m->source->close(m->opened);
                mount_set_free(m->set);
        }
        free(m);
        return NULL;
}

int mounts_get_fd(const Mounts *m) {
        return m->source->get_fd(m->opened);
}

int mounts_dispatch(Mounts *m, mount_change_t change, void *userdata) {
        assert(m && change);
        int r = m->source->update(m->opened, m->set);
        return r < 0 ? r : mount_set_tell(m->set, change, userdata);
}

int mounts_tell_covers(Mounts *m, mount_cover_t cover, void *userdata) {
        assert(m && cover);
        return mount_set_tell_covers(m->set, cover, userdata);
}
