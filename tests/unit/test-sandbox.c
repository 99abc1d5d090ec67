/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each attempt is made by a child that has entered the sandbox, or one part of it; its exit tells how far it
 * got. The same is first tried outside: an attempt that fails in any case would prove nothing. Built without
 * sanitizers, with which the sandbox is lenient. */

#include "scan/sandbox.h"

#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "scan/landlock.h"
#include "scan/syscalls.h"
#include "scratch.h"

#define KILLED (-1)    /* by SIGSYS */
#define UNCHECKED (-2) /* whether it would succeed outside depends on the machine */
#define NO_NAMESPACE 200
#define NO_SANDBOX 201

typedef struct World {
        Scratch *s;
        int file;   /* opened for writing before */
        int socket; /* likewise, not connected */
        struct sockaddr_un listener;
        int listening;
} World;

static int world_setup(void **state) {
        assert_int_equal(scratch_setup(state), 0);
        World *w = calloc(1, sizeof(World));
        assert_non_null(w);
        w->s = *state;
        shell("cd %s && echo content >file && chmod 600 file && mkdir -m 700 folder && mkdir at", w->s->path);
        w->file = openat(w->s->fd, "file", O_WRONLY | O_CLOEXEC);
        w->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        w->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        w->listener.sun_family = AF_UNIX;
        (void) snprintf(w->listener.sun_path, sizeof w->listener.sun_path, "%s/socket", w->s->path);
        assert_int_equal(bind(w->listening, (struct sockaddr *) &w->listener, sizeof w->listener), 0);
        assert_int_equal(listen(w->listening, 8), 0);
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        void *scratch = w->s;
        close(w->file);
        close(w->socket);
        close(w->listening);
        free(w);
        return scratch_teardown(&scratch);
}

static int result(long r) {
        return r < 0 ? errno : 0;
}

/* Attempts: 0 or a positive errno. */

static int try_open_to_write(const World *w) {
        return result(openat(w->s->fd, "file", O_WRONLY | O_CLOEXEC));
}

static int try_open_to_make(const World *w) {
        return result(openat(w->s->fd, "new", O_RDONLY | O_CREAT | O_CLOEXEC, 0644));
}

static int try_open_to_cut(const World *w) {
        return result(openat(w->s->fd, "file", O_RDONLY | O_TRUNC | O_CLOEXEC));
}

static int try_tmp(const World *w) {
        return result(open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
}

static int by_openat2(int fd, const char *path, uint64_t flags, uint64_t mode) {
        struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode};
        return result(syscall(SYS_openat2, fd, path, &how, sizeof how));
}

static int try_openat2_to_write(const World *w) {
        return by_openat2(w->s->fd, "file", O_RDWR, 0);
}

static int try_openat2_to_make(const World *w) {
        return by_openat2(w->s->fd, "new", O_WRONLY | O_CREAT, 0644);
}

static int try_openat2_tmp(const World *w) {
        return by_openat2(AT_FDCWD, "/tmp", O_TMPFILE | O_WRONLY, 0600);
}

static int try_write_descriptor(const World *w) {
        return result(write(w->file, "x", 1));
}

static int try_unlink(const World *w) {
        return result(unlinkat(w->s->fd, "file", 0));
}

static int try_rename(const World *w) {
        return result(renameat(w->s->fd, "file", w->s->fd, "renamed"));
}

static int try_mkdir(const World *w) {
        return result(mkdirat(w->s->fd, "made", 0755));
}

static int try_symlink(const World *w) {
        return result(symlinkat("x", w->s->fd, "link"));
}

static int try_chmod(const World *w) {
        return result(fchmodat(w->s->fd, "file", 0777, 0));
}

static int try_chown(const World *w) {
        return result(fchownat(w->s->fd, "file", 1, 1, 0));
}

static int try_executable_memory(const World *w) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return result(p == MAP_FAILED ? -1 : 0);
}

