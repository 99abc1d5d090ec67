/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/record.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "daemon/world/pin.h"

int record_new(void *owner, const char *name, bool trusted, Record **ret) {
        _cleanup_(record_freep) Record *r = calloc(1, sizeof(*r));
        if (!r)
                return error_origin(-ENOMEM);
        r->owner = owner;
        r->pin = -EBADF;
        r->volume = volume_init(trusted);
        r->shown.state = r->rested = _VOLUME_STATE_MAX; /* nothing was shown yet */
        r->name = strdup(name);
        if (!r->name)
                return error_origin(-ENOMEM);
        *ret = TAKE_PTR(r);
        return 0;
}

static void shown_done(Shown *s) {
        free(s->reason);
        free(s->manifest);
        free(s->mount_point);
        free(s->device);
        free(s->uuid);
        free(s->lock_holder);
}

Record *record_free(Record *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->timer);
        sd_event_source_disable_unref(r->watch_source);
        running_done(&r->scan);
        running_done(&r->build);
        for (size_t i = 0; i < r->n_pending; i++)
                sd_bus_message_unref(r->pending[i].call);
        free(r->pending);
        for (size_t i = 0; i < r->n_mounts; i++)
                mount_entry_done(&r->mounts[i]);
        free(r->mounts);
        device_info_done(&r->device);
        watch_free(r->watch);
        report_free(r->report);
        shown_done(&r->shown);
        pin_release(r->pin);
        free(r->lock_holder);
        free(r->unwatched);
        free(r->problem);
        free(r->built_from);
        free(r->name);
        free(r);
        return NULL;
}

int record_set_mount(Record *r, const MountEntry *entry) {
        _cleanup_(mount_entry_done) MountEntry copy = MOUNT_ENTRY_NULL;
        int e = mount_entry_copy(entry, &copy);
        if (e < 0)
                return e;
        size_t i = 0;
        while (i < r->n_mounts && r->mounts[i].id != entry->id)
                i++;
        if (i == r->n_mounts) {
                if (grow(r->mounts, r->n_mounts) < 0)
                        return error_origin(-ENOMEM);
                r->mounts[r->n_mounts++] = MOUNT_ENTRY_NULL;
        }
        mount_entry_done(&r->mounts[i]);
        r->mounts[i] = copy;
        copy = MOUNT_ENTRY_NULL;
        return 0;
}

int record_drop_mount(Record *r, uint64_t id) {
        for (size_t i = 0; i < r->n_mounts; i++) {
                if (r->mounts[i].id != id)
                        continue;
                mount_entry_done(&r->mounts[i]);
                memmove(r->mounts + i, r->mounts + i + 1, (r->n_mounts - i - 1) * sizeof(*r->mounts));
                r->n_mounts--;
                return 1;
        }
        return 0;
}

const MountEntry *record_mount(const Record *r) {
        return r->n_mounts > 0 ? r->mounts : NULL;
}

/* A name below /dev may be a link that udev does not know of: /dev is ours to look at, but nothing is where
 * such a link, or a "..", may lead out of it: anybody may ask, and there may be no answer (autofs, NFS). */
static bool is_node_of(const char *path, dev_t devno) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
        };
        const char *below = startswith(path, "/dev/");
        struct stat st;
        if (isempty(below))
                return false;
        _cleanup_close_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = dev < 0 ? -EBADF : (int) syscall(SYS_openat2, dev, below, &how, sizeof(how));
        return fd >= 0 && fstat(fd, &st) >= 0 && S_ISBLK(st.st_mode) && st.st_rdev == devno;
}

