/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/outputs.h"

#include "buildworld.h"
#include "interpose.h"

#define OUTPUTS(a, b)                                                                                        \
        "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"" a "\"/><output path=\"" b   \
        "\"/></cache>"

static struct {
        Synced synced, synced_whole; /* by fsync, by syncfs */
        const char *failing;         /* calls of this name fail */
        bool follows;                /* something was opened through a link, or could block */
} meanwhile;

static bool call_fails(const char *name) {
        errno = EIO;
        return meanwhile.failing && streq(meanwhile.failing, name);
}

int fsync(int fd) {
        struct stat st;
        synced_note(&meanwhile.synced, fd);
        assert_int_equal(fstat(fd, &st), 0);
        return call_fails(S_ISDIR(st.st_mode) ? "fsync directory" : "fsync") ? -1 : 0;
}

int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf) {
        return call_fails("statx") ? -1 : REAL(statx)(dirfd, path, flags, mask, buf);
}

int syncfs(int fd) {
        synced_note(&meanwhile.synced_whole, fd);
        return call_fails("syncfs") ? -1 : 0;
}

int openat64(int fd, const char *file, int oflag, ...) {
        const int always = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        meanwhile.follows |= (oflag & always) != always;
        return REAL(openat64)(fd, file, oflag);
}

typedef struct World {
        BuildWorld b;
        Outputs outputs;
        char *reason;
        Scratch *s;
} World;

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        memset(&meanwhile, 0, sizeof(meanwhile));
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        buildworld_start(&w->b, w->s, OUTPUTS("/boot/initrd", "/lib/cache/tree"));
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        outputs_done(&w->outputs);
        free(w->reason);
        buildworld_end(&w->b);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

static int prepare(World *w) {
        outputs_done(&w->outputs);
        memset(&meanwhile, 0, sizeof(meanwhile));
        return outputs_prepare(&w->b.context, &w->b.plan->caches[0], &w->outputs, &w->reason);
}

/* Nothing else was synced, neither by itself nor with its whole file system. */
static void assert_synced(const World *w, size_t n, size_t n_whole) {
        assert_int_equal(meanwhile.synced.n, n);
        assert_int_equal(meanwhile.synced_whole.n, n_whole);
        assert_true(synced_has(&meanwhile.synced, w->s, "v/boot/initrd"));
        assert_true(synced_has(&meanwhile.synced, w->s, "v/boot"));
        assert_true(synced_has(&meanwhile.synced, w->s, "v/lib/cache"));
}

static int settle(World *w) {
        memset(&meanwhile, 0, sizeof(meanwhile));
        return outputs_settle(&w->b.context, &w->outputs, &w->reason);
}

static void write_both(World *w, const char *text) {
        scratch_write(w->s, "v/boot/initrd", text);
        scratch_write(w->s, "v/lib/cache/tree/file", text);
}

static void what_was_built_is_made_durable(void **state) {
        World *w = *state;
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(prepare(w), 0);
                assert_int_equal(strv_length(w->outputs.paths), 2);
                assert_string_equal(w->outputs.paths[0], "/boot/initrd");
                assert_string_equal(w->outputs.paths[1], "/lib/cache/tree");
                write_both(w, i == 0 ? "new" : "newer");
                assert_int_equal(settle(w), 0);
                assert_synced(w, 3, 1);
                assert_true(synced_has(&meanwhile.synced_whole, w->s, "v/lib/cache/tree"));
                assert_false(meanwhile.follows);
        }
        assert_null(w->reason);
}

