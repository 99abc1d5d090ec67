/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/look.h"

#include <signal.h>
#include <sys/statvfs.h>

#include "helperworld.h"
#include "interpose.h"

/* How the last file was opened to be read, and whether the kernel was told before to forget what it has of
 * it. */
static struct {
        int flags;
        bool forgets;
        int error, space_error; /* what an open or the question for space fails with */
        struct statvfs *space;
} kernel;

/* As called where files may be large; never with a mode here. */
int openat64(int dirfd, const char *name, int flags, ...) {
        kernel.flags = flags;
        kernel.forgets = false;
        if (kernel.error > 0) {
                errno = kernel.error;
                return -1;
        }
        return REAL(openat64)(dirfd, name, flags);
}

int posix_fadvise(int fd, off_t offset, off_t size, int advice) {
        kernel.forgets = offset == 0 && size == 0 && advice == POSIX_FADV_DONTNEED;
        return 0;
}

int fstatvfs(int fd, struct statvfs *ret) {
        if (kernel.space_error > 0) {
                errno = kernel.space_error;
                return -1;
        }
        *ret = *kernel.space;
        return 0;
}

/* A helper in the scratch folder. */
typedef struct Helped {
        Scratch *s;
        WantedSet wanted;
        HelperRecord record;
        Look look;
        HelperView *views;
        SeenSet seen;
        char *why;
} Helped;

static int helped_setup(void **state) {
        Helped *h = calloc(1, sizeof(*h));
        void *s = NULL;
        assert_non_null(h);
        memset(&kernel, 0, sizeof(kernel));
        if (scratch_setup(&s) < 0)
                return -1;
        h->s = s;
        h->look = (Look){.root = h->s->fd, .record = &h->record};
        *state = h;
        return 0;
}

static int helped_teardown(void **state) {
        Helped *h = *state;
        void *s = h->s;
        wanted_set_done(&h->wanted);
        helper_record_done(&h->record);
        seen_set_done(&h->seen);
        free(h->views);
        free(h->why);
        free(h);
        return scratch_teardown(&s);
}

#define helped_test(f) cmocka_unit_test_setup_teardown(f, helped_setup, helped_teardown)

/* Under its own name. */
static void wants(Helped *h, CopyRole role, const char *path, const char *text) {
        want(&h->wanted, role, path, text);
        h->wanted.items[h->wanted.n - 1].path = copy(path);
}

static void carries(Helped *h, CopyRole role, const char *path, const char *text) {
        (void) carry(&h->record.carried, role, path, path, text);
}

static int view(Helped *h) {
        free(h->views);
        h->views = NULL;
        return look_at_wanted(&h->look, &h->wanted, &h->views, &h->why);
}

/* The only wanted file is found so. */
static void stands(Helped *h, Standing standing) {
        assert_int_equal(view(h), 0);
        assert_int_equal(h->views[0].standing, standing);
        assert_false(h->views[0].blocked);
        assert_int_equal(helper_view_is_equal(&h->views[0]),
                         standing == STANDING_SAME || standing == STANDING_EQUAL);
}

/* While this lasts, N files can be opened, and no more. */
static struct rlimit descriptors_leave(unsigned n) {
        struct rlimit before;
        int fd[4];
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        for (unsigned i = 0; i <= n; i++)
                assert_true((fd[i] = dup(STDIN_FILENO)) >= 0);
        for (unsigned i = 0; i <= n; i++)
                close(fd[i]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t) fd[n], before.rlim_max}), 0);
        return before;
}

#define WITH_DESCRIPTORS(n, call)                                                                            \
        ({                                                                                                   \
                const struct rlimit _before = descriptors_leave(n);                                          \
                int _r = (call);                                                                             \
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &_before), 0);                                     \
                _r;                                                                                          \
        })

/* A name that no file may have. */
static const char *long_name(void) {
        static char name[302];
        memset(name, 'x', sizeof(name) - 1);
        memcpy(name, "/%%", 3); /* not to be taken for a format */
        return name;
}

