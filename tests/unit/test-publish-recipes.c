/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of what is done to the disk, and what happens when one of these calls fails. What is there
 * afterwards is test-publish.c's. */

#include "builder/transaction/publish.h"

#include <sys/random.h>

#include "helper/entry.h"
#include "interpose.h"

#define ALWAYS (O_NOFOLLOW | O_CLOEXEC)
#define OF_STRANGERS (ALWAYS | O_NONBLOCK | O_NOCTTY)

static struct {
        const Scratch *watched; /* NULL: nothing is recorded */
        char done[1024];        /* what was done, in order */
        const char *failing;    /* calls of this name fail */
        unsigned n_passing;     /* except for as many at first */
        unsigned n_failed;
        int error;
        unsigned n_interrupted;  /* this many reads are interrupted first */
        unsigned n_same_numbers; /* this many random numbers are the same */
        unsigned n_random;       /* numbers were drawn */
        bool bad_flags,
                bad_random; /* a call that could follow a link, block, …; a number that may not be random */
        size_t sector_written; /* at once; 0: as much as was asked for */
} world;

static bool call_fails(const char *name) {
        if (!world.watched || !world.failing || !streq(world.failing, name))
                return false;
        if (world.n_passing > 0) {
                world.n_passing--;
                return false;
        }
        world.n_failed++;
        errno = world.error;
        return true;
}

/* The name of what FD is open for, below the scratch folder; a temporary is "T". NULL: something else. */
static const char *name_of(int fd, char name[static 256]) {
        char link[64], path[256] = "";
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        if (readlink(link, path, sizeof(path) - 1) < 0)
                return NULL;
        const char *below = startswith(path, world.watched->path);
        if (!below)
                return NULL;
        char *temporary = strstr(path, ".bootkeep-");
        if (temporary)
                memcpy(temporary, "T", 2);
        (void) snprintf(name, 256, "%s", *below ? below + 1 : ".");
        return name;
}

/* Is a file open that has no name any more? */
static bool is_something_held(void) {
        char name[256];
        for (int fd = 3; fd < 64; fd++)
                if (name_of(fd, name) && strstr(name, " (deleted)"))
                        return true;
        return false;
}

static void record(const char *what, int fd, const char *more) {
        char name[256];
        if (!world.watched || !name_of(fd, name))
                return;
        size_t n = strlen(world.done);
        (void) snprintf(world.done + n, sizeof(world.done) - n, "%s%s %s%s%s", n > 0 ? "; " : "", what, name,
                        *more ? "/" : "", strstr(more, ".bootkeep-") ? "T" : more);
}

int openat64(int fd, const char *file, int oflag, ...) {
        mode_t mode = 0;
        if (oflag & O_CREAT) {
                va_list ap;
                va_start(ap, oflag);
                mode = va_arg(ap, mode_t);
                va_end(ap);
                record("create", fd, file);
        }
        int expected = oflag & (O_CREAT | O_PATH) ? ALWAYS : OF_STRANGERS;
        world.bad_flags |= world.watched && (oflag & expected) != expected;
        if (call_fails(oflag & O_CREAT ? "create" : oflag & O_PATH ? "hold" : "open"))
                return -1;
        return REAL(openat64)(fd, file, oflag, mode);
}

/* What -D_FORTIFY_SOURCE makes of a call without a mode. */
int __openat64_2(int fd, const char *file, int oflag);
int __openat64_2(int fd, const char *file, int oflag) {
        return openat64(fd, file, oflag);
}

int fsync(int fd) {
        record(world.watched && is_something_held() ? "hold and sync" : "sync", fd, "");
        return call_fails("fsync") ? -1 : REAL(fsync)(fd);
}

ssize_t write(int fd, const void *buf, size_t n) {
        char name[256];
        if (!world.watched || !name_of(fd, name))
                return REAL(write)(fd, buf, n);
        record("write", fd, "");
        return call_fails("write") ? -1 : REAL(write)(fd, buf, n);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset) {
        record("write", fd, "");
        assert_int_equal(offset, 0);
        if (call_fails("pwrite"))
                return -1;
        return REAL(pwrite64)(fd, buf, world.sector_written > 0 ? world.sector_written : n, offset);
}

ssize_t pread64(int fd, void *buf, size_t nbytes, off_t offset) {
        if (world.n_interrupted > 0) {
                world.n_interrupted--;
                errno = EINTR;
                return -1;
        }
        return call_fails("pread") ? -1 : REAL(pread64)(fd, buf, nbytes, offset);
}

int posix_fadvise64(int fd, off_t offset, off_t len, int advise) {
        assert_true(offset == 0 && len == 0); /* all of it */
        record(advise == POSIX_FADV_DONTNEED     ? "forget"
               : advise == POSIX_FADV_SEQUENTIAL ? "run through"
                                                 : "advise",
               fd, "");
        return 0;
}

