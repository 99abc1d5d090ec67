/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: tree/walk.c */

#include "tree/walk.h"

#include "walkworld.h"

static void links_in_the_path_are_visited_and_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "usr/lib/modules/6/a.ko", "");
        scratch_write(s, "etc/x", "");
        assert_int_equal(symlinkat("usr/lib", s->fd, "lib"), 0);
        assert_int_equal(symlinkat("/lib/../lib/modules/./6/", s->fd, "etc/current"), 0);
        assert_int_equal(walk(s, "/etc/current/a.ko", &seen, &armed), 0);
        assert_string_equal(seen.text, "/etc/current -> /lib/../lib/modules/./6/\n/lib -> usr/lib\n"
                                       "/usr/lib/modules/6/a.ko\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/current\nnode /lib\n"
                                        "ancestor /usr\nancestor /usr/lib\nancestor /usr/lib\n"
                                        "ancestor /usr/lib/modules\n"
                                        "ancestor /usr/lib/modules/6\nnode /usr/lib/modules/6/a.ko\n");
}

static void what_is_missing_is_armed_where_it_would_appear(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "etc/file", "");
        assert_int_equal(walk(s, "/etc/a/b", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n");
        assert_int_equal(walk(s, "/etc/file/b", &seen, &armed), -ENOTDIR);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/file\n");
        assert_int_equal(symlinkat("../gone", s->fd, "etc/dangling"), 0);
        assert_int_equal(walk(s, "/etc/dangling", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/dangling\nmissing /\n");
        assert_string_equal(seen.text, "/etc/dangling -> ../gone (broken)\n");
}

static void link_that_breaks_the_way_is_told(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "srv/file", "");
        static const struct {
                const char *a, *b, *path;
                int r;
                const char *seen;
        } ways[] = {
                /* the path itself continues to something missing, after a good link */
                {"srv", NULL, "/a/gone", -ENOENT, "/a -> srv\n"},
                {"srv/", NULL, "/a/gone", -ENOENT, "/a -> srv/\n"},
                {"srv", NULL, "/a/file/x", -ENOTDIR, "/a -> srv\n"},
                {"/srv/gone", NULL, "/a", -ENOENT, "/a -> /srv/gone (broken)\n"},
                {"/srv/gone", NULL, "/a/x", -ENOENT, "/a -> /srv/gone (broken)\n"},
                {"gone/", NULL, "/a/x", -ENOENT, "/a -> gone/ (broken)\n"},
                {"srv/file/x", NULL, "/a", -ENOTDIR, "/a -> srv/file/x (broken)\n"},
                {"srv/file", NULL, "/a/x", -ENOTDIR, "/a -> srv/file (broken)\n"},
                {"a", NULL, "/a", -ELOOP, NULL},
                /* of two, the one whose target was not used up */
                {"b/gone", "srv", "/a", -ENOENT, "/a -> b/gone (broken)\n/b -> srv\n"},
                {"b/x", "gone", "/a", -ENOENT, "/a -> b/x\n/b -> gone (broken)\n"},
                {"b", "srv", "/a/x", -ENOENT, "/a -> b\n/b -> srv\n"},
                {"b/file", "srv", "/a", 0, "/a -> b/file\n/b -> srv\n/srv/file\n"},
        };
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                Armed armed = {};
                assert_int_equal(symlinkat(ways[i].a, s->fd, "a"), 0);
                if (ways[i].b)
                        assert_int_equal(symlinkat(ways[i].b, s->fd, "b"), 0);
                for (unsigned watched = 0; watched < 2; watched++) {
                        assert_int_equal(walk(s, ways[i].path, &seen, watched ? &armed : NULL), ways[i].r);
                        if (ways[i].seen)
                                assert_string_equal(seen.text, ways[i].seen);
                        else
                                assert_int_equal(seen.n, 40);
                }
                assert_int_equal(unlinkat(s->fd, "a", 0), 0);
                (void) unlinkat(s->fd, "b", 0);
        }
}

static int stop_at_link(const WalkEntry *entry, void *userdata) {
        return entry->target ? 7 : 0;
}

static void visitor_can_end_the_walk_at_a_link(void **state) {
        const Scratch *s = *state;
        const Walk w = {.root = s->fd};
        char *path = NULL;
        int fd = -1;
        scratch_write(s, "file", "");
        assert_int_equal(symlinkat("file", s->fd, "link"), 0);
        assert_int_equal(symlinkat("gone", s->fd, "dangling"), 0);
        assert_int_equal(walk_source(&w, "/link", &(Visitor){stop_at_link, NULL}), 7);
        assert_int_equal(walk_resolve(&w, "/link", &(Visitor){stop_at_link, NULL}, &fd, &path), 7);
        assert_int_equal(walk_resolve(&w, "/dangling", &(Visitor){stop_at_link, NULL}, &fd, &path), 7);
        assert_int_equal(walk_resolve(&w, "/dangling", NULL, &fd, &path), -ENOENT);
        assert_int_equal(walk_resolve(&w, "relative", NULL, &fd, &path), -EINVAL);
        assert_null(path);
        assert_int_equal(fd, -1);
}

/* That a link leads in a loop is a result like any other: it is examined again once it is armed. */
static void unloop(const Scratch *s, const char *path) {
        if (!streq(path, "/loop") || faccessat(s->fd, "old", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "loop", s->fd, "old"), 0);
        scratch_write(s, "loop", "");
}

static void loop_that_ends_before_its_arming_is_seen(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = unloop};
        Seen seen;
        assert_int_equal(symlinkat("loop", s->fd, "loop"), 0);
        assert_int_equal(walk(s, "/loop", &seen, &armed), 0);
        assert_string_equal(seen.text, "/loop\n");
}

