/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/manifest fails in turn. */

#include "allocations.h"

#include "fixture.h"

#include "manifest/definition.h"
#include "manifest/order.h"
#include "manifest/plan.h"

#define MODULES "each=\"/usr/lib/modules/*\""
#define MANIFEST                                                                                             \
        "<bootcaches version=\"1\">"                                                                         \
        "<cache name=\"a\" " MODULES " builder=\"b\"><source path=\"/usr/lib/modules/%i\"/>"                 \
        "<source path=\"/%m\" optional=\"yes\"/><output path=\"/boot/a-%i\"/>"                               \
        "<output path=\"/boot/b-%i\"/></cache>"                                                              \
        "<cache name=\"c\" " MODULES " builder=\"b\"><source path=\"/boot/a-%i\"/><source cache=\"a\"/>"     \
        "<output path=\"/boot/c-%i\"/></cache>"                                                              \
        "<copy role=\"required\" " MODULES " from=\"/boot/c-%i\" to=\"/linux-%i\"/>"                         \
        "<copy role=\"misc\" helper=\"xbootldr\" from=\"/splash\" to=\"/splash\"/>"                          \
        "</bootcaches>"
#define REFUSED "<bootcaches version=\"1\"><cache name=\"a\" builder=\"b\"/></bootcaches>"
#define UNKNOWN_BUILDER                                                                                      \
        "<bootcaches version=\"1\"><cache name=\"a\" builder=\"unknown\"><source path=\"/x\"/>"              \
        "<output path=\"/y\"/></cache></bootcaches>"

#define CIRCLE                                                                                               \
        "<bootcaches version=\"1\"><cache name=\"a\" builder=\"b\"><source path=\"/x\"/>"                    \
        "<output path=\"/y\"/></cache><cache name=\"b\" builder=\"b\"><source path=\"/y\"/>"                 \
        "<output path=\"/x\"/></cache></bootcaches>"

/* which shows only on the volume */
#define CYCLE_OF_INSTANCES                                                                                   \
        "<bootcaches version=\"1\"><cache name=\"a\" " MODULES " builder=\"b\"><source path=\"/x%i\"/>"      \
        "<output path=\"/y%i\"/></cache><cache name=\"b\" each=\"/m/*\" builder=\"b\">"                      \
        "<source path=\"/y%i\"/><output path=\"/x%i\"/></cache></bootcaches>"

typedef struct World {
        const Scratch *s;
        char *dirs[2];
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
} World;

static int parse(const char *text) {
        Manifest *m = UNTOUCHED;
        char *why = NULL;
        int r = manifest_parse("test", text, strlen(text), &m, &why);
        assert_true(r == -EBADMSG ? why != NULL : why == NULL);
        free(why);
        return OUTCOME(r, m, manifest_free);
}

static int parse_good(void *userdata) {
        return parse(MANIFEST);
}

static int parse_refused(void *userdata) {
        int r = parse(REFUSED);
        assert_true(r < 0);
        return r == -EBADMSG ? 0 : r;
}

static int parse_circle(void *userdata) {
        int r = parse(CIRCLE);
        assert_true(r < 0);
        return r == -EBADMSG ? 0 : r;
}

static void manifest_is_parsed_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(parse_good, NULL);
        allocations_fail_in_turn(parse_refused, NULL);
        allocations_fail_in_turn(parse_circle, NULL);
}

static int load(void *userdata) {
        World *w = userdata;
        Manifest *m = UNTOUCHED;
        char *why = NULL;
        int r = manifest_load(&(Walk){.root = w->s->fd}, &m, &why);
        free(why);
        return OUTCOME(r, m, manifest_free);
}

/* Refused because of a dangling link. */
static int load_refused(void *userdata) {
        int r = load(userdata);
        assert_true(r < 0);
        return r == -EBADMSG ? 0 : r;
}

static int define(void *userdata) {
        World *w = userdata;
        DefinitionSet *set = UNTOUCHED;
        return OUTCOME(definition_set_load(w->dirs, &set, NULL), set, definition_set_free);
}

static int command(void *userdata) {
        World *w = userdata;
        char source[] = "/s", output[] = "/o", *sources[] = {source, NULL},
             *outputs[] = {output, output, NULL};
        const DefinitionArguments arguments = {
                .instance = "6.1.0", .root = "/mnt", .sources = sources, .outputs = outputs};
        char **words = UNTOUCHED;
        return OUTCOME(definition_command(definition_set_find(w->definitions, "b"), &arguments, &words),
                       words, strv_free);
}

static int plan_on(World *w, const Manifest *manifest) {
        Plan *plan = UNTOUCHED;
        char *why = NULL;
        int r = plan_new(&(Walk){.root = w->s->fd}, manifest, w->definitions, &plan, &why);
        free(why);
        return OUTCOME(r, plan, plan_free);
}

static int plan_good(void *userdata) {
        World *w = userdata;
        return plan_on(w, w->manifest);
}