int renameat(int oldfd, const char *old, int newfd, const char *new) {
        assert_non_null(startswith(old, ".bootkeep-"));
        record("rename", newfd, new);
        return REAL(renameat)(oldfd, old, newfd, new);
}

int unlinkat(int fd, const char *name, int flag) {
        record(flag & AT_REMOVEDIR ? "remove directory" : "remove", fd, name);
        return call_fails("unlink") ? -1 : REAL(unlinkat)(fd, name, flag);
}

int fstat(int fd, struct stat *buf) {
        return call_fails("fstat") ? -1 : REAL(fstat)(fd, buf);
}

DIR *fdopendir(int fd) {
        return call_fails("fdopendir") ? NULL : REAL(fdopendir)(fd);
}

struct dirent *readdir(DIR *dirp) {
        return call_fails("readdir") ? NULL : REAL(readdir)(dirp);
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
        if (call_fails("getrandom"))
                return -1;
        world.bad_random |= flags != 0 || length != sizeof(uint32_t);
        *(uint32_t *) buffer = ++world.n_random <= world.n_same_numbers ? 0x01234567 : 0x89abcdef;
        return sizeof(uint32_t);
}

static void watch(const Scratch *s) {
        memset(&world, 0, sizeof(world));
        world.watched = s;
}

/* The rest of what is done is not of the recipe. */
static void assert_done(const char *expected) {
        world.watched = NULL;
        assert_string_equal(world.done, expected);
        assert_false(world.bad_flags);
        assert_false(world.bad_random);
}

static int world_teardown(void **state) {
        memset(&world, 0, sizeof(world));
        return scratch_teardown(state);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, world_teardown)

