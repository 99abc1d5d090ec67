/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/run/lookupfilter.c builder/run/lookuppath.c builder/run/lookupcaller.c */

/* A child makes system calls, and the trace says what it looked at. The volume is a tmpfs below the scratch
 * folder, so most of what a program needs is not on it and never told. */

#include "builder/run/lookups.h"

#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "fixture.h"

typedef struct World {
        Scratch *s;
        char volume[128];
        LookupScope scope;
        Trace trace;
        int status; /* of the child, as of waitpid(2) */
} World;

static void world_start(World *w, Scratch *s) {
        *w = (World){.s = s, .scope = LOOKUP_NAMES};
        scratch_unshare(s);
        (void) snprintf(w->volume, sizeof(w->volume), "%s/v", s->path);
        shell("mkdir %s && mount -t tmpfs tmpfs %s", w->volume, w->volume);
        shell("cd %s && mkdir -p etc/deep && echo a >etc/a && ln -s a etc/link && ln -s /etc/a etc/absolute "
              "&& "
              "ln -s loop etc/loop && ln -s etc directory && ln -s %s/etc outer",
              w->volume, w->volume);
}

static void world_end(World *w) {
        trace_done(&w->trace);
        shell("umount %s", w->volume);
}

/* Answers until nobody is left who could ask: before Linux 6.11 one that nobody has waited for still could.
 */
static void serve_until_end(Lookups *l, pid_t pid, int *ret_status) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        assert_true(pidfd >= 0);
        for (bool ended = false; !ended || lookups_get_fd(l) >= 0;) {
                struct pollfd p[] = {{.fd = ended ? -1 : pidfd, .events = POLLIN},
                                     {.fd = lookups_get_fd(l), .events = POLLIN}};
                assert_true(poll(p, ELEMENTSOF(p), -1) >= 0 || errno == EINTR);
                assert_int_equal(lookups_serve(l, p[1].revents), 0);
                if (p[0].revents) {
                        ended = true;
                        assert_int_equal(waitpid(pid, ret_status, 0), pid);
                }
        }
}

/* What ACT does is seen. It exits as ACT returns. */
static void watch_calls(World *w, int (*act)(World *w)) {
        Lookups *l = NULL;
        int ready[2];
        char c;
        trace_done(&w->trace);
        const LookupsJob job = {w->scope, "none", w->volume, &w->trace};
        assert_int_equal(lookups_new(&job, &l), 0);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
                lookups_install(l);
                (void) !write(ready[1], "x", 1);
                _exit(act(w));
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        close(ready[1]);
        assert_int_equal(lookups_begin(l), 0);
        serve_until_end(l, pid, &w->status);
        assert_null(lookups_free(l));
        trace_finish(&w->trace);
}

static const char *on_volume(const World *w, const char *path) {
        static char buffer[PATH_MAX];
        (void) snprintf(buffer, sizeof(buffer), "%s%s", w->volume, path);
        return buffer;
}

/* All that is in the trace: "K /path" for each, K the first letters of its kinds. */
static void assert_seen(World *w, const char *expected) {
        char text[4096] = "";
        if (w->trace.incomplete)
                fail_msg("incomplete: %s", w->trace.incomplete);
        for (size_t i = 0; i < w->trace.n; i++) {
                const TraceItem *item = &w->trace.items[i];
                size_t n = strlen(text);
                (void) snprintf(text + n, sizeof(text) - n, "%s%s%s%s %s", i > 0 ? ", " : "",
                                item->kinds & TRACE_LOOKED ? "L" : "", item->kinds & TRACE_ABSENT ? "A" : "",
                                item->kinds & TRACE_LINK ? "S" : "", item->path);
        }
        assert_string_equal(text, expected);
}

static void assert_incomplete(const World *w, const char *why) {
        if (!streq_ptr(w->trace.incomplete, why))
                fail_msg("incomplete: %s, not %s", strempty(w->trace.incomplete), why);
}

static int look(World *w) {
        struct stat st;
        struct statx stx;
        (void) stat(on_volume(w, "/etc/a"), &st);
        (void) stat(on_volume(w, "/etc/none"), &st);
        (void) stat(on_volume(w, "/none/deeper/still"), &st);
        (void) stat(on_volume(w, "/etc/a/below"), &st);
        (void) lstat(on_volume(w, "/etc//./deep/"), &st);
        (void) access(on_volume(w, "/etc/x"), F_OK);
        (void) statx(AT_FDCWD, on_volume(w, "/"), 0, STATX_MODE, &stx);
        return 0;
}

