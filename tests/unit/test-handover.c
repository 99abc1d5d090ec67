/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests: builder/handover.c builder/takeover.c */

#include "builder/handover.h"

#include "base/log.h"
#include "buildworld.h"
#include "fixture.h"

/* `a` has an instance for each name in v/each; `b` is made from all of it. */
#define CACHES                                                                                               \
        "<cache name=\"a\" builder=\"b\" each=\"/each/*\">"                                                  \
        "<source path=\"/src/%i\"/><output path=\"/out/%i\"/><output path=\"/more/%i\"/></cache>"            \
        "<cache name=\"b\" builder=\"b\"><source path=\"/out\"/><output path=\"/all\"/></cache>"

typedef struct World {
        BuildWorld b;
        Scratch *s;
        char file[128];
        Handover handover;
        unsigned taken;
        char *reason;
} World;

static void let_learn(const World *w, DefinitionLearn learn) {
        for (size_t i = 0; i < w->b.plan->n_caches; i++)
                ((Definition *) w->b.plan->caches[i].definition)->learn = learn;
}

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        scratch_write(w->s, "v/each/1", "");
        scratch_write(w->s, "v/each/2 x", "");
        scratch_write(w->s, "v/src/1", "source");
        scratch_write(w->s, "v/src/2 x", "source");
        scratch_write(w->s, "v/out/.keep", "");
        buildworld_start(&w->b, w->s, CACHES);
        let_learn(w, LEARN_NO); /* or what is handed over would have to be built once */
        (void) snprintf(w->file, sizeof(w->file), "%s/run/begun/0", w->s->path);
        w->handover =
                (Handover){.context = &w->b.context, .file = w->file, .report = fopen("/dev/null", "we")};
        assert_non_null(w->handover.report);
        (void) log_set_max_level(LOG_ERR);
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        free(w->reason);
        (void) fclose(w->handover.report);
        buildworld_end(&w->b);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

static void forget_reason(World *w) {
        free(w->reason);
        w->reason = NULL;
}

static void begin(World *w, const char *cache, const char *instance) {
        forget_reason(w);
        w->handover.cache = cache;
        w->handover.instance = instance;
        assert_int_equal(handover_begin(&w->handover, &w->reason), 0);
}

static unsigned done(World *w) {
        forget_reason(w);
        assert_int_equal(handover_end(&w->handover, &w->taken, &w->reason), 0);
        return w->taken;
}

/* Something new each time. */
static void write_output(const World *w, const char *name) {
        static unsigned n;
        char path[64], text[32];
        (void) snprintf(path, sizeof(path), "v/%s", name);
        (void) snprintf(text, sizeof(text), "built %u", n++);
        (void) unlinkat(w->s->fd, path, 0);
        scratch_write(w->s, path, text);
}

static bool is_fresh(const World *w, size_t i) {
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_cache(&w->b.context, &w->b.plan->caches[i], &f), 0);
        return f.difference == DIFFERENCE_NONE;
}

static void what_was_built_is_fresh_and_nothing_else(void **state) {
        World *w = *state;
        assert_int_equal(w->b.plan->n_caches, 3);
        begin(w, "a", "2 x");
        write_output(w, "out/1");
        write_output(w, "more/1");
        write_output(w, "out/2 x");
        write_output(w, "more/2 x");
        assert_int_equal(done(w), 1);
        assert_null(w->reason);
        assert_false(is_fresh(w, 0));
        assert_true(is_fresh(w, 1));
        assert_false(is_fresh(w, 2));
        assert_int_equal(done(w), 1); /* nothing has changed: it is so still */
}

/* ---- what is known of what it was made from ---- */

static void build_instance(World *w, const char *instance) {
        char out[64], more[64];
        (void) snprintf(out, sizeof(out), "out/%s", instance);
        (void) snprintf(more, sizeof(more), "more/%s", instance);
        begin(w, "a", instance);
        write_output(w, out);
        write_output(w, more);
        assert_int_equal(done(w), 1);
}

