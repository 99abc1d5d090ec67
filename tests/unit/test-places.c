/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/places.h"

#include "scratch.h"

/* The volume SCRATCH/v with a manifest. */
typedef struct World {
        int root;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
} World;

static void world_start(World *w, const Scratch *s, const char *manifest) {
        char directory[128], *reason = NULL, *directories[] = {directory, NULL};
        *w = (World){.root = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        assert_int_equal(manifest_parse("test", manifest, strlen(manifest), &w->manifest, &reason), 0);
        assert_int_equal(definition_set_load(directories, &w->definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = w->root}, w->manifest, w->definitions, &w->plan, &reason),
                         0);
}

static void world_end(World *w) {
        plan_free(w->plan);
        definition_set_free(w->definitions);
        manifest_free(w->manifest);
        close(w->root);
}

/* The places of what MANIFEST names, separated by spaces. */
static void places_are(const Scratch *s, const char *manifest, size_t max, const char *expected) {
        World w;
        char **places = NULL, text[1024] = "";
        world_start(&w, s, manifest);
        assert_int_equal(places_of_plan(w.root, w.plan, max, &places), 0);
        for (char **p = places; p && *p; p++) {
                strcat(text, *p);
                strcat(text, " ");
        }
        assert_string_equal(text, expected);
        strv_free(places);
        world_end(&w);
}

#define MANIFEST(rest) "<bootcaches version=\"1\">" rest "</bootcaches>"
#define CACHE(rest) "<cache name=\"c\" builder=\"b\">" rest "</cache>"
#define CACHE_EACH(rest) "<cache name=\"c\" builder=\"b\" each=\"/kernels/*\">" rest "</cache>"
#define SOURCE(path) "<source path=\"" path "\"/>"
#define OUTPUT(path) "<output path=\"" path "\"/>"
#define COPY(role, from, to) "<copy role=\"" role "\" from=\"" from "\" to=\"" to "\"/>"
#define COPY_EACH(from, to) "<copy role=\"required\" each=\"/kernels/*\" from=\"" from "\" to=\"" to "\"/>"

static void populate(const Scratch *s) {
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        scratch_write(s, "v/usr/lib/modules/x", "");
        scratch_write(s, "v/boot/initrd", "");
        shell("cd %s/v && ln -s usr/lib lib && ln -s lib/modules all && ln -s nowhere dangling", s->path);
}

static void everything_that_is_named_is_a_place(void **state) {
        const Scratch *s = *state;
        populate(s);
        places_are(s, MANIFEST(), 10, "");
        places_are(s,
                   MANIFEST(CACHE(SOURCE("/usr/lib/modules") OUTPUT("/boot/initrd") OUTPUT("/boot/second"))
                                    COPY("required", "/boot/initrd", "/a") COPY("misc", "/splash", "/b")),
                   10, "/boot/initrd /boot/second /splash /usr/lib/modules ");
}

static void links_are_resolved_where_they_lead_somewhere(void **state) {
        const Scratch *s = *state;
        populate(s);
        places_are(
                s,
                MANIFEST(CACHE("<source path=\"/lib/modules\"/><source path=\"/all/x\"/>"
                               "<source path=\"/dangling\" optional=\"yes\"/><output path=\"/boot/new\"/>")),
                10, "/boot/new /dangling /usr/lib/modules ");
}

static void places_within_another_are_left_out(void **state) {
        const Scratch *s = *state;
        populate(s);
        places_are(s,
                   MANIFEST(CACHE("<source path=\"/a/b/c\"/><source path=\"/a-b\"/><source path=\"/a\"/>"
                                  "<source path=\"/a/b\"/><source path=\"/ab\"/><output path=\"/o\"/>")),
                   10, "/a /a-b /ab /o ");
}

static void too_many_places_become_the_root(void **state) {
        const Scratch *s = *state;
        populate(s);
        const char *three =
                MANIFEST(CACHE("<source path=\"/a\"/><source path=\"/b\"/><output path=\"/c\"/>"));
        places_are(s, three, 3, "/a /b /c ");
        places_are(s, three, 2, "/ ");
}

static void each_instance_has_its_places(void **state) {
        const Scratch *s = *state;
        populate(s);
        scratch_write(s, "v/kernels/1", "");
        scratch_write(s, "v/kernels/2", "");
        places_are(s, MANIFEST(CACHE_EACH(SOURCE("/in/%i") OUTPUT("/out/%i")) COPY_EACH("/copy/%i", "/%i")),
                   10, "/copy/1 /copy/2 /in/1 /in/2 /out/1 /out/2 ");
}

static void running_out_of_descriptors_is_an_error(void **state) {
        const Scratch *s = *state;
        struct rlimit old;
        World w;
        char **places = NULL;
        populate(s);
        world_start(&w, s, MANIFEST(CACHE(SOURCE("/usr/lib/modules") OUTPUT("/boot/initrd"))));
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, old.rlim_max}), 0);
        int r = places_of_plan(w.root, w.plan, 10, &places);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(r, -EMFILE);
        assert_null(places);
        world_end(&w);
}

static void record_that_cannot_be_written_is_an_error(void **state) {
        char one[] = "/a", two[] = "/b", *places[] = {one, two, NULL};
        FILE *f = fopen("/dev/full", "we");
        assert_int_equal(places_print(f, places), -ENOSPC);
        (void) fclose(f);
}

static void places_are_records(void **state) {
        char *text = NULL, one[] = "/a b", two[] = "/c", *places[] = {one, two, NULL};
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        assert_int_equal(places_print(f, NULL), 0);
        assert_int_equal(places_print(f, places), 0);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, "PLACE /a b\nPLACE /c\n");
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(everything_that_is_named_is_a_place),
                scratch_test(links_are_resolved_where_they_lead_somewhere),
                scratch_test(places_within_another_are_left_out),
                scratch_test(too_many_places_become_the_root),
                scratch_test(each_instance_has_its_places),
                scratch_test(running_out_of_descriptors_is_an_error),
                cmocka_unit_test(places_are_records),
                cmocka_unit_test(record_that_cannot_be_written_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
