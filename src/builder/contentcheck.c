/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/contentcheck.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/path.h"
#include "freshness/finding.h"
#include "tree/attributes.h"
#include "tree/contain.h"

static bool content_stop(void *userdata) {
        const ContentReading *reading = userdata;
        if (reading->progress)
                progress_beat(reading->progress);
        return interrupt_check(reading->interrupt);
}

/* FD is an O_PATH descriptor of a file of SIZE bytes. 1: RET is its content; 0: it is not to be had. */
static int content_read(int fd, uint64_t size, ContentReading *reading,
                        char ret[static FINGERPRINT_HEX_MAX]) {
        _cleanup_close_ int file = -EBADF;
        Fingerprint f;
        uint64_t n = 0;
        if (size > CONTENT_SIZE_MAX || size > reading->room)
                return 0;
        int r = contain_reopen(fd, O_RDONLY, &file);
        if (r >= 0)
                r = fingerprint_content(file, content_stop, reading, &f, &n);
        if (r >= 0)
                r = attributes_add(file, &f);
        if (r == -EINTR)
                reading->room = 0;
        if (r < 0)
                return finding_is_shortage(r) ? r : 0;
        reading->room -= MIN(n, reading->room);
        if (n != size)
                return 0;
        (void) fingerprint_to_hex(&f, ret);
        return 1;
}

static int content_of_opened(int fd, ContentReading *reading, struct statx *ret_stx,
                             char ret[static FINGERPRINT_HEX_MAX]) {
        ContentReading whole = {.room = CONTENT_TOTAL_MAX};
        struct statx stx;
        int r = place_stat(fd, &stx);
        if (r < 0 || !S_ISREG(stx.stx_mode))
                return finding_is_shortage(r) ? r : 0;
        r = content_read(fd, stx.stx_size, reading ? reading : &whole, ret);
        if (r <= 0)
                return r;
        r = place_stat(fd, ret_stx);
        if (r >= 0)
                return 0;
        (void) stpcpy(ret, LEARNED_NO_CONTENT);
        *ret_stx = (struct statx){};
        return finding_is_shortage(r) ? r : 0;
}

int content_of_sight(const Sight *sight, ContentReading *reading, char ret[static FINGERPRINT_HEX_MAX]) {
        assert(sight && sight->item);
        _cleanup_close_ int fd = -EBADF;
        struct statx after = {};
        (void) stpcpy(ret, LEARNED_NO_CONTENT);
        if (sight->folder < 0 || !sight->now || !S_ISREG(sight->stx.stx_mode))
                return 0;
        int r = place_open(sight->folder, path_last(sight->item->words[0]), 0, &fd);
        if (r >= 0)
                r = content_of_opened(fd, reading, &after, ret);
        if (after.stx_size != sight->stx.stx_size)
                (void) stpcpy(ret, LEARNED_NO_CONTENT);
        return finding_is_shortage(r) ? r : 0;
}

int content_of_path(const FreshnessContext *c, const char *path, ContentReading *reading,
                    struct statx *ret_stx, char ret[static FINGERPRINT_HEX_MAX]) {
        assert(c && path && ret_stx);
        _cleanup_close_ int fd = -EBADF;
        *ret_stx = (struct statx){};
        (void) stpcpy(ret, LEARNED_NO_CONTENT);
        int r = contain_open(c->root->fd, path, O_PATH | O_NOFOLLOW, 0, &fd);
        if (r >= 0)
                r = content_of_opened(fd, reading, ret_stx, ret);
        return finding_is_shortage(r) ? r : 0;
}

bool content_is_known(const char *content) {
        Fingerprint f;
        return content && fingerprint_from_hex(content, &f) >= 0;
}

bool content_was_read(const Learned *list, const char *path, const char *description) {
        const LearnedItem *item = learned_find(list, LEARNED_READ, path);
        return item && streq(item->words[1], description) && content_is_known(item->words[2]);
}

bool content_is_same(const LearnedItem *before, const char *now, const char *content) {
        assert(before && now && content);
        const char *then = before->words[1];
        if (!fingerprint_is_like(then, now))
                return false;
        if (before->kind != LEARNED_READ)
                return true;
        if (!streq(before->words[2], content))
                return false;
        return content_is_known(content) || streq(then, now) ||
               (fingerprint_difference(then, now) & (CHANGE_MTIME | CHANGE_REPLACED)) == 0;
}
