/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/learning.c builder/learningrace.c builder/candidates.c builder/candidatelinks.c */
/* tests: builder/contentcheck.c builder/namedcontent.c builder/sameness.c builder/run/clockset.c */

/* A builder is played by a trace: what it used, as it was then. */

#include "builder/learning.h"
#include "builder/learningrace.h"
#include "builder/namedcontent.h"
#include "builder/run/clockset.h"
#include "builder/sameness.h"

#include "tree/names.h"

#include "learnedworld.h"

typedef struct Played {
        World *w;
        Trace trace;
        Learned before;
        Stamp *stamp;
} Played;

static void play(Played *p, World *w) {
        *p = (Played){.w = w};
        learning_await_tick();
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &p->trace.began), 0);
}

/* It used PATH, which is now as it is. */
static void uses(Played *p, const char *path, unsigned kinds) {
        TraceItem item = {.path = strdup(path), .kinds = kinds};
        StrvBuilder names = {};
        (void) statx(p->w->root.fd, *(path + 1) ? path + 1 : ".", AT_SYMLINK_NOFOLLOW,
                     STATX_BASIC_STATS | STATX_BTIME, &item.stx);
        if (kinds & TRACE_LISTED && item.stx.stx_mask != 0) {
                Listing listing = {};
                int fd =
                        openat(p->w->root.fd, *(path + 1) ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(names_read(fd, &listing), 0);
                for (size_t i = 0; i < listing.n_names; i++)
                        assert_int_equal(strv_builder_extend(&names, listing.names[i]), 0);
                assert_int_equal(trace_names(&names, &item.names), 0);
                listing_done(&listing);
                close(fd);
        }
        assert_int_equal(trace_take(&p->trace, &item), 0);
}

static int learn_as(Played *p, const char *how) {
        const Learning l = {.context = &p->w->context,
                            .cache = &p->w->plan->caches[0],
                            .trace = &p->trace,
                            .how = how,
                            .before = &p->before};
        trace_finish(&p->trace);
        p->stamp = stamp_new();
        assert_int_equal(learning_record(&l, p->stamp), 0);
        return 0;
}

static void learn(Played *p) {
        learn_as(p, "opens");
}

/* What was learned is what the next build knows. */
static void build_again(Played *p) {
        learned_done(&p->before);
        assert_int_equal(learned_read(p->stamp, &p->before), 0);
        p->stamp = stamp_free(p->stamp);
        trace_done(&p->trace);
        learning_await_tick();
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &p->trace.began), 0);
}

static void played_done(Played *p) {
        learned_done(&p->before);
        p->stamp = stamp_free(p->stamp);
        trace_done(&p->trace);
}

/* The keys and paths of all lines, and what else is in those of links and of what was left out. */
static void check_lines(const Played *p, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        for (size_t i = 0; i < p->stamp->n_lines; i++) {
                const StampLine *line = &p->stamp->lines[i];
                bool whole =
                        streq(line->key, "link") || streq(line->key, "skip") || streq(line->key, "learned");
                size_t n = whole ? strlen(line->value) : strcspn(line->value, " ");
                (void) fprintf(f, "%s%s %.*s", i > 0 ? ", " : "", line->key, (int) n, line->value);
        }
        (void) fclose(f);
        assert_string_equal(text, expected);
}

static World *learning_world(const Scratch *s) {
        World *w = world_new(s);
        scratch_write(s, "v/etc/conf", "one");
        scratch_write(s, "v/etc/conf.d/a", "a");
        scratch_write(s, "v/usr/bin/tool-1", "tool");
        shell("cd %s/v && touch -d 2001-01-01 etc/conf etc/conf.d/a usr/bin/tool-1", s->path);
        return w;
}

