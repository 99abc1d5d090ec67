/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/places.h"

#include "scratch.h"

/* The places of what MANIFEST names on the volume SCRATCH/v, separated by spaces. */
static void places_are(const Scratch *s, const char *manifest, size_t max, const char *expected) {
        char directory[128], *reason = NULL, **places = NULL, text[1024] = "";
        char *directories[] = {directory, NULL};
        Manifest *m = NULL;
        DefinitionSet *definitions = NULL;
        Plan *plan = NULL;
        int root = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        assert_int_equal(manifest_parse("test", manifest, strlen(manifest), &m, &reason), 0);
        assert_int_equal(definition_set_load(directories, &definitions, NULL), 0);
        assert_int_equal(plan_new(&(Walk){.root = root}, m, definitions, &plan, &reason), 0);
        assert_int_equal(places_of_plan(root, plan, max, &places), 0);
        for (char **p = places; p && *p; p++) {
                strcat(text, *p);
                strcat(text, " ");
        }
        assert_string_equal(text, expected);
        strv_free(places);
        plan_free(plan);
        definition_set_free(definitions);
        manifest_free(m);
        close(root);
}

#define MANIFEST(rest) "<bootcaches version=\"1\">" rest "</bootcaches>"
#define CACHE(rest) "<cache name=\"c\" builder=\"b\">" rest "</cache>"

static void populate(const Scratch *s) {
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        scratch_write(s, "v/usr/lib/modules/x", "");
        scratch_write(s, "v/boot/initrd", "");
        shell("cd %s/v && ln -s usr/lib lib && ln -s lib/modules all && ln -s nowhere dangling", s->path);
}

static void all_that_is_named_is_a_place(void **state) {
        const Scratch *s = *state;
        populate(s);
        places_are(s, MANIFEST(), 10, "");
        places_are(
                s,
                MANIFEST(CACHE(
                        "<source path=\"/usr/lib/modules\"/><output path=\"/boot/initrd\"/>") "<copy "
                                                                                              "role="
                                                                                              "\"required\" "
                                                                                              "from=\"/boot/"
                                                                                              "initrd\" "
                                                                                              "to=\"/a\"/>"
                                                                                              "<copy "
                                                                                              "role=\"misc\" "
                                                                                              "from=\"/"
                                                                                              "splash\" "
                                                                                              "to=\"/b\"/>"),
                10, "/boot/initrd /splash /usr/lib/modules ");
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

static void what_is_within_another_place_is_left_out(void **state) {
        const Scratch *s = *state;
        populate(s);
        places_are(s,
                   MANIFEST(CACHE("<source path=\"/a/b/c\"/><source path=\"/a-b\"/><source path=\"/a\"/>"
                                  "<source path=\"/a/b\"/><source path=\"/ab\"/><output path=\"/o\"/>")),
                   10, "/a /a-b /ab /o ");
}

static void too_many_places_are_all_there_is(void **state) {
        const Scratch *s = *state;
        populate(s);
        const char *three =
                MANIFEST(CACHE("<source path=\"/a\"/><source path=\"/b\"/><output path=\"/c\"/>"));
        places_are(s, three, 3, "/a /b /c ");
        places_are(s, three, 2, "/ ");
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
                scratch_test(all_that_is_named_is_a_place),
                scratch_test(links_are_resolved_where_they_lead_somewhere),
                scratch_test(what_is_within_another_place_is_left_out),
                scratch_test(too_many_places_are_all_there_is),
                cmocka_unit_test(places_are_records),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
