/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "builder/transaction/publish.h"
#include "helper/entry.h"
#include "tree/fingerprint.h"

static char *content_of(const Scratch *s, const char *name) {
        char path[256], *text = calloc(1, 65536);
        assert_non_null(text);
        (void) snprintf(path, sizeof(path), "%s/%s", s->path, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(read(fd, text, 65535) >= 0);
        close(fd);
        return text;
}

static void assert_content(const Scratch *s, const char *name, const char *expected) {
        char *text = content_of(s, name);
        assert_string_equal(text, expected);
        free(text);
}

static bool exists(const Scratch *s, const char *name) {
        struct stat st;
        return fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void a_staged_text_takes_its_name_only_when_told(void **state) {
        Scratch *s = *state;
        char *temporary = NULL;

        scratch_write(s, "a/b/c", "old");
        assert_int_equal(publish_stage_text(s->fd, "/a/b/c", "new", 3, &temporary), 0);
        assert_content(s, "a/b/c", "old");
        assert_content(s, temporary + 1, "new");
        assert_non_null(strstr(temporary, "/a/b/.bootkeep-"));
        assert_int_equal(publish_rename(s->fd, temporary, "/a/b/c"), 0);
        assert_content(s, "a/b/c", "new");
        assert_false(exists(s, temporary + 1));
        free(temporary);
}

static int stop(uint64_t bytes, void *userdata) {
        *(uint64_t *) userdata += bytes;
        return -EINTR;
}

static void a_copy_tells_what_it_wrote_and_can_be_stopped(void **state) {
        Scratch *s = *state;
        char *temporary = NULL;
        Fingerprint written, source;
        uint64_t bytes = 0;
        PublishWatcher watcher = {.copied = stop, .userdata = &bytes};

        shell("head -c 3000000 /dev/urandom >%s/source", s->path);
        int fd = openat(s->fd, "source", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(
                publish_stage_file(s->fd, "/x/copy", &(PublishSource){fd, NULL}, &written, &temporary), 0);
        assert_int_equal(fingerprint_content(fd, NULL, NULL, &source, NULL), 0);
        assert_true(fingerprint_equal(&written, &source));
        shell("cmp %s/source %s%s", s->path, s->path, temporary);
        assert_int_equal(publish_remove(s->fd, temporary), 0);
        free(temporary);

        assert_int_equal(
                publish_stage_file(s->fd, "/x/copy", &(PublishSource){fd, &watcher}, &written, &temporary),
                -EINTR);
        assert_true(bytes > 0 && bytes < 3000000);
        shell("test -z \"$(ls -A %s/x)\"", s->path); /* nothing is left of it */
        close(fd);
}

static void one_sector_is_overwritten_in_its_own_inode(void **state) {
        Scratch *s = *state;
        char old[ENTRY_SECTOR + 1] = {}, new[ENTRY_SECTOR + 1] = {};
        struct stat before, after;

        memset(old, 'o', ENTRY_SECTOR);
        memset(new, 'n', ENTRY_SECTOR);
        scratch_write(s, "entry", old);
        assert_int_equal(fstatat(s->fd, "entry", &before, 0), 0);
        assert_int_equal(publish_overwrite(s->fd, "/entry", new), 0);
        assert_int_equal(fstatat(s->fd, "entry", &after, 0), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_content(s, "entry", new);
}

static void what_is_no_single_sector_is_not_overwritten(void **state) {
        Scratch *s = *state;
        char new[ENTRY_SECTOR + 1] = {}, old[ENTRY_SECTOR + 1] = {};

        memset(new, 'n', ENTRY_SECTOR);
        memset(old, 'o', ENTRY_SECTOR);
        scratch_write(s, "short", "short");
        scratch_write(s, "linked", old);
        shell("ln %s/linked %s/other && ln -s linked %s/link && mkfifo %s/fifo", s->path, s->path, s->path,
              s->path);
        assert_int_equal(publish_overwrite(s->fd, "/short", new), -ESTALE);
        assert_int_equal(publish_overwrite(s->fd, "/linked", new), -ESTALE);
        assert_int_equal(publish_overwrite(s->fd, "/link", new), -ELOOP);
        assert_int_equal(publish_overwrite(s->fd, "/fifo", new), -ESTALE);
        assert_int_equal(publish_overwrite(s->fd, "/none", new), -ENOENT);
        assert_content(s, "linked", old);
        assert_content(s, "short", "short");
}

static void a_link_is_replaced_and_never_followed(void **state) {
        Scratch *s = *state;
        char *temporary = NULL;

        scratch_write(s, "outside/file", "outside");
        scratch_write(s, "helper/x", "x");
        shell("ln -s ../outside %s/helper/dir && ln -s ../outside/file %s/helper/link", s->path, s->path);
        int root = openat(s->fd, "helper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(root >= 0);
        assert_int_equal(publish_stage_text(root, "/dir/file", "new", 3, &temporary), -ELOOP);
        assert_int_equal(publish_remove(root, "/dir/file"), -ELOOP);
        assert_int_equal(publish_stage_text(root, "/link", "new", 3, &temporary), 0);
        assert_int_equal(publish_rename(root, temporary, "/link"), 0);
        assert_content(s, "helper/link", "new");
        assert_content(s, "outside/file", "outside");
        free(temporary);
        close(root);
}

static void removal_is_idempotent_and_takes_empty_directories_only(void **state) {
        Scratch *s = *state;

        scratch_write(s, "d/a", "a");
        scratch_write(s, "d/b", "b");
        assert_int_equal(publish_remove(s->fd, "/d/a"), 0);
        assert_int_equal(publish_remove(s->fd, "/d/a"), 0);
        assert_int_equal(publish_remove(s->fd, "/none/a"), 0);
        assert_int_equal(publish_remove_directory(s->fd, "/d"), 0);
        assert_int_equal(publish_remove(s->fd, "/d/b"), 0);
        assert_int_equal(publish_remove_directory(s->fd, "/d"), 1);
        assert_false(exists(s, "d"));
        assert_int_equal(publish_remove_directory(s->fd, "/d"), 1);
}

static void only_our_temporaries_are_swept(void **state) {
        static const char *const theirs[] = {
                "d/.bootkeep-0123456g.tmp", "d/.bootkeep-01234567.tmp2", "d/.bootkeep-012345678.tmp",
                "d/.bootkeep-.tmp",         "d/bootkeep-01234567.tmp",
        };
        Scratch *s = *state;

        scratch_write(s, "d/.bootkeep-01234567.tmp", "ours");
        for (size_t i = 0; i < ELEMENTSOF(theirs); i++)
                scratch_write(s, theirs[i], "theirs");
        assert_int_equal(publish_sweep(s->fd, "/d/file"), 0);
        assert_int_equal(publish_sweep(s->fd, "/none/file"), 0);
        assert_false(exists(s, "d/.bootkeep-01234567.tmp"));
        for (size_t i = 0; i < ELEMENTSOF(theirs); i++)
                assert_true(exists(s, theirs[i]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_staged_text_takes_its_name_only_when_told),
                scratch_test(a_copy_tells_what_it_wrote_and_can_be_stopped),
                scratch_test(one_sector_is_overwritten_in_its_own_inode),
                scratch_test(what_is_no_single_sector_is_not_overwritten),
                scratch_test(a_link_is_replaced_and_never_followed),
                scratch_test(removal_is_idempotent_and_takes_empty_directories_only),
                scratch_test(only_our_temporaries_are_swept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