/* ---- what is wanted ---- */

static void missing_file_is_absent(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "a");
        wants(h, ROLE_REQUIRED, "/d/a", "a");
        stands(h, STANDING_ABSENT);
        assert_int_equal(h->views[1].standing, STANDING_ABSENT);
        assert_false(h->views[1].sector);
}

static void nothing_wanted_is_an_empty_view(void **state) {
        Helped *h = *state;
        assert_int_equal(view(h), 0);
        assert_non_null(h->views);
}

static void file_that_the_record_vouches_for_is_not_read(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/d/a", "right");
        carries(h, ROLE_REQUIRED, "/D/A", "right"); /* as FAT compares names */
        scratch_write(h->s, "d/a", "wrong");
        stands(h, STANDING_SAME);
        scratch_write(h->s, "d/a", "of another size");
        stands(h, STANDING_OTHER);
        shell("rm %s/d/a", h->s->path);
        stands(h, STANDING_ABSENT);
}

static void file_that_nobody_vouches_for_is_read(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/d/a", "right");
        scratch_write(h->s, "d/a", "right");
        stands(h, STANDING_EQUAL);
        scratch_write(h->s, "d/a", "wrong");
        stands(h, STANDING_OTHER);
        scratch_write(h->s, "d/a", "right, and more");
        stands(h, STANDING_OTHER);
}

static void empty_file_can_be_equal(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "");
        scratch_write(h->s, "a", "");
        stands(h, STANDING_EQUAL);
}

/* not even if the wanted content is all zero, as when nothing is known about it */
static void unreadable_file_counts_as_different(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        h->wanted.items[0].content = (Fingerprint){};
        scratch_write(h->s, "a", "right");
        kernel.error = EIO;
        stands(h, STANDING_OTHER);
}

static void record_of_other_content_does_not_vouch(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        carries(h, ROLE_REQUIRED, "/a", "wrong");
        carries(h, ROLE_REQUIRED, "/b", "right");
        scratch_write(h->s, "a", "wrong");
        stands(h, STANDING_OTHER);
        scratch_write(h->s, "a", "right");
        stands(h, STANDING_EQUAL);
}

static void record_does_not_vouch_after_an_interrupted_build(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        carries(h, ROLE_REQUIRED, "/a", "right");
        scratch_write(h->s, "a", "wrong");
        h->record.intent = true;
        stands(h, STANDING_OTHER);
        scratch_write(h->s, "a", "right");
        stands(h, STANDING_EQUAL);
}

static void record_does_not_vouch_where_all_is_to_be_read(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        carries(h, ROLE_REQUIRED, "/a", "right");
        scratch_write(h->s, "a", "wrong");
        h->look.read_all = true;
        stands(h, STANDING_OTHER);
}

/* What took its name meanwhile is neither followed, waited for nor made our terminal. */
static void files_are_read_from_the_disk_without_following_or_waiting(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        scratch_write(h->s, "a", "right");
        stands(h, STANDING_EQUAL);
        assert_int_equal(kernel.flags, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        assert_true(kernel.forgets);
}

static void only_a_regular_file_is_the_wanted_one(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "");
        carries(h, ROLE_REQUIRED, "/a", "");
        shell("mkfifo %s/a", h->s->path);
        stands(h, STANDING_OTHER);
        wants(h, ROLE_REQUIRED, "/b", "a");
        carries(h, ROLE_REQUIRED, "/b", "a");
        shell("ln -s a %s/b", h->s->path);
        stands(h, STANDING_OTHER);
        assert_int_equal(h->views[1].standing, STANDING_OTHER);
        assert_false(h->views[1].blocked);
}

static void directory_in_the_place_of_a_file_blocks_it(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "a");
        shell("mkdir %s/a", h->s->path);
        assert_int_equal(view(h), 0);
        assert_true(h->views[0].blocked);
        assert_int_equal(h->views[0].standing, STANDING_OTHER);
}