/* Others may read them. */
static void the_directories_of_outputs_are_made(void **state) {
        World *w = *state;
        struct stat st;
        mode_t old = umask(0);
        assert_int_equal(prepare(w), 0);
        (void) umask(old);
        assert_int_equal(fstatat(w->s->fd, "v/lib/cache", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        assert_int_equal(faccessat(w->s->fd, "v/lib/cache/tree", F_OK, 0), -1);
}

static void what_was_not_built_is_named(void **state) {
        World *w = *state;
        assert_int_equal(prepare(w), 0);
        assert_int_equal(settle(w), -ENODATA);
        assert_string_equal(w->reason, "the builder reported success but did not write /boot/initrd");
        scratch_write(w->s, "v/boot/initrd", "x");
        assert_int_equal(settle(w), -ENODATA);
        assert_string_equal(w->reason, "the builder reported success but did not write /lib/cache/tree");
        write_both(w, "x");
        assert_int_equal(prepare(w), 0);
        assert_int_equal(settle(w), -ENODATA);
        assert_string_equal(w->reason, "the builder reported success but did not refresh /boot/initrd");
        scratch_write(w->s, "v/boot/initrd", "xy");
        assert_int_equal(settle(w), -ENODATA);
        assert_string_equal(w->reason, "the builder reported success but did not refresh /lib/cache/tree");
}

/* With the same size, and the time of another file. */
static void what_was_written_as_it_was_before_is_refreshed(void **state) {
        World *w = *state;
        write_both(w, "x");
        shell("touch -d 2001-01-01 %s/v/boot/initrd", w->s->path);
        assert_int_equal(prepare(w), 0);
        write_both(w, "y");
        shell("touch -d 2001-01-01 %s/v/boot/initrd", w->s->path);
        assert_int_equal(settle(w), 0);
}

static void assert_unfit(World *w, const char *preparation, int r, const char *reason) {
        shell("cd %s/v && rm -rf * && mkdir -p boot lib/cache && %s", w->s->path, preparation);
        w->outputs = OUTPUTS_NULL;
        int got = prepare(w);
        if (got != r)
                fail_msg("%s: %i", preparation, got);
        assert_string_equal(w->reason, reason);
        assert_null(w->outputs.paths);
        assert_null(w->outputs.before);
}

static void what_no_builder_makes_is_not_built_over(void **state) {
        World *w = *state;
        assert_unfit(w, "ln -s x boot/initrd", -ELOOP,
                     "/boot/initrd is a symbolic link; outputs are not written through links");
        assert_unfit(w, "rm -r boot && ln -s . boot", -ELOOP,
                     "/boot is a symbolic link; outputs are not written through links");
        assert_unfit(w, "rm -r lib/cache && mkdir x && ln -s ../x lib/cache", -ELOOP,
                     "/lib/cache is a symbolic link; outputs are not written through links");
        assert_unfit(w, "mkfifo boot/initrd", -EINVAL,
                     "/boot/initrd is neither a regular file nor a directory");
        assert_unfit(w, "mkfifo lib/cache/tree", -EINVAL,
                     "/lib/cache/tree is neither a regular file nor a directory");
        assert_unfit(w, "rm -r boot && echo >boot", -ENOTDIR,
                     "cannot open the directory of /boot/initrd: Not a directory");
}

static void outputs_are_not_written_across_mounts(void **state) {
        World *w = *state;
        scratch_unshare(w->s);
        shell("mkdir -p %s/v/boot && mount -t tmpfs tmpfs %s/v/boot", w->s->path, w->s->path);
        close(w->b.root.fd);
        w->b.root.fd = openat(w->s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = prepare(w);
        shell("umount %s/v/boot", w->s->path);
        assert_int_equal(r, -EXDEV);
        assert_string_equal(w->reason,
                            "/boot/initrd is not on the volume: outputs are not written across mounts");
}

static void a_place_that_cannot_be_looked_at_is_named(void **state) {
        char manifest[1024], name[301] = "", expected[512];
        World *w = *state;
        memset(name, 'x', sizeof(name) - 1);
        (void) snprintf(
                manifest, sizeof(manifest),
                "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"/%%%%d%s\"/></cache>",
                name);
        buildworld_want(&w->b, manifest);
        assert_int_equal(prepare(w), -ENAMETOOLONG);
        (void) snprintf(expected, sizeof(expected), "/%%d%s: File name too long", name);
        assert_string_equal(w->reason, expected);
}

static void an_output_that_cannot_be_read_is_named(void **state) {
        World *w = *state;
        buildworld_want(
                &w->b,
                "<cache name=\"c\" builder=\"b\"><source path=\"/src\"/><output path=\"/%%d\"/></cache>");
        assert_int_equal(prepare(w), 0);
        assert_string_equal(w->outputs.paths[0], "/%d");
        scratch_write(w->s, "v/%d", "x");
        memset(&meanwhile, 0, sizeof(meanwhile));
        meanwhile.failing = "statx";
        assert_int_equal(outputs_settle(&w->b.context, &w->outputs, &w->reason), -EIO);
        assert_string_equal(w->reason, "/%d: Input/output error");
        outputs_done(&w->outputs);
        assert_true(!w->outputs.paths && !w->outputs.before);
        int r = outputs_prepare(&w->b.context, &w->b.plan->caches[0], &w->outputs, &w->reason);
        meanwhile.failing = NULL;
        assert_int_equal(r, -EIO);
        assert_string_equal(w->reason, "/%d: Input/output error");
}

/* A builder may put anything there. */
static void what_a_builder_made_of_its_output_is_looked_at_again(void **state) {
        World *w = *state;
        assert_int_equal(prepare(w), 0);
        write_both(w, "x");
        shell("cd %s/v/boot && mv initrd other && ln -s other initrd", w->s->path);
        assert_int_equal(settle(w), -ELOOP);
        assert_string_equal(w->reason,
                            "/boot/initrd is a symbolic link; outputs are not written through links");
        assert_int_equal(meanwhile.synced.n, 0);
}

static void what_cannot_be_made_durable_is_not_built(void **state) {
        static const char *const calls[] = {"fsync", "fsync directory", "syncfs"};
        World *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                shell("rm -rf %s/v/*", w->s->path);
                assert_int_equal(prepare(w), 0);
                write_both(w, "x");
                memset(&meanwhile, 0, sizeof(meanwhile));
                meanwhile.failing = calls[i];
                assert_int_equal(outputs_settle(&w->b.context, &w->outputs, &w->reason), -EIO);
                assert_string_equal(w->reason, i < 2 ? "cannot sync /boot/initrd: Input/output error"
                                                     : "cannot sync /lib/cache/tree: Input/output error");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(what_was_built_is_made_durable),
                world_test(the_directories_of_outputs_are_made),
                world_test(what_was_not_built_is_named),
                world_test(what_was_written_as_it_was_before_is_refreshed),
                world_test(what_no_builder_makes_is_not_built_over),
                world_test(outputs_are_not_written_across_mounts),
                world_test(a_place_that_cannot_be_looked_at_is_named),
                world_test(an_output_that_cannot_be_read_is_named),
                world_test(what_a_builder_made_of_its_output_is_looked_at_again),
                world_test(what_cannot_be_made_durable_is_not_built),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
