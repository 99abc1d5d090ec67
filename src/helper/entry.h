/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a boot loader entry, as words separated by white space: which files it names, and the same text
 * with other names. Pure. */

#include "base/util.h"

#define ENTRY_SIZE_MAX (64U * 1024U)
/* An entry of this size is one sector on any disk, so it can be overwritten in place. */
#define ENTRY_SECTOR 512U

/* Returns the replacement of WORD (SIZE bytes, not NUL-terminated); NULL: the word itself. */
typedef struct EntryNames {
        const char *(*name)(const char *word, size_t size, void *userdata);
        void *userdata;
} EntryNames;

/* Replaces every word of TEXT by what NAMES returns for it. -EFBIG over ENTRY_SIZE_MAX; -EINVAL: contains a
 * NUL byte. */
int entry_rewrite(const char *text, size_t size, const EntryNames *names, char **ret, size_t *ret_size);

/* Does TEXT contain WORD as a whole word? */
bool entry_has_word(const char *text, size_t size, const char *word);

/* Pads *TEXT, of *SIZE bytes, to ENTRY_SECTOR bytes with newlines; a longer one is unchanged. */
int entry_pad(char **text, size_t *size);

/* `/loader/entries/a.conf` and "previous" give `/loader/entries/a-previous.conf`: the same extension, so that
 * the boot loader reads it. */
int entry_sibling(const char *path, const char *suffix, char **ret);