static void file_in_the_place_of_a_directory_blocks_what_is_in_it(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a/b", "a");
        scratch_write(h->s, "a", "a");
        assert_int_equal(view(h), 0);
        assert_true(h->views[0].blocked);
        assert_int_equal(h->views[0].standing, STANDING_OTHER);
}

static void link_in_the_way_is_not_followed(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a/b", "a");
        scratch_write(h->s, "d/b", "a");
        shell("ln -s d %s/a", h->s->path);
        assert_int_equal(view(h), -ELOOP);
        assert_null(h->views);
        assert_string_equal(h->why, "/a/b: a symbolic link is in the way, which is not followed");
}

static void error_is_told_with_the_path(void **state) {
        Helped *h = *state;
        char expected[400];
        wants(h, ROLE_REQUIRED, long_name(), "a");
        assert_int_equal(view(h), -ENAMETOOLONG);
        (void) snprintf(expected, sizeof(expected), "%s: File name too long", long_name());
        assert_string_equal(h->why, expected);
}

static void misc_file_that_cannot_be_examined_counts_as_different(void **state) {
        Helped *h = *state;
        wants(h, ROLE_MISC, long_name(), "a");
        wants(h, ROLE_MISC, "/b", "b");
        scratch_write(h->s, "b", "b");
        stands(h, STANDING_OTHER);
        assert_int_equal(h->views[1].standing, STANDING_EQUAL);
}

static void lack_of_resources_is_an_error_for_every_role(void **state) {
        static const int errors[] = {ENOMEM, EINTR, EMFILE, ENFILE};
        Helped *h = *state;
        wants(h, ROLE_MISC, "/a", "right");
        keep(&h->record.kept, ROLE_ENTRY, "/a", BOOT_BEFORE)->size = 5;
        scratch_write(h->s, "a", "right");
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                kernel.error = errors[i];
                assert_int_equal(view(h), -errors[i]);
                assert_int_equal(look_at_kept(h->s->fd, &h->record), -errors[i]);
        }
}

/* without descriptors nothing is known about a file, neither that it is missing nor that it differs */
static void lack_of_descriptors_is_an_error_for_every_role(void **state) {
        static const CopyRole roles[] = {ROLE_REQUIRED, ROLE_MISC};
        Helped *h = *state;
        scratch_write(h->s, "a", "right");
        for (size_t i = 0; i < ELEMENTSOF(roles); i++) {
                wanted_set_done(&h->wanted);
                wants(h, roles[i], "/a", "right");
                assert_int_equal(WITH_DESCRIPTORS(0, view(h)), -EMFILE);
                assert_string_equal(h->why, "/a: Too many open files");
                assert_int_equal(WITH_DESCRIPTORS(1, view(h)), -EMFILE);
                assert_int_equal(WITH_DESCRIPTORS(2, view(h)), 0);
        }
}

static void interrupt_ends_reading(void **state) {
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "right");
        scratch_write(h->s, "a", "right");
        assert_int_equal(interrupt_new(&h->look.interrupt), 0);
        stands(h, STANDING_EQUAL);
        assert_int_equal(raise(SIGTERM), 0);
        assert_int_equal(view(h), -EINTR);
        assert_null(h->views);
        (void) interrupt_free(h->look.interrupt);
}

static void file_of_one_sector_is_seen_as_such(void **state) {
        static const struct {
                const char *command;
                bool sector;
        } cases[] = {
                {"truncate -s 512 a", true},
                {"truncate -s 511 a", false},
                {"truncate -s 513 a", false},
                {"truncate -s 512 a && ln a b", false}, /* it must not change under another name */
        };
        Helped *h = *state;
        wants(h, ROLE_REQUIRED, "/a", "of any size");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                shell("cd %s && rm -f a b && %s", h->s->path, cases[i].command);
                stands(h, STANDING_OTHER);
                assert_int_equal(h->views[0].sector, cases[i].sector);
        }
        char text[ENTRY_SECTOR + 1] = {};
        memset(text, '\n', ENTRY_SECTOR);
        shell("rm %s/b", h->s->path);
        scratch_write(h->s, "a", text);
        wanted_set_done(&h->wanted);
        wants(h, ROLE_ENTRY, "/a", text);
        stands(h, STANDING_EQUAL);
        assert_true(h->views[0].sector);
}

