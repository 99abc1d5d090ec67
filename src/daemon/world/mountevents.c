/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mount table by fanotify's mount events (Linux 6.15), which name each mount that was attached or
 * detached by an id that is never used again, and statmount(2), which describes it. What they do not report:
 * - remounts. /proc/self/mountinfo is polled for these, and never read: only the volumes are queried again.
 *   This also notices, with the next change, that a directory above a mount or the subvolume in it was
 *   renamed.
 * - where the mounts below a moved one are now, and what became of one that another was pushed under. After
 *   anything like that (and after an overflow) all are listed again. */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "daemon/world/mountapi.h"
#include "daemon/world/mountsource.h"

/* More than the queue holds: an update ends even if the events do not. */
#define EVENTS_MAX 32768U

#define STATUS_SIZE_MAX (1024 * 1024) /* there is no limit to the length of a path */

typedef struct MountEvents {
        int fanotify, mountinfo;
        int poll;       /* for both */
        bool anew;      /* all mounts must be listed again */
        size_t orphans; /* mounts without a parent when they last were */
        MountStatus *status;
        size_t status_size;
} MountEvents;

static void events_close(void *source) {
        MountEvents *e = source;
        const int fds[] = {e->fanotify, e->mountinfo, e->poll};
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        free(e->status);
        free(e);
}

DEFINE_CLEANUP(MountEvents *, events_close);

static int open_fanotify(void) {
        _cleanup_close_ int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (ns < 0)
                return error_origin(-errno);
        _cleanup_close_ int fd =
                fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_MNT | FAN_CLOEXEC | FAN_NONBLOCK, 0);
        if (fd < 0 ||
            fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH | FAN_MNT_DETACH, ns, NULL) < 0)
                return error_origin(-errno);
        return TAKE_FD(fd);
}

static int poll_both_sources(MountEvents *e) {
        /* Edge-triggered: mountinfo is always readable, but a poller is woken by each change. EPOLLPRI would
         * not do: the first poller that sees it, epoll itself included, clears it. */
        struct epoll_event of_fanotify = {.events = EPOLLIN, .data.fd = e->fanotify},
                           of_mountinfo = {.events = EPOLLIN | EPOLLET, .data.fd = e->mountinfo};
        e->poll = epoll_create1(EPOLL_CLOEXEC);
        if (e->poll < 0 || epoll_ctl(e->poll, EPOLL_CTL_ADD, e->fanotify, &of_fanotify) < 0 ||
            epoll_ctl(e->poll, EPOLL_CTL_ADD, e->mountinfo, &of_mountinfo) < 0)
                return error_origin(-errno);
        return 0;
}

/* 1; 0: there is no such mount, or it is not below our root; negative errno. */
static int mount_status_ask(MountEvents *e, uint64_t id, uint64_t mask) {
        MountRequest request = {.size = sizeof(request), .mnt_id = id, .param = mask};
        for (;;) {
                if (syscall(SYS_statmount, &request, e->status, e->status_size, 0) >= 0)
                        return 1;
                if (errno != EOVERFLOW)
                        return errno == ENOENT || errno == EPERM ? 0 : error_origin(-errno);
                if (e->status_size >= STATUS_SIZE_MAX)
                        return error_origin(-EOVERFLOW);
                MountStatus *bigger = realloc(e->status, e->status_size * 2);
                if (!bigger)
                        return error_origin(-ENOMEM);
                e->status = bigger;
                e->status_size *= 2;
        }
}

static const char *mount_status_text(const MountStatus *s, uint64_t mask, uint32_t offset) {
        return (s->mask & mask) ? s->str + offset : "";
}

static bool mount_status_is_read_only(const MountStatus *s) {
        return (s->mnt_attr & MOUNT_ATTR_RDONLY) || (s->sb_flags & MS_RDONLY);
}

/* For what may be a directory inside a subvolume. */
static bool mount_status_needs_options(const MountStatus *s) {
        return streq(mount_status_text(s, STATMOUNT_FS_TYPE, s->fs_type), "btrfs") &&
               !streq(mount_status_text(s, STATMOUNT_MNT_ROOT, s->mnt_root), "/");
}