static void removal_of_an_empty_directory_is_armed_above_it(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        assert_int_equal(mkdirat(s->fd, "etc", 0755), 0);
        assert_int_equal(walk(s, "/etc", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nabove /\ntree /etc\n");
        shell("mkdir -p %s/usr/lib", s->path);
        assert_int_equal(walk(s, "/usr/lib", &seen, &armed), 0);
        assert_string_equal(armed.text,
                            "ancestor /\nancestor /usr\nancestor /usr/lib\nabove /usr\ntree /usr/lib\n");
        assert_int_equal(walk(s, "/etc/a", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\nabove /\n");
        scratch_write(s, "etc/file", "");
        assert_int_equal(walk(s, "/etc/a", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n");
}

static void links_cannot_lead_out(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "etc/passwd", "");
        assert_int_equal(symlinkat("../../../../../../../etc/passwd", s->fd, "up"), 0);
        assert_int_equal(walk(s, "/up", &seen, NULL), 0);
        assert_string_equal(seen.text, "/up -> ../../../../../../../etc/passwd\n/etc/passwd\n");
        assert_int_equal(symlinkat("/proc/self/root/etc/passwd", s->fd, "magic"), 0);
        assert_int_equal(walk(s, "/magic", &seen, NULL), -ENOENT);
}

static void links_in_a_cycle_end(void **state) {
        const Scratch *s = *state;
        Seen seen;
        assert_int_equal(symlinkat("b", s->fd, "a"), 0);
        assert_int_equal(symlinkat("a", s->fd, "b"), 0);
        assert_int_equal(walk(s, "/a", &seen, NULL), -ELOOP);
        assert_int_equal(symlinkat("self/self", s->fd, "self"), 0);
        assert_int_equal(walk(s, "/self", &seen, NULL), -ELOOP);
}

static void forty_links_are_followed_and_no_more(void **state) {
        const Scratch *s = *state;
        char name[16], target[16];
        Seen seen;
        scratch_write(s, "l0", "");
        for (int i = 1; i <= 41; i++) {
                (void) snprintf(name, sizeof name, "l%i", i);
                (void) snprintf(target, sizeof target, "l%i", i - 1);
                assert_int_equal(symlinkat(target, s->fd, name), 0);
        }
        assert_int_equal(walk(s, "/l40", &seen, NULL), 0);
        assert_int_equal(seen.n, 41);
        assert_int_equal(walk(s, "/l41", &seen, NULL), -ELOOP);
}

static void resolve_returns_what_a_path_leads_to(void **state) {
        const Scratch *s = *state;
        struct stat st;
        char *path = NULL;
        int fd = -1;
        scratch_write(s, "boot/initrd-1", "12345");
        assert_int_equal(symlinkat("initrd-1", s->fd, "boot/initrd"), 0);
        assert_int_equal(walk_resolve(&(Walk){.root = s->fd}, "/boot/initrd", NULL, &fd, &path), 0);
        assert_string_equal(path, "/boot/initrd-1");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 5);
        assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
        free(path);
        close(fd);
        assert_int_equal(walk_resolve(&(Walk){.root = s->fd}, "/", NULL, &fd, &path), 0);
        assert_string_equal(path, "/");
        free(path);
        close(fd);
}

/* a directory swapped for another between its opening and its arming */
static void swap_once(const Scratch *s, const char *path) {
        if (!streq(path, "/way") || faccessat(s->fd, "old", F_OK, 0) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "way", s->fd, "old"), 0);
        scratch_write(s, "way/new", "");
}

static void a_path_that_changes_is_followed_again(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = swap_once};
        Seen seen;
        scratch_write(s, "way/old", "");
        assert_int_equal(walk(s, "/way", &seen, &armed), 0);
        assert_string_equal(seen.text, "/way\n/way/new\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /way\nancestor /\nancestor /way\ntree /way\n");
}

static unsigned swaps_left;

static void swap_again(const Scratch *s, const char *path) {
        char old[32];
        if (!streq(path, "/way") || swaps_left == 0)
                return;
        swaps_left--;
        (void) snprintf(old, sizeof(old), "old%u", swaps_left);
        assert_int_equal(renameat(s->fd, "way", s->fd, old), 0);
        scratch_write(s, "way/in", "");
}

static void way_that_always_changes_is_given_up(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = swap_again};
        Seen seen;
        scratch_write(s, "way/in", "");
        swaps_left = 15;
        assert_int_equal(walk(s, "/way", &seen, &armed), 0);
        assert_int_equal(swaps_left, 0);
        shell("rm -r %s/old*", s->path);
        swaps_left = 16;
        assert_int_equal(walk(s, "/way", &seen, &armed), -EAGAIN);
        assert_int_equal(seen.n, 0);
        assert_int_equal(swaps_left, 0);
}

/* The watch is on the link that was there before. */
static void swap_link(const Scratch *s, const char *path) {
        if (!streq(path, "/link") || faccessat(s->fd, "old", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "link", s->fd, "old"), 0);
        assert_int_equal(symlinkat("file", s->fd, "link"), 0);
}

static void link_that_is_replaced_by_its_like_is_armed_again(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = swap_link};
        Seen seen;
        scratch_write(s, "file", "");
        assert_int_equal(symlinkat("file", s->fd, "link"), 0);
        assert_int_equal(walk(s, "/link", &seen, &armed), 0);
        assert_string_equal(armed.text,
                            "ancestor /\nnode /link\nnode /file\nancestor /\nnode /link\nnode /file\n");
}