static int try_to_make_memory_executable(const World *w) {
        void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return result(p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int try_raise_limit(const World *w) {
        return result(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
}

static int try_exec(const World *w) {
        return result(execl("/bin/true", "true", NULL));
}

static int try_fork(const World *w) {
        return result(fork());
}

static int try_ptrace(const World *w) {
        return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(const World *w) {
        return result(kill(getppid(), 0));
}

static int try_socket(const World *w) {
        return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_connect(const World *w) {
        return result(connect(w->socket, (const struct sockaddr *) &w->listener, sizeof w->listener));
}

static int try_mount(const World *w) {
        char at[128];
        (void) snprintf(at, sizeof at, "%s/at", w->s->path);
        return result(mount("none", at, "tmpfs", 0, NULL));
}

static int try_remount(const World *w) {
        return result(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
}

static int try_umount(const World *w) {
        return result(umount2("/proc", MNT_DETACH));
}

static int try_open_tree(const World *w) {
        return result(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

static int try_chroot(const World *w) {
        return result(chroot(w->s->path));
}

static int try_unshare(const World *w) {
        return result(unshare(CLONE_NEWNS));
}

static int try_become_root(const World *w) {
        return result(setuid(0));
}

static int try_handle(const World *w) {
        return result(syscall(SYS_open_by_handle_at, w->s->fd, NULL, O_RDONLY));
}

static int try_bpf(const World *w) {
        return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_io_uring(const World *w) {
        return result(syscall(SYS_io_uring_setup, 1, NULL));
}

/* The results outside and inside. */
static const struct {
        const char *name;
        int (*attempt)(const World *w);
        int outside, inside;
} attempts[] = {
        {"open to write", try_open_to_write, 0, EPERM},
        {"open to make", try_open_to_make, 0, EPERM},
        {"open to cut", try_open_to_cut, 0, EPERM},
        {"a file in /tmp", try_tmp, 0, EPERM},
        {"openat2 to write", try_openat2_to_write, 0, EACCES},
        {"openat2 to make", try_openat2_to_make, 0, EACCES},
        {"write to a descriptor from before", try_write_descriptor, 0, EPERM},
        {"unlink", try_unlink, 0, EPERM},
        {"rename", try_rename, 0, EPERM},
        {"mkdir", try_mkdir, 0, EPERM},
        {"symlink", try_symlink, 0, EPERM},
        {"chmod", try_chmod, 0, EPERM},
        {"chown", try_chown, 0, EPERM},
#ifdef __s390__ /* no filter sees the arguments of mmap(2) there */
        {"executable memory", try_executable_memory, 0, 0},
#else
        {"executable memory", try_executable_memory, 0, EPERM},
#endif
        {"memory that becomes executable", try_to_make_memory_executable, 0, EPERM},
        {"a limit", try_raise_limit, 0, EPERM},
        {"exec", try_exec, 0, KILLED},
        {"fork", try_fork, 0, KILLED},
        {"ptrace", try_ptrace, 0, KILLED},
        {"kill", try_kill, 0, KILLED},
        {"socket", try_socket, 0, KILLED},
        {"connect", try_connect, 0, KILLED},
        {"mount", try_mount, 0, KILLED},
        {"remount", try_remount, 0, KILLED},
        {"umount", try_umount, 0, KILLED},
        {"open_tree", try_open_tree, 0, KILLED},
        {"chroot", try_chroot, 0, KILLED},
        {"unshare", try_unshare, 0, KILLED},
        {"become root again", try_become_root, 0, KILLED},
        {"open by handle", try_handle, UNCHECKED, KILLED},
        {"bpf", try_bpf, UNCHECKED, KILLED},
        {"io_uring", try_io_uring, UNCHECKED, KILLED},
};

/* Anything that is not stopped must not affect the machine: mounts belong to the child. */
static int own_mounts(void) {
        return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

/* The result of ATTEMPT after ENTER (may be NULL): 0, an errno, or KILLED. Its changes are undone. */
static int outcome(const World *w, int (*enter)(void), int (*attempt)(const World *w)) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (own_mounts() < 0)
                        _exit(NO_NAMESPACE);
                if (enter && enter() < 0)
                        _exit(NO_SANDBOX);
                _exit(attempt(w));
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        shell("cd %s && rm -rf new renamed made link && echo content >file && chmod 600 file && chown 0:0 "
              "file",
              w->s->path);
        if (WIFSIGNALED(status)) {
                assert_int_equal(WTERMSIG(status), SIGSYS);
                return KILLED;
        }
        assert_int_not_equal(WEXITSTATUS(status), NO_NAMESPACE);
        assert_int_not_equal(WEXITSTATUS(status), NO_SANDBOX);
        return WEXITSTATUS(status);
}

static void expect(const World *w, int (*enter)(void), int (*attempt)(const World *w), const char *name,
                   int expected) {
        int r = expected == UNCHECKED ? UNCHECKED : outcome(w, enter, attempt);
        if (r != expected)
                fail_msg("%s %s: %i, expected %i", name, enter ? "inside" : "outside", r, expected);
}

static void all_attempts_fail_inside(void **state) {
        const World *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                expect(w, NULL, attempts[i].attempt, attempts[i].name, attempts[i].outside);
                expect(w, sandbox_enter, attempts[i].attempt, attempts[i].name, attempts[i].inside);
        }
}

/* The parts, each on its own: each must hold without the others. */

static int only_syscalls(void) {
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : syscalls_limit(false);
}

static int only_landlock(void) {
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : landlock_enter();
}

static void system_calls_alone_stop_all_but_openat2(void **state) {
        const World *w = *state;
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++)
                if (attempts[i].inside != EACCES)
                        expect(w, only_syscalls, attempts[i].attempt, attempts[i].name, attempts[i].inside);
}

static void landlock_alone_stops_writing(void **state) {
        const World *w = *state;
        static const struct {
                const char *name;
                int (*attempt)(const World *w);
        } all[] = {
                {"open to write", try_open_to_write},
                {"open to make", try_open_to_make},
                {"open to cut", try_open_to_cut},
                {"a file in /tmp", try_tmp},
                {"openat2", try_openat2_to_write},
                {"openat2 in /tmp", try_openat2_tmp},
                {"unlink", try_unlink},
                {"rename", try_rename},
                {"mkdir", try_mkdir},
                {"symlink", try_symlink},
                {"exec", try_exec},
        };
        if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 3) /* 3: truncating, too */
                skip();
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                expect(w, only_landlock, all[i].attempt, all[i].name, EACCES);
        expect(w, only_landlock, try_mount, "mount", EPERM);
}

/* What a scan does. */

static int read_all(const World *w) {
        char buffer[16];
        struct statx stx;
        int fd = openat(w->s->fd, "file", O_RDONLY | O_CLOEXEC); /* owned by root, mode 600 */
        if (fd < 0 || read(fd, buffer, sizeof buffer) <= 0 ||
            by_openat2(w->s->fd, "folder", O_RDONLY, 0) != 0)
                return errno;
        if (statx(w->s->fd, "folder", 0, STATX_BASIC_STATS, &stx) < 0 || write(STDOUT_FILENO, "", 0) < 0)
                return errno;
        DIR *d = opendir(w->s->path);
        return d && readdir(d) && malloc(1 << 20) ? 0 : errno;
}

static void reading_past_permissions_works(void **state) {
        assert_int_equal(outcome(*state, sandbox_enter, read_all), 0);
}

static int arm(const World *w) {
        char path[64];
        int fd = openat(w->s->fd, "folder", O_PATH | O_CLOEXEC);
        (void) snprintf(path, sizeof path, "/proc/self/fd/%i", fd);
        return result(inotify_add_watch(w->socket, path, IN_CREATE));
}

static void arming_works(void **state) {
        World *w = *state;
        int socket = w->socket;
        w->socket = inotify_init1(IN_CLOEXEC);
        assert_int_equal(outcome(w, sandbox_enter, arm), 0);
        close(w->socket);
        w->socket = socket;
}

static int eat_memory(const World *w) {
        void *volatile memory = malloc((size_t) 512 << 20); /* or a compiler may leave it out */
        return memory ? 0 : errno;
}

static int check_limits(const World *w) {
        struct rlimit cpu, core;
        if (getrlimit(RLIMIT_CPU, &cpu) < 0 || getrlimit(RLIMIT_CORE, &core) < 0)
                return errno;
        return cpu.rlim_cur <= 120 && core.rlim_max == 0 ? 0 : ERANGE;
}

static void memory_and_time_are_bounded(void **state) {
        expect(*state, NULL, eat_memory, "memory", 0);
        expect(*state, sandbox_enter, eat_memory, "memory", ENOMEM);
        expect(*state, sandbox_enter, check_limits, "limits", 0);
}

/* Is LINE one of /proc/PID/status? */
static bool has_line(const char *status, const char *line) {
        const char *at = strstr(status, line);
        return at && at > status && at[-1] == '\n' && at[strlen(line)] == '\n';
}

static void no_right_but_reading_is_left(void **state) {
        static const char *const lines[] = {
                "CapInh:\t0000000000000000",
                "CapPrm:\t0000000000000004",
                "CapEff:\t0000000000000004",
                "CapBnd:\t0000000000000004",
                "CapAmb:\t0000000000000000",
                "NoNewPrivs:\t1",
                "Seccomp:\t2",
                "Uid:\t65534\t65534\t65534\t65534",
                "Gid:\t65534\t65534\t65534\t65534",
                "Groups:\t ",
        };
        int ready[2], go[2];
        char path[64], status[8192] = "";
        assert_int_equal(pipe(ready) + pipe(go), 0);
        pid_t pid = fork();
        if (pid == 0) {
                char c;
                dup2(ready[1], STDOUT_FILENO);
                _exit(sandbox_enter() < 0 || write(STDOUT_FILENO, "x", 1) < 0 || read(go[0], &c, 1) < 0);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], status, 1), 1);
        (void) snprintf(path, sizeof path, "/proc/%i/status", (int) pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(read(fd, status, sizeof status - 1) > 0);
        assert_int_equal(write(go[1], "x", 1), 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (!has_line(status, lines[i]))
                        fail_msg("%s is not in:\n%s", lines[i], status);
        close(fd);
        close(ready[0]);
        close(go[0]);
        close(go[1]);
}

int main(void) {
#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        const struct CMUnitTest tests[] = {
                world_test(all_attempts_fail_inside),
                world_test(system_calls_alone_stop_all_but_openat2),
                world_test(landlock_alone_stops_writing),
                world_test(reading_past_permissions_works),
                world_test(arming_works),
                world_test(memory_and_time_are_bounded),
                world_test(no_right_but_reading_is_left),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