/* ---- the entries of the record ---- */

static void entries_are_seen_as_they_are_now(void **state) {
        Helped *h = *state;
        carries(h, ROLE_REQUIRED, "/linux", "linux");
        carries(h, ROLE_ENTRY, "/none.conf", "none");
        carries(h, ROLE_ENTRY, "/a.conf", "as recorded");
        carries(h, ROLE_ENTRY, "/d/b.conf", "b");
        scratch_write(h->s, "linux", "linux");
        scratch_write(h->s, "a.conf", "as it is");
        scratch_write(h->s, "d/b.conf", "b");
        assert_int_equal(look_at_entries(&h->look, &h->seen), 0);
        assert_int_equal(h->seen.n, 2);
        assert_string_equal(h->seen.items[0].path, "/a.conf");
        assert_string_equal(h->seen.items[0].text, "as it is");
        assert_int_equal(h->seen.items[0].size, strlen("as it is"));
        assert_string_equal(h->seen.items[0].boot, BOOT_BEFORE);
        assert_string_equal(h->seen.items[1].path, "/d/b.conf");
}

static void only_the_entries_of_the_record_are_seen(void **state) {
        Helped *h = *state;
        carries(h, ROLE_ENTRY, "/a.conf", "a");
        carries(h, ROLE_ENTRY, "/b.conf", "b");
        scratch_write(h->s, "a.conf", "a");
        scratch_write(h->s, "b.conf", "b");
        h->record.carried.n = 1;
        assert_int_equal(look_at_entries(&h->look, &h->seen), 0);
        assert_int_equal(h->seen.n, 1);
        h->record.carried.n = 2; /* for it to be freed */
}

static void only_regular_files_of_limited_size_are_entries(void **state) {
        Helped *h = *state;
        carries(h, ROLE_ENTRY, "/fifo", "");
        carries(h, ROLE_ENTRY, "/link", "");
        carries(h, ROLE_ENTRY, "/directory", "");
        carries(h, ROLE_ENTRY, "/large", "");
        carries(h, ROLE_ENTRY, "/largest", "");
        scratch_write(h->s, "a", "a");
        shell("cd %s && mkfifo fifo && ln -s a link && mkdir directory && truncate -s %u large && truncate "
              "-s %u "
              "largest",
              h->s->path, ENTRY_SIZE_MAX + 1, ENTRY_SIZE_MAX);
        assert_int_equal(look_at_entries(&h->look, &h->seen), 0);
        assert_int_equal(h->seen.n, 1);
        assert_string_equal(h->seen.items[0].path, "/largest");
        assert_int_equal(h->seen.items[0].size, ENTRY_SIZE_MAX);
}

static void entries_that_cannot_be_examined_are_an_error(void **state) {
        Helped *h = *state;
        carries(h, ROLE_ENTRY, "/a.conf", "a");
        scratch_write(h->s, "a.conf", "a");
        assert_int_equal(WITH_DESCRIPTORS(0, look_at_entries(&h->look, &h->seen)), -EMFILE);
        assert_int_equal(WITH_DESCRIPTORS(1, look_at_entries(&h->look, &h->seen)), -EMFILE);
        assert_int_equal(h->seen.n, 0);
        assert_int_equal(WITH_DESCRIPTORS(2, look_at_entries(&h->look, &h->seen)), 0);
}

/* ---- what is kept ---- */

