/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: tree/walk.c */

#include "tree/walk.h"

#include "walkworld.h"

static void a_tree_is_visited_in_byte_order(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "t/b/2", "");
        scratch_write(s, "t/b/1", "");
        scratch_write(s, "t/b-/x", "");
        scratch_write(s, "t/B", "");
        scratch_write(s, "t/new\nline", "");
        assert_int_equal(symlinkat("/nowhere", s->fd, "t/\xff"), 0);
        assert_int_equal(mkfifoat(s->fd, "t/fifo", 0644), 0);
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_string_equal(seen.text, "/t\n/t/B\n/t/b\n/t/b/1\n/t/b/2\n/t/b-\n/t/b-/x\n/t/fifo\n"
                                       "/t/new\nline\n/t/\xff -> /nowhere\n");
}

static void directories_of_a_tree_are_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "t/sub/file", "");
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ntree /t\nnode /t/shared\ntree /t/sub\n");
        assert_int_equal(seen.n, 4);
}

static int remove_siblings(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        if (streq(entry->path, "/t/a")) {
                assert_int_equal(unlinkat(s->fd, "t/b", 0), 0);
                assert_int_equal(unlinkat(s->fd, "t/c", AT_REMOVEDIR), 0);
                assert_int_equal(symlinkat("/etc", s->fd, "t/c"), 0);
        }
        if (streq(entry->path, "/t/d/e/f"))
                assert_int_equal(renameat(s->fd, "t/d/e", s->fd, "moved"), 0);
        assert_null(strstr(entry->path, "/t/b"));
        return 0;
}

static void what_vanishes_meanwhile_is_skipped(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/b", "");
        assert_int_equal(mkdirat(s->fd, "t/c", 0755), 0);
        scratch_write(s, "t/d/e/f/g", "");
        scratch_write(s, "t/d/e/h", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){remove_siblings, (void *) s}),
                         0);
}

/* While a folder in it is being read, a directory is replaced by another: its remaining names are gone,
 * although the other has something of that name, too. */
static int swap_above(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        if (streq(entry->path, "/t/a/b/c")) {
                assert_int_equal(renameat(s->fd, "t/a", s->fd, "moved"), 0);
                scratch_write(s, "t/a/z", "of the other");
        }
        assert_string_not_equal(entry->path, "/t/a/z");
        return 0;
}

/* Opening a fifo would wait for a writer. */
static int put_fifo_above(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        if (streq(entry->path, "/t/a/b/c")) {
                assert_int_equal(renameat(s->fd, "t/a", s->fd, "moved"), 0);
                assert_int_equal(mkfifoat(s->fd, "t/a", 0644), 0);
        }
        assert_string_not_equal(entry->path, "/t/a/z");
        return 0;
}

static void fifo_in_the_place_of_a_directory_is_not_waited_for(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a/b/c", "");
        scratch_write(s, "t/a/z", "");
        scratch_write(s, "t/y", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){put_fifo_above, (void *) s}),
                         0);
}

static void reading_does_not_continue_in_another_directory(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a/b/c", "");
        scratch_write(s, "t/a/z", "");
        scratch_write(s, "t/y", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){swap_above, (void *) s}), 0);
}

static void file_for_link(const Scratch *s) {
        assert_int_equal(unlinkat(s->fd, "t/link", 0), 0);
        scratch_write(s, "t/link", "");
}

/* After a name was examined, something else takes its place; what is read of it then is skipped. */
static void what_becomes_something_else_is_skipped(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(symlinkat("a", s->fd, "t/link"), 0);
        beside = (__typeof__(beside)){"link", file_for_link, s, 0};
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_string_equal(seen.text, "/t\n/t/a\n/t/z\n");
        static const int gone[] = {ENOENT, ENOTDIR, ELOOP, EINVAL, ESTALE}, wrong[] = {EIO, EACCES, ENOMEM};
        for (size_t i = 0; i < ELEMENTSOF(gone); i++) {
                beside = (__typeof__(beside)){"link", NULL, s, gone[i]};
                assert_int_equal(walk(s, "/t", &seen, NULL), 0);
                assert_string_equal(seen.text, "/t\n/t/a\n/t/z\n");
        }
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                beside = (__typeof__(beside)){"link", NULL, s, wrong[i]};
                assert_int_equal(walk(s, "/t", &seen, NULL), -wrong[i]);
        }
}