/* Everything. Options are asked for only where they matter: btrfs may read the disk for them. */
static int mount_status_ask_all(MountEvents *e, uint64_t id) {
        const uint64_t mask = STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC | STATMOUNT_MNT_ROOT |
                              STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE | STATMOUNT_SB_SOURCE;
        int r = mount_status_ask(e, id, mask);
        return r > 0 && mount_status_needs_options(e->status)
                       ? mount_status_ask(e, id, mask | STATMOUNT_MNT_OPTS)
                       : r;
}

static int add_mount(MountEvents *e, MountSet *set, uint64_t id) {
        int r = mount_status_ask_all(e, id);
        const MountStatus *s = e->status;
        if (r <= 0 || !(s->mask & STATMOUNT_MNT_POINT)) /* no path leads there */
                return r < 0 ? r : 0;
        const MountFacts f = {
                .id = s->mnt_id_old,
                .devno = makedev(s->sb_dev_major, s->sb_dev_minor),
                .source = mount_status_text(s, STATMOUNT_SB_SOURCE, s->sb_source),
                .root = mount_status_text(s, STATMOUNT_MNT_ROOT, s->mnt_root),
                .target = mount_status_text(s, STATMOUNT_MNT_POINT, s->mnt_point),
                .fstype = mount_status_text(s, STATMOUNT_FS_TYPE, s->fs_type),
                .options = mount_status_text(s, STATMOUNT_MNT_OPTS, s->mnt_opts),
                .read_only = mount_status_is_read_only(s),
        };
        return mount_set_add(set, id, s->mnt_parent_id, &f);
}

/* As add_mount(), for one that was added before. */
static int renew_mount(MountEvents *e, MountSet *set, uint64_t id) {
        int r = mount_status_ask(
                e, id, STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC | STATMOUNT_MNT_ROOT | STATMOUNT_MNT_POINT);
        const MountStatus *s = e->status;
        if (r <= 0)
                return r;
        const MountFacts f = {
                .root = mount_status_text(s, STATMOUNT_MNT_ROOT, s->mnt_root),
                .target = mount_status_text(s, STATMOUNT_MNT_POINT, s->mnt_point),
                .read_only = mount_status_is_read_only(s),
        };
        return mount_set_renew(set, id, s->mnt_parent_id, &f);
}

#define LIST_ROOM 512U

/* Lists the mounts that follow AFTER. Returns how many; fewer than LIST_ROOM: there are no more. */
static int list_mounts(uint64_t after, uint64_t *ids) {
        MountRequest request = {.size = sizeof(request), .mnt_id = LSMT_ROOT, .param = after};
        long n = syscall(SYS_listmount, &request, ids, LIST_ROOM, 0);
        return n < 0 ? error_origin(-errno) : (int) n;
}

static int list_all_mounts(MountEvents *e, MountSet *set) {
        uint64_t ids[LIST_ROOM] = {};
        unsigned n = LIST_ROOM;
        int r = mount_set_begin(set);
        for (uint64_t last = 0; r >= 0 && n == LIST_ROOM; last = ids[LIST_ROOM - 1]) {
                r = list_mounts(last, ids);
                n = r < 0 ? 0 : (unsigned) r;
                for (unsigned i = 0; r >= 0 && i < n; i++)
                        r = add_mount(e, set, ids[i]);
        }
        if (r < 0)
                return r;
        e->orphans = mount_set_orphans(set);
        e->anew = false;
        return 0;
}

static int take_mount_change(MountEvents *e, MountSet *set, uint64_t mask, uint64_t id) {
        if (e->anew) /* the list will have it */
                return 0;
        if (!(mask & FAN_MNT_DETACH)) {
                int r = add_mount(e, set, id);
                e->anew = r > 0;
                return r;
        }
        e->anew = mask & FAN_MNT_ATTACH; /* both at once: moved */
        mount_set_remove(set, id);
        return 0;
}