static void what_was_used_is_recorded_and_the_rest_is_told(void **state) {
        World *w = learning_world(*state);
        Played p;
        shell("cd %s/v && mkdir -p etc/alternatives var/cache tmp home && ln -s usr/bin bin && "
              "ln -s /etc/alternatives/tool usr/bin/tool && ln -s /usr/bin/tool-1 etc/alternatives/tool && "
              "ln -s tool-1 usr/bin/same && ln -s nothing usr/bin/broken && touch usr/bin/other && "
              "ln -s other usr/bin/another && ln -s ../etc/conf home/unseen && touch var/cache/x tmp/x",
              w->s->path);
        play(&p, w);
        uses(&p, "/etc/conf", TRACE_READ);
        uses(&p, "/etc/conf.d", TRACE_LISTED);
        uses(&p, "/etc", TRACE_LISTED);
        uses(&p, "/usr/bin/tool-1", TRACE_READ);
        uses(&p, "/var/cache/x", TRACE_READ);
        uses(&p, "/tmp/x", TRACE_READ);
        uses(&p, "/out", TRACE_READ | TRACE_WRITTEN);
        uses(&p, "/etc/written", TRACE_WRITTEN);
        uses(&p, "/none", TRACE_ABSENT);
        learn(&p);
        check_lines(&p, "learned opens, link /bin usr/bin, miss /none, read /etc/conf, "
                        "link /etc/alternatives/tool /usr/bin/tool-1, list /etc/conf.d, "
                        "link /usr/bin/same tool-1, link /usr/bin/tool /etc/alternatives/tool, "
                        "read /usr/bin/tool-1, skip /etc shared-folder, skip /etc/written written, "
                        "skip /out output, skip /tmp/x temporary, skip /var/cache/x ignored");
        played_done(&p);
        world_free(w);
}

/* They go before those of packages, as only the cache of the loader says, and that is ignored. */
static void folders_of_local_libraries_count_where_the_loader_was_used(void **state) {
        World *w = learning_world(*state);
        Played p;
        shell("cd %s/v && mkdir -p usr/local/lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu && "
              "touch etc/ld.so.cache usr/lib/x86_64-linux-gnu/libc.so.6",
              w->s->path);
        play(&p, w);
        uses(&p, "/usr/lib/x86_64-linux-gnu/libc.so.6", TRACE_READ);
        learn_as(&p, "lookups");
        check_lines(&p, "learned lookups, read /usr/lib/x86_64-linux-gnu/libc.so.6");
        build_again(&p);
        uses(&p, "/usr/lib/x86_64-linux-gnu/libc.so.6", TRACE_READ);
        uses(&p, "/etc/ld.so.cache", TRACE_READ);
        learn_as(&p, "lookups");
        check_lines(&p, "learned lookups, read /usr/lib/x86_64-linux-gnu/libc.so.6, list /usr/local/lib, "
                        "list /usr/local/lib/x86_64-linux-gnu, skip /etc/ld.so.cache ignored");
        played_done(&p);
        world_free(w);
}

/* With look-ups every link that was followed is seen, and no other counts. */
static void lookups_know_their_links(void **state) {
        World *w = learning_world(*state);
        Played p;
        shell("cd %s/v && ln -s conf etc/link && ln -s conf etc/other", w->s->path);
        play(&p, w);
        uses(&p, "/etc/conf", TRACE_READ | TRACE_LOOKED);
        uses(&p, "/etc/link", TRACE_LINK | TRACE_LOOKED);
        uses(&p, "/usr/bin/tool-1", TRACE_LOOKED);
        learn_as(&p, "lookups");
        check_lines(&p, "learned lookups, read /etc/conf, link /etc/link conf, look /usr/bin/tool-1");
        played_done(&p);
        world_free(w);
}

typedef enum Seen {
        SEEN_BEFORE, /* what the builder used is seen before the command runs */
        SEEN_AFTER,
} Seen;

