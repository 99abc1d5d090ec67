/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads directories with getdents64(2): readdir(3) would allocate for each, and a tree has many. The names of
 * one directory are in one piece of memory. It refuses to examine what the names refer to. */

#include "tree/listing.h"

#include <fcntl.h>

#include "base/error.h"
#include "tree/contain.h"

#define TEXT_ROOM_MIN 4096U
#define PEEK_ROOM 1024U /* enough for ".", ".." and one more name of maximum length */

void listing_done(Listing *l) {
        assert(l);
        free(l->text);
        free(l->names);
        *l = (Listing){};
}

/* In every directory. */
static bool dirent_is_dots(const struct dirent64 *entry) {
        return streq(entry->d_name, ".") || streq(entry->d_name, "..");
}

/* The text of a listing while it is being read. */
typedef struct ListingText {
        size_t size, room;
} ListingText;

static int listing_append(Listing *l, ListingText *t, const struct dirent64 *entry) {
        const char *name = entry->d_name;
        size_t length = 1 + strlen(name) + 1;
        assert(t->size <= t->room);
        if (t->size + length > t->room) {
                size_t room = MAX(t->room * 2, TEXT_ROOM_MIN);
                char *text = realloc(l->text, room);
                if (!text)
                        return error_origin(-ENOMEM);
                l->text = text;
                t->room = room;
        }
        l->text[t->size] = (char) entry->d_type;
        memcpy(l->text + t->size + 1, name, length - 1);
        t->size += length;
        l->n_names++;
        return 0;
}

/* Adds the names returned by one read of the directory. */
static int listing_append_entries(Listing *l, ListingText *t, const ListingBuffer *buffer, size_t n) {
        int r = 0;
        for (size_t at = 0; r >= 0 && at < n;) {
                const struct dirent64 *entry = (const struct dirent64 *) (buffer->bytes + at);
                assert(entry->d_reclen > 0 && entry->d_reclen <= n - at);
                at += entry->d_reclen;
                if (!dirent_is_dots(entry))
                        r = listing_append(l, t, entry);
        }
        return r;
}

static int listing_compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int listing_sort(Listing *l) {
        if (l->n_names == 0)
                return 0;
        l->names = reallocarray(NULL, l->n_names, sizeof(*l->names));
        if (!l->names)
                return error_origin(-ENOMEM);
        char *p = l->text + 1;
        for (size_t i = 0; i < l->n_names; i++, p += strlen(p) + 2)
                l->names[i] = p;
        qsort(l->names, l->n_names, sizeof(*l->names), listing_compare_names);
        return 0;
}

int listing_read(int dirfd, ListingBuffer *buffer, Listing *ret) {
        assert(dirfd >= 0 && buffer);
        assert(!ret->text && !ret->names && ret->n_names == 0);
        ListingText text = {};
        for (;;) {
                ssize_t n = getdents64(dirfd, buffer->bytes, sizeof(buffer->bytes));
                /* ENOENT: the directory was removed while it was read */
                if (n == 0 || (n < 0 && errno == ENOENT))
                        return listing_sort(ret);
                if (n < 0)
                        return error_origin(-errno);
                int r = listing_append_entries(ret, &text, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
}

int listing_is_empty(int fd) {
        char bytes[PEEK_ROOM] __attribute__((__aligned__(8)));
        _cleanup_close_ int dirfd = -EBADF;
        int r = contain_open_nolinks(fd, "/", O_RDONLY | O_DIRECTORY, 0, &dirfd);
        if (r < 0)
                return r;
        ssize_t n;
        while ((n = getdents64(dirfd, bytes, sizeof(bytes))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (bytes + at);
                        at += entry->d_reclen;
                        if (!dirent_is_dots(entry))
                                return 0;
                }
        /* as above: one that was removed is empty */
        return n < 0 && errno != ENOENT ? error_origin(-errno) : 1;
}