/* The record keeps PATH with SIZE bytes, those of its name if it is an entry. */
static void keeps(Helped *h, CopyRole role, const char *path, uint64_t size) {
        keep(&h->record.kept, role, path, BOOT_BEFORE)->size = size;
}

static void kept_files_that_do_not_stand_are_ours(void **state) {
        Helped *h = *state;
        assert_int_equal(strv_extend(&h->record.ours, "/left"), 0);
        keeps(h, ROLE_REQUIRED, "/none", 4);
        keeps(h, ROLE_REQUIRED, "/d/linux", 4);
        keeps(h, ROLE_REQUIRED, "/short", 4);
        keeps(h, ROLE_REQUIRED, "/folder", 4096);
        keeps(h, ROLE_REQUIRED, "/link/linux", 4);
        keeps(h, ROLE_MISC, "/misc", 4);
        scratch_write(h->s, "d/linux", "1234");
        scratch_write(h->s, "short", "123");
        scratch_write(h->s, "misc", "1234");
        shell("cd %s && mkdir folder && truncate -s 4096 folder/x && ln -s d link", h->s->path);
        assert_int_equal(look_at_kept(h->s->fd, &h->record), 0);
        assert_int_equal(h->record.kept.n, 2);
        assert_string_equal(h->record.kept.items[0].path, "/d/linux");
        assert_string_equal(h->record.kept.items[1].path, "/misc");
        assert_list(h->record.ours, "/left", "/none", "/short", "/folder", "/link/linux");
}

/* its name says nothing about its content */
static void kept_entry_stands_only_with_its_content(void **state) {
        Helped *h = *state;
        keeps(h, ROLE_ENTRY, "/a", 2);
        keeps(h, ROLE_ENTRY, "/b", 2);
        keeps(h, ROLE_ENTRY, "/c", 2);
        scratch_write(h->s, "a", "/a");
        scratch_write(h->s, "b", "/?");
        scratch_write(h->s, "c", "/c and more");
        assert_int_equal(look_at_kept(h->s->fd, &h->record), 0);
        assert_int_equal(h->record.kept.n, 1);
        assert_string_equal(h->record.kept.items[0].path, "/a");
        assert_list(h->record.ours, "/b", "/c");
}

static void kept_entry_that_cannot_be_read_does_not_stand(void **state) {
        Helped *h = *state;
        keeps(h, ROLE_ENTRY, "/a", 2);
        h->record.kept.items[0].content = (Fingerprint){};
        scratch_write(h->s, "a", "/a");
        kernel.error = EIO;
        assert_int_equal(look_at_kept(h->s->fd, &h->record), 0);
        assert_int_equal(h->record.kept.n, 0);
        assert_list(h->record.ours, "/a");
}

static void file_larger_than_any_entry_is_none(void **state) {
        Helped *h = *state;
        static const size_t sizes[] = {ENTRY_SIZE_MAX, ENTRY_SIZE_MAX + 1};
        static const char *const paths[] = {"/a", "/b"};
        char *text = calloc(1, ENTRY_SIZE_MAX + 2);
        assert_non_null(text);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                memset(text, 'x', sizes[i]);
                scratch_write(h->s, paths[i] + 1, text);
                keeps(h, ROLE_ENTRY, paths[i], sizes[i]);
                h->record.kept.items[i].content = content(text);
        }
        free(text);
        assert_int_equal(look_at_kept(h->s->fd, &h->record), 0);
        assert_int_equal(h->record.kept.n, 1);
        assert_list(h->record.ours, "/b");
}

static void kept_files_that_cannot_be_examined_stay_kept(void **state) {
        Helped *h = *state;
        keeps(h, ROLE_REQUIRED, "/none", 2);
        keeps(h, ROLE_ENTRY, "/a", 2);
        scratch_write(h->s, "a", "/a");
        assert_int_equal(strv_extend(&h->record.ours, "/left"), 0);
        for (unsigned left = 0; left < 2; left++) {
                assert_int_equal(WITH_DESCRIPTORS(left, look_at_kept(h->s->fd, &h->record)), -EMFILE);
                assert_int_equal(h->record.kept.n, 2);
                assert_list(h->record.ours, "/left");
        }
        assert_int_equal(WITH_DESCRIPTORS(2, look_at_kept(h->s->fd, &h->record)), 0);
        assert_int_equal(h->record.kept.n, 1);
}

