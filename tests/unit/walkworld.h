/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Walks in the scratch folder, and what happens beside them. For one file of each program, as it replaces
 * functions of libc. */

#include "tree/walk.h"

#include "interpose.h"

/* The Nth call of one kind fails, if its error is not 0. */
typedef struct Nth {
        int error;
        unsigned left;
        bool failed;
} Nth;

static struct { Nth open, stat, read; } nth;

static inline bool nth_fails(Nth *n) {
        if (n->error == 0 || n->failed || n->left-- > 0)
                return false;
        n->failed = true;
        errno = n->error;
        return true;
}

/* What somebody else does, or the file system reports, right after the first statx of a name. */
static struct {
        const char *name;
        void (*then)(const Scratch *s);
        const Scratch *scratch;
        int error; /* what the call for NAME returns instead, if not 0 */
} beside;

static bool links_are_one_inode; /* its number is given to one after the other */

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        if (nth_fails(&nth.stat))
                return -1;
        int r = REAL(statx)(dirfd, name, flags, mask, ret);
        if (r >= 0 && links_are_one_inode && S_ISLNK(ret->stx_mode))
                ret->stx_ino = 1;
        if (!beside.name || !streq(name, beside.name))
                return r;
        beside.name = NULL;
        if (beside.then)
                beside.then(beside.scratch);
        if (beside.error > 0) {
                errno = beside.error;
                return -1;
        }
        return r;
}

/* How directories are read. */
static struct {
        size_t piece; /* at most so many bytes by one read; 0: all */
        int error;    /* of the reads after these */
        unsigned skip;
        unsigned n; /* how many there were */
} listings;

ssize_t getdents64(int fd, void *buffer, size_t size) {
        if (nth_fails(&nth.read))
                return -1;
        if (listings.error > 0 && listings.n >= listings.skip) {
                errno = listings.error;
                return -1;
        }
        listings.n++;
        return REAL(getdents64)(fd, buffer, listings.piece > 0 ? MIN(size, listings.piece) : size);
}

/* What the open of a path returns instead, if anything; how many there were. */
static struct {
        const char *path;
        int error;
        unsigned skip; /* this many of them first */
        unsigned n;
} opening;

long syscall(long number, ...) {
        long a[6];
        va_list ap;
        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_openat2) {
                const struct open_how *how = (const struct open_how *) a[2];
                opening.n++;
                if (nth_fails(&nth.open))
                        return -1;
                if (opening.path && streq((const char *) a[1], opening.path) && how->flags & O_DIRECTORY &&
                    (opening.skip == 0 || opening.skip-- == 0)) {
                        errno = opening.error;
                        return -1;
                }
        }
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static inline int walk_setup(void **state) {
        memset(&beside, 0, sizeof(beside));
        memset(&opening, 0, sizeof(opening));
        memset(&listings, 0, sizeof(listings));
        memset(&nth, 0, sizeof(nth));
        links_are_one_inode = false;
        return scratch_setup(state);
}

#define walk_test(f) cmocka_unit_test_setup_teardown(f, walk_setup, scratch_teardown)

/* What a walk visited, one entry per line: "PATH" or "PATH -> TARGET". */
typedef struct Seen {
        char text[8192];
        size_t n;
} Seen;

static inline int see(const WalkEntry *entry, void *userdata) {
        Seen *seen = userdata;
        size_t used = strlen(seen->text);
        (void) snprintf(seen->text + used, sizeof seen->text - used, "%s%s%s%s\n", entry->path,
                        entry->target ? " -> " : "", strempty(entry->target),
                        entry->broken ? " (broken)" : "");
        assert_int_equal(S_ISLNK(entry->stx->stx_mode), entry->target != NULL);
        seen->n++;
        return 0;
}

static inline int count(const WalkEntry *entry, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

/* What was armed, one per line: "KIND PATH". */
typedef struct Armed {
        const Scratch *scratch;
        char text[16384];
        void (*before)(const Scratch *s, const char *path); /* what somebody else does at this moment */
} Armed;

static inline int arm(int fd, ArmKind kind, void *userdata) {
        static const char *const kinds[_ARM_KIND_MAX] = {
                [ARM_ANCESTOR] = "ancestor", [ARM_MISSING] = "missing", [ARM_NODE] = "node",
                [ARM_TREE] = "tree",         [ARM_COVERED] = "covered", [ARM_ABOVE] = "above",
        };
        Armed *a = userdata;
        char link[64], path[4096];
        assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
        (void) snprintf(link, sizeof link, "/proc/self/fd/%i", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        assert_true(n > 0);
        path[n] = 0;
        const char *inside = startswith(path, a->scratch->path);
        assert_non_null(inside);
        size_t used = strlen(a->text);
        (void) snprintf(a->text + used, sizeof a->text - used, "%s %s\n", kinds[kind],
                        *inside ? inside : "/");
        if (a->before)
                a->before(a->scratch, inside);
        return 0;
}

static inline int walk(const Scratch *s, const char *path, Seen *seen, Armed *armed) {
        *seen = (Seen){};
        if (!armed)
                return walk_source(&(Walk){.root = s->fd}, path, &(Visitor){see, seen});
        armed->scratch = s;
        armed->text[0] = 0;
        return walk_source(&(Walk){s->fd, &(Arm){arm, armed}}, path, &(Visitor){see, seen});
}

/* Each call of one kind fails in turn: that ends the walk, and nothing stays open. */
static inline void fails_in_turn(const Scratch *s, const char *path, Nth *kind, int error) {
        Armed armed = {};
        Seen seen;
        unsigned n = 0;
        size_t open = count_descriptors();
        for (bool failed = true; failed; n++) {
                *kind = (Nth){.error = error, .left = n};
                int r = walk(s, path, &seen, &armed);
                failed = kind->failed;
                assert_int_equal(r, failed ? -error : 0);
                assert_int_equal(count_descriptors(), open);
        }
        *kind = (Nth){};
        assert_in_range(n, 4, 1000);
}
