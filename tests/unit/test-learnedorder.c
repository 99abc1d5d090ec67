/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which caches were learned to be made from what others make. */

#include "freshness/learnedorder.h"

#include "fixture.h"
#include "freshnessworld.h"

#define CACHE(name, each, outputs)                                                                           \
        "<cache name=\"" name "\" " each "builder=\"b\"><source path=\"/src\"/>" outputs "</cache>"
#define OUTPUT(path) "<output path=\"" path "\"/>"

static const char manifest[] = "<bootcaches version=\"1\">" CACHE("menu", "", OUTPUT("/boot/grub/menu"))
        CACHE("initrd", "each=\"/m/*\" ", OUTPUT("/boot/initrd-%i"))
                CACHE("keys", "", OUTPUT("/etc/keys")) "</bootcaches>";

static void stamp_of(const World *w, const char *name, const char *lines) {
        char path[128], text[512];
        (void) snprintf(path, sizeof(path), "state/caches/%s.stamp", name);
        (void) snprintf(text, sizeof(text), "bootkeep-stamp 1\nfingerprint 00\n%s", lines);
        scratch_write(w->s, path, text);
}

/* The edges are EXPECTED, "FIRST>THEN FIRST>THEN", as numbers of caches in the plan. */
static void has_edges(const World *w, const char *expected) {
        _cleanup_free_ PlanEdge *edges = NULL;
        char text[256] = "";
        size_t n = 0;
        assert_int_equal(learned_order_read(&w->context, &edges, &n), 0);
        for (size_t i = 0; i < n; i++) {
                size_t used = strlen(text);
                (void) snprintf(text + used, sizeof(text) - used, "%s%zu>%zu", i > 0 ? " " : "",
                                edges[i].first, edges[i].then);
        }
        assert_string_equal(text, expected);
}

static World *world_of_three(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "v/m/1", "");
        scratch_write(s, "v/m/2", "");
        world_plan(w, manifest); /* 0 menu, 1 and 2 initrd, 3 keys */
        assert_int_equal(w->plan->n_caches, 4);
        return w;
}

static void what_lists_the_folder_of_an_output_comes_after_it(void **state) {
        World *w = world_of_three(state);
        has_edges(w, "");
        stamp_of(w, "menu", "learned opens\nlist /boot 00\nread /src/a 1 -\n");
        has_edges(w, "1>0 2>0");
        stamp_of(w, "menu", "learned opens\nlist / 00\nlist /bo 00\nlist /boot/grub 00\n");
        has_edges(w, ""); /* its own */
        world_free(w);
}

static void what_used_an_output_in_any_way_comes_after_it(void **state) {
        static const char *const lists[] = {
                "learned opens\nread /etc/keys 1 -\nread /etc/keys/a 1 -\n", /* one of a folder */
                "learned lookups\nlook /etc/keys 1\n",
                "learned lookups\nmiss /etc/keys\n",
                "learned opens\nlink /etc/keys x\n",
                "learned from 1\nread /etc/keys/a/b 1 -\n",
                "learned opens\nlist /etc/keys/a 00\n",
        };
        World *w = world_of_three(state);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                stamp_of(w, "initrd@2", lists[i]);
                has_edges(w, "3>2");
        }
        stamp_of(w, "initrd@2",
                 "learned opens\nread /etc/keys2 1 -\nread /etc/key 1 -\nread /x/etc/keys 1 -\n");
        has_edges(w, "");
        world_free(w);
}

static void instances_of_one_cache_do_not_count_for_each_other(void **state) {
        World *w = world_of_three(state);
        stamp_of(w, "initrd@1", "learned opens\nlist /boot 00\nread /boot/initrd-2 1 -\n");
        stamp_of(w, "initrd@2", "learned opens\nlist /boot 00\nread /boot/grub/menu 1 -\n");
        has_edges(w, "0>2");
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_lists_the_folder_of_an_output_comes_after_it),
                scratch_test(what_used_an_output_in_any_way_comes_after_it),
                scratch_test(instances_of_one_cache_do_not_count_for_each_other),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