static void nothing_kept_leaves_what_is_ours(void **state) {
        Helped *h = *state;
        assert_int_equal(look_at_kept(h->s->fd, &h->record), 0);
        assert_null(h->record.ours);
}

/* ---- what is ours ---- */

static void own_files_are_seen_if_they_are_regular(void **state) {
        Helped *h = *state;
        static const char *const ours[] = {"/none", "/d/linux", "/folder", "/a.conf", "/b.conf", "/other"};
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                assert_int_equal(strv_extend(&h->record.ours, ours[i]), 0);
        wants(h, ROLE_ENTRY, "/A.conf", "wanted");
        wants(h, ROLE_REQUIRED, "/d/linux", "1234");
        scratch_write(h->s, "d/linux", "1234");
        scratch_write(h->s, "a.conf", "as it is");
        scratch_write(h->s, "b.conf", "no wanted entry");
        shell("mkdir %s/folder && ln -s a.conf %s/other", h->s->path, h->s->path);
        assert_int_equal(look_at_ours(&h->look, &h->wanted, &h->seen), 0);
        assert_int_equal(h->seen.n, 3);
        const SeenFile *f = h->seen.items;
        assert_string_equal(f[0].path, "/d/linux");
        assert_int_equal(f[0].size, 4);
        assert_null(f[0].text);
        assert_string_equal(f[1].path, "/a.conf");
        assert_int_equal(f[1].size, strlen("as it is"));
        assert_string_equal(f[1].text, "as it is");
        assert_string_equal(f[2].path, "/b.conf");
        assert_int_equal(f[2].size, strlen("no wanted entry"));
        assert_null(f[2].text);
}

static void record_without_own_files_shows_none(void **state) {
        Helped *h = *state;
        assert_int_equal(look_at_ours(&h->look, &h->wanted, &h->seen), 0);
        assert_int_equal(h->seen.n, 0);
}

static void own_entry_that_is_too_large_is_seen_without_text(void **state) {
        Helped *h = *state;
        assert_int_equal(strv_extend(&h->record.ours, "/a.conf"), 0);
        wants(h, ROLE_ENTRY, "/a.conf", "wanted");
        shell("truncate -s %u %s/a.conf", ENTRY_SIZE_MAX + 1, h->s->path);
        assert_int_equal(look_at_ours(&h->look, &h->wanted, &h->seen), 0);
        assert_int_equal(h->seen.n, 1);
        assert_int_equal(h->seen.items[0].size, ENTRY_SIZE_MAX + 1);
        assert_null(h->seen.items[0].text);
}

static void own_files_that_cannot_be_examined_are_an_error(void **state) {
        Helped *h = *state;
        assert_int_equal(strv_extend(&h->record.ours, "/a.conf"), 0);
        wants(h, ROLE_ENTRY, "/a.conf", "wanted");
        scratch_write(h->s, "a.conf", "a");
        for (unsigned left = 0; left < 3; left++)
                assert_int_equal(WITH_DESCRIPTORS(left, look_at_ours(&h->look, &h->wanted, &h->seen)),
                                 -EMFILE);
        assert_int_equal(h->seen.n, 0);
        assert_int_equal(WITH_DESCRIPTORS(3, look_at_ours(&h->look, &h->wanted, &h->seen)), 0);
        assert_int_equal(h->seen.n, 1);
}