static void remove_shared(const Scratch *s) {
        assert_int_equal(unlinkat(s->fd, "t/shared", 0), 0);
}

static void shared_file_that_is_removed_before_its_arming_is_skipped(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "t/shared", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        beside = (__typeof__(beside)){"shared", remove_shared, s, 0};
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(seen.text, "/t\n/t/z\n");
}

/* A file with several links is examined once more after it is armed. */
static void grow_shared(const Scratch *s, const char *path) {
        if (streq(path, "/t/shared"))
                scratch_write(s, "t/shared", "grown");
}

static int size_of_shared(const WalkEntry *entry, void *userdata) {
        if (streq(entry->path, "/t/shared"))
                *(uint64_t *) userdata = entry->stx->stx_size;
        return 0;
}

static void shared_file_is_examined_after_it_is_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {.scratch = s, .before = grow_shared};
        uint64_t size = 0;
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){arm, &armed}}, "/t", &(Visitor){size_of_shared, &size}), 0);
        assert_int_equal(size, 5);
}

static int refuse_node(int fd, ArmKind kind, void *userdata) {
        struct stat st;
        return kind == ARM_NODE && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) ? -ENOSPC : 0;
}

static void shared_file_that_cannot_be_armed_ends_the_walk(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){refuse_node, NULL}}, "/t", &(Visitor){count, &n}),
                         -ENOSPC);
}

static int stop_at_directory(const WalkEntry *entry, void *userdata) {
        (*(unsigned *) userdata)++;
        return streq(entry->path, "/t/b") ? 42 : 0;
}

static void visitor_can_end_the_walk_at_a_directory(void **state) {
        const Scratch *s = *state;
        unsigned n = 0;
        scratch_write(s, "t/b/c", "");
        scratch_write(s, "t/d", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){stop_at_directory, &n}), 42);
        assert_int_equal(n, 2);
}

/* between statx and open, a directory is replaced by a link */
static int swap_for_link(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        assert_null(strstr(entry->path, "passwd"));
        if (streq(entry->path, "/t/c")) {
                assert_int_equal(unlinkat(s->fd, "t/c", AT_REMOVEDIR), 0);
                assert_int_equal(symlinkat("/etc", s->fd, "t/c"), 0);
        }
        return 0;
}

static void directory_swapped_for_a_link_is_not_entered(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "etc/passwd", "");
        scratch_write(s, "t/x", "");
        assert_int_equal(mkdirat(s->fd, "t/c", 0755), 0);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){swap_for_link, (void *) s}), 0);
}

static int stop(const WalkEntry *entry, void *userdata) {
        return streq(entry->path, "/t/b") ? 42 : 0;
}

static void visitor_can_end_the_walk(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/b", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){stop, NULL}), 42);
}

static void wide_tree_is_walked(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        shell("cd %s && mkdir t && cd t && seq -f 'directory-with-a-long-name-%%g/x' 3000 | xargs mkdir -p",
              s->path);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){count, &n}), 0);
        assert_int_equal(n, 6001);
}