static void what_is_looked_at_is_told(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, look);
        assert_seen(
                &w,
                "L /, L /etc/a, A /etc/a/below, L /etc/deep, A /etc/none, A /etc/x, A /none/deeper/still");
        const TraceItem *a = trace_find(&w.trace, "/etc/a");
        assert_int_equal(a->stx.stx_size, 2);
        assert_true(a->stx.stx_mask & STATX_BTIME);
        assert_int_equal(trace_find(&w.trace, "/etc/x")->stx.stx_mask, 0);
        world_end(&w);
}

static int follow(World *w) {
        struct stat st;
        char buffer[64];
        (void) stat(on_volume(w, "/directory/link"), &st);
        (void) lstat(on_volume(w, "/etc/loop"), &st);
        (void) stat(on_volume(w, "/outer/none"), &st);
        (void) !readlink(on_volume(w, "/etc/absolute"), buffer, sizeof(buffer));
        (void) !readlink(on_volume(w, "/etc"), buffer, sizeof(buffer));
        return 0;
}

static void every_link_on_the_way_is_told(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, follow);
        assert_seen(&w, "S /directory, L /etc, L /etc/a, S /etc/absolute, S /etc/link, S /etc/loop, A "
                        "/etc/none, S /outer");
        world_end(&w);
}

static int go_about(World *w) {
        struct stat st;
        struct open_how how = {.flags = O_RDONLY};
        if (chdir(on_volume(w, "/etc")) < 0)
                return 1;
        (void) stat("a", &st);
        (void) stat("deep/../x", &st);
        int fd = open("deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) fstatat(fd, "y", &st, 0);
        (void) fstatat(fd, "", &st, AT_EMPTY_PATH);
        (void) syscall(SYS_openat2, fd, "../z", &how, sizeof(how));
        (void) fchdir(fd);
        (void) stat(".", &st);
        (void) stat("../../outer/../v", &st); /* the link leads to /etc, and up from there */
        return 0;
}

static void relative_names_begin_where_the_process_is(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, go_about);
        assert_seen(&w, "L /etc, L /etc/a, L /etc/deep, A /etc/deep/y, A /etc/x, A /etc/z, S /outer, A /v");
        world_end(&w);
}

static int go_below(World *w) {
        struct stat st;
        if (chroot(w->volume) < 0 || chdir("/") < 0)
                return 1;
        (void) stat("/etc/absolute", &st);
        (void) stat("../../none", &st);
        return stat("/outer/a", &st) < 0 ? 0 : 1;
}

static void a_root_directory_of_its_own_is_followed(void **state) {
        World w;
        world_start(&w, *state);
        char outside[256];
        (void) snprintf(outside, sizeof(outside),
                        "L /, L /etc/a, S /etc/absolute, A /none, S /outer, A %s/etc/a", w.volume);
        watch_calls(&w, go_below);
        assert_int_equal(w.status, 0);
        assert_seen(&w, outside);
        world_end(&w);
}

static int open_some(World *w) {
        static const struct {
                const char *path;
                int flags;
        } opens[] = {
                {"/etc/a", O_RDONLY},    {"/etc/link", O_RDONLY},
                {"/etc/none", O_RDONLY}, {"/etc/new", O_RDWR | O_CREAT},
                {"/etc/deep", O_PATH},   {"/etc/absolute", O_RDONLY | O_NOFOLLOW},
        };
        for (size_t i = 0; i < ELEMENTSOF(opens); i++) {
                int fd = open(on_volume(w, opens[i].path), opens[i].flags | O_CLOEXEC, 0600);
                closep(&fd);
        }
        return 0;
}

/* fanotify tells of what is opened. */
static void of_opens_only_what_nobody_else_sees_is_told(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, open_some);
        assert_seen(&w, "S /etc/absolute, L /etc/deep, S /etc/link, A /etc/none");
        world_end(&w);
}

static int run_some(World *w) {
        const char *argv[] = {"pack", NULL};
        (void) execve(on_volume(w, "/none"), (char *const *) argv, NULL);
        (void) execve(on_volume(w, "/etc/link"), (char *const *) argv, NULL);
        (void) execve("none", (char *const *) argv, NULL);
        return 0;
}

static void programs_that_are_not_there_are_told_but_not_the_first(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, run_some);
        assert_seen(&w, "L /etc/a, S /etc/link, A /none");
        world_end(&w);
}

