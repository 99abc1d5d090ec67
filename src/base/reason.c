/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reason.h"

#include <assert.h>
#include <time.h>

#include "base/error.h"

#define NOTHING "-"
#define CHANGES_TOLD_MAX 3U /* more would only be noise */
#define CHANGES_ROOM 32U
#define TIME_ROOM 64U
#define SINCE_BUILT "since it was built"

static const struct {
        const char *word;
        const char *before, *after; /* the text around the path */
        bool has_path;
} sentences[] = {
        [DIFFERENCE_NONE] = {"none", "up to date", "", false},
        [DIFFERENCE_NEVER] = {"never", "never brought up to date", "", false},
        [DIFFERENCE_CHANGED] = {"changed", "", " changed", true},
        [DIFFERENCE_NEW] = {"new", "", " is new", true},
        [DIFFERENCE_GONE] = {"gone", "", " is gone", true},
        [DIFFERENCE_MISSING] = {"missing", "", " is missing", true},
        [DIFFERENCE_UNREADABLE] = {"unreadable", "", " cannot be read", true},
        [DIFFERENCE_BUILDER] = {"builder", "builder ", " changed", true},
        [DIFFERENCE_FILESYSTEM] = {"filesystem", "it holds another file system", "", false},
};
static_assert(ELEMENTSOF(sentences) == _DIFFERENCE_MAX, "each difference has a sentence");

/* The most telling first. */
static const struct {
        Change change;
        const char *word;
} change_words[] = {
        {CHANGE_TARGET, "target"},     {CHANGE_NAMES, "names"}, {CHANGE_SIZE, "size"},
        {CHANGE_MTIME, "mtime"},       {CHANGE_MODE, "mode"},   {CHANGE_OWNER, "owner"},
        {CHANGE_REPLACED, "replaced"},
};

const char *difference_to_string(Difference d) {
        assert(d >= 0 && d < _DIFFERENCE_MAX);
        return sentences[d].word;
}

/* NULL if there is nothing to report. */
static const char *describe_changes(unsigned changes, char buffer[static CHANGES_ROOM]) {
        char *p = buffer;
        unsigned told = 0;
        assert((changes & ~(unsigned) _CHANGE_ALL) == 0);
        for (size_t i = 0; told < CHANGES_TOLD_MAX && i < ELEMENTSOF(change_words); i++)
                if (changes & change_words[i].change)
                        p = stpcpy(told++ > 0 ? stpcpy(p, ", ") : p, change_words[i].word);
        assert(p < buffer + CHANGES_ROOM);
        return told > 0 ? buffer : changes & CHANGE_CTIME ? "ctime" : NULL;
}

/* Not strftime(3), which reads the time zone again. NULL: there is no such time. */
static const char *describe_time(const struct statx_timestamp *when, char buffer[static TIME_ROOM]) {
        time_t t = when ? when->tv_sec : 0;
        struct tm tm;
        if (!when || !localtime_r(&t, &tm))
                return NULL;
        (void) snprintf(buffer, TIME_ROOM, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        return buffer;
}

/* FIRST and SECOND, each of which may be NULL, with SEPARATOR between them. */
static int join(const char *first, const char *separator, const char *second, char **ret) {
        *ret = NULL;
        if (!first && !second)
                return 0;
        return strprintf(ret, "%s%s%s", strempty(first), first && second ? separator : "", strempty(second));
}

int reason_detail_changed(unsigned changes, const struct statx_timestamp *when, char **ret) {
        char words[CHANGES_ROOM], time[TIME_ROOM];
        assert(ret);
        return join(describe_changes(changes, words), ", ", describe_time(when, time), ret);
}

int reason_detail_rebuilt(unsigned changes, const struct statx_timestamp *when, char **ret) {
        _cleanup_free_ char *changed = NULL;
        assert(ret);
        int r = reason_detail_changed(changes, when, &changed);
        return r < 0 ? r : join(SINCE_BUILT, changes ? ": " : ", ", changed, ret);
}

int reason_detail_gone(const struct statx_timestamp *when, char **ret) {
        char text[TIME_ROOM];
        assert(ret);
        const char *time = describe_time(when, text);
        *ret = NULL;
        return time ? strprintf(ret, "by %s", time) : 0;
}

int reason_detail_unlisted(const char *list, char **ret) {
        assert(list && ret);
        return strprintf(ret, "from the %s", list);
}

const char *reason_detail_unreadable(int r) {
        assert(r < 0);
        switch (r) {
        case -EXDEV:
                return "its path leaves the volume";
        case -ELOOP:
                return "too many symbolic links";
        case -EAGAIN:
                return "it changes all the time";
        default:
                return strerror(-r);
        }
}

static bool is_nothing(const char *s) {
        return isempty(s) || streq(s, NOTHING);
}

int reason_describe(const Reason *reason, char **ret) {
        assert(reason && reason->what && ret);
        bool has_detail = !is_nothing(reason->detail);
        const char *open = has_detail ? " (" : "", *close = has_detail ? ")" : "";
        const char *detail = has_detail ? reason->detail : "";
        const char *path = isempty(reason->path) ? NOTHING : reason->path;
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                if (streq(reason->what, sentences[i].word))
                        return strprintf(ret, "%s%s%s%s%s%s", sentences[i].before,
                                         sentences[i].has_path ? path : "", sentences[i].after, open, detail,
                                         close);
        return strprintf(ret, "%s %s%s%s%s", path, reason->what, open, detail, close);
}

int reason_describe_error(const char *path, int r, char **ret) {
        assert(path && r < 0 && ret);
        bool missing = r == -ENOENT || r == -ENOTDIR;
        return reason_describe(
                &(Reason){
                        .path = path,
                        .what = difference_to_string(missing ? DIFFERENCE_MISSING : DIFFERENCE_UNREADABLE),
                        .detail = missing ? NULL : reason_detail_unreadable(r),
                },
                ret);
}