static bool is_there(const Scratch *s, const char *name) {
        return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

/* ---- the recipes ---- */

static int stage_text(const Scratch *s) {
        _cleanup_free_ char *temporary = NULL;
        return publish_stage_text(s->fd, "/d/new", "text", 4, &temporary);
}

static int stage_file(const Scratch *s) {
        _cleanup_close_ int source =
                openat(s->fd, "source", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        _cleanup_free_ char *temporary = NULL;
        Fingerprint content;
        return publish_stage_file(s->fd, "/d/new", &(PublishSource){source, NULL}, &content, &temporary);
}

static int rename_to_new(const Scratch *s) {
        return publish_rename(s->fd, "/d/.bootkeep-00000000.tmp", "/d/new");
}

static int rename_to_old(const Scratch *s) {
        return publish_rename(s->fd, "/d/.bootkeep-00000000.tmp", "/d/old");
}

static int overwrite_sector(const Scratch *s) {
        char text[ENTRY_SECTOR];
        memset(text, 'n', sizeof(text));
        return publish_overwrite(s->fd, "/d/sector", text);
}

static int adopt(const Scratch *s) {
        return publish_adopt(s->fd, "/d/old");
}

static int remove_old(const Scratch *s) {
        return publish_remove(s->fd, "/d/old");
}

static int remove_directory(const Scratch *s) {
        return publish_remove_directory(s->fd, "/d/empty");
}

static int sweep(const Scratch *s) {
        return publish_sweep(s->fd, "/d/new");
}

static int flush(const Scratch *s) {
        return publish_flush(s->fd);
}

static void fill_folder(const Scratch *s) {
        char sector[ENTRY_SECTOR + 1] = "";
        memset(sector, 'o', ENTRY_SECTOR);
        scratch_write(s, "source", "text");
        scratch_write(s, "d/old", "old");
        scratch_write(s, "d/sector", sector);
        scratch_write(s, "d/.bootkeep-00000000.tmp", "new");
        shell("mkdir -p %s/d/empty", s->path);
}

static void each_recipe_keeps_its_order(void **state) {
        static const struct {
                int (*recipe)(const Scratch *s);
                int r;
                const char *done;
        } cases[] = {
                {stage_text, 0, "create d/T; write d/T; sync d/T; forget d/T"},
                {stage_file, 0, "create d/T; run through source; write d/T; sync d/T; forget d/T"},
                {rename_to_new, 0, "rename d/new; sync d/new; sync d"},
                {rename_to_old, 0, "rename d/old; hold and sync d; hold and sync d/old; hold and sync d"},
                {overwrite_sector, 0, "write d/sector; sync d/sector"},
                {adopt, 0, "sync d/old; sync d"},
                {remove_old, 0, "remove d/old; hold and sync d"},
                {remove_directory, 1, "remove directory d/empty; sync d"},
                {sweep, 0, "remove d/T"},
                {flush, 0, "sync ."},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fill_folder(s);
                watch(s);
                assert_int_equal(cases[i].recipe(s), cases[i].r);
                assert_done(cases[i].done);
                shell("rm -rf %s/d", s->path);
        }
}

static void each_failure_is_told_and_ends_the_recipe(void **state) {
        static const struct {
                int (*recipe)(const Scratch *s);
                const char *call;
                unsigned n; /* calls that can fail */
        } cases[] = {
                {stage_text, "getrandom", 1},
                {stage_text, "create", 1},
                {stage_text, "write", 1},
                {stage_text, "fsync", 1},
                {stage_file, "pread", 2},
                {stage_file, "write", 1},
                {rename_to_old, "open", 1},
                {rename_to_old, "fstat", 1},
                {rename_to_old, "hold", 1},
                {rename_to_old, "fsync", 3},
                {rename_to_new, "fsync", 2},
                {overwrite_sector, "open", 1},
                {overwrite_sector, "fstat", 1},
                {overwrite_sector, "pwrite", 1},
                {overwrite_sector, "fsync", 1},
                {adopt, "open", 1},
                {adopt, "fsync", 2},
                {remove_old, "hold", 1},
                {remove_old, "unlink", 1},
                {remove_old, "fsync", 1},
                {remove_directory, "unlink", 1},
                {remove_directory, "fsync", 1},
                {sweep, "fdopendir", 1},
                {sweep, "readdir", 7}, /* six names, and the end */
                {sweep, "unlink", 1},
                {flush, "fsync", 1},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (unsigned n = 0; n <= cases[i].n; n++) {
                        fill_folder(s);
                        watch(s);
                        world.failing = cases[i].call;
                        world.n_passing = n;
                        world.error = EIO;
                        int r = cases[i].recipe(s);
                        world.watched = NULL;
                        if (r != (n < cases[i].n ? -EIO : cases[i].recipe == remove_directory))
                                fail_msg("%s %u of case %zu: %i", cases[i].call, n, i, r);
                        assert_int_equal(world.n_failed, n < cases[i].n);
                        shell("rm -rf %s/d", s->path);
                }
}

/* Neither a name nor a file. */
static void what_could_not_be_staged_is_gone(void **state) {
        static const char *const calls[] = {"write", "fsync"};
        const Scratch *s = *state;
        scratch_write(s, "source", "text");
        scratch_write(s, "d/old", "old");
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                char *temporary = NULL;
                watch(s);
                world.failing = calls[i];
                world.error = ENOSPC;
                assert_int_equal(publish_stage_text(s->fd, "/d/new", "text", 4, &temporary), -ENOSPC);
                assert_null(temporary);
                assert_int_equal(stage_file(s), -ENOSPC);
                world.watched = NULL;
                shell("test \"$(ls -A %s/d)\" = old", s->path);
        }
}

static void an_interrupted_read_is_tried_again(void **state) {
        const Scratch *s = *state;
        fill_folder(s);
        watch(s);
        world.n_interrupted = 2;
        assert_int_equal(stage_file(s), 0);
        assert_done("create d/T; run through source; write d/T; sync d/T; forget d/T");
}

/* Nor is it overwritten. */
static void a_name_that_is_taken_is_not_used(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "d/.bootkeep-01234567.tmp", "of another");
        watch(s);
        world.n_same_numbers = 15;
        _cleanup_free_ char *temporary = NULL;
        assert_int_equal(publish_stage_text(s->fd, "/d/new", "text", 4, &temporary), 0);
        assert_string_equal(temporary, "/d/.bootkeep-89abcdef.tmp");
        watch(s);
        world.n_same_numbers = 16;
        assert_int_equal(stage_text(s), -EEXIST);
        world.watched = NULL;
        shell("test \"$(cat %s/d/.bootkeep-01234567.tmp)\" = 'of another'", s->path);
}

static void a_sector_that_is_written_in_part_is_an_error(void **state) {
        const Scratch *s = *state;
        fill_folder(s);
        watch(s);
        world.sector_written = ENTRY_SECTOR - 1;
        assert_int_equal(overwrite_sector(s), -EIO);
        assert_done("write d/sector");
}

/* Others may clean up, too. */
static void what_went_meanwhile_counts_as_removed(void **state) {
        static const int errors[] = {ENOENT, ENOTEMPTY, EEXIST, ENOTDIR, EBUSY},
                         results[] = {1, 0, 0, 0, -EBUSY};
        const Scratch *s = *state;
        fill_folder(s);
        watch(s);
        world.failing = "unlink";
        world.error = ENOENT;
        assert_int_equal(remove_old(s), 0);
        assert_int_equal(sweep(s), 0);
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                world.error = errors[i];
                assert_int_equal(remove_directory(s), results[i]);
        }
        world.watched = NULL;
        assert_true(is_there(s, "d/old"));
        assert_null(strstr(world.done, "sync")); /* there was nothing to make durable */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(each_recipe_keeps_its_order),
                world_test(each_failure_is_told_and_ends_the_recipe),
                world_test(what_could_not_be_staged_is_gone),
                world_test(an_interrupted_read_is_tried_again),
                world_test(a_name_that_is_taken_is_not_used),
                world_test(a_sector_that_is_written_in_part_is_an_error),
                world_test(what_went_meanwhile_counts_as_removed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
