/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: builder/run/builderspace.c builder/run/buildertmp.c builder/run/runner.c builder/run/lookups.c */

/* What is learned of real builders, on a real disk. */

#include "builder/run/learner.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "builder/run/runner.h"
#include "disk.h"

#define PROGRAMS "sh ls cat rm mkdir chroot sleep setsid mv mkfifo timeout unshare mount"

typedef struct World {
        Scratch *s;
        Disk disk;
        int root;
        char mnt[96];
        char printed[4096];
        Trace trace;
        RunnerOutcome outcome;
} World;

/* For all tests: a folder with the file system of a volume, in a file, with what a shell script needs. */
static int setup_image(void **state) {
        assert_int_equal(scratch_setup(state), 0);
        Scratch *s = *state;
        shell("mkdir %s/t && cd %s/t && mkdir -p bin proc sys dev run tmp var/tmp etc/list etc/empty && "
              "for p in " PROGRAMS "; do cp -L $(command -v $p) bin || exit; done; "
              "for l in $(ldd bin/* | grep -o '[[:space:]]/[^ )]*' | sort -u); do "
              "  mkdir -p .${l%%/*} && cp -L $l .$l || exit; "
              "done; "
              "mkfs.ext4 -q -N 30000 -O ^has_journal -d . ../image 64M",
              s->path, s->path);
        return 0;
}

/* A volume of its own. Nobody else has it mounted. */
static int setup(void **state) {
        const Scratch *image = *state;
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_int_equal(scratch_setup((void **) &w->s), 0);
        *state = w;
        scratch_unshare(w->s);
        shell("cp --sparse=always %s/image %s/disk", image->path, w->s->path);
        disk_attach(&w->disk, w->s, "64M", NULL, false);
        (void) snprintf(w->mnt, sizeof(w->mnt), "%s/v", w->s->path);
        shell("mkdir %s && mount %s %s", w->mnt, w->disk.node, w->mnt);
        w->root = open(w->mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(w->root >= 0);
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        trace_done(&w->trace);
        closep(&w->root);
        shell("umount %s", w->mnt);
        disk_detach(&w->disk);
        int r = scratch_teardown((void **) &w->s);
        free(w);
        return r;
}

static void take_line(const char *line, void *userdata) {
        World *w = userdata;
        size_t size = strlen(w->printed);
        (void) snprintf(w->printed + size, sizeof(w->printed) - size, "%s\n", line);
}

static void run_job(World *w, const char *script, RunnerJob job) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        _cleanup_free_ char *reason = NULL;
        trace_done(&w->trace);
        w->printed[0] = 0;
        job.program.name = "pack";
        job.program.argv = (char *const *) argv;
        job.root = w->root;
        job.timeout_usec = USEC_INFINITY;
        job.line = job.line ? job.line : take_line;
        job.userdata = w;
        job.trace = &w->trace;
        w->outcome = RUNNER_FAILED;
        assert_int_equal(runner_run(&job, &w->outcome, &reason), 0);
        if (w->outcome != RUNNER_SUCCESS)
                fail_msg("%s\n%s", strempty(reason), w->printed);
}

static void run_script(World *w, const char *script) {
        run_job(w, script, (RunnerJob){});
}

static void assert_complete(const World *w) {
        if (w->trace.incomplete)
                fail_msg("incomplete: %s", w->trace.incomplete);
}

/* Of each path: exactly these kinds; 0: not seen. */
static void assert_seen(const World *w, const char *path, unsigned kinds) {
        const TraceItem *item = trace_find(&w->trace, path);
        unsigned got = item ? item->kinds : 0;
        if (got != kinds)
                fail_msg("%s: %x, expected %x", path, got, kinds);
}

static void put(const World *w, const char *name, const char *text) {
        char path[64];
        (void) snprintf(path, sizeof(path), "v/%s", name);
        scratch_write(w->s, path, text);
}

