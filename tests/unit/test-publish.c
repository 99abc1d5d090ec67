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

static void a_copy_reports_what_it_wrote_and_can_be_stopped(void **state) {
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

typedef struct Pieces {
        uint64_t sizes[8];
        size_t n;
} Pieces;

static int note_piece(uint64_t bytes, void *userdata) {
        Pieces *p = userdata;
        assert_true(p->n < ELEMENTSOF(p->sizes));
        p->sizes[p->n++] = bytes;
        return 0;
}

/* Whatever was read from that descriptor before. */
static void a_copy_begins_at_the_start_and_is_watched_mebibyte_by_mebibyte(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *temporary = NULL;
        Fingerprint written;
        Pieces pieces = {};
        PublishWatcher watcher = {.copied = note_piece, .userdata = &pieces};

        shell("head -c 2500000 /dev/urandom >%s/source", s->path);
        int fd = openat(s->fd, "source", O_RDONLY | O_CLOEXEC);
        assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
        assert_int_equal(
                publish_stage_file(s->fd, "/copy", &(PublishSource){fd, &watcher}, &written, &temporary), 0);
        shell("cmp %s/source %s%s", s->path, s->path, temporary);
        assert_int_equal(pieces.n, 3);
        assert_int_equal(pieces.sizes[0], 1024 * 1024);
        assert_int_equal(pieces.sizes[1], 1024 * 1024);
        assert_int_equal(pieces.sizes[2], 2500000 - 2 * 1024 * 1024);
        close(fd);
}

/* A boot loader needs to read them, nobody needs to write them; whatever the umask is. */
static void files_are_for_root_to_write_and_for_all_to_read(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *temporary = NULL;
        struct stat st;
        mode_t old = umask(0);

        assert_int_equal(publish_stage_text(s->fd, "/a/b", "x", 1, &temporary), 0);
        (void) umask(old);
        assert_int_equal(fstatat(s->fd, temporary + 1, &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0644);
        assert_int_equal(fstatat(s->fd, "a", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

/* Only staging makes directories. */
static void a_name_in_no_directory_is_not_made(void **state) {
        Scratch *s = *state;
        char text[ENTRY_SECTOR] = "";

        assert_int_equal(publish_rename(s->fd, "/d/.bootkeep-00000000.tmp", "/d/x"), -ENOENT);
        assert_int_equal(publish_overwrite(s->fd, "/d/x", text), -ENOENT);
        assert_int_equal(publish_adopt(s->fd, "/d/x"), -ENOENT);
        assert_int_equal(publish_remove(s->fd, "/d/x"), 0);
        assert_int_equal(publish_sweep(s->fd, "/d/x"), 0);
        assert_false(exists(s, "d"));
}

static void only_a_regular_file_takes_a_name_or_is_adopted(void **state) {
        Scratch *s = *state;

        shell("cd %s && mkdir dir && mkfifo fifo && echo x >file && ln -s file link && mkdir full && >full/x",
              s->path);
        assert_int_equal(publish_adopt(s->fd, "/dir"), -ESTALE);
        assert_int_equal(publish_adopt(s->fd, "/fifo"), -ESTALE);
        assert_int_equal(publish_adopt(s->fd, "/link"), -ELOOP);
        assert_int_equal(publish_adopt(s->fd, "/none"), -ENOENT);
        assert_int_equal(publish_adopt(s->fd, "/file"), 0);
        assert_int_equal(publish_rename(s->fd, "/fifo", "/new"), -ESTALE);
        assert_int_equal(publish_rename(s->fd, "/link", "/new"), -ELOOP);
        assert_int_equal(publish_rename(s->fd, "/none", "/new"), -ENOENT);
        assert_int_equal(publish_rename(s->fd, "/file", "/full"), -EISDIR);
        assert_false(exists(s, "new"));
        assert_content(s, "file", "x\n");
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

static void only_files_of_a_single_sector_are_overwritten(void **state) {
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
        assert_int_equal(publish_remove_directory(s->fd, "/d/below"), 1);
}

/* A mistake in the plan must not remove anything else. */
static void what_is_of_another_kind_is_not_removed(void **state) {
        Scratch *s = *state;

        scratch_write(s, "file", "x");
        shell("mkdir %s/dir", s->path);
        assert_int_equal(publish_remove(s->fd, "/dir"), -EISDIR);
        assert_int_equal(publish_remove_directory(s->fd, "/file"), 0);
        assert_int_equal(publish_remove(s->fd, "/file/below"), -ENOTDIR);
        assert_int_equal(publish_remove_directory(s->fd, "/file/below"), -ENOTDIR);
        assert_true(exists(s, "file") && exists(s, "dir"));
}

/* A directory may have such a name, too; nothing was staged where no directory is. */
static void a_sweep_goes_past_what_it_cannot_remove(void **state) {
        Scratch *s = *state;

        shell("mkdir -p %s/d/.bootkeep-00000000.tmp %s/d/.bootkeep-ffffffff.tmp", s->path, s->path);
        scratch_write(s, "d/.bootkeep-88888888.tmp", "ours");
        scratch_write(s, "file", "x");
        shell("ln -s d %s/link", s->path);
        assert_int_equal(publish_sweep(s->fd, "/file/x"), 0);
        assert_int_equal(publish_sweep(s->fd, "/link/x"), 0);
        assert_true(exists(s, "d/.bootkeep-88888888.tmp"));
        assert_int_equal(publish_sweep(s->fd, "/d/x"), 0);
        assert_false(exists(s, "d/.bootkeep-88888888.tmp"));
        assert_true(exists(s, "d/.bootkeep-00000000.tmp") && exists(s, "d/.bootkeep-ffffffff.tmp"));
}

static void a_sweep_says_that_it_does_not_leave_the_helper(void **state) {
        Scratch *s = *state;

        scratch_unshare(s);
        shell("mkdir %s/d && mount -t tmpfs tmpfs %s/d", s->path, s->path);
        int r = publish_sweep(s->fd, "/d/x");
        shell("umount %s/d", s->path);
        assert_int_equal(r, -EXDEV);
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
                scratch_test(a_copy_reports_what_it_wrote_and_can_be_stopped),
                scratch_test(a_copy_begins_at_the_start_and_is_watched_mebibyte_by_mebibyte),
                scratch_test(files_are_for_root_to_write_and_for_all_to_read),
                scratch_test(a_name_in_no_directory_is_not_made),
                scratch_test(only_a_regular_file_takes_a_name_or_is_adopted),
                scratch_test(one_sector_is_overwritten_in_its_own_inode),
                scratch_test(only_files_of_a_single_sector_are_overwritten),
                scratch_test(a_link_is_replaced_and_never_followed),
                scratch_test(removal_is_idempotent_and_takes_empty_directories_only),
                scratch_test(what_is_of_another_kind_is_not_removed),
                scratch_test(a_sweep_goes_past_what_it_cannot_remove),
                scratch_test(a_sweep_says_that_it_does_not_leave_the_helper),
                scratch_test(only_our_temporaries_are_swept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