static int plan_refused(void *userdata) {
        World *w = userdata;
        int r = plan_on(w, w->manifest);
        assert_true(r < 0);
        return r == -EBADMSG ? 0 : r;
}

static int expand_path(void *userdata) {
        World *w = userdata;
        char *path = UNTOUCHED;
        return OUTCOME_FREE(plan_path(w->plan, "/usr/lib/modules/%i", "6.1.0", &path), path);
}

/* The other way round than the manifest has it, and in a circle. */
static int prefer_order(void *userdata) {
        static const PlanEdge edges[] = {{3, 0}, {0, 1}, {1, 0}};
        World *w = userdata;
        _cleanup_(plan_freep) Plan *plan = NULL;
        _cleanup_free_ char *why = NULL;
        int r = plan_new(&(Walk){.root = w->s->fd}, w->manifest, w->definitions, &plan, &why);
        return r < 0 ? r : plan_prefer(plan, w->manifest, edges, ELEMENTSOF(edges));
}

static int refuse_elsewhere(void *userdata) {
        World *w = userdata;
        _cleanup_free_ char *why = NULL;
        int r = plan_check_running(w->plan, w->manifest, &why);
        assert_true(r < 0 && (r == -EBADMSG) == (why != NULL));
        return r == -EBADMSG ? 0 : r;
}

static void world_parse(World *w, const char *text) {
        char *why = NULL;
        w->manifest = manifest_free(w->manifest);
        assert_int_equal(manifest_parse("test", text, strlen(text), &w->manifest, &why), 0);
}

static void reading_a_volume_succeeds_or_fails_as_a_whole(void **state) {
        const Scratch *s = *state;
        char directory[128], *why = NULL;
        World w = {.s = s, .dirs = {directory, NULL}};
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        scratch_write(s, "builders/b.conf",
                      "[Builder]\nDescription=some words\nExec=/bin/b %i %r %s %o %O\nTimeoutSec=1min\n"
                      "Learn=lookups\nLearnIgnore=/a /b/*\nRunningSystemOnly=yes\nQuick=yes\n");
        scratch_write(s, "builders/c.conf", "[Builder]\nExec=/bin/c 'a b'\nRoot=host\n");
        scratch_write(s, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        scratch_write(s, "etc/bootkeep/bootcaches.xml", MANIFEST);
        scratch_write(s, "usr/lib/modules/6.1.0/x", "");
        scratch_write(s, "usr/lib/modules/6.2.0/x", "");
        allocations_fail_in_turn(load, &w);
        assert_int_equal(renameat(s->fd, "etc/bootkeep", s->fd, "kept"), 0);
        make_link(s, "etc/bootkeep", "other");
        make_link(s, "etc/other", "nowhere");
        allocations_fail_in_turn(load_refused, &w);
        allocations_fail_in_turn(define, &w);
        assert_int_equal(definition_set_load(w.dirs, &w.definitions, NULL), 0);
        allocations_fail_in_turn(command, &w);
        world_parse(&w, MANIFEST);
        allocations_fail_in_turn(plan_good, &w);
        assert_int_equal(plan_new(&(Walk){.root = s->fd}, w.manifest, w.definitions, &w.plan, &why), 0);
        allocations_fail_in_turn(expand_path, &w);
        allocations_fail_in_turn(refuse_elsewhere, &w);
        assert_int_equal(w.plan->n_caches, 4);
        allocations_fail_in_turn(prefer_order, &w);
        plan_free(w.plan);
        world_parse(&w, UNKNOWN_BUILDER);
        allocations_fail_in_turn(plan_refused, &w);
        scratch_write(s, "m/6.1.0", "");
        world_parse(&w, CYCLE_OF_INSTANCES);
        allocations_fail_in_turn(plan_refused, &w);
        manifest_free(w.manifest);
        definition_set_free(w.definitions);
}

static int sort_two(void *userdata) {
        _cleanup_(order_freep) Order *o = NULL;
        const OrderPath written = {ORDER_OUTPUT, NULL, "/a/b"}, read = {ORDER_SOURCE, "6.1.0", "/a"};
        size_t other = 7, *items = UNTOUCHED, n = 0;
        int r = order_new(2, &o);
        if (r >= 0)
                r = order_declare(o, 1, &written, &other);
        if (r >= 0)
                r = order_declare(o, 0, &read, &other);
        if (r >= 0)
                r = order_connect(o, 1, &written);
        if (r >= 0)
                r = order_connect(o, 0, &read);
        if (r >= 0)
                r = order_join(o, 1, ORDER_OUTPUT, "group");
        if (r >= 0)
                r = order_join(o, 0, ORDER_SOURCE, "group");
        assert_int_equal(other, 7);
        return r < 0 ? r : OUTCOME_FREE(order_sort(o, &items, &n), items);
}

static void order_is_made_or_not(void **state) {
        allocations_fail_in_turn(sort_two, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(manifest_is_parsed_or_the_error_is_returned),
                scratch_test(reading_a_volume_succeeds_or_fails_as_a_whole),
                cmocka_unit_test(order_is_made_or_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