static void what_is_opened_executed_and_listed_is_learned(void **state) {
        World *w = *state;
        put(w, "etc/read", "text");
        put(w, "etc/never", "");
        put(w, "etc/list/b", "");
        put(w, "etc/list/a", "");
        run_script(w, "cat /etc/read; ls /etc/list; ls /etc/empty; test -e /etc/never; "
                      "echo x >/etc/new; echo y >/proc/self/comm; cat /dev/null");
        assert_complete(w);
        assert_string_equal(w->printed, "texta\nb\n");
        assert_seen(w, "/etc/read", TRACE_READ);
        assert_seen(w, "/bin/sh", TRACE_READ);
        assert_seen(w, "/bin/ls", TRACE_READ);
        assert_seen(w, "/etc/list", TRACE_LISTED);
        assert_seen(w, "/etc/list/a", 0);
        assert_seen(w, "/etc/never", 0);
        assert_seen(w, "/etc", 0);
        assert_seen(w, "/etc/new", TRACE_READ | TRACE_WRITTEN);
        assert_seen(w, "/bin/rm", 0);
        for (size_t i = 0; i < w->trace.n; i++) /* other file systems */
                assert_true(!startswith(w->trace.items[i].path, "/proc") &&
                            !startswith(w->trace.items[i].path, "/dev"));
}

static void what_it_was_like_is_known(void **state) {
        World *w = *state;
        struct timespec before, after;
        struct stat st;
        put(w, "etc/read", "text");
        put(w, "etc/list/b", "");
        put(w, "etc/list/a", "");
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &before), 0);
        run_script(w, "cat /etc/read; ls /etc/list; ls /etc/empty");
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &after), 0);
        assert_int_equal(fstatat(w->root, "etc/read", &st, 0), 0);
        const TraceItem *read = trace_find(&w->trace, "/etc/read"),
                        *list = trace_find(&w->trace, "/etc/list"),
                        *empty = trace_find(&w->trace, "/etc/empty");
        assert_non_null(read);
        assert_int_equal(read->stx.stx_ino, st.st_ino);
        assert_int_equal(read->stx.stx_size, 4);
        assert_int_equal(read->stx.stx_mask & STATX_BTIME, STATX_BTIME);
        assert_null(read->names);
        assert_non_null(list);
        assert_int_equal(strv_length(list->names), 2);
        assert_string_equal(list->names[0], "a");
        assert_string_equal(list->names[1], "b");
        assert_non_null(empty);
        assert_non_null(empty->names);
        assert_null(empty->names[0]);
        assert_in_range(w->trace.began.tv_sec, before.tv_sec, after.tv_sec);
        assert_true(w->trace.clock != 0);
}

static void whatever_it_starts_is_seen_to_the_end(void **state) {
        World *w = *state;
        put(w, "etc/below", "");
        put(w, "etc/background", "");
        put(w, "etc/left", "");
        run_script(
                w,
                "mkdir -p /sub/bin /sub/etc; for l in /lib* /bin; do test -d /sub$l || mkdir /sub$l; done; "
                "cat /bin/cat >/sub/bin/cat; (sleep 0.1; cat /etc/background) & wait; "
                "mkfifo /fifo; setsid sh -c 'cat /etc/left; echo >/fifo; exec sleep 1000' & cat /fifo; "
                "echo done");
        assert_complete(w);
        assert_contains(w->printed, "done\n");
        assert_seen(w, "/etc/background", TRACE_READ);
        assert_seen(w, "/etc/left", TRACE_READ);
        assert_seen(w, "/etc/below", 0);
}

static void chroots_below_are_seen(void **state) {
        World *w = *state;
        shell("cd %s && mkdir sub && cp -a bin sub && for l in lib*; do cp -a $l sub; done", w->mnt);
        put(w, "sub/etc/below", "x");
        run_script(w, "chroot /sub /bin/cat /etc/below");
        assert_complete(w);
        assert_string_equal(w->printed, "x\n");
        assert_seen(w, "/sub/etc/below", TRACE_READ);
        assert_seen(w, "/sub/bin/cat", TRACE_READ);
        assert_seen(w, "/bin/cat", 0);
}

/* ---- nobody else ---- */

static void open_from_outside(const char *line, void *userdata) {
        World *w = userdata;
        char path[128];
        take_line(line, userdata);
        shell("cat %s/etc/other; ls %s/etc/list >/dev/null", w->mnt, w->mnt);
        (void) snprintf(path, sizeof(path), "%s/fifo", w->mnt);
        int fd = open(path, O_WRONLY | O_CLOEXEC); /* go on */
        assert_true(fd >= 0);
        close(fd);
}

