/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A volume as the daemon describes it: the properties of org.bootkeep1.Volume, read once. It is a snapshot,
 * never kept up to date. Properties that are missing or of another type are left at zero, unknown ones are
 * ignored: so this program and the daemon need not be of the same version. */

#include <systemd/sd-bus.h>

#include "ctl/json.h"

typedef struct VolumeInfoCache {
        char *name, *instance, *reason;
        bool fresh;
} VolumeInfoCache;

typedef struct VolumeInfoLearned {
        char *cache, *text; /* "yes", or "no" and why not */
} VolumeInfoLearned;

typedef struct VolumeInfoHelper {
        char *device, *type, *partuuid, *reason;
        bool fresh;
} VolumeInfoHelper;

typedef struct VolumeInfo {
        char *object;
        /* never NULL */
        char *name, *device, *mount_point, *fs_type, *uuid, *manifest, *state, *reason, *lock_holder,
                *last_failure;
        bool busy, trusted;
        uint32_t lock_holder_pid, lock_waiters, failures, attempts;
        uint64_t last_build_start, last_build_end; /* microseconds of CLOCK_REALTIME; 0: never */
        int32_t last_build_status;
        uint64_t progress_done, progress_of;
        VolumeInfoCache *caches;
        size_t n_caches;
        VolumeInfoLearned *learned;
        size_t n_learned;
        VolumeInfoHelper *helpers;
        size_t n_helpers;
} VolumeInfo;

VolumeInfo *volume_info_new(const char *object); /* NULL: out of memory */
VolumeInfo *volume_info_free(VolumeInfo *v);
DEFINE_CLEANUP(VolumeInfo *, volume_info_free);
VolumeInfo *volume_info_copy(const VolumeInfo *v); /* NULL: out of memory */

/* Reads the a{sv} at the current position of M: all properties, or those that changed. Negative errno of
 * sd-bus. */
int volume_info_read(VolumeInfo *v, sd_bus_message *m);

size_t volume_info_stale_caches(const VolumeInfo *v);
size_t volume_info_stale_helpers(const VolumeInfo *v);
/* No manifest: nothing to maintain. (A new one may still turn out to be plain.) */
bool volume_info_is_plain(const VolumeInfo *v);

/* As an object: every property, by names like mount_point, then `caches` and `helpers`. */
void volume_info_to_json(const VolumeInfo *v, Json *j);
/* Only `caches` and `helpers`, into the open object. */
void volume_info_items_to_json(const VolumeInfo *v, Json *j);

typedef struct VolumeInfoList {
        VolumeInfo **items;
        size_t n;
} VolumeInfoList;

VolumeInfoList *volume_info_list_free(VolumeInfoList *l);
DEFINE_CLEANUP(VolumeInfoList *, volume_info_list_free);

/* Takes V, even on failure. -ENOMEM. */
int volume_info_list_add(VolumeInfoList *l, VolumeInfo *v);
/* Plain ones last; among equals by name, with numbers in it by value. */
void volume_info_list_sort(VolumeInfoList *l);