/* Processes one event from the queue. */
static int take_mount_event(MountEvents *e, MountSet *set, const struct fanotify_event_metadata *m) {
        if (m->mask & FAN_Q_OVERFLOW) {
                e->anew = true;
                return 0;
        }
        struct fanotify_event_info_header info = {};
        uint64_t id; /* comes last: between the two is what padding the kernel's own architecture needs */
        const char *p = (const char *) m + m->metadata_len;
        if (m->event_len >= m->metadata_len + sizeof(info))
                memcpy(&info, p, sizeof(info));
        if (info.info_type != FAN_EVENT_INFO_TYPE_MNT || info.len < sizeof(info) + sizeof(id) ||
            m->metadata_len + info.len > m->event_len)
                return 0;
        memcpy(&id, p + info.len - sizeof(id), sizeof(id));
        return take_mount_change(e, set, m->mask, id);
}

/* Processes everything that is queued, but not for ever. */
static int take_mount_events(MountEvents *e, MountSet *set) {
        _Alignas(struct fanotify_event_metadata) char buffer[16 * 1024];
        for (size_t taken = 0; taken < EVENTS_MAX;) {
                ssize_t n = read(e->fanotify, buffer, sizeof(buffer));
                if (n < 0)
                        return errno == EAGAIN ? 0 : error_origin(-errno);
                const struct fanotify_event_metadata *m = (const void *) buffer;
                for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n), taken++) {
                        int r = take_mount_event(e, set, m);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* Whatever happened may have been a remount. */
static int renew_volumes(MountEvents *e, MountSet *set) {
        _cleanup_free_ uint64_t *keys = NULL;
        size_t n;
        int r = mount_set_volumes(set, &keys, &n);
        for (size_t i = 0; r >= 0 && !e->anew && i < n; i++) {
                r = renew_mount(e, set, keys[i]);
                e->anew = r > 0;
        }
        return r < 0 ? r : 0;
}

static int follow_mount_events(MountEvents *e, MountSet *set) {
        int r = take_mount_events(e, set);
        /* what was detached had children: these are elsewhere now */
        e->anew = e->anew || mount_set_orphans(set) != e->orphans;
        if (r >= 0)
                r = renew_volumes(e, set);
        return r;
}

static int events_update(void *source, MountSet *set) {
        MountEvents *e = source;
        struct epoll_event ready[2];
        /* acknowledged before reading: what comes later wakes us again */
        if (epoll_wait(e->poll, ready, ELEMENTSOF(ready), 0) < 0)
                return error_origin(-errno);
        int r = follow_mount_events(e, set);
        if (r >= 0 && e->anew)
                r = list_all_mounts(e, set);
        e->anew = e->anew || r < 0;
        return r < 0 ? r : 0;
}

static int events_get_fd(const void *source) {
        return ((const MountEvents *) source)->poll;
}

/* Can this kernel describe a mount as well? */
static int probe_statmount(MountEvents *e) {
        uint64_t ids[LIST_ROOM];
        int r = list_mounts(0, ids);
        if (r > 0)
                r = mount_status_ask(e, ids[0], STATMOUNT_SB_SOURCE);
        return r < 0 ? r : r == 0 || !(e->status->mask & STATMOUNT_SB_SOURCE) ? error_origin(-EOPNOTSUPP) : 0;
}

static int events_open(const char *table, void **ret) {
        if (!streq(table, MOUNT_TABLE_OWN))
                return error_origin(-EOPNOTSUPP); /* statmount(2) finds no mount of another namespace */
        _cleanup_(events_closep) MountEvents *e = calloc(1, sizeof(*e));
        if (!e)
                return error_origin(-ENOMEM);
        *e = (MountEvents){.fanotify = open_fanotify(), .mountinfo = -EBADF, .poll = -EBADF, .anew = true};
        if (e->fanotify < 0)
                return e->fanotify;
        e->mountinfo = open(table, O_RDONLY | O_CLOEXEC);
        if (e->mountinfo < 0)
                return error_origin(-errno);
        e->status_size = sizeof(MountStatus) + 4096;
        e->status = malloc(e->status_size);
        int r = e->status ? probe_statmount(e) : error_origin(-ENOMEM);
        if (r >= 0)
                r = poll_both_sources(e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

const MountSource mount_events = {
        .name = "fanotify",
        .open = events_open,
        .close = events_close,
        .get_fd = events_get_fd,
        .update = events_update,
};
