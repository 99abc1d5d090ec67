/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/cover.h"

#include "scratch.h"

/* What covers a cache made from /etc/conf and /opt/sources, which goes to /boot/initrd and /out. */
static const char manifest[] = "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\">"
                               "<source path=\"/etc/conf\"/><source path=\"/opt/sources\" optional=\"yes\"/>"
                               "<output path=\"/boot/initrd\"/><output path=\"/out\"/></cache></bootcaches>";

typedef struct World {
        Root root;
        Manifest *manifest;
        DefinitionSet *definitions;
        Plan *plan;
} World;

static void world_start(World *w, const Scratch *s) {
        char directory[128], *directories[] = {directory, NULL}, *reason = NULL;
        (void) snprintf(directory, sizeof(directory), "%s/builders", s->path);
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/true\n");
        scratch_write(s, "v/etc/conf", "");
        scratch_write(s, "v/boot/initrd", "");
        *w = (World){.root.fd = openat(s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        assert_true(w->root.fd >= 0);
        assert_int_equal(manifest_parse("test", manifest, strlen(manifest), &w->manifest, &reason), 0);
        assert_int_equal(definition_set_load(directories, &w->definitions, NULL), 0);
        assert_int_equal(
                plan_new(&(Walk){.root = w->root.fd}, w->manifest, w->definitions, &w->plan, &reason), 0);
}

static void world_end(World *w) {
        plan_free(w->plan);
        definition_set_free(w->definitions);
        manifest_free(w->manifest);
        close(w->root.fd);
}

static void assert_cover(const World *w, const char *expected) {
        const FreshnessContext context = {.root = &w->root, .plan = w->plan};
        _cleanup_free_ char *covered = NULL;
        assert_int_equal(cover_find(&context, &w->plan->caches[0], &covered), 0);
        if (expected)
                assert_string_equal(covered, expected);
        else
                assert_null(covered);
}

/* Whether it exists below the mount or not. */
static void a_mount_over_a_path_or_above_it_covers_it(void **state) {
        static const struct {
                const char *place, *expected;
        } mounts[] = {
                {"etc", "/etc/conf"},    {"etc/conf", "/etc/conf"}, {"boot", "/boot/initrd"},
                {"opt", "/opt/sources"}, {"out", "/out"},           {"srv", NULL},
        };
        Scratch *s = *state;
        World w;
        scratch_unshare(s);
        world_start(&w, s);
        scratch_write(s, "file", "");
        shell("cd %s/v && mkdir opt out srv", s->path);
        assert_cover(&w, NULL);
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                shell("cd %s && { [ -d v/%s ] && mount -t tmpfs none v/%s || mount --bind file v/%s; }",
                      s->path, mounts[i].place, mounts[i].place, mounts[i].place);
                assert_cover(&w, mounts[i].expected);
                shell("umount %s/v/%s", s->path, mounts[i].place);
                assert_cover(&w, NULL);
        }
        world_end(&w);
}

static void of_several_the_first_is_named_and_outputs_come_first(void **state) {
        Scratch *s = *state;
        World w;
        scratch_unshare(s);
        world_start(&w, s);
        shell("cd %s/v && mkdir opt out && mount -t tmpfs none opt && mount -t tmpfs none etc", s->path);
        assert_cover(&w, "/etc/conf");
        shell("cd %s/v && mount -t tmpfs none out", s->path);
        assert_cover(&w, "/out");
        shell("cd %s/v && mount -t tmpfs none boot", s->path);
        assert_cover(&w, "/boot/initrd");
        shell("cd %s/v && umount opt etc out boot", s->path);
        world_end(&w);
}

static void a_path_that_leads_nowhere_is_not_covered(void **state) {
        const Scratch *s = *state;
        World w;
        world_start(&w, s);
        shell("cd %s/v && rm -r boot && ln -s nowhere boot && rm etc/conf && ln -s conf etc/conf", s->path);
        assert_cover(&w, NULL);
        world_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_mount_over_a_path_or_above_it_covers_it),
                scratch_test(of_several_the_first_is_named_and_outputs_come_first),
                scratch_test(a_path_that_leads_nowhere_is_not_covered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