static int look_elsewhere(World *w) {
        char path[PATH_MAX];
        struct stat st;
        (void) stat("/proc/self/status", &st);
        (void) stat(w->s->path, &st);
        (void) snprintf(path, sizeof(path), "/proc/self/root%s/etc/a", w->volume);
        (void) stat(path, &st);
        (void) stat(on_volume(w, "/etc/loop"), &st);
        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = 0;
        (void) stat(path, &st);
        (void) syscall(SYS_newfstatat, AT_FDCWD, (char *) 4096, &st, 0);
        (void) syscall(SYS_newfstatat, AT_FDCWD, NULL, &st, 0);
        (void) fstatat(77, "x", &st, 0);
        return stat("", &st) < 0 && errno == ENOENT ? 0 : 1;
}

static void what_leads_nowhere_or_elsewhere_is_left_to_the_builder(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, look_elsewhere);
        assert_int_equal(w.status, 0);
        assert_seen(&w, "S /etc/loop");
        world_end(&w);
}

static int unshare_mounts(World *w) {
        return unshare(CLONE_NEWNS) < 0;
}

static int clone_mounts(World *w) {
        long pid = syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid == 0)
                _exit(0);
        return waitpid((pid_t) pid, NULL, 0) < 0;
}

static int clone3_mounts(World *w) {
        struct clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
        long pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0)
                _exit(0);
        return waitpid((pid_t) pid, NULL, 0) < 0;
}

static int enter_mounts(World *w) {
        int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC); /* its own, again */
        return setns(fd, 0) < 0;
}

static int bind_folder(World *w) {
        char to[PATH_MAX];
        (void) snprintf(to, sizeof(to), "%s/etc/deep", w->volume);
        return mount(on_volume(w, "/outer"), to, NULL, MS_BIND, NULL) < 0 || umount(to) < 0;
}

static int bind_in_chroot(World *w) {
        if (chroot(on_volume(w, "/etc")) < 0 || mkdir("/deep/here", 0700) < 0)
                return 1;
        return mount("/deep", "/deep/here", NULL, MS_BIND, NULL) < 0 || umount("/deep/here") < 0;
}

static int bind_from_above(World *w) {
        return mount(w->s->path, on_volume(w, "/etc/deep"), NULL, MS_BIND | MS_REC, NULL) < 0 ||
               umount2(on_volume(w, "/etc/deep"), MNT_DETACH) < 0;
}

static int clone_folder(World *w) {
        return open_tree(AT_FDCWD, on_volume(w, "/etc"), OPEN_TREE_CLONE) < 0;
}

/* What is mounted is not looked at: that it is a device is enough where a volume has no device number. */
static const char *make_device(const World *w) {
        const char *path = on_volume(w, "/device");
        return mknod(path, S_IFBLK | 0600, makedev(7, 9999)) >= 0 || errno == EEXIST ? path : NULL;
}

static int mount_device(World *w) {
        return mount(make_device(w), "/proc", "ext4", 0, NULL) < 0 ? 0 : 1;
}

static int configure_device(World *w) {
        int fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
        (void) fsconfig(fd, FSCONFIG_SET_STRING, "size", "1M", 0);
        return fd < 0 || fsconfig(fd, FSCONFIG_SET_STRING, "source", make_device(w), 0) < 0 ? 1 : 0;
}

static int set_up_ring(World *w) {
        char parameters[256] = "";
        (void) syscall(SYS_io_uring_setup, 1, parameters);
        return 0;
}

static void what_hides_opens_makes_it_incomplete(void **state) {
        static const struct {
                int (*act)(World *w);
                LookupScope scope;
                const char *why;
        } cases[] = {
                {unshare_mounts, LOOKUP_MOUNTS, "test-lookups made a mount namespace of its own"},
                {clone_mounts, LOOKUP_MOUNTS, "test-lookups made a mount namespace of its own"},
                {clone3_mounts, LOOKUP_MOUNTS, "test-lookups made a mount namespace of its own"},
                {enter_mounts, LOOKUP_MOUNTS, "test-lookups entered another mount namespace"},
                {bind_folder, LOOKUP_MOUNTS, "test-lookups made a bind mount of the volume"},
                {bind_in_chroot, LOOKUP_MOUNTS, "test-lookups made a bind mount of the volume"},
                {bind_from_above, LOOKUP_MOUNTS, "test-lookups made a bind mount of the volume"},
                {clone_folder, LOOKUP_MOUNTS, "test-lookups made a bind mount of the volume"},
                {mount_device, LOOKUP_MOUNTS, "test-lookups mounted the volume once more"},
                {configure_device, LOOKUP_MOUNTS, "test-lookups mounted the volume once more"},
                {set_up_ring, LOOKUP_NAMES, "test-lookups uses io_uring"},
        };
        World w;
        world_start(&w, *state);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                w.scope = cases[i].scope;
                watch_calls(&w, cases[i].act);
                if (w.status != 0)
                        fail_msg("case %zu: status %i", i, w.status);
                assert_incomplete(&w, cases[i].why);
        }
        world_end(&w);
}

