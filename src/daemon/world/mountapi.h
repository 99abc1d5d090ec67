/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel can tell about mounts (listmount(2) and statmount(2), 6.8 and 6.13; fanotify mount events,
 * 6.15) and what headers older than those lack. Constants and fields have the kernel's names; the types are
 * our own, as headers of a version in between know half of their fields. */

#include <linux/mount.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>

#ifndef SYS_statmount
#if defined __alpha__ || defined __mips__ /* count otherwise: without them, for want of a header that knows  \
                                           */
#define SYS_statmount (-1)
#define SYS_listmount (-1)
#else
#define SYS_statmount 457
#define SYS_listmount 458
#endif
#endif

#ifndef STATMOUNT_SB_BASIC
#define STATMOUNT_SB_BASIC 0x00000001U
#define STATMOUNT_MNT_BASIC 0x00000002U
#define STATMOUNT_MNT_ROOT 0x00000008U
#define STATMOUNT_MNT_POINT 0x00000010U
#define STATMOUNT_FS_TYPE 0x00000020U
#define LSMT_ROOT UINT64_MAX
#endif
#ifndef STATMOUNT_MNT_OPTS
#define STATMOUNT_MNT_OPTS 0x00000080U
#endif
#ifndef STATMOUNT_SB_SOURCE
#define STATMOUNT_SB_SOURCE 0x00000200U
#endif

#ifndef FAN_REPORT_MNT
#define FAN_REPORT_MNT 0x00004000
#define FAN_MARK_MNTNS 0x00000110
#define FAN_MNT_ATTACH 0x01000000
#define FAN_MNT_DETACH 0x02000000
#define FAN_EVENT_INFO_TYPE_MNT 7
#endif

typedef struct MountRequest { /* struct mnt_id_req, first version */
        uint32_t size, spare;
        uint64_t mnt_id; /* the unique one */
        uint64_t param;  /* statmount: STATMOUNT_…; listmount: the last one listed */
} MountRequest;

typedef struct MountStatus { /* struct statmount; strings as offsets in str[] */
        uint32_t size, mnt_opts;
        uint64_t mask;
        uint32_t sb_dev_major, sb_dev_minor;
        uint64_t sb_magic;
        uint32_t sb_flags, fs_type;
        uint64_t mnt_id, mnt_parent_id; /* unique, never used again */
        uint32_t mnt_id_old, mnt_parent_id_old;
        uint64_t mnt_attr, mnt_propagation, mnt_peer_group, mnt_master, propagate_from;
        uint32_t mnt_root, mnt_point;
        uint64_t mnt_ns_id;
        uint32_t fs_subtype, sb_source;
        uint32_t opt_num, opt_array, opt_sec_num, opt_sec_array;
        uint64_t later[46];
        char str[];
} MountStatus;

_Static_assert(sizeof(MountStatus) == 512, "struct statmount is of 512 bytes");
