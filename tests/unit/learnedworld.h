/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stamps with lists of what was learned. */

#include "base/escape.h"
#include "freshness/sight.h"

#include "freshnessworld.h"

/* Writes LINES behind those that the stamp of the cache has, before its files. */
static inline void add_lines(World *w, const char *lines) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        bool done = false;
        FILE *out = open_memstream(&text, &size);
        FILE *f = fdopen(openat(w->s->fd, "state/caches/c.stamp", O_RDONLY | O_CLOEXEC), "re");
        for (char line[1024]; fgets(line, sizeof(line), f);) {
                if (startswith(line, "file ") && !done) {
                        (void) fputs(lines, out);
                        done = true;
                }
                (void) fputs(line, out);
        }
        (void) fclose(f);
        (void) fclose(out);
        assert_true(done);
        scratch_write(w->s, "state/caches/c.stamp", text);
}

static inline int write_sight(const Sight *sight, void *userdata) {
        _cleanup_free_ char *path = escape_word(sight->item->words[0]),
                            *now = sight->now ? escape_word(sight->now) : NULL;
        LearnedKind kind = sight->item->kind;
        assert_true(kind == LEARNED_MISS || now);
        (void) fprintf(userdata, "%s %s%s%s%s\n", learned_kind_to_string(kind), path, now ? " " : "",
                       strempty(now), kind == LEARNED_READ ? " -" : "");
        return 0;
}

/* What a build does that learns from opens: WHAT is "KIND PATH" for each item, as it is now. */
static inline void world_learn(World *w, const char *const what[]) {
        static const char *const rest[_LEARNED_KIND_MAX] = {" 00", " 0 -", " /", " 0", ""};
        const Subject subject = {.context = &w->context, .cache = &w->plan->caches[0]};
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        Stamp *wanted = stamp_new();
        Learned list = LEARNED_NULL;
        (void) fputs("learned opens\n", out);
        for (; *what; what++)
                for (LearnedKind kind = 0; kind < _LEARNED_KIND_MAX; kind++) {
                        const char *path = startswith(*what, learned_kind_to_string(kind));
                        if (path)
                                assert_int_equal(stamp_add(wanted, learned_kind_to_string(kind), "%s%s",
                                                           path + 1, rest[kind]),
                                                 0);
                }
        assert_int_equal(learned_read(wanted, &list), 0);
        assert_false(list.damaged);
        assert_int_equal(sights_visit(&subject, &list, NULL, &(SightVisitor){write_sight, out}), 0);
        (void) fclose(out);
        add_lines(w, text);
        learned_done(&list);
        (void) stamp_free(wanted);
}
