/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/packages.h"

#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/parse.h"

struct LockedFile {
        dev_t devno;
        uint64_t inode;
        pid_t pid; /* -1: a process need not hold it (open file description lock); 0: in another namespace */
};

/* One line: `1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`. In the line of a waiter there is a `->` after
 * the number, so it is not accepted: it holds nothing yet. */
static bool locked_file_parse(const char *line, struct LockedFile *ret) {
        char file[48];
        return sscanf(line, "%*s %*s %*s %*s %i %47s", &ret->pid, file) == 2 &&
               parse_locked_file(file, &ret->devno, &ret->inode) >= 0;
}

void locked_files_done(LockedFiles *l) {
        free(l->items);
        *l = (LockedFiles){};
}

int locked_files_parse(FILE *f, LockedFiles *ret) {
        _cleanup_(locked_files_done) LockedFiles l = {};
        char line[256];
        assert(f && ret);
        while (fgets(line, sizeof(line), f)) {
                struct LockedFile file = {};
                if (!locked_file_parse(line, &file))
                        continue;
                if (grow(l.items, l.n) < 0)
                        return error_origin(-ENOMEM);
                l.items[l.n++] = file;
        }
        if (ferror(f))
                return error_origin(-EIO);
        *ret = l;
        l = (LockedFiles){};
        return 0;
}

void locked_files_forgive(LockedFiles *l, const pid_t *pids, size_t n) {
        size_t kept = 0;
        for (size_t i = 0; i < l->n; i++) {
                bool forgiven = false;
                for (size_t p = 0; p < n && !forgiven; p++)
                        forgiven = pids[p] == l->items[i].pid;
                if (!forgiven)
                        l->items[kept++] = l->items[i];
        }
        l->n = kept;
}

int locked_files_read(LockedFiles *ret) {
        _cleanup_fclose_ FILE *f = fopen("/proc/locks", "re");
        return f ? locked_files_parse(f, ret) : error_origin(-errno);
}

/* The device of a file on btrfs is anonymous, and differs between /proc/locks and statx(2): there the inode
 * decides. */
static bool is_same_file(const struct LockedFile *l, const ReportHold *hold) {
        bool anonymous = major(l->devno) == 0 && major(hold->devno) == 0;
        return l->inode == hold->inode && (anonymous || l->devno == hold->devno);
}

static bool is_locked(const ReportHold *hold, const LockedFiles *locked) {
        for (size_t i = 0; i < locked->n; i++)
                if (is_same_file(&locked->items[i], hold))
                        return true;
        return false;
}

const ReportHold *packages_find_hold(const Report *report, const LockedFiles *locked) {
        assert(locked);
        for (size_t i = 0; report && i < report->n_holds; i++)
                if ((report->holds[i].exists && !locked->ignore_existing) ||
                    is_locked(&report->holds[i], locked))
                        return &report->holds[i];
        return NULL;
}

const ReportHold *packages_find_lock(const Report *report, const LockedFiles *locked) {
        assert(locked);
        for (size_t i = 0; report && i < report->n_holds; i++)
                if (!report->holds[i].exists && is_locked(&report->holds[i], locked))
                        return &report->holds[i];
        return NULL;
}
