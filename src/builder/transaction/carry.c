/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks at the volume, never at the helper. Content is read only where the record does not know it: the
 * description is taken before the content, so a file that changes in between is read again next time. */

#include "builder/transaction/carry.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/log.h"
#include "builder/transaction/entry.h"
#include "tree/contain.h"

/* Known contents, sorted by source. */
typedef struct Known {
        const HelperFile **files;
        size_t n;
} Known;

typedef struct Gatherer {
        const Carry *carry;
        Known known;
        HelperSet *set;
        const ManifestCopy *copy; /* the one at work */
        const char *base, *to;    /* its `from` without links, its `to` */
        char **reterr;
} Gatherer;

static int compare_source(const void *a, const void *b) {
        return strcmp((*(const HelperFile *const *) a)->source, (*(const HelperFile *const *) b)->source);
}

static int compare_source_key(const void *key, const void *file) {
        return strcmp(key, (*(const HelperFile *const *) file)->source);
}

static int known_init(Known *k, const Carry *c) {
        const HelperSet *s = &c->record->carried;

        k->files = calloc(s->n + 1, sizeof(*k->files));
        if (!k->files)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < s->n && !c->read_all; i++)
                if (s->items[i].role != ROLE_ENTRY)
                        k->files[k->n++] = &s->items[i];
        qsort(k->files, k->n, sizeof(*k->files), compare_source);
        return 0;
}

static void known_done(Known *k) {
        free(k->files);
}

static const HelperFile *known_find(const Known *k, const char *source, const char *description) {
        const HelperFile **f = bsearch(source, k->files, k->n, sizeof(*k->files), compare_source_key);
        return f && streq((*f)->description, description) ? *f : NULL;
}

/* A regular file stood there a moment ago. */
static int find_again(int root, const HelperFile *file, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = contain_open_nolinks(root, file->source, O_PATH | O_NOFOLLOW, 0, &fd);

        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
                return error_origin(-EAGAIN);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISREG(st.st_mode))
                return error_origin(-EAGAIN);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int carry_open(int root, const HelperFile *file, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r = find_again(root, file, &fd);

        return r < 0 ? r : contain_reopen(fd, O_RDONLY, ret_fd);
}

static int read_entry(int root, HelperFile *f) {
        _cleanup_close_ int fd = -EBADF;
        int r = find_again(root, f, &fd);

        if (r < 0)
                return r;
        size_t size;
        r = contain_read(fd, ENTRY_SIZE_MAX, &f->text, &size);
        if (r >= 0)
                f->size = size;
        return r;
}

static int read_content(const Gatherer *g, HelperFile *f) {
        const HelperFile *known = known_find(&g->known, f->source, f->description);
        int root = g->carry->context->root->fd, r;

        if (f->role == ROLE_ENTRY)
                return read_entry(root, f);
        if (known) {
                f->content = known->content;
                f->size = known->size;
                return 0;
        }
        _cleanup_close_ int fd = -EBADF;
        r = carry_open(root, f, &fd);
        return r < 0 ? r
                     : fingerprint_content(fd, interrupt_wished, g->carry->interrupt, &f->content, &f->size);
}

/* What cannot be carried: an error, but for misc. */
static int complain(const Gatherer *g, int r, const char *path, const char *what) {
        if (r == -ENOMEM || r == -EINTR)
                return r;
        if (g->copy->role != ROLE_MISC)
                return failure(g->reterr, r, "%s %s", path, what);
        log_send(LOG_WARNING,
                 &(LogFields){.volume = g->carry->context->root->name,
                              .helper = g->carry->helper->device,
                              .path = path},
                 "%s: %s %s: left out", g->carry->helper->device, path, what);
        return 0;
}

static int add_file(Gatherer *g, const WalkEntry *e) {
        _cleanup_(helper_file_done) HelperFile f = {.role = g->copy->role, .size = e->stx->stx_size};
        int r;

        if (g->set->n >= CARRY_FILES_MAX)
                return failure(g->reterr, -E2BIG, "more than %u files to carry", CARRY_FILES_MAX);
        f.source = strdup(e->path);
        if (!f.source || strprintf(&f.to, "%s%s", g->to, e->path + strlen(g->base)) < 0)
                return error_origin(-ENOMEM);
        if (!contain_path_is_valid(f.to))
                return complain(g, -ENAMETOOLONG, e->path, "has a name that is too long for the helper");
        r = fingerprint_describe(e, g->carry->context->trust_ctime, &f.description);
        if (r < 0)
                return r;
        r = read_content(g, &f);
        if (r == -EFBIG)
                return complain(g, r, e->path, "is larger than 64 KiB: not an entry");
        if (r < 0)
                return complain(g, r, e->path,
                                r == -EAGAIN ? "changed while it was being read" : strerror(-r));
        return helper_set_add(g->set, &f);
}

static int on_entry(const WalkEntry *e, void *userdata) {
        Gatherer *g = userdata;

        if (!startswith(e->path, g->base))
                return complain(g, -EAGAIN, e->path, "changed while it was being read");
        switch (e->stx->stx_mode & S_IFMT) {
        case S_IFDIR:
                return 0;
        case S_IFREG:
                return add_file(g, e);
        case S_IFLNK:
                return complain(g, -ELOOP, e->path, "is a symbolic link: a helper cannot carry one");
        }
        return complain(g, -EINVAL, e->path, "is neither a file nor a directory");
}

static const char *describe_missing(int r) {
        switch (r) {
        case -ENOENT:
        case -ENOTDIR:
                return "is missing";
        case -EXDEV:
                return "leads out of the volume";
        }
        return strerror(-r);
}

/* *FROM is without links from here on: the walk then gives paths that begin with it. */
static int resolve(const Gatherer *g, char **from) {
        _cleanup_close_ int fd = -EBADF;
        char *path = NULL;
        int r = walk_resolve(&(Walk){.root = g->carry->context->root->fd}, *from, NULL, &fd, &path);

        if (r < 0)
                return r;
        free(*from);
        *from = path;
        return streq(path, "/") ? error_origin(-EISDIR) : 0;
}

static int gather_copy(Gatherer *g, const PlanCopy *pc) {
        const FreshnessContext *c = g->carry->context;
        _cleanup_free_ char *from = NULL, *to = NULL;
        int r;

        g->copy = pc->copy;
        r = plan_path(c->plan, pc->copy->from, pc->instance, &from);
        if (r >= 0)
                r = plan_path(c->plan, pc->copy->to, pc->instance, &to);
        if (r < 0)
                return r;
        r = resolve(g, &from);
        if (r < 0)
                return complain(g, r, from, describe_missing(r));
        g->base = from;
        g->to = to;
        r = walk_source(&(Walk){.root = c->root->fd}, from, &(Visitor){on_entry, g});
        /* what on_entry said is said already; it never returns these */
        return r == -ENOENT || r == -ENOTDIR || r == -EXDEV ? complain(g, r, from, describe_missing(r)) : r;
}

int carry_gather(const Carry *c, HelperSet *ret, char **reterr) {
        _cleanup_(helper_set_done) HelperSet set = HELPER_SET_NULL;
        Gatherer g = {.carry = c, .set = &set, .reterr = reterr};
        _cleanup_(known_done) Known known = {};
        const Plan *plan = c->context->plan;
        int r = known_init(&known, c);

        g.known = known;
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++)
                if (plan_copy_is_for(&plan->copies[i], c->helper->type, c->helper->disk_has_xbootldr))
                        r = gather_copy(&g, &plan->copies[i]);
        if (r < 0)
                return r;
        *ret = set;
        set = HELPER_SET_NULL;
        return 0;
}