static void *do_nothing(void *userdata) {
        return userdata;
}

static int do_what_hides_nothing(World *w) {
        pthread_t thread;
        pid_t pid;
        const char *argv[] = {"true", NULL};
        int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        const char *place = on_volume(w, "/etc/deep");
        if (unshare(CLONE_NEWNET | CLONE_FILES | CLONE_FS) < 0 || setns(net, 0) < 0)
                return 1;
        if (pthread_create(&thread, NULL, do_nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
                return 2;
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, (char *const *) argv, NULL) != 0 ||
            waitpid(pid, NULL, 0) != pid)
                return 3;
        if (mount("tmpfs", place, "tmpfs", 0, NULL) < 0 || mount(NULL, place, NULL, MS_PRIVATE, NULL) < 0)
                return 4;
        if (mount("/proc", place, NULL, MS_BIND, NULL) < 0 || umount(place) < 0 || umount(place) < 0)
                return 5;
        return open_tree(AT_FDCWD, on_volume(w, "/etc"), O_CLOEXEC) < 0 ? 6 : 0;
}

static void what_hides_nothing_does_not(void **state) {
        World w;
        world_start(&w, *state);
        w.scope = LOOKUP_MOUNTS;
        watch_calls(&w, do_what_hides_nothing);
        assert_int_equal(w.status, 0);
        assert_seen(&w, "");
        world_end(&w);
}

/* Names that another thread moves about meanwhile: each is told as it was at some moment, or not at all. */
static void *move_about(void *userdata) {
        char a[PATH_MAX], b[PATH_MAX];
        const World *w = userdata;
        (void) snprintf(a, sizeof(a), "%s/etc", w->volume);
        (void) snprintf(b, sizeof(b), "%s/moved", w->volume);
        for (unsigned i = 0; i < 200; i++)
                if (rename(a, b) < 0 || rename(b, a) < 0)
                        return userdata;
        return NULL;
}

static int look_meanwhile(World *w) {
        char path[PATH_MAX];
        pthread_t thread;
        void *failed;
        if (pthread_create(&thread, NULL, move_about, w) != 0)
                return 1;
        for (unsigned i = 0; i < 200; i++) {
                struct stat st;
                (void) snprintf(path, sizeof(path), "%s/%s/../%s/link", w->volume, i % 2 ? "etc" : "moved",
                                i % 3 ? "etc" : "moved");
                (void) stat(path, &st);
        }
        return pthread_join(thread, &failed) != 0 || failed;
}

static void names_that_move_hurt_nobody(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, look_meanwhile);
        assert_int_equal(w.status, 0);
        assert_incomplete(&w, NULL);
        world_end(&w);
}

/* 10,000, or fewer where CI runs this in an emulated machine. */
static unsigned count_children(void) {
        const char *n = getenv("BOOTKEEP_TEST_CHILDREN");
        return n ? (unsigned) strtoul(n, NULL, 10) : 10000;
}

/* The last ones outlive who started them, and most are killed while they wait for us or just before. */
static int leave_children(World *w) {
        struct stat st;
        const unsigned n = count_children();
        for (unsigned i = 0; i < n; i++) {
                pid_t pid = fork();
                if (pid < 0)
                        return 1;
                if (pid == 0) {
                        (void) stat(on_volume(w, i % 2 ? "/etc/none" : "/etc/a"), &st);
                        _exit(0);
                }
                if (i % 10 == 0)
                        (void) kill(pid, SIGKILL);
                if (i + 10 < n && waitpid(pid, NULL, 0) != pid)
                        return 2;
        }
        return 0;
}

static void thousands_of_children_are_seen(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, leave_children);
        assert_int_equal(w.status, 0);
        assert_seen(&w, "L /etc/a, A /etc/none");
        world_end(&w);
}

/* There is nothing behind the last page. */
static int call_with_names_at_ends_of_pages(World *w) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), n = strlen(on_volume(w, "/etc/none")) + 1;
        char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || munmap(pages + 2 * page, page) < 0)
                return 1;
        char *end = memcpy(pages + 2 * page - n, on_volume(w, "/etc/none"), n);
        char *across = memcpy(pages + page - n / 2, on_volume(w, "/etc/more"), n);
        return access(end, F_OK) < 0 && access(across, F_OK) < 0 && errno == ENOENT ? 0 : 2;
}