static void what_others_open_meanwhile_is_not_learned(void **state) {
        static const char *const places[] = {NULL, "host"};
        World *w = *state;
        put(w, "etc/other", "");
        put(w, "etc/own", "");
        shell("mkfifo %s/fifo", w->mnt);
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                char script[256];
                const char *at = places[i] ? w->mnt : "";
                (void) snprintf(script, sizeof(script), "cat %s/etc/own; echo now; cat %s/fifo", at, at);
                run_job(w, script,
                        (RunnerJob){.line = open_from_outside, .place = places[i] ? w->mnt : NULL});
                assert_complete(w);
                assert_seen(w, "/etc/own", TRACE_READ);
                assert_seen(w, "/etc/other", 0);
                assert_seen(w, "/etc/list", 0);
        }
}

/* ---- on the host ---- */

static void on_the_host_what_it_uses_of_the_volume_is_learned(void **state) {
        World *w = *state;
        char script[512];
        put(w, "etc/read", "text");
        put(w, "etc/list/a", "");
        shell("mkdir %s/m && mount -t tmpfs tmpfs %s/m && echo m >%s/m/m", w->mnt, w->mnt, w->mnt);
        (void) snprintf(
                script, sizeof(script),
                "cd %s && cat etc/read m/m && ls etc/list && cat /etc/passwd >etc/new && ls . >/dev/null",
                w->mnt);
        run_job(w, script, (RunnerJob){.place = w->mnt});
        shell("umount %s/m", w->mnt);
        assert_complete(w);
        assert_string_equal(w->printed, "textm\na\n");
        assert_seen(w, "/etc/read", TRACE_READ);
        assert_seen(w, "/etc/list", TRACE_LISTED);
        assert_seen(w, "/etc/new", TRACE_READ | TRACE_WRITTEN);
        assert_seen(w, "/", TRACE_LISTED);
        assert_int_equal(w->trace.n, 4);
}

/* Mounts of the host go there, too; what is mounted there is seen by nobody else. */
static void mounts_on_the_host_are_slaves(void **state) {
        World *w = *state;
        char script[512];
        shell("mkdir %s/m", w->mnt);
        (void) snprintf(script, sizeof(script), "mount -t tmpfs tmpfs %s/m && echo x >%s/m/x && echo mounted",
                        w->mnt, w->mnt);
        run_job(w, script, (RunnerJob){.place = w->mnt});
        assert_string_equal(w->printed, "mounted\n");
        shell("! mountpoint -q %s/m && ! test -e %s/m/x", w->mnt, w->mnt);
}

/* The running system: its root is another mount of the same, and all that is mounted is there. */
static void the_running_system_is_seen_as_it_is(void **state) {
        World *w = *state;
        char script[512];
        int volume = w->root, own = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(own >= 0);
        (void) snprintf(script, sizeof(script),
                        "cat /etc/hostname >/dev/null; ls /etc/apt >/dev/null; cat %s/bin/sh >/dev/null; "
                        "test -e /proc/self/stat && test -d /sys/kernel && test -c /dev/null && "
                        "readlink /proc/self/root && pwd",
                        w->mnt);
        w->root = own;
        run_job(w, script, (RunnerJob){.place = "/"});
        w->root = volume;
        close(own);
        assert_complete(w);
        assert_string_equal(w->printed, "/\n/\n");
        assert_seen(w, "/etc/hostname", TRACE_READ);
        assert_seen(w, "/etc/apt", TRACE_LISTED);
        for (size_t i = 0; i < w->trace.n; i++)
                assert_null(strstr(w->trace.items[i].path, w->s->path));
}

/* ---- its own /tmp ---- */

