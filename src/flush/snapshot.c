/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/snapshot.h"

#include <ctype.h>

#include "base/error.h"
#include "base/escape.h"

static void free_view(const OwedView *view) {
        free((char *) view->volume);
        free((char *) view->uuid);
        free((char *) view->doing);
        free((char *) view->reason);
}

void snapshot_done(Snapshot *s) {
        for (size_t i = 0; i < s->n; i++)
                free_view(&s->views[i]);
        free(s->views);
        *s = (Snapshot){};
}

int snapshot_add(Snapshot *s, const OwedView *view) {
        if (s->n >= SNAPSHOT_MAX)
                return error_origin(-E2BIG);
        OwedView copy = {
                .volume = strdup(view->volume),
                .uuid = strdup(view->uuid),
                .doing = escape_print(view->doing),
                .reason = escape_print(view->reason),
                .percent = view->percent,
        };
        if (!copy.volume || !copy.uuid || !copy.doing || !copy.reason || grow(s->views, s->n) < 0) {
                free_view(&copy);
                return error_origin(-ENOMEM);
        }
        s->views[s->n++] = copy;
        return 0;
}

const OwedView *snapshot_find(const Snapshot *s, const char *key) {
        for (size_t i = 0; i < s->n; i++) {
                _cleanup_free_ char *k = NULL;
                if (owed_make_key(s->views[i].uuid, s->views[i].volume, &k) >= 0 && streq(k, key))
                        return &s->views[i];
        }
        return NULL;
}

/* Over the bus */

int snapshot_read_signal(sd_bus_message *m, Snapshot *ret) {
        _cleanup_(snapshot_done) Snapshot s = {};
        OwedView view = {};
        int r = sd_bus_message_read(m, "t", &s.left_usec);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssssu)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssssu)", &view.volume, &view.uuid, &view.doing,
                                                  &view.reason, &view.percent)) > 0)
                r = snapshot_add(&s, &view);
        if (r < 0)
                return r;
        *ret = s;
        s = (Snapshot){};
        return 0;
}

/* Printed */

static int parse_count(const char *word, uint64_t *ret) {
        char *end;
        if (!isdigit((unsigned char) *word))
                return error_origin(-EBADMSG);
        errno = 0;
        uint64_t n = strtoull(word, &end, 10);
        if (errno != 0 || *end)
                return error_origin(-EBADMSG);
        *ret = n;
        return 0;
}

static int take_owed_words(Snapshot *s, char *const *words) {
        uint64_t percent = 0;
        int r = parse_count(words[3], &percent);
        if (r < 0)
                return r;
        const OwedView view = {
                .volume = words[1],
                .uuid = words[2],
                .percent = (uint32_t) MIN(percent, (uint64_t) OWED_PERCENT_UNKNOWN),
                .doing = words[4],
                .reason = words[5],
        };
        return snapshot_add(s, &view);
}

int snapshot_take_line(Snapshot *s, const char *line) {
        _cleanup_strv_free_ char **words = NULL;
        int r = split_words(line, &words);
        size_t n = r < 0 ? 0 : strv_length(words);
        if (r < 0)
                return r == -EINVAL ? error_origin(-EBADMSG) : r;
        if (n == 2 && streq(words[0], "LEFT")) {
                snapshot_done(s);
                r = parse_count(words[1], &s->left_usec);
                return r < 0 ? r : SNAPSHOT_GOES_ON;
        }
        if (n == 6 && streq(words[0], "OWED")) {
                r = take_owed_words(s, words);
                return r < 0 ? r : SNAPSHOT_GOES_ON;
        }
        if (n == 1 && streq(words[0], "SHOWN"))
                return SNAPSHOT_COMPLETE;
        return n == 1 && streq(words[0], "END") ? SNAPSHOT_END : error_origin(-EBADMSG);
}