/* The new link has the number of the old one, and what it leads to is the same directory under another
 * name. */
static void rename_target(const Scratch *s, const char *path) {
        if (!streq(path, "/a"))
                return;
        assert_int_equal(renameat(s->fd, "a", s->fd, "b"), 0);
        assert_int_equal(unlinkat(s->fd, "link", 0), 0);
        assert_int_equal(symlinkat("b", s->fd, "link"), 0);
}

static void path_is_that_of_the_last_look(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = rename_target};
        Seen seen;
        scratch_write(s, "a/file", "");
        assert_int_equal(symlinkat("a", s->fd, "link"), 0);
        links_are_one_inode = true;
        assert_int_equal(walk(s, "/link", &seen, &armed), 0);
        assert_string_equal(seen.text, "/link -> b\n/b\n/b/file\n");
}

/* Likewise, and the new target goes through one more directory. */
static void lengthen_target(const Scratch *s, const char *path) {
        if (!streq(path, "/a") || faccessat(s->fd, "old", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "link", s->fd, "old"), 0);
        assert_int_equal(symlinkat("a/in/..", s->fd, "link"), 0);
}

static void way_that_becomes_longer_is_armed_whole(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = lengthen_target};
        Seen seen;
        scratch_write(s, "a/in/file", "");
        assert_int_equal(symlinkat("a", s->fd, "link"), 0);
        links_are_one_inode = true;
        assert_int_equal(walk(s, "/link", &seen, &armed), 0);
        assert_non_null(strstr(armed.text, "ancestor /a/in\n"));
        assert_non_null(strstr(seen.text, "/link -> a/in/..\n"));
}

static void paths_need_not_be_neat(void **state) {
        static const struct {
                const char *path;
                int r;
                const char *seen;
        } all[] = {
                {"//d//e///f", 0, "/d/e/f\n"},
                {"/d/./e/./f", 0, "/d/e/f\n"},
                {"/d/e/../g", 0, "/d/g\n"},
                {"/d/e/../../d/g", 0, "/d/g\n"},
                {"/../../d/g", 0, "/d/g\n"},
                {"/up/g", 0, "/up -> d/e/..\n/d/g\n"},
                {"/up/../d/g", 0, "/up -> d/e/..\n/d/g\n"},
                {"/d/g/", -ENOTDIR, ""},
                {"/d/g/.", -ENOTDIR, ""},
                {"/d/g/..", -ENOTDIR, ""},
                {"/d/none/../g", -ENOENT, ""},
                {"/d/e/", 0, "/d/e\n/d/e/f\n"},
        };
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "d/e/f", "");
        scratch_write(s, "d/g", "");
        assert_int_equal(symlinkat("d/e/..", s->fd, "up"), 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (unsigned watched = 0; watched < 2; watched++) {
                        assert_int_equal(walk(s, all[i].path, &seen, watched ? &armed : NULL), all[i].r);
                        assert_string_equal(seen.text, all[i].seen);
                }
}

