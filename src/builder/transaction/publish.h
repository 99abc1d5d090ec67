/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/hasher.h"

/* How a file is put on a helper so that a power cut at any write leaves the old one or the new one: the
 * recipes that survived on FAT (docs/helpers.md). ROOT is the helper's root directory; paths are absolute
 * within it, and reached without a symbolic link. Files are 0644, directories 0755. All return negative
 * errno. */

/* Called for every piece copied, of at most 1 MiB; a negative errno ends the copy and is returned by it. */
typedef struct PublishWatcher {
        int (*copied)(uint64_t bytes, void *userdata);
        void *userdata;
} PublishWatcher;

/* A regular file that is copied from its start. */
typedef struct PublishSource {
        int fd;
        const PublishWatcher *watcher; /* or NULL */
} PublishSource;

/* Stages the new content of PATH: a complete and durable file in the same directory, which is created if
 * necessary. *RET_TEMPORARY is its path. On failure nothing is left behind. */
int publish_stage_text(int root, const char *path, const char *text, size_t size, char **ret_temporary);
/* The same from SOURCE; *RET_CONTENT is what was written. */
int publish_stage_file(int root, const char *path, const PublishSource *source, Fingerprint *ret_content,
                       char **ret_temporary);

/* The staged file takes over the name PATH, whatever had it. Durable when it returns. */
int publish_rename(int root, const char *temporary, const char *path);

/* Overwrites PATH, a regular file of exactly ENTRY_SECTOR bytes, with as many: one write to one sector.
 * -ESTALE: it is not such a file. */
int publish_overwrite(int root, const char *path, const char *text);

/* PATH, a regular file, has the right content; makes that durable. */
int publish_adopt(int root, const char *path);

/* Removes the file PATH and makes that durable. One that does not exist counts as removed. */
int publish_remove(int root, const char *path);
/* Removes the directory PATH if it is empty. 1: gone; 0: not empty. */
int publish_remove_directory(int root, const char *path);

/* Removes what an interrupted build staged in the directory of PATH. */
int publish_sweep(int root, const char *path);

/* Flushes the disk's own cache: DEVICE is a descriptor of the block device. */
int publish_flush(int device);
