/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/contentcheck.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/path.h"
#include "freshness/finding.h"
#include "tree/contain.h"

static int content_of_file(const Sight *sight, Fingerprint *ret, uint64_t *ret_size) {
        _cleanup_close_ int fd = -EBADF, file = -EBADF;
        struct statx stx;
        int r = place_open(sight->folder, path_last(sight->item->words[0]), 0, &fd);
        if (r >= 0)
                r = place_stat(fd, &stx);
        if (r >= 0 && !S_ISREG(stx.stx_mode))
                r = error_origin(-EINVAL);
        if (r >= 0)
                r = contain_reopen(fd, O_RDONLY, &file);
        return r < 0 ? r : fingerprint_content(file, NULL, NULL, ret, ret_size);
}

int content_of_sight(const Sight *sight, char ret[static FINGERPRINT_HEX_MAX]) {
        assert(sight && sight->item);
        Fingerprint f;
        uint64_t size = 0;
        int r = 0;
        (void) stpcpy(ret, LEARNED_NO_CONTENT);
        if (sight->folder < 0 || !sight->now || !S_ISREG(sight->stx.stx_mode) ||
            sight->stx.stx_size > LEARNED_CONTENT_MAX)
                return 0;
        r = content_of_file(sight, &f, &size);
        if (r >= 0 && size == sight->stx.stx_size)
                (void) fingerprint_to_hex(&f, ret);
        return finding_is_shortage(r) ? r : 0;
}

bool content_is_same(const LearnedItem *before, const char *now, const char *content) {
        assert(before && now && content);
        unsigned fatal = CHANGE_SIZE | CHANGE_MODE | CHANGE_OWNER;
        unsigned changes = streq(before->words[1], now) ? 0 : fingerprint_difference(before->words[1], now);
        if (changes == CHANGE_REPLACED) /* by something of another type */
                return false;
        if (before->kind == LEARNED_READ) {
                if (!streq(before->words[2], content))
                        return false;
                if (streq(content, LEARNED_NO_CONTENT))
                        fatal |= CHANGE_MTIME | CHANGE_REPLACED;
        }
        return (changes & fatal) == 0;
}