static void deep_tree_is_walked_to_the_length_of_a_path(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        int fd = dup(s->fd);
        for (int i = 0; i < 2047; i++) { /* "/d" each: 4094 bytes */
                assert_int_equal(mkdirat(fd, "d", 0755), 0);
                int next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(fd);
                fd = next;
        }
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/d", &(Visitor){count, &n}), 0);
        assert_int_equal(n, 2047);
        int file = openat(fd, "e", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
        close(file);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/d", &(Visitor){count, &n}), -ENAMETOOLONG);
        close(fd);
}

/* A file mounted over one with several links: the covering one is visited, and not armed. */
static void mounted_file_is_visited_and_not_armed(void **state) {
        Scratch *s = *state;
        char source[128], target[128];
        Armed armed = {};
        Seen seen;
        scratch_unshare(s);
        scratch_write(s, "foreign", "");
        scratch_write(s, "t/file", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(linkat(s->fd, "foreign", s->fd, "another", 0), 0);
        (void) snprintf(source, sizeof(source), "%s/foreign", s->path);
        (void) snprintf(target, sizeof(target), "%s/t/file", s->path);
        assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
        int r = walk(s, "/t", &seen, &armed);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
        assert_int_equal(r, 0);
        assert_string_equal(seen.text, "/t\n/t/file\n/t/z\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ntree /t\n");
}

static void shortage_and_error_end_the_walk_wherever_they_come(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a/b/c", "");
        scratch_write(s, "t/a/d", "");
        scratch_write(s, "t/shared", "");
        assert_int_equal(mkdirat(s->fd, "t/empty", 0755), 0);
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(symlinkat("x", s->fd, "t/link"), 0);
        fails_in_turn(s, "/t", &nth.open, EMFILE);
        fails_in_turn(s, "/t", &nth.stat, EIO);
        Armed armed = {};
        Seen seen;
        for (unsigned n = 1; n < 8; n++) { /* the first tells only whether the directory is empty */
                nth.read = (Nth){.error = EIO, .left = n};
                assert_int_equal(walk(s, "/t", &seen, &armed), -EIO);
                assert_true(nth.read.failed);
        }
}

static int refuse_third_tree(int fd, ArmKind kind, void *userdata) {
        return kind == ARM_TREE && ++*(unsigned *) userdata == 3 ? -ENOSPC : 0;
}

static void directory_that_cannot_be_armed_ends_the_walk(void **state) {
        const Scratch *s = *state;
        unsigned trees = 0;
        size_t n = 0;
        scratch_write(s, "t/a/x", "");
        scratch_write(s, "t/b/x", "");
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){refuse_third_tree, &trees}}, "/t", &(Visitor){count, &n}),
                -ENOSPC);
        assert_int_equal(n, 4); /* t, a, x, b */
}

/* What is added to a directory after it was armed, but before it is read, is seen. */
static void add_to_tree(const Scratch *s, const char *path) {
        if (streq(path, "/t/sub"))
                scratch_write(s, "t/sub/new", "");
}

static void directory_is_armed_before_it_is_read(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = add_to_tree};
        Seen seen;
        scratch_write(s, "t/sub/old", "");
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(seen.text, "/t\n/t/sub\n/t/sub/new\n/t/sub/old\n");
}

static void only_a_file_with_several_links_is_armed_itself(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "t/one", "");
        scratch_write(s, "t/two", "");
        assert_int_equal(mkfifoat(s->fd, "t/fifo", 0644), 0);
        assert_int_equal(linkat(s->fd, "t/fifo", s->fd, "fifo", 0), 0);
        assert_int_equal(linkat(s->fd, "t/two", s->fd, "another", 0), 0);
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ntree /t\nnode /t/two\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                walk_test(a_tree_is_visited_in_byte_order),
                walk_test(directories_of_a_tree_are_armed),
                walk_test(what_vanishes_meanwhile_is_skipped),
                walk_test(fifo_in_the_place_of_a_directory_is_not_waited_for),
                walk_test(reading_does_not_continue_in_another_directory),
                walk_test(what_becomes_something_else_is_skipped),
                walk_test(shared_file_that_is_removed_before_its_arming_is_skipped),
                walk_test(shared_file_is_examined_after_it_is_armed),
                walk_test(shared_file_that_cannot_be_armed_ends_the_walk),
                walk_test(visitor_can_end_the_walk_at_a_directory),
                walk_test(directory_swapped_for_a_link_is_not_entered),
                walk_test(visitor_can_end_the_walk),
                walk_test(wide_tree_is_walked),
                walk_test(deep_tree_is_walked_to_the_length_of_a_path),
                walk_test(mounted_file_is_visited_and_not_armed),
                walk_test(shortage_and_error_end_the_walk_wherever_they_come),
                walk_test(directory_that_cannot_be_armed_ends_the_walk),
                walk_test(directory_is_armed_before_it_is_read),
                walk_test(only_a_file_with_several_links_is_armed_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
