/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/carry.h"

#include <signal.h>
#include <sys/sysmacros.h>

#include "buildworld.h"
#include "fixture.h"
#include "helper/entry.h"
#include "interpose.h"
#include "tree/fingerprint.h"

#define COPY(role, from, to) "<copy role=\"" role "\" from=\"" from "\" to=\"" to "\"/>"

/* Something happens on the volume just before the Nth open of one of its files. */
static struct {
        unsigned n_opens, n;
        void (*happen)(const Scratch *s);
        const Scratch *s;
} meanwhile;

long syscall(long sysno, ...) {
        long a[6];
        va_list ap;
        va_start(ap, sysno);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (sysno == SYS_openat2 && meanwhile.happen && meanwhile.n_opens++ == meanwhile.n)
                meanwhile.happen(meanwhile.s);
        return REAL(syscall)(sysno, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static bool fstat_fails;

int fstat(int fd, struct stat *buf) {
        errno = EIO;
        return fstat_fails ? -1 : REAL(fstat)(fd, buf);
}

typedef struct World {
        BuildWorld b;
        HelperRecord record;
        Carry carry;
        WantedSet wanted;
        char *reason;
        Scratch *s;
} World;

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        buildworld_start(&w->b, w->s, "");
        w->carry = (Carry){.context = &w->b.context, .helper = &w->b.helper, .record = &w->record};
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        memset(&meanwhile, 0, sizeof(meanwhile));
        wanted_set_done(&w->wanted);
        helper_record_done(&w->record);
        free(w->reason);
        buildworld_end(&w->b);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

static int gather(World *w, const char *manifest) {
        if (manifest)
                buildworld_want(&w->b, manifest);
        wanted_set_done(&w->wanted);
        w->wanted = (WantedSet){};
        return carry_gather(&w->carry, &w->wanted, &w->reason);
}

static const WantedFile *gathered(const World *w, size_t i) {
        if (i >= w->wanted.n || !w->wanted.items) {
                fail_msg("only %zu files were gathered", w->wanted.n);
                abort();
        }
        return &w->wanted.items[i];
}

/* The reason for which nothing can be gathered. */
static void assert_refused(World *w, const char *manifest, int r, const char *reason) {
        int got = gather(w, manifest);
        if (got != r)
                fail_msg("%s: %i", manifest, got);
        assert_string_equal(w->reason, reason);
        assert_int_equal(w->wanted.n, 0);
}

static Fingerprint content_of(const char *text) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        hasher_update(h, text, strlen(text));
        return hasher_digest(h);
}

static void assert_file(const WantedFile *f, CopyRole role, const char *source, const char *to,
                        const char *text) {
        Fingerprint content = content_of(text);
        assert_int_equal(f->role, role);
        assert_string_equal(f->source, source);
        assert_string_equal(f->to, to);
        assert_int_equal(f->size, strlen(text));
        assert_null(f->path);
        assert_non_null(f->description);
        if (role == ROLE_ENTRY) {
                assert_string_equal(f->text, text);
                return;
        }
        assert_null(f->text);
        assert_true(fingerprint_equal(&f->content, &content));
}

static void files_trees_and_entries_are_gathered_by_role(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/usr/kernel", "kernel");
        scratch_write(w->s, "v/entry", "linux /os/linux\n");
        scratch_write(w->s, "v/tree/b/c", "c");
        scratch_write(w->s, "v/tree/a", "");
        shell("ln -s usr %s/v/boot && mkdir %s/v/tree/empty", w->s->path, w->s->path);
        assert_int_equal(gather(w, COPY("misc", "/tree", "/os/tree") COPY("entry", "/entry", "/e.conf")
                                           COPY("required", "/boot/kernel", "/os/linux")),
                         0);
        assert_int_equal(w->wanted.n, 4);
        assert_file(gathered(w, 0), ROLE_REQUIRED, "/usr/kernel", "/os/linux", "kernel");
        assert_file(gathered(w, 1), ROLE_ENTRY, "/entry", "/e.conf", "linux /os/linux\n");
        assert_file(gathered(w, 2), ROLE_MISC, "/tree/a", "/os/tree/a", "");
        assert_file(gathered(w, 3), ROLE_MISC, "/tree/b/c", "/os/tree/b/c", "c");
        assert_null(w->reason);
}

static void what_is_for_another_helper_is_not_gathered(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/a", "a");
        scratch_write(w->s, "v/b", "b");
        const char *manifest = "<copy role=\"misc\" from=\"/a\" to=\"/a\" helper=\"esp\"/>"
                               "<copy role=\"misc\" from=\"/b\" to=\"/b\" helper=\"xbootldr\"/>";
        w->b.helper.disk_has_xbootldr = true;
        assert_int_equal(gather(w, manifest), 0);
        assert_int_equal(w->wanted.n, 1);
        assert_string_equal(gathered(w, 0)->to, "/a");
        w->b.helper.type = HELPER_XBOOTLDR;
        assert_int_equal(gather(w, manifest), 0);
        assert_int_equal(w->wanted.n, 1);
        assert_string_equal(gathered(w, 0)->to, "/b");
}

/* The record says that what was gathered had this content instead. */
static void record_as(World *w, const WantedFile *f, const char *text) {
        CarriedFile c = {
                .role = f->role,
                .path = strdup("/p"),
                .content = content_of(text),
                .size = strlen(text),
                .boot = strdup("b"),
                .to = strdup(f->to),
                .source = strdup(f->source),
                .description = strdup(f->description),
        };
        assert_int_equal(carried_set_add(&w->record.carried, &c), 0);
}

/* As the description of the file says: its size, its times, its inode. */
static void what_did_not_change_is_not_read_again(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/kernel", "kernel");
        scratch_write(w->s, "v/Kernel", "other");
        scratch_write(w->s, "v/entry", "entry");
        assert_int_equal(gather(w, COPY("required", "/kernel", "/k") COPY("required", "/Kernel", "/o")
                                           COPY("entry", "/entry", "/e")),
                         0);
        record_as(w, gathered(w, 0), "as recorded");
        record_as(w, gathered(w, 2), "as recorded");
        assert_int_equal(gather(w, NULL), 0);
        assert_file(gathered(w, 0), ROLE_REQUIRED, "/kernel", "/k", "as recorded");
        assert_file(gathered(w, 1), ROLE_REQUIRED, "/Kernel", "/o", "other");
        assert_file(gathered(w, 2), ROLE_ENTRY, "/entry", "/e", "entry");
        w->carry.read_all = true;
        assert_int_equal(gather(w, NULL), 0);
        assert_file(gathered(w, 0), ROLE_REQUIRED, "/kernel", "/k", "kernel");
        w->carry.read_all = false;
        w->record.carried.items[0].description[0]++;
        assert_int_equal(gather(w, NULL), 0);
        assert_file(gathered(w, 0), ROLE_REQUIRED, "/kernel", "/k", "kernel");
}

static void one_file_may_be_carried_twice(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/kernel", "kernel");
        assert_int_equal(gather(w, COPY("misc", "/kernel", "/a") COPY("misc", "/kernel", "/b")), 0);
        record_as(w, gathered(w, 0), "as recorded");
        record_as(w, gathered(w, 1), "as recorded");
        assert_int_equal(gather(w, NULL), 0);
        assert_file(gathered(w, 0), ROLE_MISC, "/kernel", "/a", "as recorded");
        assert_file(gathered(w, 1), ROLE_MISC, "/kernel", "/b", "as recorded");
}

static void what_cannot_be_carried_is_named(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/file", "x");
        scratch_write(w->s, "v/tree/a", "x");
        shell("cd %s/v && mkfifo fifo && ln -s a tree/link && ln -s loop loop && ln -s / root && head -c "
              "65537 /dev/zero >big",
              w->s->path);
        assert_refused(w, COPY("booter", "/none", "/x"), -ENOENT, "/none is missing");
        assert_refused(w, COPY("booter", "/file/x", "/x"), -ENOTDIR, "/file/x is missing");
        assert_refused(w, COPY("booter", "/loop", "/x"), -ELOOP,
                       "/loop cannot be read (too many symbolic links)");
        assert_refused(w, COPY("booter", "/root", "/x"), -EISDIR, "/ cannot be read (Is a directory)");
        assert_refused(w, COPY("booter", "/fifo", "/x"), -EINVAL, "/fifo is neither a file nor a directory");
        assert_refused(w, COPY("booter", "/tree", "/x"), -ELOOP,
                       "/tree/link is a symbolic link: a helper cannot carry one");
        assert_refused(w, COPY("entry", "/big", "/x"), -EFBIG, "/big is larger than 64 KiB: not an entry");
}

static void what_is_mounted_is_not_on_the_volume(void **state) {
        World *w = *state;
        scratch_unshare(w->s);
        shell("mkdir -p %s/v/m %s/v/t && mount -t tmpfs tmpfs %s/v/m && echo x >%s/v/m/x", w->s->path,
              w->s->path, w->s->path, w->s->path);
        close(w->b.root.fd);
        w->b.root.fd = openat(w->s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = gather(w, COPY("booter", "/m/x", "/x"));
        shell("umount %s/v/m", w->s->path);
        assert_int_equal(r, -EXDEV);
        assert_string_equal(w->reason, "/m/x cannot be read (its path leaves the volume)");
}

static void a_misc_file_that_cannot_be_carried_is_left_out(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/tree/a", "a");
        shell("cd %s/v && mkfifo tree/fifo && ln -s a tree/link", w->s->path);
        Capture capture = capture_begin();
        int r = gather(w, COPY("misc", "/none", "/none") COPY("misc", "/tree", "/t"));
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(r, 0);
        assert_null(w->reason);
        assert_int_equal(w->wanted.n, 1);
        assert_string_equal(gathered(w, 0)->to, "/t/a");
        assert_contains(log, "sdx1: /none is missing: left out");
        assert_contains(log, "sdx1: /tree/fifo is neither a file nor a directory: left out");
        assert_contains(log, "sdx1: /tree/link is a symbolic link: a helper cannot carry one: left out");
}

/* Of a file in a tree: the shorter one still has room. */
static void a_name_that_is_too_long_is_told(void **state) {
        char to[4094] = "/", manifest[8192];
        World *w = *state;
        memset(to + 1, 'x', sizeof(to) - 2);
        scratch_write(w->s, "v/tree/a", "x");
        (void) snprintf(manifest, sizeof(manifest), COPY("booter", "/tree", "%s"), to);
        assert_int_equal(gather(w, manifest), 0);
        assert_int_equal(strlen(gathered(w, 0)->to), 4095);
        scratch_write(w->s, "v/tree/b/c", "x");
        assert_refused(w, manifest, -ENAMETOOLONG, "/tree/b/c has a name that is too long for the helper");
}

static void there_are_at_most_as_many_files_as_a_record_has_room_for(void **state) {
        World *w = *state;
        shell("mkdir %s/v/tree && cd %s/v/tree && seq 16384 | xargs touch", w->s->path, w->s->path);
        assert_int_equal(gather(w, COPY("misc", "/tree", "/t")), 0);
        assert_int_equal(w->wanted.n, 16384);
        scratch_write(w->s, "v/tree/z", "");
        assert_refused(w, COPY("misc", "/tree", "/t"), -E2BIG, "more than 16384 files to carry");
}

static void gathering_can_be_interrupted_even_for_misc_files(void **state) {
        World *w = *state;
        Interrupt *interrupt = NULL;
        scratch_write(w->s, "v/file", "x");
        assert_int_equal(interrupt_new(&interrupt), 0);
        w->carry.interrupt = interrupt;
        assert_int_equal(gather(w, COPY("misc", "/file", "/f")), 0);
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        assert_int_equal(gather(w, NULL), -EINTR);
        assert_int_equal(w->wanted.n, 0);
        (void) interrupt_free(interrupt);
}

static int open_source(const World *w, const char *source) {
        int fd = -EBADF, r = carry_open(w->b.root.fd, source, &fd);
        if (r >= 0)
                assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        closep(&fd);
        return r;
}

/* There was a file: that it is no longer there means that somebody is at work. */
static void only_a_file_is_opened_and_anything_else_may_be_one_again(void **state) {
        World *w = *state;
        scratch_write(w->s, "v/file", "x");
        scratch_write(w->s, "v/dir/file", "x");
        shell("cd %s/v && mkfifo fifo && ln -s file link && ln -s dir dirlink", w->s->path);
        assert_int_equal(open_source(w, "/file"), 0);
        assert_int_equal(open_source(w, "/dir/file"), 0);
        assert_int_equal(open_source(w, "/none"), -EAGAIN);
        assert_int_equal(open_source(w, "/file/x"), -EAGAIN);
        assert_int_equal(open_source(w, "/dirlink/file"), -EAGAIN);
        assert_int_equal(open_source(w, "/link"), -EAGAIN);
        assert_int_equal(open_source(w, "/dir"), -EAGAIN);
        assert_int_equal(open_source(w, "/fifo"), -EAGAIN);
        assert_int_equal(open_source(w, "relative"), -EINVAL);
        fstat_fails = true;
        int r = open_source(w, "/file");
        fstat_fails = false;
        assert_int_equal(r, -EIO);
}

static void put_fifo(const Scratch *s) {
        shell("cd %s/v/tree && rm file && mkfifo file", s->path);
}

static void put_link(const Scratch *s) {
        shell("cd %s/v && mv tree else && ln -s else tree", s->path);
}

static void put_nothing(const Scratch *s) {
        shell("rm -r %s/v/tree", s->path);
}

static void put_file(const Scratch *s) {
        shell("cd %s/v && rm -r tree && echo >tree", s->path);
}

static void put_more(const Scratch *s) {
        shell("echo more >>%s/v/tree/file", s->path);
}

typedef struct Chance {
        const char *role, *from;
        void (*happen)(const Scratch *s);
        const char *noticed; /* what is said, or logged, in at least one case */
} Chance;

static void assert_whole(const World *w, const Chance *c) {
        if (w->wanted.n == 0) { /* left out, or the directory was empty when it was read */
                assert_true(streq(c->role, "misc") || c->happen == put_nothing);
                return;
        }
        const WantedFile *f = gathered(w, 0);
        assert_string_equal(f->to, streq(c->from, "/tree") ? "/t/file" : "/t");
        if (f->text)
                assert_int_equal(f->size, strlen(f->text));
}

/* Something happens during a gathering, at each possible moment: all of it is gathered, or it is said what is
 * wrong. */
static void assert_noticed(World *w, const Chance *c) {
        char manifest[128];
        bool noticed = false, over = false;
        (void) snprintf(manifest, sizeof(manifest), COPY("%s", "%s", "/t"), c->role, c->from);
        for (unsigned n = 0; !over; n++) {
                shell("cd %s/v && rm -rf tree else", w->s->path);
                scratch_write(w->s, "v/tree/file", "x");
                buildworld_want(&w->b, manifest);
                free(w->reason);
                w->reason = NULL;
                Capture capture = capture_begin();
                meanwhile = (__typeof__(meanwhile)){.n = n, .happen = c->happen, .s = w->s};
                int r = gather(w, NULL);
                meanwhile.happen = NULL;
                _cleanup_free_ char *log = capture_end(&capture);
                over = meanwhile.n_opens <= n;
                if (r >= 0)
                        assert_whole(w, c);
                else if (!w->reason)
                        fail_msg("nothing is said of %i", r);
                noticed |= c->noticed &&
                           (strstr(strempty(w->reason), c->noticed) || strstr(strempty(log), c->noticed));
        }
        if (c->noticed && !noticed)
                fail_msg("never: %s", c->noticed);
}

static void a_change_while_it_is_gathered_is_noticed(void **state) {
        static const Chance chances[] = {
                {"booter", "/tree", put_fifo, "/tree/file changed while it was being read"},
                {"entry", "/tree", put_fifo, "/tree/file changed while it was being read"},
                {"booter", "/tree", put_link, "/tree/file changed while it was being read"},
                {"misc", "/tree", put_link, "/else/file changed while it was being read: left out"},
                {"booter", "/tree", put_nothing, "/tree is missing"},
                {"booter", "/tree/file", put_file, "/tree/file is missing"},
                {"entry", "/tree", put_more, NULL},
        };
        for (size_t i = 0; i < ELEMENTSOF(chances); i++)
                assert_noticed(*state, &chances[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(files_trees_and_entries_are_gathered_by_role),
                world_test(what_is_for_another_helper_is_not_gathered),
                world_test(what_did_not_change_is_not_read_again),
                world_test(one_file_may_be_carried_twice),
                world_test(what_cannot_be_carried_is_named),
                world_test(what_is_mounted_is_not_on_the_volume),
                world_test(a_misc_file_that_cannot_be_carried_is_left_out),
                world_test(a_name_that_is_too_long_is_told),
                world_test(there_are_at_most_as_many_files_as_a_record_has_room_for),
                world_test(gathering_can_be_interrupted_even_for_misc_files),
                world_test(only_a_file_is_opened_and_anything_else_may_be_one_again),
                world_test(a_change_while_it_is_gathered_is_noticed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
