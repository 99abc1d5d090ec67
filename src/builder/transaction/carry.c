/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the volume, never the helper. Content is read only if the record does not have it: the description is
 * taken before the content, so a file that changes in between is read again next time. */

#include "builder/transaction/carry.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/reason.h"
#include "helper/entry.h"
#include "tree/contain.h"

#define CHANGED_MEANWHILE "changed while it was being read"

typedef struct Gatherer {
        const Carry *carry;
        NameMap known; /* CarriedFile by source */
        WantedSet set;
        const ManifestCopy *copy; /* the current one */
        const char *base, *to;    /* its `from` without links, its `to` */
        char **reterr;
} Gatherer;

static void gatherer_done(Gatherer *g) {
        name_map_done(&g->known);
        wanted_set_done(&g->set);
}

/* An entry is always read: its text on the helper differs from that on the volume. */
static int map_known(Gatherer *g) {
        const CarriedSet *carried = &g->carry->record->carried;
        for (size_t i = 0; i < carried->n && !g->carry->read_all; i++) {
                const CarriedFile *f = &carried->items[i];
                if (f->role != ROLE_ENTRY && name_map_put(&g->known, f->source, f) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static const CarriedFile *find_known(const Gatherer *g, const WantedFile *f) {
        const CarriedFile *known = name_map_get(&g->known, f->source);
        return known && streq(known->description, f->description) ? known : NULL;
}

/* There was a regular file a moment ago. */
static int find_source_again(int root, const char *source, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = contain_open_nolinks(root, source, O_PATH | O_NOFOLLOW, 0, &fd);
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

int carry_open(int root, const char *source, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r = find_source_again(root, source, &fd);
        return r < 0 ? r : contain_reopen(fd, O_RDONLY, ret_fd);
}

static int read_entry_source(int root, WantedFile *f) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = 0;
        int r = find_source_again(root, f->source, &fd);
        if (r >= 0)
                r = contain_read(fd, ENTRY_SIZE_MAX, &f->text, &size);
        if (r >= 0)
                f->size = size;
        return r;
}

static int read_source(const Gatherer *g, WantedFile *f) {
        int root = g->carry->context->root->fd;
        if (f->role == ROLE_ENTRY)
                return read_entry_source(root, f);
        const CarriedFile *known = find_known(g, f);
        if (known) {
                f->content = known->content;
                f->size = known->size;
                return 0;
        }
        _cleanup_close_ int fd = -EBADF;
        int r = carry_open(root, f->source, &fd);
        return r < 0 ? r
                     : fingerprint_content(fd, interrupt_wished, g->carry->interrupt, &f->content, &f->size);
}

/* The file PATH cannot be carried, as WHY says: an error, except for misc. */
static int refuse_or_leave_out(const Gatherer *g, int r, const char *path, const char *why) {
        if (g->copy->role != ROLE_MISC)
                return failure(g->reterr, r, "%s", why);
        log_send(LOG_WARNING,
                 &(LogFields){.volume = g->carry->context->root->name,
                              .helper = g->carry->helper->device,
                              .path = path},
                 "%s: %s: left out", g->carry->helper->device, why);
        return 0;
}

/* It is not what can be carried. */
static int cannot_carry(const Gatherer *g, int r, const char *path, const char *what) {
        _cleanup_free_ char *why = NULL;
        return strprintf(&why, "%s %s", path, what) < 0 ? error_origin(-ENOMEM)
                                                        : refuse_or_leave_out(g, r, path, why);
}

/* It cannot be examined or read. */
static int cannot_read(const Gatherer *g, int r, const char *path) {
        _cleanup_free_ char *why = NULL;
        if (r == -ENOMEM || r == -EINTR)
                return r;
        return reason_describe_error(path, r, &why) < 0 ? error_origin(-ENOMEM)
                                                        : refuse_or_leave_out(g, r, path, why);
}

static int add_carried_file(Gatherer *g, const WalkEntry *e) {
        _cleanup_(wanted_file_done) WantedFile f = {.role = g->copy->role, .size = e->stx->stx_size};
        if (g->set.n >= CARRY_FILES_MAX)
                return failure(g->reterr, -E2BIG, "more than %u files to carry", CARRY_FILES_MAX);
        f.source = strdup(e->path);
        if (!f.source || strprintf(&f.to, "%s%s", g->to, e->path + strlen(g->base)) < 0)
                return error_origin(-ENOMEM);
        if (!contain_path_is_valid(f.to))
                return cannot_carry(g, -ENAMETOOLONG, e->path, "has a name that is too long for the helper");
        int r = fingerprint_describe(e, g->carry->context->trust_ctime, &f.description);
        if (r < 0)
                return r;
        r = read_source(g, &f);
        if (r == -EFBIG)
                return cannot_carry(g, r, e->path, "is larger than 64 KiB: not an entry");
        if (r == -EAGAIN)
                return cannot_carry(g, r, e->path, CHANGED_MEANWHILE);
        if (r < 0)
                return cannot_read(g, r, e->path);
        return wanted_set_add(&g->set, &f);
}

static int on_source_entry(const WalkEntry *e, void *userdata) {
        Gatherer *g = userdata;
        if (!startswith(e->path, g->base))
                return cannot_carry(g, -EAGAIN, e->path, CHANGED_MEANWHILE);
        switch (e->stx->stx_mode & S_IFMT) {
        case S_IFDIR:
                return 0;
        case S_IFREG:
                return add_carried_file(g, e);
        case S_IFLNK:
                return cannot_carry(g, -ELOOP, e->path, "is a symbolic link: a helper cannot carry one");
        }
        return cannot_carry(g, -EINVAL, e->path, "is neither a file nor a directory");
}

/* *FROM is without links from here on, so that the paths from the walk begin with it. */
static int resolve_from(const Gatherer *g, char **from) {
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
        int r = plan_path(c->plan, pc->copy->from, pc->instance, &from);
        if (r >= 0)
                r = plan_path(c->plan, pc->copy->to, pc->instance, &to);
        if (r < 0)
                return r;
        g->copy = pc->copy;
        r = resolve_from(g, &from);
        if (r < 0)
                return cannot_read(g, r, from);
        g->base = from;
        g->to = to;
        r = walk_source(&(Walk){.root = c->root->fd}, from, &(Visitor){on_source_entry, g});
        /* errors of on_source_entry are reported already; it never returns these */
        return r == -ENOENT || r == -ENOTDIR || r == -EXDEV ? cannot_read(g, r, from) : r;
}

int carry_gather(const Carry *c, WantedSet *ret, char **reterr) {
        assert(c->context && c->helper && c->record && ret);
        _cleanup_(gatherer_done) Gatherer g = {.carry = c, .known = NAME_MAP_EXACT, .reterr = reterr};
        const Plan *plan = c->context->plan;
        int r = map_known(&g);
        for (size_t i = 0; r >= 0 && i < plan->n_copies; i++)
                if (plan_copy_is_for(&plan->copies[i], c->helper->type, c->helper->disk_has_xbootldr))
                        r = gather_copy(&g, &plan->copies[i]);
        if (r < 0)
                return r;
        *ret = g.set;
        g.set = (WantedSet){};
        return 0;
}