static void its_tmp_is_its_own_and_goes_with_it(void **state) {
        World *w = *state;
        put(w, "tmp/x", "of the volume");
        put(w, "var/tmp/x", "of the volume");
        run_script(w, "ls -A /tmp /var/tmp; for d in /tmp /var/tmp; do cd $d; echo $d >a; mkdir -p b/c/d; "
                      "echo x >b/c/d/e; cat a; done");
        assert_complete(w);
        assert_string_equal(w->printed, "/tmp:\n/var/tmp:\n/tmp\n/var/tmp\n");
        shell("cd %s && test \"$(ls -A tmp)\" = x && test \"$(ls -A var/tmp)\" = x", w->mnt);
        for (size_t i = 0; i < w->trace.n; i++)
                assert_null(strstr(w->trace.items[i].path, "tmp"));
}

static void what_the_command_names_is_not_covered(void **state) {
        World *w = *state;
        put(w, "tmp/x", "here\n");
        put(w, "var/tmp/x", "there\n");
        run_script(w, "cat /tmp/x; ls /var/tmp");
        assert_string_equal(w->printed, "here\n");
        run_script(w, "cat /var/tmp/x");
        assert_string_equal(w->printed, "there\n");
}

static void volume_without_a_place_for_it_gets_none(void **state) {
        World *w = *state;
        shell("cd %s && rm -r var/tmp && ln -s ../etc var/tmp", w->mnt);
        run_script(w, "ls /tmp; echo ran");
        assert_string_equal(w->printed, "ran\n");
        shell("test -z \"$(ls -A %s/etc | grep bootkeep-build)\"", w->mnt);
}

/* After a power cut, say. */
static void what_is_left_behind_goes_with_the_next(void **state) {
        World *w = *state;
        shell("cd %s/var/tmp && mkdir -m 700 -p .bootkeep-build-1 .bootkeep-build-2 && mkdir -p "
              ".bootkeep-build-1/a/b && "
              "touch .bootkeep-build-1/a/b/c && ln -s /etc .bootkeep-build-1/l && "
              "mkdir -m 700 .bootkeep-build-3 && chown 1:1 .bootkeep-build-3 && mkdir -m 755 "
              ".bootkeep-build-4",
              w->mnt);
        int used = openat(w->root, "var/tmp/.bootkeep-build-2", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(used, LOCK_EX), 0);
        run_script(w, "ls -A /var/tmp; echo ran");
        close(used);
        assert_string_equal(w->printed, "ran\n");
        shell("cd %s && test \"$(ls -A var/tmp | tr '\n' ' ')\" = "
              "'.bootkeep-build-2 .bootkeep-build-3 .bootkeep-build-4 ' && test -d etc/list",
              w->mnt);
}

static void raise_kill(const char *line, void *userdata) {
        (void) raise(SIGKILL);
}

/* The nanny has nothing else to do then; when it has ended, the volume can be unmounted. */
static void it_goes_if_we_are_killed(void **state) {
        World *w = *state;
        int status = 0, ends[2];
        char c;
        assert_int_equal(pipe(ends), 0); /* without O_CLOEXEC: the nanny has it, too */
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                run_job(w, "cd /var/tmp; echo x >x; echo now; exec sleep 1000",
                        (RunnerJob){.line = raise_kill});
                _exit(1);
        }
        close(ends[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(read(ends[0], &c, 1), 0);
        close(ends[0]);
        shell("test -z \"$(ls -A %s/var/tmp)\"", w->mnt);
}

/* ---- hostile and large ---- */

static void what_is_removed_and_renamed_stays_in_it(void **state) {
        World *w = *state;
        put(w, "etc/a (deleted)", "");
        put(w, "etc/gone", "");
        put(w, "etc/d/x", "");
        run_script(w, "cat '/etc/a (deleted)'; cat /etc/gone; rm /etc/gone; "
                      "ls /etc/d; mv /etc/d /etc/e; ls /etc/e; echo x >/etc/t; rm /etc/t; sleep 0.1");
        assert_complete(w);
        assert_seen(w, "/etc/a (deleted)", TRACE_READ);
        assert_seen(w, "/etc/gone", TRACE_READ);
        assert_seen(w, "/etc/t", TRACE_READ | TRACE_WRITTEN);
}

static void fifos_and_devices_hold_nobody_up(void **state) {
        World *w = *state;
        shell("mkfifo %s/fifo && mknod %s/null c 1 3 && mknod %s/none c 240 77", w->mnt, w->mnt, w->mnt);
        run_script(w,
                   "cat /fifo & echo x >/fifo; wait; cat /null; cat /none; cat /etc/empty/none; echo done");
        assert_complete(w);
        assert_contains(w->printed, "done\n");
        assert_seen(w, "/fifo", 0);
        assert_seen(w, "/null", 0);
        assert_seen(w, "/bin/cat", TRACE_READ);
}

static void block_until_all_is_open(const char *line, void *userdata) {
        World *w = userdata;
        char path[128], c;
        if (!streq(line, "now"))
                return;
        (void) snprintf(path, sizeof(path), "%s/fifo", w->mnt);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, &c, 1), 1);
        close(fd);
}