/* The line KEY of the stamp NAME, or NULL. */
static char *line_of_stamp(const World *w, const char *name, const char *key) {
        Stamp *stamp = NULL;
        int fd = openat(w->s->fd, "state/caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(stamp_read(fd, name, NULL, &stamp), 0);
        const char *value = stamp_get(stamp, key);
        char *copy = value ? strdup(value) : NULL;
        stamp_free(stamp);
        close(fd);
        return copy;
}

static void check_line(const World *w, const char *name, const char *key, const char *start) {
        _cleanup_free_ char *line = line_of_stamp(w, name, key);
        if (start)
                assert_begins(line, start);
        else
                assert_null(line);
}

static void list_of_another_instance_is_taken_over(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/lib/1/used", "used by 1");
        scratch_write(w->s, "v/lib/2 x/used", "used by 2");
        scratch_write(w->s, "v/common", "used by both");
        let_learn(w, LEARN_OPENS);
        build_instance(w, "1");
        shell("cd %s/state/caches && { grep -v -e ^file -e ^learned a@1.stamp && printf '%%s\\n' 'learned "
              "opens' "
              "'read /lib/1/used 0 -' 'read /common 0 -' 'read /lib/1/only 0 -' 'miss /none-1'; } >new && "
              "mv new a@1.stamp",
              w->s->path);
        build_instance(w, "2 x");
        check_line(w, "a@2\\x20x.stamp", "learned", "from 1");
        check_line(w, "a@2\\x20x.stamp", "read", "/common ");
        check_line(w, "a@2\\x20x.stamp", "miss", "/none-2\\x20x");
        check_line(w, "a@2\\x20x.stamp", "raced", NULL);
        assert_true(is_fresh(w, 1));
        scratch_write(w->s, "v/lib/2 x/used", "another");
        assert_false(is_fresh(w, 1));
        /* its own comes first */
        build_instance(w, "2 x");
        check_line(w, "a@2\\x20x.stamp", "learned", "from 2\\x20x");
        assert_true(is_fresh(w, 1));
}

static void where_nothing_was_learned_it_is_built_once(void **state) {
        World *w = *state;
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        build_instance(w, "1");
        check_line(w, "a@1.stamp", "learned", "no ");
        assert_true(is_fresh(w, 0));
        let_learn(w, LEARN_OPENS);
        build_instance(w, "2 x"); /* of the other one nobody wanted to know anything */
        check_line(w, "a@2\\x20x.stamp", "learned", "no ");
        shell("rm %s/state/caches/a@*", w->s->path);
        build_instance(w, "1");
        check_line(w, "a@1.stamp", "learned", "wanted");
        assert_int_equal(freshness_of_cache(&w->b.context, &w->b.plan->caches[0], &f), 0);
        _cleanup_free_ char *why = freshness_describe(&f);
        assert_string_equal(why, "learned list is missing (another program built it)");
        build_instance(w, "1"); /* nor has that been built by us */
        check_line(w, "a@1.stamp", "learned", "wanted");
        shell("sed -i 's/^learned .*/learned no a\\\\x20reason/' %s/state/caches/a@1.stamp", w->s->path);
        assert_true(is_fresh(w, 0));
        build_instance(w, "2 x");
        check_line(w, "a@2\\x20x.stamp", "learned", "no a\\x20reason");
        assert_true(is_fresh(w, 1));
}

/* Instance 1 was learned to be made from /common; it is begun. */
static void begin_with_list(World *w) {
        scratch_write(w->s, "v/common", "used");
        let_learn(w, LEARN_OPENS);
        build_instance(w, "1");
        shell("cd %s/state/caches && { grep -v -e ^file -e ^learned a@1.stamp && printf '%%s\\n' 'learned "
              "opens' "
              "'read /common 0 -'; } >new && mv new a@1.stamp",
              w->s->path);
        begin(w, "a", "1");
}

static void change_and_end(World *w) {
        write_output(w, "out/1");
        write_output(w, "more/1");
        scratch_write(w->s, "v/common", "changed");
        assert_int_equal(done(w), 1);
        check_line(w, "a@1.stamp", "raced", "/common");
}

/* As if the clock had been an hour ahead when it was begun. */
static void clock_that_is_set_back_meanwhile_hides_no_race(void **state) {
        World *w = *state;
        begin_with_list(w);
        shell("f=%s; c=$(sed -n 's/^clock //p' $f) && test $c -gt 0 && "
              "sed -i \"s/^clock .*/clock $((c + 3600000000000))/\" $f && touch -d '1 hour' $f",
              w->file);
        change_and_end(w);
}

/* It may have changed too late, as for a source that the manifest names. */
static void what_was_learned_and_changes_meanwhile_has_raced(void **state) {
        World *w = *state;
        begin_with_list(w);
        change_and_end(w);
        assert_false(is_fresh(w, 0));
}

/* All of its outputs, and each since then. */
static void each_output_must_have_been_written(void **state) {
        World *w = *state;
        write_output(w, "out/1");
        write_output(w, "more/1");
        begin(w, "a", "1");
        assert_int_equal(done(w), 0);
        assert_string_equal(w->reason, "a 1: it was not built meanwhile");
        write_output(w, "more/1");
        assert_int_equal(done(w), 0);
        assert_int_equal(unlinkat(w->s->fd, "v/out/1", 0), 0);
        assert_int_equal(done(w), 0);
        write_output(w, "out/1");
        assert_int_equal(done(w), 1);
        assert_true(is_fresh(w, 0));
}

static void a_change_of_sources_or_builder_counts(void **state) {
        World *w = *state;
        begin(w, "a", NULL);
        write_output(w, "out/1");
        write_output(w, "more/1");
        write_output(w, "out/2 x");
        write_output(w, "more/2 x");
        scratch_write(w->s, "v/src/1", "changed");
        assert_int_equal(done(w), 1);
        assert_string_equal(w->reason, "a 1: its sources changed meanwhile");
        assert_false(is_fresh(w, 0));
        assert_int_equal(unlinkat(w->s->fd, "v/src/1", 0), 0);
        assert_int_equal(done(w), 1);
        assert_contains(w->reason, "a 1: /src/1");
        scratch_write(w->s, "builders/b.conf", "[Builder]\nExec=/bin/another %o\nRoot=host\n");
        buildworld_load(&w->b);
        buildworld_want(&w->b, CACHES);
        assert_int_equal(done(w), 0);
}

static void what_it_is_made_from_comes_first(void **state) {
        World *w = *state;
        begin(w, "b", NULL);
        write_output(w, "all");
        assert_int_equal(done(w), 0);
        assert_string_equal(w->reason, "b: a, from which it is made, is not built yet");
        begin(w, "a", NULL);
        write_output(w, "out/1");
        write_output(w, "more/1");
        write_output(w, "out/2 x");
        write_output(w, "more/2 x");
        assert_int_equal(done(w), 2);
        begin(w, NULL, NULL);
        write_output(w, "all");
        assert_int_equal(done(w), 1); /* the others were not built once more, and are fresh */
        assert_true(is_fresh(w, 0) && is_fresh(w, 1) && is_fresh(w, 2));
}

static void what_cannot_be_begun_is_said(void **state) {
        World *w = *state;
        assert_int_equal(unlinkat(w->s->fd, "v/src/1", 0), 0);
        w->handover.cache = "a";
        w->handover.instance = "1";
        assert_int_equal(handover_begin(&w->handover, &w->reason), -ENOENT);
        assert_contains(w->reason, "a 1: /src/1");
        forget_reason(w);
        w->handover.cache = "c";
        assert_int_equal(handover_begin(&w->handover, &w->reason), -ENOENT);
        assert_string_equal(w->reason, "there is no such cache");
        forget_reason(w);
        w->handover.file = "/proc/nowhere/begun/0";
        w->handover.cache = "b";
        w->handover.instance = NULL;
        assert_true(handover_begin(&w->handover, &w->reason) < 0);
}

static void a_record_that_is_none_takes_nothing(void **state) {
        World *w = *state;
        assert_true(handover_end(&w->handover, &w->taken, &w->reason) < 0);
        begin(w, NULL, NULL);
        scratch_write(w->s, "run/begun/0", "bootkeep-stamp 1\nvolume another\n");
        forget_reason(w);
        assert_int_equal(handover_end(&w->handover, &w->taken, &w->reason), -EBADMSG);
        assert_contains(w->reason, "is of another volume");
        scratch_write(w->s, "run/begun/0", "bootkeep-stamp 1\nvolume test\ncache a\ncache b - 00 b 00\n");
        assert_int_equal(done(w), 0);
        assert_string_equal(w->reason, "b: its sources changed meanwhile");
}

/* ---- before ---- */

/* `q` is quick, and goes into `r`, which is, too; that goes into `s`, which is not. So does `n`. */
#define CHAIN                                                                                                \
        "<cache name=\"q\" builder=\"quick\" each=\"/each/*\"><source path=\"/src/%i\"/><output "            \
        "path=\"/q/%i\"/>"                                                                                   \
        "</cache>"                                                                                           \
        "<cache name=\"n\" builder=\"b\"><source path=\"/src/1\"/><output path=\"/n\"/></cache>"             \
        "<cache name=\"r\" builder=\"quick\" each=\"/each/*\"><source path=\"/q/%i\"/><output "              \
        "path=\"/r/%i\"/>"                                                                                   \
        "</cache>"                                                                                           \
        "<cache name=\"s\" builder=\"b\" each=\"/each/*\"><source path=\"/r/%i\"/><source path=\"/n\"/>"     \
        "<output path=\"/s/%i\"/></cache>"

static void want_chain(World *w) {
        scratch_write(w->s, "builders/quick.conf", "[Builder]\nExec=/bin/cp %s %o\nRoot=host\nQuick=yes\n");
        buildworld_load(&w->b);
        buildworld_want(&w->b, CHAIN);
        let_learn(w, LEARN_NO);
        assert_int_equal(w->b.plan->n_caches, 7);
}

/* "q 1, r 1" */
static void assert_chosen(World *w, const char *cache, const char *instance, const char *expected) {
        _cleanup_free_ bool *chosen = NULL;
        char text[128] = "";
        w->handover.cache = cache;
        w->handover.instance = instance;
        assert_int_equal(handover_choose_quick(&w->handover, &chosen), 0);
        for (size_t i = 0; chosen && i < w->b.plan->n_caches; i++) {
                const PlanCache *pc = &w->b.plan->caches[i];
                size_t n = strlen(text);
                if (chosen[i])
                        (void) snprintf(text + n, sizeof(text) - n, "%s%s %s", n > 0 ? ", " : "",
                                        pc->cache->name, strempty(pc->instance));
        }
        assert_string_equal(text, expected);
        assert_int_equal(chosen != NULL, *expected != 0);
}

static void what_goes_into_it_is_built_before(void **state) {
        World *w = *state;
        assert_chosen(w, NULL, NULL, ""); /* no builder is quick */
        want_chain(w);
        assert_chosen(w, "s", "1", "q 1, r 1");
        assert_chosen(w, NULL, "2 x", "q 2 x, r 2 x");
        assert_chosen(w, "n", NULL, "");
        assert_chosen(w, "q", NULL, ""); /* somebody else builds it */
        assert_chosen(w, "r", "1", "");
        assert_chosen(w, "s", "3", "");
}

static void what_is_fresh_is_not_built_before(void **state) {
        World *w = *state;
        want_chain(w);
        begin(w, "q", "1");
        scratch_write(w->s, "v/q/1", "built");
        assert_int_equal(done(w), 1);
        assert_chosen(w, "s", "1", "q 1, r 1"); /* r is not */
        begin(w, "r", "1");
        scratch_write(w->s, "v/r/1", "built");
        assert_int_equal(done(w), 1);
        assert_chosen(w, "s", "1", "");
        scratch_write(w->s, "v/src/1", "changed");
        assert_chosen(w, "s", "1", "q 1, r 1"); /* r will be stale */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_was_built_is_fresh_and_nothing_else),
                world_test(list_of_another_instance_is_taken_over),
                world_test(where_nothing_was_learned_it_is_built_once),
                world_test(what_was_learned_and_changes_meanwhile_has_raced),
                world_test(clock_that_is_set_back_meanwhile_hides_no_race),
                world_test(each_output_must_have_been_written),
                world_test(a_change_of_sources_or_builder_counts),
                world_test(what_it_is_made_from_comes_first),
                world_test(what_cannot_be_begun_is_said),
                world_test(a_record_that_is_none_takes_nothing),
                world_test(what_goes_into_it_is_built_before),
                world_test(what_is_fresh_is_not_built_before),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
