/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/watcher.h"

#include <sys/inotify.h>

#include "interpose.h"

static int watch_error; /* of every watch that is added, if not 0 */

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
        if (watch_error > 0) {
                errno = watch_error;
                return -1;
        }
        return REAL(inotify_add_watch)(fd, path, mask);
}

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

static void reading_is_not_an_event(void **state) {
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

/* Arms the place NAME as KIND. */
static int arm_place(Watcher *watcher, const Scratch *s, const char *name, ArmKind kind) {
        _cleanup_close_ int fd = openat(s->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        assert_true(fd >= 0);
        return watcher_arm(fd, kind, watcher);
}

/* Arms NAME as KIND on a new instance: does COMMAND cause an event? */
static bool kind_sees(const Scratch *s, ArmKind kind, const char *name, const char *command) {
        World *w = world_new(s);
        shell("cd %s && rm -rf d e x && mkdir -p d/sub x/sub && echo y >d/f && echo y >x/f", s->path);
        assert_int_equal(arm_place(&w->watcher, s, name, kind), 0);
        shell("cd %s && %s", s->path, command);
        bool seen = drain(w->inotify) > 0;
        world_free(w);
        return seen;
}

#define KIND(k) (1U << (k))
#define DIRECTORY_KINDS (KIND(ARM_ANCESTOR) | KIND(ARM_MISSING) | KIND(ARM_TREE) | KIND(ARM_ABOVE))
#define FILE_KINDS (KIND(ARM_NODE) | KIND(ARM_PRESENCE))

/* A change that a watch reports by more than one event would hide the loss of one of them: so each of these,
 * as far as possible, is one event. */
static const struct {
        const char *name, *command;
        unsigned of, seen_by;
} changes[] = {
        {"d", "mv d e", DIRECTORY_KINDS, DIRECTORY_KINDS},
        {"d", "rm -r d", DIRECTORY_KINDS, DIRECTORY_KINDS},
        {"d", "chmod 700 d", DIRECTORY_KINDS, KIND(ARM_TREE)},
        {"d", "mkdir d/new", DIRECTORY_KINDS, KIND(ARM_MISSING) | KIND(ARM_TREE)},
        {"d", "rmdir d/sub", DIRECTORY_KINDS, KIND(ARM_MISSING) | KIND(ARM_TREE) | KIND(ARM_ABOVE)},
        {"d", "mv x/f d/new", DIRECTORY_KINDS, KIND(ARM_MISSING) | KIND(ARM_TREE)},
        {"d", "mv d/f x/new", DIRECTORY_KINDS, KIND(ARM_MISSING) | KIND(ARM_TREE)},
        {"d", "chmod 600 d/f", DIRECTORY_KINDS, KIND(ARM_TREE)},
        {"d", ": >>d/f", DIRECTORY_KINDS, KIND(ARM_TREE)},
        {"d", "ls -l d >/dev/null && cat d/f >/dev/null", DIRECTORY_KINDS, 0},
        {"d/f", "mv d/f d/g", FILE_KINDS, FILE_KINDS},
        {"d/f", "exec 3>>d/f && rm d/f", FILE_KINDS, FILE_KINDS},
        {"d/f", "chmod 600 d/f", FILE_KINDS, FILE_KINDS},
        {"d/f", ": >>d/f", FILE_KINDS, KIND(ARM_NODE)},
        {"d/f", "cat d/f >/dev/null", FILE_KINDS, 0},
        {"d/f", "touch d/new", FILE_KINDS, 0},
};

static void each_kind_reports_what_matters_to_it(void **state) {
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                for (ArmKind kind = 0; kind < _ARM_KIND_MAX; kind++) {
                        if (!(changes[i].of & KIND(kind)))
                                continue;
                        bool seen = kind_sees(s, kind, changes[i].name, changes[i].command);
                        if (seen != ((changes[i].seen_by & KIND(kind)) != 0))
                                fail_msg("%s, kind %i: %s", changes[i].command, (int) kind,
                                         seen ? "seen" : "not seen");
                }
}

/* Of a file that is held open, writing is all that can be seen. */
static void write_is_seen_before_the_file_is_closed(void **state) {
        static const struct {
                const char *name;
                ArmKind kind;
                bool seen;
        } all[] = {{"d", ARM_TREE, true},
                   {"d", ARM_MISSING, false},
                   {"d/f", ARM_NODE, true},
                   {"d/f", ARM_PRESENCE, false}};
        const Scratch *s = *state;
        scratch_write(s, "d/f", "x");
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                World *w = world_new(s);
                int fd = openat(s->fd, "d/f", O_WRONLY | O_CLOEXEC);
                assert_int_equal(arm_place(&w->watcher, s, all[i].name, all[i].kind), 0);
                assert_int_equal(write_all(fd, "y", 1), 0);
                assert_int_equal(drain(w->inotify) > 0, all[i].seen);
                close(fd);
                world_free(w);
        }
}

static void place_of_two_kinds_reports_what_either_does(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "d/f", "x");
        assert_int_equal(arm_place(&w->watcher, s, "d", ARM_MISSING), 0);
        assert_int_equal(arm_place(&w->watcher, s, "d", ARM_ANCESTOR), 0);
        assert_int_equal(w->watcher.n_watches, 1);
        assert_int_equal(w->watcher.n_armed, 1);
        shell("mkdir %s/d/new", s->path);
        assert_true(drain(w->inotify) > 0);
        world_free(w);
}