/* What happens while the builder runs, by it or by somebody else. */
static const struct {
        const char *command, *path;
        unsigned kinds;
        Seen seen;
        const char *own; /* what it writes itself */
        bool raced, raced_again;
} races[] = {
        {"true", "/etc/conf", TRACE_READ, SEEN_BEFORE, NULL, false, false},
        {"echo two >etc/conf", "/etc/conf", TRACE_READ, SEEN_BEFORE, NULL, true, false},
        {"echo two >etc/conf", "/etc/conf", TRACE_READ, SEEN_AFTER, NULL, true, false},
        {"echo $RANDOM$$ >etc/conf", "/etc/conf", TRACE_READ, SEEN_AFTER, NULL, true, true},
        {"touch etc/conf", "/etc/conf", TRACE_READ, SEEN_AFTER, NULL, true, false},
        {"cp etc/conf n && mv n etc/conf", "/etc/conf", TRACE_READ, SEEN_AFTER, NULL, true, false},
        {"chmod o+x etc/conf", "/etc/conf", TRACE_READ, SEEN_BEFORE, NULL, true, false},
        {"touch -d 2002-01-01 etc/conf", "/etc/conf", TRACE_READ, SEEN_BEFORE, NULL, true, false},
        {"echo two >etc/conf", "/etc/conf", TRACE_READ | TRACE_WRITTEN, SEEN_BEFORE, NULL, false, false},
        {"rm -f etc/conf", "/etc/conf", TRACE_READ, SEEN_BEFORE, NULL, true, false},
        {"touch etc/new", "/etc/new", TRACE_ABSENT, SEEN_BEFORE, NULL, true, true},
        {"touch etc/conf.d/new", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, NULL, true, false},
        {"touch etc/conf.d/new", "/etc/conf.d", TRACE_LISTED, SEEN_AFTER, NULL, true, false},
        /* it may have been read in between */
        {"touch etc/conf.d/n && rm etc/conf.d/n", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, NULL, true,
         false},
        {"touch etc/conf.d/n", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, "/etc/conf.d/n", false, false},
        {"touch etc/conf.d/n && rm etc/conf.d/n", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, "/etc/conf.d/n",
         false, false},
        {"touch etc/conf.d/n etc/conf.d/m", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, "/etc/conf.d/n", true,
         false},
        {"rm -rf etc/conf.d", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, NULL, true, false},
        {"touch etc/conf.d", "/etc/conf.d", TRACE_LISTED, SEEN_BEFORE, NULL, true, false},
        {"chmod 600 etc/conf", "/etc/conf", TRACE_LOOKED, SEEN_BEFORE, NULL, true, false},
        /* mkinitramfs looks whether the folder of its output is there */
        {"touch etc/conf.d/new", "/etc/conf.d", TRACE_LOOKED, SEEN_BEFORE, NULL, false, false},
        {"chmod o-x etc/conf.d", "/etc/conf.d", TRACE_LOOKED, SEEN_BEFORE, NULL, true, false},
        {"ln -sfn x etc/link", "/etc/link", TRACE_LINK, SEEN_AFTER, NULL, true, false},
};

static bool has_raced(const Played *p, const char *path) {
        const char *raced = stamp_get(p->stamp, "raced");
        assert_true(!raced || streq(raced, path));
        return raced != NULL;
}

static void run_once(Played *p, size_t i) {
        const Scratch *s = p->w->s;
        if (races[i].seen == SEEN_BEFORE)
                uses(p, races[i].path, races[i].kinds);
        shell("cd %s/v && %s", s->path, races[i].command);
        if (races[i].seen == SEEN_AFTER)
                uses(p, races[i].path, races[i].kinds);
        if (races[i].own)
                uses(p, races[i].own, TRACE_WRITTEN);
        learn_as(p, "lookups");
}