static ArmKind refused_kind;

static int refuse_kind(int fd, ArmKind kind, void *userdata) {
        return kind == refused_kind ? -ENOSPC : 0;
}

static void arming_that_fails_ends_the_walk_whatever_the_kind(void **state) {
        static const struct {
                ArmKind kind;
                const char *path;
        } all[] = {
                {ARM_ANCESTOR, "/"}, {ARM_ANCESTOR, "/d/f"},     {ARM_NODE, "/d/f"},
                {ARM_NODE, "/link"}, {ARM_MISSING, "/d/none"},   {ARM_ABOVE, "/empty"},
                {ARM_TREE, "/d"},    {ARM_ABOVE, "/empty/none"},
        };
        const Scratch *s = *state;
        size_t n = 0;
        scratch_write(s, "d/f", "");
        assert_int_equal(mkdirat(s->fd, "empty", 0755), 0);
        assert_int_equal(symlinkat("empty", s->fd, "link"), 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                const Arm arm = {refuse_kind, NULL};
                refused_kind = all[i].kind;
                assert_int_equal(walk_source(&(Walk){s->fd, &arm}, all[i].path, &(Visitor){count, &n}),
                                 -ENOSPC);
                refused_kind = _ARM_KIND_MAX;
                int r = walk_source(&(Walk){s->fd, &arm}, all[i].path, &(Visitor){count, &n});
                assert_true(r == 0 || r == -ENOENT);
        }
}

static void covered_way_that_cannot_be_noted_ends_the_walk(void **state) {
        Scratch *s = *state;
        size_t n = 0;
        scratch_unshare(s);
        shell("mkdir %s/m && mount -t tmpfs none %s/m", s->path, s->path);
        refused_kind = ARM_COVERED;
        int r = walk_source(&(Walk){s->fd, &(Arm){refuse_kind, NULL}}, "/m/x", &(Visitor){count, &n});
        shell("umount %s/m", s->path);
        assert_int_equal(r, -ENOSPC);
}

static void shortage_and_error_end_the_way_wherever_they_come(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "usr/lib/file", "");
        assert_int_equal(mkdirat(s->fd, "usr/empty", 0755), 0);
        assert_int_equal(symlinkat("/usr/lib", s->fd, "lib"), 0);
        assert_int_equal(symlinkat("../usr/./lib", s->fd, "usr/up"), 0);
        fails_in_turn(s, "/lib/../up/file", &nth.open, EMFILE);
        fails_in_turn(s, "/lib/../up/file", &nth.open, ENFILE);
        fails_in_turn(s, "/lib/../up/file", &nth.stat, EIO);
        fails_in_turn(s, "/usr/empty", &nth.open, EMFILE);
}

/* after it was looked up, before its absence is armed */
static void appear(const Scratch *s, const char *path) {
        static unsigned n;
        if (streq(path, "/etc") && ++n == 2)
                scratch_write(s, "etc/late", "");
}

static void files_that_appear_before_the_arming_are_seen(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = appear};
        Seen seen;
        assert_int_equal(mkdirat(s->fd, "etc", 0755), 0);
        assert_int_equal(walk(s, "/etc/late", &seen, &armed), 0);
        assert_string_equal(seen.text, "/etc/late\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n"
                                        "ancestor /\nancestor /etc\nnode /etc/late\n");
}

static void name_has_255_bytes_at_most(void **state) {
        const Scratch *s = *state;
        char path[300], inside[310];
        Seen seen;
        memset(path, 'n', sizeof(path));
        path[0] = '/';
        path[256] = 0;
        scratch_write(s, path + 1, "");
        assert_int_equal(walk(s, path, &seen, NULL), 0);
        assert_int_equal(seen.n, 1);
        (void) snprintf(inside, sizeof(inside), "t%s/x", path);
        scratch_write(s, inside, "");
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_int_equal(seen.n, 3);
        path[256] = 'n';
        path[257] = 0;
        assert_int_equal(walk(s, path, &seen, NULL), -ENAMETOOLONG);
}

