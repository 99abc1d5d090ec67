/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/subject.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/escape.h"
#include "freshness/finding.h"
#include "tree/contain.h"

static _unused_ bool is_one(const Subject *s) {
        return s->context && !s->cache != !s->helper;
}

/* The directory of the stamps of its kind. -ENOENT: nothing was ever built on the volume. */
static int subject_open_stamps(const Subject *s, int *ret_fd) {
        int state = s->context->root->state_fd;
        if (state < 0)
                return -ENOENT; /* a normal outcome, or reported by root_state_problem() */
        return contain_open_nolinks(state, s->cache ? "/caches" : "/helpers", O_RDONLY | O_DIRECTORY, 0,
                                    ret_fd);
}

typedef int (*read_stamp_t)(const Subject *s, int dirfd, const char *name, Stamp **ret);

static int read_head_of(const Subject *s, int dirfd, const char *name, Stamp **ret) {
        StampRoom *room = s->context->room;
        if (!s->cache || !room)
                return stamp_read_head(dirfd, name, NULL, ret);
        int r = stamp_read_list(dirfd, name, &room->heads, &room->learned, ret);
        room->n_left_out += r >= 0 && (*ret)->list_left_out;
        return r;
}

static int read_whole_of(const Subject *s, int dirfd, const char *name, Stamp **ret) {
        StampRoom *room = s->context->room;
        return stamp_read(dirfd, name, s->cache && room ? &room->wholes : NULL, ret);
}

static int subject_read_stamp(const Subject *s, read_stamp_t read_stamp, Stamp **ret) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int fd = -EBADF;
        assert(is_one(s) && ret && !*ret);
        int r = s->cache ? stamp_name(s->cache->cache->name, s->cache->instance, &name)
                         : stamp_name(s->helper->partuuid, NULL, &name);
        if (r >= 0)
                r = subject_open_stamps(s, &fd);
        return r < 0 ? r : read_stamp(s, fd, name, ret);
}

int subject_read_head(const Subject *s, Stamp **ret) {
        int r = subject_read_stamp(s, read_head_of, ret);
        return finding_is_shortage(r) ? r : 0;
}

int subject_read_whole(const Subject *s, Stamp **ret) {
        int r = subject_read_stamp(s, read_whole_of, ret);
        return finding_is_shortage(r) || r == -EFBIG ? r : 0;
}

int subject_read_alone(const Subject *s, Stamp **ret) {
        assert(is_one(s));
        FreshnessContext context = *s->context;
        context.room = NULL;
        return subject_read_whole(&(Subject){.context = &context, .cache = s->cache, .helper = s->helper},
                                  ret);
}

const char *subject_list_name(const Subject *s) {
        assert(is_one(s));
        return s->cache ? REASON_LIST_OF_SOURCES : REASON_LIST_OF_COPIES;
}

int subject_describe_builder(const Subject *s, char **ret) {
        assert(is_one(s) && s->cache && ret);
        const Definition *d = s->cache->definition;
        char hex[FINGERPRINT_HEX_MAX];
        _cleanup_free_ char *name = escape_word(d->name);
        return name ? strprintf(ret, "%s %s", name, fingerprint_to_hex(&d->fingerprint, hex))
                    : error_origin(-ENOMEM);
}

bool subject_needs_stamp(const Subject *s) {
        assert(is_one(s));
        const Plan *plan = s->context->plan;
        for (size_t i = 0; s->helper && i < plan->n_copies; i++)
                if (plan_copy_is_for(&plan->copies[i], s->helper->type, s->helper->disk_has_xbootldr))
                        return true;
        return s->cache != NULL;
}
