/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/watcher.h"

#include <sys/inotify.h>

#include "scratch.h"

static int ignore(const WalkEntry *entry, void *userdata) {
        return 0;
}

/* The number of queued events; they are read. */
static size_t drain(int fd) {
        char buffer[65536] __attribute__((__aligned__(8)));
        size_t n = 0;
        for (ssize_t size; (size = read(fd, buffer, sizeof(buffer))) > 0;)
                for (ssize_t at = 0; at < size; n++)
                        at += (ssize_t) (sizeof(struct inotify_event) +
                                         ((struct inotify_event *) (buffer + at))->len);
        return n;
}

typedef struct World {
        const Scratch *s;
        int inotify;
        Watcher watcher;
        Arm arm;
} World;

static World *world_new(const Scratch *s) {
        World *w = calloc(1, sizeof(World));
        w->s = s;
        w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        assert_true(w->inotify >= 0);
        watcher_init(&w->watcher, w->inotify);
        w->arm = (Arm){watcher_arm, &w->watcher};
        return w;
}

static void world_free(World *w) {
        watcher_done(&w->watcher);
        close(w->inotify);
        free(w);
}

/* Arms PATH on a new instance: does COMMAND cause an event? */
static bool is_seen(const Scratch *s, const char *path, const char *command) {
        World *w = world_new(s);
        (void) walk_source(&(Walk){s->fd, &w->arm}, path, &(Visitor){ignore, NULL});
        assert_int_equal(drain(w->inotify), 0);
        shell("cd %s && %s", s->path, command);
        bool seen = drain(w->inotify) > 0;
        world_free(w);
        return seen;
}

static void looking_is_no_event(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "x");
        scratch_write(s, "t/sub/b", "x");
        assert_int_equal(symlinkat("t", s->fd, "link"), 0);
        assert_int_equal(linkat(s->fd, "t/a", s->fd, "t/shared", 0), 0);
        World *w = world_new(s);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(walk_source(&(Walk){s->fd, &w->arm}, "/link", &(Visitor){ignore, NULL}), 0);
                assert_int_equal(walk_source(&(Walk){s->fd, &w->arm}, "/missing/x", &(Visitor){ignore, NULL}),
                                 -ENOENT);
        }
        shell("cd %s && cat t/a t/sub/b >/dev/null && ls -lR >/dev/null && readlink link >/dev/null",
              s->path);
        assert_int_equal(drain(w->inotify), 0);
        world_free(w);
}

static void change_of_a_file_is_an_event(void **state) {
        const Scratch *s = *state;
        static const char *const commands[] = {"echo y >>d/f",
                                               "chmod 600 d/f",
                                               "touch d/f",
                                               "mv d/f d/g",
                                               "mv d/g d/f", /* missing when armed */
                                               "echo z >d/n && mv d/n d/f",
                                               "mv d e",
                                               "mv e d",
                                               "rm d/f"};
        scratch_write(s, "d/f", "x");
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (!is_seen(s, "/d/f", commands[i]))
                        fail_msg("not seen: %s", commands[i]);
        scratch_write(s, "d/f", "x");
        assert_false(is_seen(s, "/d/f", "touch d/other"));
}

static void link_itself_is_watched(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "one", "x");
        scratch_write(s, "two", "x");
        assert_int_equal(symlinkat("one", s->fd, "link"), 0);
        assert_false(is_seen(s, "/link", "touch two"));
        assert_true(is_seen(s, "/link", "touch one"));
        assert_true(is_seen(s, "/link", "ln -sfn two link"));
        assert_true(is_seen(s, "/link", "touch -h link"));
        assert_true(is_seen(s, "/link", "rm link"));
}

static void change_in_a_tree_is_an_event(void **state) {
        const Scratch *s = *state;
        static const char *const commands[] = {"touch t/new",       "mkdir t/sub/new",  "echo y >t/sub/f",
                                               "chmod 600 t/sub/f", "rm t/sub/f",       "mv t/sub t/moved",
                                               "echo y >outside",   "rmdir t/moved/new"};
        scratch_write(s, "t/sub/f", "x");
        scratch_write(s, "outside", "x");
        assert_int_equal(linkat(s->fd, "outside", s->fd, "t/shared", 0), 0);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (!is_seen(s, "/t", commands[i]))
                        fail_msg("not seen: %s", commands[i]);
}

static void appearance_is_an_event(void **state) {
        const Scratch *s = *state;
        assert_int_equal(mkdirat(s->fd, "etc", 0755), 0);
        assert_true(is_seen(s, "/etc/a/b", "mkdir etc/a"));
        assert_true(is_seen(s, "/etc/a/b", "touch etc/a/b"));
        assert_int_equal(symlinkat("gone", s->fd, "dangling"), 0);
        assert_true(is_seen(s, "/dangling", "touch gone"));
}

static void places_are_counted_once(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/sub/f", "x");
        World *w = world_new(s);
        for (int i = 0; i < 2; i++)
                assert_int_equal(walk_source(&(Walk){s->fd, &w->arm}, "/t", &(Visitor){ignore, NULL}), 0);
        assert_int_equal(w->watcher.n_watches, 3); /* the root, t, t/sub */
        assert_int_equal(walk_source(&(Walk){s->fd, &w->arm}, "/t/sub/f", &(Visitor){ignore, NULL}), 0);
        assert_int_equal(w->watcher.n_watches, 4);
        assert_int_equal(w->watcher.n_directories, 3);
        Watcher only_count;
        watcher_init(&only_count, -1);
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){watcher_arm, &only_count}}, "/t", &(Visitor){ignore, NULL}),
                0);
        assert_int_equal(only_count.n_watches, 3);
        watcher_done(&only_count);
        world_free(w);
}

static void directories_are_limited(void **state) {
        const Scratch *s = *state;
        Watcher w;
        watcher_init(&w, -1);
        w.n_directories = WATCHER_DIRECTORIES_MAX - 2;
        scratch_write(s, "a/b/f", "x");
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){watcher_arm, &w}}, "/a", &(Visitor){ignore, NULL}),
                         -E2BIG);
        watcher_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(looking_is_no_event),     scratch_test(change_of_a_file_is_an_event),
                scratch_test(link_itself_is_watched),  scratch_test(change_in_a_tree_is_an_event),
                scratch_test(appearance_is_an_event),  scratch_test(places_are_counted_once),
                scratch_test(directories_are_limited),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