static void names_at_the_ends_of_pages_are_read(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, call_with_names_at_ends_of_pages);
        assert_int_equal(w.status, 0);
        assert_seen(&w, "A /etc/more, A /etc/none");
        world_end(&w);
}

/* stat(2) and access(2) of 32-bit programs, by which any process may call. */
static int call_as_32_bit(World *w) {
#ifdef __x86_64__
        char *path =
                mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        long result;
        if (path == MAP_FAILED)
                return 1;
        (void) snprintf(path, PATH_MAX, "%s/etc/none", w->volume);
        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(33), "b"(path), "c"(0)
                         : "memory", "r8", "r9", "r10", "r11");
        return result == -ENOENT ? 0 : 2;
#else
        return 77;
#endif
}

static void programs_of_32_bits_are_seen(void **state) {
        World w;
        world_start(&w, *state);
        watch_calls(&w, call_as_32_bit);
        if (WEXITSTATUS(w.status) == 0)
                assert_seen(&w, "A /etc/none");
        world_end(&w);
        if (w.status != 0) /* another architecture, or a kernel without */
                skip();
}

/* Without the right to listen nothing is learned, and the builder runs as ever. */
static void who_may_not_listen_learns_nothing(void **state) {
        World w;
        world_start(&w, *state);
        pid_t pid = fork();
        if (pid == 0) {
                cap_t none = cap_init();
                (void) cap_set_proc(none);
                (void) cap_free(none);
                watch_calls(&w, look);
                assert_int_equal(w.status, 0);
                assert_incomplete(&w, "seccomp: Permission denied");
                exit(0);
        }
        assert_int_equal(waitpid(pid, &w.status, 0), pid);
        assert_int_equal(w.status, 0);
        world_end(&w);
}

/* It gets the error that it gets of an old kernel, and does not hang. */
static void who_is_not_listened_to_any_more_goes_on(void **state) {
        World w;
        Lookups *l = NULL;
        world_start(&w, *state);
        const LookupsJob job = {w.scope, "none", w.volume, &w.trace};
        assert_int_equal(lookups_new(&job, &l), 0);
        pid_t pid = fork();
        if (pid == 0) {
                lookups_install(l);
                lookups_free(l);
                _exit(access("/", F_OK) < 0 && errno == ENOSYS ? 0 : 1);
        }
        assert_null(lookups_free(l));
        assert_int_equal(waitpid(pid, &w.status, 0), pid);
        assert_int_equal(w.status, 0);
        world_end(&w);
}

/* Its mounts are gone with it, before anybody looks at them. */
static void who_has_ended_before_we_look_is_complete(void **state) {
        World w;
        Lookups *l = NULL;
        int status;
        world_start(&w, *state);
        const LookupsJob job = {LOOKUP_MOUNTS, "none", w.volume, &w.trace};
        assert_int_equal(lookups_new(&job, &l), 0);
        pid_t pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount("tmpfs", w.volume, "tmpfs", 0, NULL) < 0)
                        _exit(1);
                lookups_install(l);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        shell("rm -r %s/* && umount %s && rmdir %s", w.volume, w.volume, w.volume);
        assert_int_equal(lookups_begin(l), 0);
        assert_null(w.trace.incomplete);
        while (lookups_get_fd(l) >= 0)
                assert_int_equal(lookups_serve(l, POLLHUP), 0);
        assert_null(lookups_free(l));
        shell("mkdir %s && mount -t tmpfs tmpfs %s", w.volume, w.volume);
        world_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_is_looked_at_is_told),
                scratch_test(every_link_on_the_way_is_told),
                scratch_test(relative_names_begin_where_the_process_is),
                scratch_test(a_root_directory_of_its_own_is_followed),
                scratch_test(of_opens_only_what_nobody_else_sees_is_told),
                scratch_test(programs_that_are_not_there_are_told_but_not_the_first),
                scratch_test(what_leads_nowhere_or_elsewhere_is_left_to_the_builder),
                scratch_test(what_hides_opens_makes_it_incomplete),
                scratch_test(what_hides_nothing_does_not),
                scratch_test(names_that_move_hurt_nobody),
                scratch_test(thousands_of_children_are_seen),
                scratch_test(names_at_the_ends_of_pages_are_read),
                scratch_test(programs_of_32_bits_are_seen),
                scratch_test(who_may_not_listen_learns_nothing),
                scratch_test(who_is_not_listened_to_any_more_goes_on),
                scratch_test(who_has_ended_before_we_look_is_complete),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
