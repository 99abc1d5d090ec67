/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a C client of bootkeep needs: names on the bus, flags, exit statuses, paths, message IDs. The programs
 * themselves use this header, so it cannot lie. See org.bootkeep1(5). */

/* D-Bus */
#define BOOTKEEP_BUS_NAME "org.bootkeep1"
#define BOOTKEEP_OBJECT_PATH "/org/bootkeep1"
#define BOOTKEEP_VOLUME_PATH_PREFIX "/org/bootkeep1/volume"
#define BOOTKEEP_MANAGER_INTERFACE "org.bootkeep1.Manager"
#define BOOTKEEP_VOLUME_INTERFACE "org.bootkeep1.Volume"

/* flags of LockVolume and LockReboot */
#define BOOTKEEP_LOCK_WAIT 1U
/* flags of Rebuild */
#define BOOTKEEP_REBUILD_FORCE 1U

#define BOOTKEEP_ERROR_NO_SUCH_VOLUME "org.bootkeep1.Error.NoSuchVolume"
#define BOOTKEEP_ERROR_BUSY "org.bootkeep1.Error.Busy"
#define BOOTKEEP_ERROR_REBOOT_IN_PROGRESS "org.bootkeep1.Error.RebootInProgress"
#define BOOTKEEP_ERROR_NOT_LOCKED "org.bootkeep1.Error.NotLocked"
#define BOOTKEEP_ERROR_NOT_HOLDER "org.bootkeep1.Error.NotHolder"
#define BOOTKEEP_ERROR_ALREADY_LOCKED "org.bootkeep1.Error.AlreadyLocked"
#define BOOTKEEP_ERROR_NOT_READY "org.bootkeep1.Error.NotReady"
#define BOOTKEEP_ERROR_BUILD_FAILED "org.bootkeep1.Error.BuildFailed"

/* Exit statuses of bootkeep-scan */
#define BOOTKEEP_SCAN_FRESH 0
#define BOOTKEEP_SCAN_STALE 1
#define BOOTKEEP_SCAN_NO_MANIFEST 2
#define BOOTKEEP_SCAN_REFUSED 3
#define BOOTKEEP_SCAN_ERROR 4

/* Exit statuses of bootkeep-build */
#define BOOTKEEP_BUILD_SUCCESS 0
#define BOOTKEEP_BUILD_FAILED 1
#define BOOTKEEP_BUILD_USAGE 2
#define BOOTKEEP_BUILD_REFUSED 3
#define BOOTKEEP_BUILD_TEMPFAIL 75

/* Exit statuses of bootkeepctl, besides 0 and those of a verb */
#define BOOTKEEP_CTL_NO 1
#define BOOTKEEP_CTL_USAGE 2
#define BOOTKEEP_CTL_UNREACHABLE 3
#define BOOTKEEP_CTL_DENIED 4

/* Paths on a volume */
#define BOOTKEEP_MANIFEST_ADMIN "/etc/bootkeep/bootcaches.xml"
#define BOOTKEEP_MANIFEST_VENDOR "/usr/lib/bootkeep/bootcaches.xml"
#define BOOTKEEP_VOLUME_STATE "/var/lib/bootkeep"

/* Message IDs in the journal (MESSAGE_ID=), explained by the message catalog */
#define BOOTKEEP_MESSAGE_VOLUME_APPEARED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e01"
#define BOOTKEEP_MESSAGE_VOLUME_GONE "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e02"
#define BOOTKEEP_MESSAGE_MANIFEST_REFUSED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e03"
#define BOOTKEEP_MESSAGE_CACHE_STALE "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e04"
#define BOOTKEEP_MESSAGE_BUILD_STARTED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e05"
#define BOOTKEEP_MESSAGE_BUILD_SUCCEEDED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e06"
#define BOOTKEEP_MESSAGE_BUILD_FAILED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e07"
#define BOOTKEEP_MESSAGE_GIVEN_UP "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e08"
#define BOOTKEEP_MESSAGE_SCAN_HUNG "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e09"
#define BOOTKEEP_MESSAGE_HELPER_UPDATED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0a"
#define BOOTKEEP_MESSAGE_HELPER_FAILED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0b"
#define BOOTKEEP_MESSAGE_BUILDER_OUTPUT "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0c"
#define BOOTKEEP_MESSAGE_CONFIG "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0d"
#define BOOTKEEP_MESSAGE_CHANGED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0e"
#define BOOTKEEP_MESSAGE_BOOTED_STALE "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e14"
#define BOOTKEEP_MESSAGE_OWED "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e0f"