/* A builder that does it itself does it each time: it is known by the list of the build before. */
static void change_meanwhile_is_a_race_until_it_is_known_as_the_builders_own(void **state) {
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(races); i++) {
                World *w = learning_world(s);
                Played p;
                play(&p, w);
                run_once(&p, i);
                if (has_raced(&p, races[i].path) != races[i].raced)
                        fail_msg("%zu, %s: raced or not", i, races[i].command);
                build_again(&p);
                run_once(&p, i);
                if (has_raced(&p, races[i].path) != races[i].raced_again)
                        fail_msg("%zu, %s: raced once more or not", i, races[i].command);
                played_done(&p);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

static void what_the_builder_renames_over_what_it_read_is_its_own(void **state) {
        World *w = learning_world(*state);
        Played p;
        play(&p, w);
        uses(&p, "/etc/conf", TRACE_READ);
        shell("echo two >%s/v/etc/conf.tmp", w->s->path);
        uses(&p, "/etc/conf.tmp", TRACE_READ | TRACE_WRITTEN);
        shell("mv %s/v/etc/conf.tmp %s/v/etc/conf", w->s->path, w->s->path);
        learn(&p);
        assert_false(has_raced(&p, "/etc/conf"));
        build_again(&p);
        uses(&p, "/etc/conf", TRACE_READ);
        shell("echo three >%s/v/etc/conf.tmp && mv %s/v/etc/conf.tmp %s/v/etc/conf", w->s->path, w->s->path,
              w->s->path);
        learn(&p);
        assert_true(has_raced(&p, "/etc/conf"));
        played_done(&p);
        world_free(w);
}

/* What it makes and removes was no source, whoever removes it. */
static void what_was_made_and_went_does_not_count(void **state) {
        World *w = learning_world(*state);
        Played p;
        play(&p, w);
        shell("mkdir %s/v/work && echo x >%s/v/work/x", w->s->path, w->s->path);
        uses(&p, "/work", TRACE_LISTED);
        uses(&p, "/work/x", TRACE_READ);
        shell("rm -r %s/v/work", w->s->path);
        learn(&p);
        check_lines(&p, "learned opens");
        played_done(&p);
        world_free(w);
}

static void whole_seconds_are_compared_as_such(void **state) {
        const struct timespec began = {.tv_sec = 1000, .tv_nsec = 500};
        static const struct {
                struct statx_timestamp mtime, ctime;
                bool not_older;
        } cases[] = {
                {{.tv_sec = 999}, {.tv_sec = 999}, false},
                {{.tv_sec = 999}, {.tv_sec = 1000}, true}, /* a file system that keeps no more */
                {{.tv_sec = 1000}, {.tv_sec = 1000}, true},
                {{.tv_sec = 1001}, {.tv_sec = 999, .tv_nsec = 1}, true},
                {{.tv_sec = 1000},
                 {.tv_sec = 1000, .tv_nsec = 499},
                 false}, /* of a package: only its mtime is whole */
                {{.tv_sec = 999}, {.tv_sec = 1000, .tv_nsec = 499}, false},
                {{.tv_sec = 999}, {.tv_sec = 1000, .tv_nsec = 500}, true},
                {{.tv_sec = 1000, .tv_nsec = 500}, {.tv_sec = 999, .tv_nsec = 1}, true},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct statx stx = {.stx_mtime = cases[i].mtime, .stx_ctime = cases[i].ctime};
                assert_int_equal(stat_is_not_older(&stx, true, &began), cases[i].not_older);
        }
        const struct statx stx = {.stx_mtime.tv_sec = 1, .stx_ctime.tv_sec = 2000};
        assert_false(stat_is_not_older(&stx, false, &began));
        assert_true(stat_is_not_older(&stx, true, &began));
}

/* As if the clock had been ahead by SECONDS when the builder was started, and had been set since. */
static void set_clock_back(Played *p, int64_t seconds) {
        p->trace.began.tv_sec += seconds;
        p->trace.clock = clockset_now() + seconds * INT64_C(1000000000);
}

static void clock_that_is_set_meanwhile_hides_no_change(void **state) {
        static const int64_t back[] = {0, 3600, -3600, 1000000000};
        static const struct {
                const char *command, *path;
                unsigned kinds;
        } uses_of[] = {{"echo two >etc/conf", "/etc/conf", TRACE_READ},
                       {"chmod 600 etc/conf", "/etc/conf", TRACE_LOOKED},
                       {"touch etc/conf.d/new", "/etc/conf.d", TRACE_LISTED}};
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(back) * ELEMENTSOF(uses_of); i++) {
                const char *path = uses_of[i / ELEMENTSOF(back)].path;
                World *w = learning_world(s);
                Played p;
                shell("touch -d 1990-01-01 %s/v/etc/conf.d", s->path);
                play(&p, w);
                set_clock_back(&p, back[i % ELEMENTSOF(back)]);
                uses(&p, path, uses_of[i / ELEMENTSOF(back)].kinds);
                shell("cd %s/v && %s", s->path, uses_of[i / ELEMENTSOF(back)].command);
                learn_as(&p, "lookups");
                assert_true(has_raced(&p, path));
                build_again(&p);
                uses(&p, path, uses_of[i / ELEMENTSOF(back)].kinds);
                learn_as(&p, "lookups");
                assert_null(stamp_get(p.stamp, "raced"));
                played_done(&p);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

/* Nor is all that was there a change. */
static void clock_that_is_set_back_makes_nothing_older_a_change(void **state) {
        World *w = learning_world(*state);
        Played p;
        w->context.trust_ctime = false; /* which is that of a moment ago, whatever its mtime */
        play(&p, w);
        set_clock_back(&p, 3600);
        uses(&p, "/etc/conf", TRACE_READ);
        learn(&p);
        assert_null(stamp_get(p.stamp, "raced"));
        played_done(&p);
        world_free(w);
}

static void clock_that_is_not_set_back_is_no_matter(void **state) {
        struct timespec began = {.tv_sec = 1000, .tv_nsec = 5}, earliest;
        static const int64_t hour = INT64_C(3600000000000);
        for (int64_t clock = clockset_now() - hour, i = 0; i < 2; clock += hour, i++) {
                earliest = clockset_earliest(&began, clock);
                assert_memory_equal(&earliest, &began, sizeof(began));
        }
        earliest = clockset_earliest(&began, 0); /* not known */
        assert_memory_equal(&earliest, &began, sizeof(began));
        earliest = clockset_earliest(&began, clockset_now() + hour / 36);
        assert_in_range(earliest.tv_sec, 899, 900);
        earliest = clockset_earliest(&began, clockset_now() + hour);
        assert_true(earliest.tv_sec == 0 && earliest.tv_nsec == 0);
}

/* Some archives have such files: each build would be the last but one. */
static void time_that_is_yet_to_come_is_a_race_only_once(void **state) {
        World *w = learning_world(*state);
        Played p;
        shell("cd %s/v/etc && truncate -s 2M big && touch -d 2040-01-01 big conf conf.d", w->s->path);
        play(&p, w);
        for (unsigned i = 0; i < 2; i++) {
                uses(&p, "/etc/big", TRACE_READ);
                uses(&p, "/etc/conf", TRACE_READ);
                uses(&p, "/etc/conf.d", TRACE_LISTED);
                learn(&p);
                assert_true((stamp_get(p.stamp, "raced") != NULL) == (i == 0));
                build_again(&p);
        }
        played_done(&p);
        world_free(w);
}

static void content_is_kept_up_to_its_limit(void **state) {
        World *w = learning_world(*state);
        Played p;
        shell("cd %s/v && truncate -s 1M etc/many && truncate -s 64M etc/most && truncate -s 67108865 "
              "etc/more && mkfifo etc/fifo && "
              "touch -d 2001-01-01 etc/m*",
              w->s->path);
        play(&p, w);
        uses(&p, "/etc/many", TRACE_READ);
        uses(&p, "/etc/most", TRACE_READ);
        uses(&p, "/etc/more", TRACE_READ);
        uses(&p, "/etc/fifo", TRACE_READ);
        learn(&p);
        build_again(&p);
        assert_string_equal(learned_find(&p.before, LEARNED_READ, "/etc/more")->words[2], "-");
        assert_string_equal(learned_find(&p.before, LEARNED_READ, "/etc/fifo")->words[2], "-");
        assert_true(content_is_known(learned_find(&p.before, LEARNED_READ, "/etc/most")->words[2]));
        const char *content = learned_find(&p.before, LEARNED_READ, "/etc/many")->words[2];
        assert_string_equal(content, "b6ef17a3448492b6918780b90550bf34"); /* as xxhsum -H2 has it */
        played_done(&p);
        world_free(w);
}

static void what_is_incomplete_or_too_much_is_said_and_nothing_else(void **state) {
        World *w = learning_world(*state);
        Played p;
        play(&p, w);
        uses(&p, "/etc/conf", TRACE_READ);
        assert_int_equal(trace_miss(&p.trace, "it made a mount namespace of its own"), 0);
        learn(&p);
        check_lines(&p, "learned no it\\x20made\\x20a\\x20mount\\x20namespace\\x20of\\x20its\\x20own");
        build_again(&p);
        assert_true(p.before.known && !p.before.complete);
        for (unsigned i = 0; i < 40000; i++) {
                char path[32];
                (void) snprintf(path, sizeof(path), "/none/%u", i);
                assert_int_equal(trace_add(&p.trace, path, TRACE_ABSENT), 0);
        }
        learn_as(&p, "lookups");
        check_lines(
                &p,
                "learned no it\\x20was\\x20made\\x20from\\x20more\\x20than\\x20a\\x20stamp\\x20can\\x20hold");
        played_done(&p);
        world_free(w);
}

/* Puts what was learned into the stamp of the cache. */
static void keep_list(Played *p) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        for (size_t i = 0; i < p->stamp->n_lines; i++)
                (void) fprintf(f, "%s %s\n", p->stamp->lines[i].key, p->stamp->lines[i].value);
        (void) fclose(f);
        add_lines(p->w, text);
}

/* What is recorded is what a scan compares: right after it, it is fresh. */
static void what_was_recorded_is_fresh_until_it_changes(void **state) {
        World *w = learning_world(*state);
        Played p;
        world_build(w);
        play(&p, w);
        uses(&p, "/etc/conf", TRACE_READ);
        uses(&p, "/etc/conf.d", TRACE_LISTED);
        uses(&p, "/", TRACE_LISTED);
        uses(&p, "/none/below", TRACE_ABSENT);
        learn(&p);
        keep_list(&p);
        check_cache(w, "up to date");
        shell("touch %s/v/etc/conf.d/new", w->s->path);
        check_cache(w, "/etc/conf.d changed (names, TIME)");
        played_done(&p);
        world_free(w);
}

/* What changes after a build, and whether its builder need not be run for that. */
static const struct {
        const char *command;
        bool same;
} changes[] = {
        {"touch etc/conf", true},
        {"cp etc/conf n && mv n etc/conf", true},
        {"echo one-more >etc/conf", false},
        {"printf eno >etc/conf && touch -d 2001-01-01 etc/conf", false}, /* of the same size and time */
        {"chmod 600 etc/conf", false},
        {"chown 7 etc/conf", false},
        {"rm etc/conf", false},
        {"rm etc/conf && ln -s ../usr/bin/tool-1 etc/conf", false},
        {"touch etc/seen", true},
        {"echo longer >etc/seen", false},
        {"rm etc/seen && mkdir etc/seen", false},
        {"touch etc/big", false}, /* its content is not known */
        {"chmod 644 etc/big", true},
        {"cp -p etc/big n && mv n etc/big", false},
        {"touch etc/conf.d/new", false},
        {"touch etc/none", false},
        {"ln -sfn conf etc/link", true},
        {"ln -sfn other etc/link", false},
        /* what the manifest names */
        {"touch src/a", true},
        {"echo other >src/a", false},
        {"printf b >src/a && touch -d 2001-01-01 src/a", false},
        /* … and the builder did not read */
        {"touch src/b/c", true},
        {"cp src/b/c n && mv n src/b/c", true},
        {"chmod 600 src/b/c && chmod 644 src/b/c", true},
        {"ln src/b/c n && rm src/b/c && mv n src/b/c", true},
        {"cp -a src/b n && rm -r src/b && mv n src/b", true},
        {"printf d >src/b/c", false},
        {"printf d >n && touch -r src/b/c n && mv n src/b/c", false},
        {"chmod 600 src/b/c", false},
        {"chown 7 src/b/c", false},
        {"rm src/b/c && mkdir src/b/c", false},
        {"rm src/b/c && ln -s ../a src/b/c", false},
        {"touch src/big", false},
        {"chmod 600 src/big && chmod 644 src/big", false},
        {"touch src/new", false},
        {"rm src/b/c", false},
        {"ln -sfn a src/link", true},
        {"ln -sfn b src/link", false},
        {"chmod 700 src/b", false},
        {"mkdir opt", false},
        {"touch src/a etc/conf etc/seen", true},
        {"touch src/a src/b/c", true},
        {"touch -h src/link", true},
        /* what was built */
        {"touch out", true},
        {"cp out n && mv n out", true},
        {"touch out src/a src/b/c etc/conf", true},
        {"printf tliub >out", false},
        {"echo more >>out", false},
        {"rm out", false},
        {"rm out && mkdir out", false},
};

/* The stamp of the cache, with the content of what the manifest names. */
static void keep_named_content(World *w) {
        const NamedContent named = {.context = &w->context, .cache = &w->plan->caches[0]};
        Stamp *stamp = NULL;
        int fd = openat(w->root.state_fd, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(stamp_read(fd, "c.stamp", NULL, &stamp), 0);
        assert_int_equal(namedcontent_record(&named, stamp), 0);
        assert_int_equal(stamp_write(fd, "c.stamp", stamp), 0);
        stamp_free(stamp);
        close(fd);
        check_cache(w, "up to date");
}

static int compare_content(World *w, Stamp **ret) {
        const ContentReading reading = {.room = CONTENT_TOTAL_MAX};
        return sameness_find(&w->context, &w->plan->caches[0], &reading, ret);
}

static void learn_for_comparison(Played *p, World *w) {
        const Scratch *s = w->s;
        scratch_write(s, "v/etc/seen", "seen");
        shell("cd %s/v && truncate -s 65M etc/big src/big && ln -s conf etc/link && ln -s a src/link && "
              "touch -d 2001-01-01 etc/big etc/seen src/* src/b/c",
              s->path);
        world_build(w);
        play(p, w);
        uses(p, "/etc/conf", TRACE_READ);
        uses(p, "/etc/conf.d", TRACE_LISTED);
        uses(p, "/etc/seen", TRACE_LOOKED);
        uses(p, "/etc/big", TRACE_READ);
        uses(p, "/etc/none", TRACE_ABSENT);
        uses(p, "/etc/link", TRACE_LINK);
        uses(p, "/src/a", TRACE_READ);
        uses(p, "/tmp/x", TRACE_READ);
        learn_as(p, "lookups");
        assert_null(stamp_get(p->stamp, "raced"));
        keep_list(p);
        keep_named_content(w);
}

/* The new stamp says the same as the one before, and the cache is fresh with it. */
static void check_kept(World *w, const Stamp *stamp) {
        int fd = openat(w->root.state_fd, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(stamp_write(fd, "c.stamp", stamp), 0);
        close(fd);
        check_cache(w, "up to date");
        assert_string_equal(stamp_get(stamp, "learned"), "lookups");
        assert_string_equal(stamp_get(stamp, "skip"), "/tmp/x temporary");
}

static void content_decides_where_it_is_known(void **state) {
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                World *w = learning_world(s);
                Stamp *stamp = NULL;
                Played p;
                learn_for_comparison(&p, w);
                shell("cd %s/v && %s", s->path, changes[i].command);
                int r = compare_content(w, &stamp);
                if (r != changes[i].same)
                        fail_msg("%s: %i", changes[i].command, r);
                if (stamp)
                        check_kept(w, stamp);
                stamp_free(stamp);
                played_done(&p);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

/* Where ctime is not trusted, a copy with its times differs in the inode alone. */
static void another_inode_is_no_other_content(void **state) {
        World *w = learning_world(*state);
        Stamp *stamp = NULL;
        Played p;
        w->context.trust_ctime = false;
        learn_for_comparison(&p, w);
        shell("cd %s/v && for f in etc/conf etc/seen src/a src/b/c src/link etc/link out; do "
              "cp -a $f n && mv -T n $f; done",
              w->s->path);
        assert_int_equal(compare_content(w, &stamp), 1);
        check_kept(w, stamp);
        stamp_free(stamp);
        played_done(&p);
        world_free(w);
}

static void content_says_nothing_without_a_whole_list(void **state) {
        static const char *const lines[] = {"learned no reason\n", "raced /etc/conf\n", "read /etc/conf\n"};
        const Scratch *s = *state;
        for (size_t i = 0; i <= ELEMENTSOF(lines); i++) {
                World *w = learning_world(s);
                Stamp *stamp = NULL;
                Played p;
                world_build(w);
                play(&p, w);
                uses(&p, "/src/a", TRACE_READ);
                uses(&p, "/src/b/c", TRACE_READ);
                learn(&p);
                if (i > 0)
                        add_lines(w, lines[i - 1]);
                keep_list(&p);
                shell("touch %s/v/src/a", s->path);
                assert_int_equal(compare_content(w, &stamp), i == 0);
                stamp = stamp_free(stamp);
                scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/false\n");
                world_plan(w, MANIFEST);
                assert_int_equal(compare_content(w, &stamp), 0);
                played_done(&p);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

/* Whether all that counts is what the manifest names, or something could not be learned. */
static void named_content_is_all_where_nothing_is_to_be_learned(void **state) {
        const Scratch *s = *state;
        for (size_t i = 0; i < 2; i++) {
                World *w = learning_world(s);
                Stamp *stamp = NULL;
                scratch_write(s, "builders/b.conf",
                              i == 0 ? "[Builder]\nExec=/bin/true\nLearn=no\n"
                                     : "[Builder]\nExec=/bin/true\n");
                world_plan(w, MANIFEST);
                world_build(w);
                add_lines(w, "learned no it\\x20was\\x20so\n");
                keep_named_content(w);
                shell("touch %s/v/src/a %s/v/src/b/c %s/v/out", s->path, s->path, s->path);
                assert_int_equal(compare_content(w, &stamp), i == 0);
                stamp = stamp_free(stamp);
                shell("printf b >%s/v/src/a", s->path);
                assert_int_equal(compare_content(w, &stamp), 0);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

static const char *file_line(const Stamp *stamp, const char *path) {
        const char *value;
        for (size_t i = 0; (value = stamp_next(stamp, "file", &i));)
                if (startswith(value, path))
                        return value;
        fail_msg("no line of %s", path);
        return NULL;
}

/* A build: its stamp is begun, COMMAND is what happens while its builder runs. */
static Stamp *build_meanwhile(World *w, const Stamp *before, const char *command) {
        const NamedContent named = {.context = &w->context, .cache = &w->plan->caches[0], .before = before};
        Stamp *stamp = NULL;
        assert_int_equal(freshness_stamp_cache(&w->context, &w->plan->caches[0], &stamp, NULL), 0);
        learning_await_tick();
        shell("cd %s/v && %s", w->s->path, command);
        assert_int_equal(freshness_stamp_outputs(&w->context, &w->plan->caches[0], stamp, NULL), 0);
        assert_int_equal(namedcontent_record(&named, stamp), 0);
        return stamp;
}

static void named_content_is_of_what_the_stamp_says(void **state) {
        World *w = learning_world(*state);
        Stamp *stamp = build_meanwhile(w, NULL, "printf b >src/a");
        /* the later content is not that of the earlier file */
        assert_false(content_is_known(strrchr(file_line(stamp, "/src/a "), ' ') + 1));
        assert_true(content_is_known(strrchr(file_line(stamp, "/src/b/c "), ' ') + 1));
        assert_true(startswith(stamp_get(stamp, "content"), "/out "));
        /* what is the same file still is not read again */
        char *line = strrchr(file_line(stamp, "/src/b/c "), ' ') + 1;
        memset(line, 'a', strlen(line));
        Stamp *next = build_meanwhile(w, stamp, "true");
        assert_string_equal(strrchr(file_line(next, "/src/b/c "), ' ') + 1, line);
        assert_true(content_is_known(strrchr(file_line(next, "/src/a "), ' ') + 1));
        stamp_free(next);
        /* unless another is there */
        shell("touch %s/v/src/b/c", w->s->path);
        next = build_meanwhile(w, stamp, "true");
        assert_string_not_equal(strrchr(file_line(next, "/src/b/c "), ' ') + 1, line);
        stamp_free(next);
        stamp_free(stamp);
        world_free(w);
}

/* The content behind a file is no target of a link. */
static void content_of_named_files_is_no_difference(void **state) {
        World *w = learning_world(*state);
        shell("ln -s a %s/v/src/link", w->s->path);
        world_build(w);
        add_lines(w, "learned no it\\x20was\\x20so\n");
        keep_named_content(w);
        shell("echo longer >%s/v/src/b/c", w->s->path);
        check_cache(w, "/src/b/c changed (size, mtime, TIME)");
        shell("ln -sfn b %s/v/src/link", w->s->path);
        check_cache(w, "/src/b/c changed (size, mtime, TIME)");
        shell("printf c >%s/v/src/b/c && rm %s/v/src/a && ln -s b %s/v/src/a", w->s->path, w->s->path,
              w->s->path);
        check_cache(w, "/src/a changed (target, TIME)");
        world_free(w);
}

static void content_is_read_within_limits(void **state) {
        World *w = learning_world(*state);
        struct statx stx;
        char content[FINGERPRINT_HEX_MAX];
        ContentReading reading = {.room = 2};
        static const struct {
                const char *path;
                bool known;
        } files[] = {{"/src/a", true}, {"/etc/conf", false}, {"/src/b/c", true}, {"/src/a", false}};
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                assert_int_equal(content_of_path(&w->context, files[i].path, &reading, &stx, content), 0);
                assert_int_equal(content_is_known(content), files[i].known);
                assert_int_equal(stx.stx_mask != 0, files[i].known);
        }
        shell("cd %s/v && ln -s conf etc/link && mkfifo etc/fifo && ln -s ../.. up", w->s->path);
        static const char *const none[] = {"/etc/link", "/etc/fifo", "/etc", "/none", "/up/x", "/etc/conf/x"};
        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                assert_int_equal(content_of_path(&w->context, none[i], NULL, &stx, content), 0);
                assert_string_equal(content, LEARNED_NO_CONTENT);
        }
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_was_used_is_recorded_and_the_rest_is_told),
                scratch_test(folders_of_local_libraries_count_where_the_loader_was_used),
                scratch_test(lookups_know_their_links),
                scratch_test(change_meanwhile_is_a_race_until_it_is_known_as_the_builders_own),
                scratch_test(what_the_builder_renames_over_what_it_read_is_its_own),
                scratch_test(what_was_made_and_went_does_not_count),
                cmocka_unit_test(whole_seconds_are_compared_as_such),
                scratch_test(clock_that_is_set_meanwhile_hides_no_change),
                scratch_test(clock_that_is_set_back_makes_nothing_older_a_change),
                cmocka_unit_test(clock_that_is_not_set_back_is_no_matter),
                scratch_test(time_that_is_yet_to_come_is_a_race_only_once),
                scratch_test(content_is_kept_up_to_its_limit),
                scratch_test(what_is_incomplete_or_too_much_is_said_and_nothing_else),
                scratch_test(what_was_recorded_is_fresh_until_it_changes),
                scratch_test(content_decides_where_it_is_known),
                scratch_test(another_inode_is_no_other_content),
                scratch_test(content_says_nothing_without_a_whole_list),
                scratch_test(named_content_is_all_where_nothing_is_to_be_learned),
                scratch_test(named_content_is_of_what_the_stamp_says),
                scratch_test(content_of_named_files_is_no_difference),
                scratch_test(content_is_read_within_limits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