/* More at once than the kernel keeps, while nobody reads. */
static void what_is_lost_is_told(void **state) {
        World *w = *state;
        char path[128];
        unsigned max = 0;
        FILE *f = fopen("/proc/sys/fs/fanotify/max_queued_events", "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%u", &max), 1);
        (void) fclose(f);
        if (max > 20000)
                skip();
        shell("mkdir %s/many && mkfifo %s/fifo", w->mnt, w->mnt);
        for (unsigned i = 0; i < max + 10; i++) {
                (void) snprintf(path, sizeof(path), "%s/many/%u", w->mnt, i);
                assert_int_equal(mknod(path, S_IFREG | 0644, 0), 0);
        }
        run_job(w, "echo now; sleep 0.1; for f in /many/*; do : <$f; done; echo x >/fifo",
                (RunnerJob){.line = block_until_all_is_open});
        assert_contains(w->trace.incomplete, "fs.fanotify.max_queued_events");
}

static void without_rights_the_builder_runs_all_the_same(void **state) {
        World *w = *state;
        Trace trace = {};
        Learner *learner = NULL;
        int r = learner_new(w->s->fd, &trace, &learner);
        assert_int_equal(r, 0);
        learner_free(learner);
        assert_int_equal(learner_new(1000, &trace, &learner), -EBADF);
        run_job(w, "echo ran", (RunnerJob){.place = "/nonexistent"});
        assert_string_equal(w->printed, "ran\n");
        assert_non_null(w->trace.incomplete);
        closep(&w->root);
        w->root = -EBADF;
        run_job(w, "echo ran", (RunnerJob){});
        assert_string_equal(w->trace.incomplete, "it runs outside of any volume");
}

/* ---- what fanotify does not see ---- */

static void what_hides_its_opens_is_told(void **state) {
        World *w = *state;
        run_script(w, "unshare -m cat /etc/none; mount --bind /proc /etc/empty; echo done");
        assert_string_equal(w->trace.incomplete, "unshare made a mount namespace of its own");
        run_script(w, "mount --bind /proc /etc/empty && cat /etc/empty/self/comm");
        assert_string_equal(w->printed, "cat\n");
        assert_complete(w);
        run_script(w, "mount --bind /etc/list /etc/empty && ls /etc/empty && echo done");
        assert_string_equal(w->printed, "done\n");
        assert_string_equal(w->trace.incomplete, "mount made a bind mount of the volume");
}

static void assert_looks(World *w, const char *place) {
        char script[1024];
        const char *at = streq_ptr(place, w->mnt) ? w->mnt : "";
        (void) snprintf(script, sizeof(script),
                        "test -e %s/etc/looked; test -e %s/etc/none; test -h %s/etc/link; cat %s/etc/link; "
                        "test -e /proc/self/none; cd %s/etc && test -d empty/../list",
                        at, at, at, at, at);
        run_job(w, script, (RunnerJob){.place = place, .learn = LEARN_LOOKUPS});
        assert_complete(w);
        assert_string_equal(w->printed, "text\n");
        assert_seen(w, "/etc/looked", TRACE_LOOKED);
        assert_seen(w, "/etc/none", TRACE_ABSENT);
        assert_seen(w, "/etc/link", TRACE_LINK);
        assert_seen(w, "/etc/read", TRACE_READ);
        assert_seen(w, "/etc/list", TRACE_LOOKED);
        assert_seen(w, "/proc/self/none", 0);
}