static bool matches_tag(const DeviceInfo *d, const char *argument, bool *ret) {
        const struct {
                const char *prefix, *value;
                bool fold; /* hexadecimal: the case does not matter */
        } tags[] = {
                {"UUID=", d->uuid, true},
                {"LABEL=", d->label, false},
                {"PARTUUID=", d->partuuid, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(tags); i++) {
                const char *value = startswith(argument, tags[i].prefix);
                if (!value)
                        continue;
                *ret = tags[i].value &&
                       (tags[i].fold ? strcasecmp(value, tags[i].value) : strcmp(value, tags[i].value)) == 0;
                return true;
        }
        return false;
}

static bool is_mount_point(const char *argument, const char *target) {
        const char *rest = startswith(argument, target);
        return *target && rest && rest[strspn(rest, "/")] == 0;
}

/* The source as findmnt(8) writes it: `/dev/sda2[/@]`. */
static bool is_source(const char *argument, const MountEntry *m) {
        const char *root = startswith(argument, m->node);
        const char *end = root && *root == '[' ? startswith(root + 1, m->root) : NULL;
        return end && streq(end, "]");
}

bool record_matches(const Record *r, const char *argument) {
        bool tag;
        if (streq(argument, r->name))
                return true;
        if (matches_tag(&r->device, argument, &tag))
                return tag;
        for (size_t i = 0; i < r->n_mounts; i++) {
                const MountEntry *m = &r->mounts[i];
                if (is_mount_point(argument, m->target) || streq(argument, m->device) ||
                    is_source(argument, m) || is_node_of(argument, m->devno))
                        return true;
        }
        return streq_ptr(argument, r->device.node) || strv_contains(r->device.links, argument);
}

static const char *first_stale_reason(const Report *report, char **ret_owned) {
        for (size_t i = 0; report && i < report->n_caches; i++) {
                const ReportCache *c = &report->caches[i];
                if (!c->fresh) {
                        (void) strprintf(ret_owned, "cache %s%s%s: %s", c->name,
                                         isempty(c->instance) ? "" : " ", strempty(c->instance),
                                         strempty(c->reason));
                        return strempty(*ret_owned);
                }
        }
        for (size_t i = 0; report && i < report->n_helpers; i++) {
                const ReportHelper *h = &report->helpers[i];
                if (!h->fresh) {
                        (void) strprintf(ret_owned, "helper %s: %s", h->device, strempty(h->reason));
                        return strempty(*ret_owned);
                }
        }
        return "";
}

static const char *hold_text(const Volume *v) {
        if (v->holds & VOLUME_HOLD_LOCK)
                return "; held back by a lock";
        if (v->holds & VOLUME_HOLD_PACKAGES)
                return "; held back while a package manager works";
        if (v->holds & VOLUME_HOLD_BOOT)
                return "; held back because the machine has just booted";
        if (v->holds & VOLUME_HOLD_RETRY)
                return "; a builder asked to be run later";
        return "";
}

static char *unwatched_text(const Record *r) {
        char *text = NULL;
        return strprintf(&text, "not watched, scanned on a timer: %s", r->unwatched) < 0 ? NULL : text;
}

/* Where nothing failed it was built, or its lock given back, and something is stale all the same: a builder
 * may change its own sources. */
static char *problem_text(const Record *r) {
        _cleanup_free_ char *owned = NULL;
        char *text = NULL;
        const char *stale;
        if (!isempty(r->problem))
                return strdup(r->problem);
        stale = first_stale_reason(r->report, &owned);
        if (!*stale)
                return strdup("");
        return strprintf(&text, "still stale: %s", stale) < 0 ? NULL : text;
}

static char *given_up_text(const Record *r) {
        _cleanup_free_ char *problem = problem_text(r);
        char *text = NULL;
        return strprintf(&text, "%u failures, %u builds: %s", r->volume.failures, r->volume.attempts,
                         strempty(problem)) < 0
                       ? NULL
                       : text;
}

static char *state_reason(const Record *r) {
        _cleanup_free_ char *owned = NULL;
        char *text = NULL;
        switch (r->volume.state) {
        case VOLUME_NEW:
        case VOLUME_SCANNING:
                return strdup("");
        case VOLUME_FRESH:
                return r->unwatched ? unwatched_text(r) : strdup("");
        case VOLUME_PLAIN:
                return strdup("no manifest");
        case VOLUME_SETTLING:
                return strdup("something changed");
        case VOLUME_HUNG:
                return strdup(r->volume.build_runs ? "a build is not responding"
                                                   : "a scan is not responding");
        case VOLUME_REFUSED:
                return strdup(strempty(r->problem));
        case VOLUME_FAILED:
                return problem_text(r);
        case VOLUME_GIVEN_UP:
                return given_up_text(r);
        case VOLUME_UNTRUSTED:
        case VOLUME_BUILDING:
                return strdup(first_stale_reason(r->report, &owned));
        case VOLUME_STALE:
                return strprintf(&text, "%s%s", first_stale_reason(r->report, &owned),
                                 hold_text(&r->volume)) < 0
                               ? NULL
                               : text;
        case _VOLUME_STATE_MAX:
                break;
        }
        return NULL;
}

char *record_reason(const Record *r) {
        _cleanup_free_ char *reason = state_reason(r);
        char *text = NULL;
        if (!r->unread || r->volume.state == VOLUME_PLAIN || !reason)
                return TAKE_PTR(reason);
        return strprintf(&text, "%s%sheld back: %s", reason, *reason ? "; " : "", r->unread) < 0 ? NULL
                                                                                                 : text;
}

void record_view(const Record *r, BusVolume *ret) {
        const MountEntry *m = record_mount(r);
        const Report *doing = r->build.report;
        *ret = (BusVolume){
                .name = r->name,
                .device = r->shown.device,
                .mount_point = m ? m->target : "",
                .fstype = m ? m->fstype : "",
                .uuid = r->device.uuid,
                .manifest = r->report ? r->report->manifest : NULL,
                .state = volume_state_to_string(r->volume.state),
                .reason = r->shown.reason,
                .busy = volume_busy(&r->volume),
                .trusted = r->volume.trusted,
                .lock_holder = r->lock_holder,
                .lock_holder_pid = r->lock_holder_pid,
                .lock_waiters = lock_waiters(&r->lock),
                .failures = r->volume.failures,
                .attempts = r->volume.attempts,
                .last_build_start = r->last_build_start,
                .last_build_end = r->last_build_end,
                .last_build_status = r->last_build_status,
                .report = r->report,
                .progress_done = doing ? doing->progress_done : 0,
                .progress_of = doing ? doing->progress_of : 0,
        };
}

/* Copies S to *RET, NULL as "". */
static int copy_text(const char *s, char **ret) {
        *ret = strdup(strempty(s));
        return *ret ? 0 : error_origin(-ENOMEM);
}

/* What is to be shown now. *RET is for shown_done() also on failure. */
static int shown_make(const Record *r, Shown *ret) {
        const MountEntry *m = record_mount(r);
        *ret = (Shown){
                .state = r->volume.state,
                .busy = volume_busy(&r->volume),
                .trusted = r->volume.trusted,
                .failures = r->volume.failures,
                .attempts = r->volume.attempts,
                .reason = record_reason(r),
                .lock_holder_pid = r->lock_holder_pid,
                .lock_waiters = lock_waiters(&r->lock),
        };
        int q = ret->reason ? 0 : error_origin(-ENOMEM);
        if (q >= 0)
                q = copy_text(r->report ? r->report->manifest : NULL, &ret->manifest);
        if (q >= 0)
                q = copy_text(m ? m->target : NULL, &ret->mount_point);
        if (q >= 0)
                q = copy_text(r->device.node ? r->device.node : m ? m->node : NULL, &ret->device);
        if (q >= 0)
                q = copy_text(r->device.uuid, &ret->uuid);
        return q < 0 ? q : copy_text(r->lock_holder, &ret->lock_holder);
}

/* The names of the properties that differ. */
static int shown_compare(const Shown *a, const Shown *b, char ***ret) {
        const struct {
                const char *name;
                bool same;
        } properties[] = {
                {"State", a->state == b->state},
                {"Busy", a->busy == b->busy},
                {"Trusted", a->trusted == b->trusted},
                {"Failures", a->failures == b->failures},
                {"Attempts", a->attempts == b->attempts},
                {"StateReason", streq_ptr(a->reason, b->reason)},
                {"Manifest", streq_ptr(a->manifest, b->manifest)},
                {"MountPoint", streq_ptr(a->mount_point, b->mount_point)},
                {"Device", streq_ptr(a->device, b->device)},
                {"UUID", streq_ptr(a->uuid, b->uuid)},
                {"LockHolder", streq_ptr(a->lock_holder, b->lock_holder)},
                {"LockHolderPID", a->lock_holder_pid == b->lock_holder_pid},
                {"LockWaiters", a->lock_waiters == b->lock_waiters},
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(properties); i++)
                r = properties[i].same ? 0 : strv_extend(ret, properties[i].name);
        return r;
}

int record_changes(Record *r, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_(shown_done) Shown now = {};
        int q = shown_make(r, &now);
        if (q >= 0)
                q = shown_compare(&r->shown, &now, &names);
        if (q < 0)
                return q; /* what was shown stays: the changes are told the next time */
        const Shown before = r->shown;
        r->shown = now;
        now = before;
        *ret = TAKE_PTR(names);
        return 0;
}