static void looking_at_own_files_reports_progress(void **state) {
        Helped *h = *state;
        char *said = NULL;
        size_t size = 0;
        Progress progress = {.f = open_memstream(&said, &size)};
        assert_non_null(progress.f);
        h->look.progress = &progress;
        assert_int_equal(strv_extend(&h->record.ours, "/none"), 0);
        assert_int_equal(look_at_ours(&h->look, &h->wanted, &h->seen), 0);
        assert_int_equal(fclose(progress.f), 0);
        assert_string_equal(said, "PROGRESS 0 0\n");
        free(said);
}

/* ---- space ---- */

static void space_is_what_is_available_to_us_in_bytes(void **state) {
        static const struct {
                struct statvfs st;
                uint64_t block, available;
        } cases[] = {
                {{.f_bsize = 3, .f_frsize = 512, .f_bfree = 5, .f_bavail = 4}, 512, 2048},
                {{.f_frsize = 1, .f_bavail = 4}, 1, 4},
                {{.f_frsize = 0, .f_bavail = 4}, 1, 0}, /* as no file system should say */
                {{.f_frsize = 1UL << 20, .f_bavail = 1UL << 20}, 1 << 20, UINT64_C(1) << 40},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t block = 0, available = 0;
                struct statvfs st = cases[i].st;
                kernel.space = &st;
                assert_int_equal(look_at_space(0, &block, &available), 0);
                assert_int_equal(block, cases[i].block);
                assert_int_equal(available, cases[i].available);
        }
}

static void space_of_a_helper_that_is_gone_is_an_error(void **state) {
        uint64_t block = 77, available = 77;
        kernel.space_error = EIO;
        assert_int_equal(look_at_space(0, &block, &available), -EIO);
        assert_true(block == 77 && available == 77);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                helped_test(missing_file_is_absent),
                helped_test(nothing_wanted_is_an_empty_view),
                helped_test(file_that_the_record_vouches_for_is_not_read),
                helped_test(file_that_nobody_vouches_for_is_read),
                helped_test(empty_file_can_be_equal),
                helped_test(unreadable_file_counts_as_different),
                helped_test(record_of_other_content_does_not_vouch),
                helped_test(record_does_not_vouch_after_an_interrupted_build),
                helped_test(record_does_not_vouch_where_all_is_to_be_read),
                helped_test(files_are_read_from_the_disk_without_following_or_waiting),
                helped_test(only_a_regular_file_is_the_wanted_one),
                helped_test(directory_in_the_place_of_a_file_blocks_it),
                helped_test(file_in_the_place_of_a_directory_blocks_what_is_in_it),
                helped_test(link_in_the_way_is_not_followed),
                helped_test(error_is_told_with_the_path),
                helped_test(misc_file_that_cannot_be_examined_counts_as_different),
                helped_test(lack_of_resources_is_an_error_for_every_role),
                helped_test(lack_of_descriptors_is_an_error_for_every_role),
                helped_test(interrupt_ends_reading),
                helped_test(file_of_one_sector_is_seen_as_such),
                helped_test(entries_are_seen_as_they_are_now),
                helped_test(only_the_entries_of_the_record_are_seen),
                helped_test(only_regular_files_of_limited_size_are_entries),
                helped_test(entries_that_cannot_be_examined_are_an_error),
                helped_test(kept_files_that_do_not_stand_are_ours),
                helped_test(kept_entry_stands_only_with_its_content),
                helped_test(kept_entry_that_cannot_be_read_does_not_stand),
                helped_test(file_larger_than_any_entry_is_none),
                helped_test(kept_files_that_cannot_be_examined_stay_kept),
                helped_test(nothing_kept_leaves_what_is_ours),
                helped_test(own_files_are_seen_if_they_are_regular),
                helped_test(record_without_own_files_shows_none),
                helped_test(own_entry_that_is_too_large_is_seen_without_text),
                helped_test(own_files_that_cannot_be_examined_are_an_error),
                helped_test(looking_at_own_files_reports_progress),
                helped_test(space_is_what_is_available_to_us_in_bytes),
                helped_test(space_of_a_helper_that_is_gone_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