/* In it, and on the host; where nobody asks, nothing is told. */
static void what_it_only_looks_at_is_learned_if_wanted(void **state) {
        World *w = *state;
        put(w, "etc/read", "text");
        put(w, "etc/looked", "");
        shell("ln -s read %s/etc/link", w->mnt);
        assert_looks(w, NULL);
        assert_looks(w, w->mnt);
        run_script(w, "test -e /etc/looked; test -e /etc/none; cat /etc/link");
        assert_seen(w, "/etc/looked", 0);
        assert_seen(w, "/etc/none", 0);
        assert_seen(w, "/etc/link", 0);
        assert_seen(w, "/etc/read", TRACE_READ);
}

static void the_running_system_is_looked_at_as_it_is(void **state) {
        World *w = *state;
        int volume = w->root, own = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(own >= 0);
        w->root = own;
        run_job(w, "cd /etc; test -e passwd; test -e ../none-of-ours; test -e /proc/none; :",
                (RunnerJob){.place = "/", .learn = LEARN_LOOKUPS});
        w->root = volume;
        close(own);
        assert_complete(w);
        assert_seen(w, "/etc/passwd", TRACE_LOOKED);
        assert_seen(w, "/none-of-ours", TRACE_ABSENT);
        assert_seen(w, "/proc/none", 0);
}

/* In the middle of a look, at its end, by its time, or before it begins. */
static void who_is_asked_for_leave_is_stopped_all_the_same(void **state) {
        World *w = *state;
        const RunnerJob job = {.learn = LEARN_LOOKUPS};
        const char *argv[] = {"/none", NULL};
        _cleanup_free_ char *reason = NULL;
        run_job(w, "(while :; do test -e /etc/none; done) & (while :; do test -e /etc/x; done) & echo done",
                job);
        assert_string_equal(w->printed, "done\n");
        assert_seen(w, "/none", 0);
        RunnerJob none = {.program = {.name = "pack", .argv = (char *const *) argv},
                          .root = w->root,
                          .trace = &w->trace,
                          .learn = LEARN_LOOKUPS,
                          .timeout_usec = USEC_INFINITY,
                          .line = take_line,
                          .userdata = w};
        assert_int_equal(runner_run(&none, &w->outcome, &reason), 0);
        assert_int_equal(w->outcome, RUNNER_FAILED);
        assert_string_equal(reason, "builder pack: /none: No such file or directory");
        none.program.argv =
                (char *const *) (const char *[]){"/bin/sh", "-c", "while :; do test -e /x; done", NULL};
        none.timeout_usec = 100 * USEC_PER_MSEC;
        assert_int_equal(runner_run(&none, &w->outcome, &reason), 0);
        assert_int_equal(w->outcome, RUNNER_FAILED);
        assert_contains(reason, "did not finish");
}

int main(void) {
#define learner_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                learner_test(what_is_opened_executed_and_listed_is_learned),
                learner_test(what_it_was_like_is_known),
                learner_test(whatever_it_starts_is_seen_to_the_end),
                learner_test(chroots_below_are_seen),
                learner_test(what_others_open_meanwhile_is_not_learned),
                learner_test(on_the_host_what_it_uses_of_the_volume_is_learned),
                learner_test(mounts_on_the_host_are_slaves),
                learner_test(the_running_system_is_seen_as_it_is),
                learner_test(its_tmp_is_its_own_and_goes_with_it),
                learner_test(what_the_command_names_is_not_covered),
                learner_test(volume_without_a_place_for_it_gets_none),
                learner_test(what_is_left_behind_goes_with_the_next),
                learner_test(it_goes_if_we_are_killed),
                learner_test(what_is_removed_and_renamed_stays_in_it),
                learner_test(fifos_and_devices_hold_nobody_up),
                learner_test(what_is_lost_is_told),
                learner_test(without_rights_the_builder_runs_all_the_same),
                learner_test(what_hides_its_opens_is_told),
                learner_test(what_it_only_looks_at_is_learned_if_wanted),
                learner_test(the_running_system_is_looked_at_as_it_is),
                learner_test(who_is_asked_for_leave_is_stopped_all_the_same),
        };
        return cmocka_run_group_tests(tests, setup_image, scratch_teardown);
}