static void covered_place_is_noted_and_not_armed(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        assert_false(w->watcher.covered);
        assert_int_equal(arm_place(&w->watcher, s, ".", ARM_COVERED), 0);
        assert_true(w->watcher.covered);
        assert_int_equal(w->watcher.n_watches, 0);
        scratch_write(s, "new", "x");
        assert_int_equal(drain(w->inotify), 0);
        world_free(w);
}

static void same_number_on_another_file_system_is_another_place(void **state) {
        Scratch *s = *state;
        struct stat a, b;
        scratch_unshare(s);
        World *w = world_new(s);
        shell("cd %s && mkdir one other && mount -t tmpfs none one && mount -t tmpfs none other", s->path);
        assert_int_equal(fstatat(s->fd, "one", &a, 0), 0);
        assert_int_equal(fstatat(s->fd, "other", &b, 0), 0);
        assert_int_equal(a.st_ino, b.st_ino);
        assert_int_equal(arm_place(&w->watcher, s, "one", ARM_TREE), 0);
        assert_int_equal(arm_place(&w->watcher, s, "other", ARM_TREE), 0);
        assert_int_equal(w->watcher.n_watches, 2);
        assert_int_equal(w->watcher.n_armed, 2);
        shell("umount %s/one %s/other", s->path, s->path);
        world_free(w);
}

static void watches_that_the_kernel_has_not_are_only_counted(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "d/f", "x");
        assert_int_equal(arm_place(&w->watcher, s, "d", ARM_TREE), 0);
        watch_error = ENOSPC;
        assert_int_equal(arm_place(&w->watcher, s, "d/f", ARM_NODE), 0);
        assert_int_equal(arm_place(&w->watcher, s, ".", ARM_ANCESTOR), 0);
        assert_int_equal(w->watcher.n_watches, 3);
        assert_int_equal(w->watcher.n_armed, 1);
        watch_error = 0;
        assert_int_equal(arm_place(&w->watcher, s, ".", ARM_ANCESTOR), 0);
        assert_int_equal(w->watcher.n_watches, 3);
        assert_int_equal(w->watcher.n_armed, 2);
        world_free(w);
}

static void other_errors_are_told(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        watch_error = EACCES;
        int r = arm_place(&w->watcher, s, ".", ARM_TREE);
        watch_error = 0;
        assert_int_equal(r, -EACCES);
        assert_int_equal(w->watcher.n_armed, 0);
        assert_int_equal(watcher_arm(4000, ARM_TREE, &w->watcher), -EBADF); /* no such descriptor */
        world_free(w);
}

static void instance_may_be_any_descriptor(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        w->watcher.inotify_fd = dup2(w->inotify, STDIN_FILENO);
        int r = arm_place(&w->watcher, s, ".", ARM_TREE);
        assert_true(saved >= 0 ? dup2(saved, STDIN_FILENO) >= 0 : close(STDIN_FILENO) >= 0);
        close(saved);
        assert_int_equal(r, 0);
        assert_int_equal(w->watcher.n_armed, 1);
        world_free(w);
}

static void watcher_that_is_done_holds_nothing(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        assert_int_equal(arm_place(&w->watcher, s, ".", ARM_TREE), 0);
        watcher_done(&w->watcher);
        assert_null(w->watcher.watches);
        assert_int_equal(w->watcher.n_watches, 0);
        assert_int_equal(w->watcher.n_directories, 0);
        assert_true(w->watcher.inotify_fd < 0);
        world_free(w);
}

static void directories_are_limited_and_files_are_not(void **state) {
        const Scratch *s = *state;
        Watcher w;
        watcher_init(&w, -1);
        scratch_write(s, "a/b/f", "x");
        w.n_directories = WATCHER_DIRECTORIES_MAX - 1;
        assert_int_equal(arm_place(&w, s, "a", ARM_TREE), 0);
        assert_int_equal(w.n_directories, WATCHER_DIRECTORIES_MAX);
        assert_int_equal(arm_place(&w, s, "a/b", ARM_TREE), -E2BIG);
        assert_int_equal(arm_place(&w, s, "a", ARM_ANCESTOR), 0); /* counted before */
        assert_int_equal(arm_place(&w, s, "a/b/f", ARM_NODE), 0);
        assert_int_equal(w.n_directories, WATCHER_DIRECTORIES_MAX);
        assert_int_equal(w.n_watches, 2);
        assert_int_equal(arm_place(&w, s, "a/b/f", ARM_PRESENCE), 0);
        scratch_write(s, "g", "x");
        assert_int_equal(arm_place(&w, s, "g", ARM_PRESENCE), 0);
        assert_int_equal(w.n_watches, 3);
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){watcher_arm, &w}}, "/a", &(Visitor){ignore, NULL}),
                         -E2BIG);
        watcher_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(reading_is_not_an_event),
                scratch_test(change_of_a_file_is_an_event),
                scratch_test(link_itself_is_watched),
                scratch_test(change_in_a_tree_is_an_event),
                scratch_test(appearance_is_an_event),
                scratch_test(places_are_counted_once),
                scratch_test(each_kind_reports_what_matters_to_it),
                scratch_test(write_is_seen_before_the_file_is_closed),
                scratch_test(place_of_two_kinds_reports_what_either_does),
                scratch_test(covered_place_is_noted_and_not_armed),
                scratch_test(same_number_on_another_file_system_is_another_place),
                scratch_test(watches_that_the_kernel_has_not_are_only_counted),
                scratch_test(other_errors_are_told),
                scratch_test(instance_may_be_any_descriptor),
                scratch_test(watcher_that_is_done_holds_nothing),
                scratch_test(directories_are_limited_and_files_are_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
