/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/finding.h"

#include "freshness/since.h"

void freshness_done(Freshness *f) {
        free(f->path);
        free(f->detail);
        free(f->unlearned);
        *f = FRESHNESS_NULL;
}

char *freshness_describe(const Freshness *f) {
        char *text = NULL;
        return reason_describe(&(Reason){f->path, difference_to_string(f->difference), f->detail}, &text) < 0
                       ? NULL
                       : text;
}

bool finding_is_shortage(int r) {
        return r == -ENOMEM || r == -ENOSPC || r == -E2BIG || r == -EMFILE || r == -ENFILE;
}

int finding_note(Freshness *f, Difference difference, const char *path, const char *detail) {
        assert(f && difference > DIFFERENCE_NONE && difference < _DIFFERENCE_MAX);
        if (f->difference != DIFFERENCE_NONE)
                return 0;
        int r = free_and_strdup(&f->path, path);
        if (r >= 0)
                r = free_and_strdup(&f->detail, detail);
        if (r < 0)
                return r;
        f->difference = difference;
        return 0;
}

int finding_note_absence(Freshness *f, int root, Difference difference, const char *path) {
        assert(difference == DIFFERENCE_MISSING || difference == DIFFERENCE_GONE);
        _cleanup_free_ char *detail = NULL;
        struct statx_timestamp when = {};
        int r = since_absence(root, path, &when);
        if (r >= 0)
                r = reason_detail_gone(&when, &detail);
        return finding_is_shortage(r) ? r : finding_note(f, difference, path, detail);
}

int finding_note_error(Freshness *f, int root, int r, const char *path) {
        assert(r < 0);
        if (finding_is_shortage(r))
                return r;
        if (r == -ENOENT || r == -ENOTDIR)
                return finding_note_absence(f, root, DIFFERENCE_MISSING, path);
        return finding_note(f, DIFFERENCE_UNREADABLE, path, reason_detail_unreadable(r));
}