static void running_out_of_descriptors_ends_the_walk(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        static const int errors[] = {EMFILE, ENFILE, ENOMEM};
        assert_int_equal(mkdirat(s->fd, "empty", 0755), 0);
        scratch_write(s, "t/z", "");
        scratch_write(s, "t/b/c", "");
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                opening.error = errors[i];
                opening.path = "b"; /* in a tree */
                assert_int_equal(walk(s, "/t", &seen, NULL), -errors[i]);
                opening.path = "."; /* the root, to begin at */
                assert_int_equal(walk(s, "/t", &seen, NULL), -errors[i]);
        }
        opening.path = ".";
        opening.skip = 1; /* the root */
        opening.error = EMFILE;
        assert_int_equal(walk(s, "/t", &seen, NULL), -EMFILE);
        opening.skip = 1;
        assert_int_equal(walk(s, "/empty", &seen, &armed), -EMFILE); /* is it empty? */
        opening.skip = 0;
        opening.path = "t";
        opening.error = EIO;
        assert_int_equal(walk(s, "/t", &seen, NULL), -EIO); /* back in it, after b */
        opening.path = ".";
        opening.error = EACCES; /* it was there a moment ago */
        assert_int_equal(walk(s, "/t", &seen, &armed), -EAGAIN);
        opening.path = "b";
        assert_int_equal(walk(s, "/t", &seen, NULL), -EACCES);
        opening.path = NULL;
}

static void unwatched_path_is_followed_once(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "a/b", "");
        assert_int_equal(walk(s, "/a/b", &seen, NULL), 0);
        assert_int_equal(opening.n, 3); /* the root, a, b */
        opening.n = 0;
        assert_int_equal(walk(s, "/a/b", &seen, &armed), 0);
        assert_int_equal(opening.n, 6);
        opening.n = 0;
        assert_int_equal(walk(s, "/a/c", &seen, NULL), -ENOENT);
        assert_int_equal(opening.n, 3);
}

static void empty_root_has_nothing_above_it(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        assert_int_equal(walk(s, "/", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\ntree /\n");
        assert_int_equal(walk(s, "/x", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nmissing /\n");
}

/* A link can lead deeper than a path can express. */
static void path_that_a_link_makes_too_long_is_an_error(void **state) {
        const Scratch *s = *state;
        char name[256], deep[4096] = "", path[300];
        Seen seen;
        memset(name, 'n', sizeof(name));
        name[255] = 0;
        int fd = dup(s->fd);
        for (unsigned i = 0; i < 15; i++) {
                (void) snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "/%s", name);
                assert_int_equal(mkdirat(fd, name, 0755), 0);
                int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                close(fd);
                fd = next;
        }
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        assert_int_equal(mkdirat(fd, name + 1, 0755), 0);
        close(fd);
        assert_int_equal(symlinkat(deep, s->fd, "link"), 0);
        (void) snprintf(path, sizeof(path), "/link/%s", name + 1);
        assert_int_equal(walk(s, path, &seen, NULL), 0);
        (void) snprintf(path, sizeof(path), "/link/%s", name);
        assert_int_equal(walk(s, path, &seen, NULL), -ENAMETOOLONG);
        assert_int_equal(seen.n, 1); /* the link itself is visited */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                walk_test(links_in_the_path_are_visited_and_armed),
                walk_test(what_is_missing_is_armed_where_it_would_appear),
                walk_test(link_that_breaks_the_way_is_told),
                walk_test(visitor_can_end_the_walk_at_a_link),
                walk_test(loop_that_ends_before_its_arming_is_seen),
                walk_test(removal_of_an_empty_directory_is_armed_above_it),
                walk_test(links_cannot_lead_out),
                walk_test(links_in_a_cycle_end),
                walk_test(forty_links_are_followed_and_no_more),
                walk_test(resolve_returns_what_a_path_leads_to),
                walk_test(a_path_that_changes_is_followed_again),
                walk_test(way_that_always_changes_is_given_up),
                walk_test(link_that_is_replaced_by_its_like_is_armed_again),
                walk_test(path_is_that_of_the_last_look),
                walk_test(way_that_becomes_longer_is_armed_whole),
                walk_test(paths_need_not_be_neat),
                walk_test(arming_that_fails_ends_the_walk_whatever_the_kind),
                walk_test(covered_way_that_cannot_be_noted_ends_the_walk),
                walk_test(shortage_and_error_end_the_way_wherever_they_come),
                walk_test(files_that_appear_before_the_arming_are_seen),
                walk_test(name_has_255_bytes_at_most),
                walk_test(running_out_of_descriptors_ends_the_walk),
                walk_test(unwatched_path_is_followed_once),
                walk_test(empty_root_has_nothing_above_it),
                walk_test(path_that_a_link_makes_too_long_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
