/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/update.h"

#include <signal.h>

#include "base/log.h"
#include "buildworld.h"
#include "fixture.h"
#include "interpose.h"

#define BOOT_1 "11111111-1111-1111-1111-111111111111"
#define BOOT_2 "22222222-2222-2222-2222-222222222222"

#define LOADER                                                                                               \
        "<copy role=\"required\" from=\"/kernel\" to=\"/os/linux\"/>"                                        \
        "<copy role=\"entry\" from=\"/entry\" to=\"/loader/os.conf\"/>"                                      \
        "<copy role=\"booter\" from=\"/boot.efi\" to=\"/EFI/boot.efi\"/>"
#define MANIFEST LOADER "<copy role=\"misc\" from=\"/tree\" to=\"/os/tree\"/>"

typedef struct World {
        BuildWorld b;
        Updater updater;
        UpdateResult result;
        char *reason;
} World;

/* What happens to the helper meanwhile. */
static struct {
        World *w;
        dev_t helper;
        bool writes_fail;
        const char *unremovable;  /* a name below the helper that cannot be removed */
        const char *unswitchable; /* that cannot be given to anything */
        char *stamp_at_write;     /* the stamp when the first file was written */
        unsigned n_flushed;       /* the disk */
        bool flush_fails;
        bool stamps_fail; /* cannot be synced */
} meanwhile;

static char *read_stamp(const World *w) {
        _cleanup_close_ int fd = openat(w->b.s->fd, "state/helpers/12-34.stamp", O_RDONLY | O_CLOEXEC);
        char *text = calloc(1, 65536);
        assert_non_null(text);
        if (fd >= 0)
                assert_true(read(fd, text, 65535) >= 0);
        return text;
}

static bool is_on_helper(int fd) {
        struct stat st;
        return meanwhile.w && fstat(fd, &st) >= 0 && st.st_dev == meanwhile.helper;
}

ssize_t write(int fd, const void *buf, size_t n) {
        if (!is_on_helper(fd))
                return REAL(write)(fd, buf, n);
        if (!meanwhile.stamp_at_write)
                meanwhile.stamp_at_write = read_stamp(meanwhile.w);
        errno = EIO;
        return meanwhile.writes_fail ? -1 : REAL(write)(fd, buf, n);
}

int unlinkat(int fd, const char *name, int flag) {
        errno = EIO;
        if (meanwhile.unremovable && startswith(name, meanwhile.unremovable) && is_on_helper(fd))
                return -1;
        return REAL(unlinkat)(fd, name, flag);
}

int renameat(int oldfd, const char *old, int newfd, const char *new) {
        errno = EIO;
        if (meanwhile.unswitchable && streq(new, meanwhile.unswitchable) && is_on_helper(newfd))
                return -1;
        return REAL(renameat)(oldfd, old, newfd, new);
}

static bool is_stamp(int fd) {
        char link[64], path[256] = "";
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        return readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "/state/helpers/");
}

int fsync(int fd) {
        struct stat st;
        errno = EIO;
        if (meanwhile.stamps_fail && is_stamp(fd))
                return -1;
        if (!meanwhile.w || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
                return REAL(fsync)(fd);
        meanwhile.n_flushed++;
        errno = EIO;
        return meanwhile.flush_fails ? -1 : 0;
}

static World world;

static int world_setup(void **state) {
        Scratch *s = NULL;
        assert_int_equal(scratch_setup((void **) &s), 0);
        world = (World){};
        buildworld_start_with_disk(&world.b, s, "");
        scratch_write(s, "v/kernel", "kernel A");
        scratch_write(s, "v/entry", "linux /os/linux\n");
        scratch_write(s, "v/boot.efi", "booter");
        scratch_write(s, "v/tree/a", "a");
        scratch_write(s, "v/tree/b/c", "c");
        buildworld_want(&world.b, MANIFEST);
        world.updater = (Updater){.context = &world.b.context, .boot_id = BOOT_1, .cmdline = ""};
        meanwhile.w = &world;
        meanwhile.helper = world.b.helper.devno;
        *state = &world;
        return 0;
}

static int world_teardown(void **state) {
        Scratch *s = world.b.s;
        free(meanwhile.stamp_at_write);
        memset(&meanwhile, 0, sizeof(meanwhile));
        free(world.reason);
        buildworld_end_with_disk(&world.b);
        return scratch_teardown((void **) &s);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

static int update(World *w) {
        free(w->reason);
        w->reason = NULL;
        free(meanwhile.stamp_at_write);
        meanwhile.stamp_at_write = NULL;
        meanwhile.n_flushed = 0;
        return update_helper(&w->updater, &w->b.helper, &w->result, &w->reason);
}

static int update_to(World *w, const char *kernel) {
        scratch_write(w->b.s, "v/kernel", kernel);
        return update(w);
}

/* The files on the helper, each as NAME=CONTENT, names without the digits of their content; no temporaries.
 */
static void assert_helper(const World *w, const char *expected) {
        shell("cd %s/helper && "
              "found=$(find . -path ./lost+found -prune -o -type f -print | sort | while read -r f; do "
              "  printf '%%s=%%s ' \"$(echo \"${f#./}\" | sed 's/-[0-9a-f]\\{8\\}/-N/g')\" "
              "  \"$(tr '\\n' ' ' <\"$f\" | sed 's/-[0-9a-f]\\{8\\}/-N/g;s/ *$//' | tr ' ' '_')\"; done) && "
              "if [ \"$found\" != '%s' ]; then echo \"# $found\"; false; fi",
              w->b.s->path, expected);
}

#define HELPER_A                                                                                             \
        "EFI/boot.efi=booter loader/os.conf=linux_/os/linux-N os/linux-N=kernel_A os/tree/a=a "              \
        "os/tree/b/c=c "

/* As many lines of the stamp begin with WORD. */
static void assert_stamp_lines(const char *stamp, const char *word, unsigned expected) {
        unsigned n = 0;
        for (const char *line = stamp; line && *line;
             line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                n += startswith(line, word) != NULL;
        if (n != expected)
                fail_msg("%u lines %s in:\n%s", n, word, stamp);
}

static void assert_recorded(const World *w, const char *word, unsigned expected) {
        _cleanup_free_ char *stamp = read_stamp(w);
        assert_stamp_lines(stamp, word, expected);
}

static void the_first_set_is_written_whole_and_recorded(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        assert_null(w->reason);
        assert_false(w->result.fresh);
        assert_int_equal(w->result.written, 4);
        assert_int_equal(w->result.switched, 1);
        assert_int_equal(w->result.removed, 0);
        assert_int_equal(w->result.bytes, strlen("kernel A") + 512 + strlen("booter") + 2);
        assert_helper(w, HELPER_A);
        assert_recorded(w, "fingerprint ", 1);
        assert_recorded(w, "filesystem ", 1);
        assert_recorded(w, "state ", 0);
        assert_recorded(w, "carries ", 5);
        assert_recorded(w, "ours ", 0);
        assert_recorded(w, "made ", 5);        /* /os, /loader, /EFI, /os/tree, /os/tree/b */
        assert_true(meanwhile.n_flushed >= 2); /* after the booter, and at the end */
}

/* Without and with something between two sets: how often that was told, and how often the disk had been
 * flushed. */
typedef struct Told {
        unsigned n[2], flushed[2];
} Told;

static void note_told(void *userdata, bool between) {
        Told *told = userdata;
        told->n[between]++;
        told->flushed[between] = meanwhile.n_flushed;
}

static void switch_is_announced_and_over_when_it_is_on_the_disk(void **state) {
        World *w = *state;
        Told told = {};
        const Between between = {note_told, &told};
        w->updater.between = &between;
        assert_int_equal(update(w), 0);
        assert_true(told.n[true] == 1 && told.n[false] == 1);
        assert_true(told.flushed[false] == meanwhile.n_flushed && told.flushed[false] > told.flushed[true]);
        assert_int_equal(update(w), 0); /* nothing is switched */
        assert_true(told.n[true] == 1 && told.n[false] == 1);
        meanwhile.flush_fails = true;
        assert_true(update_to(w, "kernel B") < 0);
        assert_true(told.n[true] == 2 && told.n[false] == 2);
}

/* The intent is on the volume before anything is on the helper. */
static void what_may_come_is_recorded_before_it_comes(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        const char *intent = meanwhile.stamp_at_write;
        assert_stamp_lines(intent, "state intent", 1);
        assert_stamp_lines(intent, "fingerprint ", 0);
        assert_stamp_lines(intent, "carries ", 0);
        assert_stamp_lines(intent, "ours ", 5);
        assert_stamp_lines(intent, "made ", 5);
        assert_int_equal(update_to(w, "kernel B"), 0);
        intent = meanwhile.stamp_at_write;
        assert_stamp_lines(intent, "carries ", 5);
        assert_stamp_lines(intent, "ours ", 2);
}

static void what_is_fresh_is_not_looked_at(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        w->b.helper.fs_type = NULL; /* it could not be mounted */
        assert_int_equal(update(w), 0);
        assert_true(w->result.fresh);
        assert_int_equal(w->result.written + w->result.switched + w->result.removed, 0);
        w->updater.force = true;
        assert_int_equal(update(w), -ENOMEDIUM);
        assert_string_equal(w->reason, "has no file system");
        assert_false(w->result.fresh);
}

/* Whatever the record says about it. */
static void by_force_everything_is_read(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        scratch_write(w->b.s, "helper/EFI/boot.efi", "forged");
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.written, 1);
        assert_helper(w, HELPER_A);
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.written + w->result.switched + w->result.removed, 0);
        assert_false(w->result.fresh);
}

static void a_new_kernel_takes_the_place_of_the_old_one(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        assert_int_equal(update_to(w, "kernel B"), 0);
        assert_int_equal(w->result.written, 1);
        assert_int_equal(w->result.switched, 1);
        assert_int_equal(w->result.removed, 1);
        assert_helper(w, "EFI/boot.efi=booter loader/os.conf=linux_/os/linux-N os/linux-N=kernel_B "
                         "os/tree/a=a os/tree/b/c=c ");
        assert_recorded(w, "carries ", 5);
        assert_recorded(w, "ours ", 0);
}

static void what_was_booted_is_kept_on_the_running_volume(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        w->updater.boot_id = BOOT_2;
        w->updater.running = true;
        assert_int_equal(update_to(w, "kernel B"), 0);
        assert_int_equal(w->result.removed, 0);
        assert_int_equal(w->result.switched, 2);
        shell("cd %s/helper && test $(ls os/linux-* | wc -l) = 2 && test -e loader/os-previous.conf",
              w->b.s->path);
        assert_recorded(w, "previous ", 2);
        w->updater.boot_id = "33333333-3333-3333-3333-333333333333";
        assert_int_equal(update_to(w, "kernel C"), 0);
        assert_recorded(w, "previous ", 2);
        shell("cd %s/helper && test \"$(cat os/linux-* | sort | tr -d '\\n')\" = 'kernel Bkernel C'",
              w->b.s->path);
        /* somebody went back to B */
        char command[128], name[64], cmdline[128];
        (void) snprintf(command, sizeof(command), "cd %s/helper && grep -l B os/linux-*", w->b.s->path);
        shell_line(command, name, sizeof(name));
        (void) snprintf(cmdline, sizeof(cmdline), "BOOT_IMAGE=/%s", name);
        w->updater.cmdline = cmdline;
        w->updater.boot_id = "44444444-4444-4444-4444-444444444444";
        assert_int_equal(update_to(w, "kernel D"), 0);
        shell("cd %s/helper && test \"$(cat os/linux-* | sort | tr -d '\\n')\" = 'kernel Bkernel D'",
              w->b.s->path);
}

/* Somebody needed the room. */
static void what_is_kept_and_gone_is_not_kept_on(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        w->updater.boot_id = BOOT_2;
        w->updater.running = true;
        assert_int_equal(update_to(w, "kernel B"), 0);
        assert_recorded(w, "previous required ", 1);
        shell("cd %s/helper/os && rm $(grep -l 'kernel A' linux-*)", w->b.s->path);
        assert_int_equal(update_to(w, "kernel C"), 0);
        assert_recorded(w, "previous required ", 0);
        assert_recorded(w, "previous entry ", 1);
}

/* Before the switch: neither files nor directories, and the record says so. */
static void a_set_that_cannot_be_staged_leaves_all_as_it_was(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        buildworld_want(&w->b,
                        MANIFEST "<copy role=\"booter\" from=\"/boot.efi\" to=\"/new/dir/boot.efi\"/>");
        meanwhile.writes_fail = true;
        assert_int_equal(update_to(w, "kernel B"), -EIO);
        assert_begins(w->reason, "cannot write /os/linux-");
        assert_stamp_lines(meanwhile.stamp_at_write, "state intent", 1);
        assert_helper(w, HELPER_A);
        shell("test ! -e %s/helper/new", w->b.s->path);
        assert_recorded(w, "state ", 0);
        assert_recorded(w, "fingerprint ", 0);
        assert_recorded(w, "carries ", 5);
        assert_recorded(w, "ours ", 0);
        assert_recorded(w, "made ", 5);
        meanwhile.writes_fail = false;
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.written, 2);
}

static void a_set_that_cannot_be_switched_to_leaves_its_intent(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        scratch_write(w->b.s, "v/boot.efi", "another");
        meanwhile.unswitchable = "boot.efi";
        assert_int_equal(update_to(w, "kernel B"), -EIO);
        assert_string_equal(w->reason, "cannot switch /EFI/boot.efi: Input/output error");
        /* old and new side by side, and no temporary */
        shell("cd %s/helper && test $(ls os/linux-* | wc -l) = 2 && test -z \"$(find . -name '.bootkeep*')\"",
              w->b.s->path);
        assert_int_equal(w->result.written + w->result.switched + w->result.removed, 0);
        assert_recorded(w, "state intent", 1);
        meanwhile.unswitchable = NULL;
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.written, 1);
        assert_int_equal(w->result.removed, 1);
        assert_helper(w, "EFI/boot.efi=another loader/os.conf=linux_/os/linux-N os/linux-N=kernel_B "
                         "os/tree/a=a os/tree/b/c=c ");
        assert_recorded(w, "state ", 0);
}

/* Without a record, what is written could not be told from a stranger's. */
static void nothing_is_written_before_the_intent_is_on_the_disk(void **state) {
        World *w = *state;
        meanwhile.stamps_fail = true;
        assert_int_equal(update(w), -EIO);
        assert_string_equal(w->reason, "cannot write its stamp: Input/output error");
        assert_null(meanwhile.stamp_at_write);
        assert_helper(w, "");
        assert_int_equal(w->result.written, 0);
}

/* Or the record would grow with each failure. */
static void what_is_gone_is_no_longer_on_record(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        shell("cd %s && printf 'ours /gone\nours /os/left\nmade /none\n' >>state/helpers/12-34.stamp && "
              "echo x >helper/os/left",
              w->b.s->path);
        assert_int_equal(update_to(w, "kernel B"), 0);
        assert_stamp_lines(meanwhile.stamp_at_write, "ours /gone", 0);
        assert_stamp_lines(meanwhile.stamp_at_write, "ours /os/left", 1);
        assert_stamp_lines(meanwhile.stamp_at_write, "made /none", 0);
        assert_stamp_lines(meanwhile.stamp_at_write, "made ", 5);
        assert_int_equal(w->result.removed, 2);
}

/* It is still ours, so that the next build removes it. */
static void what_cannot_be_removed_stays_on_record(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        meanwhile.unremovable = "linux-";
        Capture capture = capture_begin();
        int r = update_to(w, "kernel B");
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(r, 0);
        assert_contains(log, "sdx1: cannot remove /os/linux-");
        assert_int_equal(w->result.removed, 0);
        assert_recorded(w, "ours /os/linux-", 1);
        meanwhile.unremovable = NULL;
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.removed, 1);
        assert_recorded(w, "ours ", 0);
}

/* Down to the directories; then there is nothing to mount it for. */
static void what_is_no_longer_wanted_goes(void **state) {
        World *w = *state;
        scratch_write(w->b.s, "helper/EFI/theirs", "x");
        assert_int_equal(update(w), 0);
        assert_recorded(w, "made ", 4); /* not /EFI */
        buildworld_want(&w->b, "");
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.removed, 5);
        shell("cd %s/helper && rm -r lost+found && test \"$(find . | sort | tr '\\n' ' ')\" = '. ./EFI "
              "./EFI/theirs '",
              w->b.s->path);
        assert_recorded(w, "carries ", 0);
        assert_recorded(w, "made ", 0);
        w->b.helper.fs_type = NULL;
        assert_int_equal(update(w), 0);
}

/* A directory of ours that somebody else uses now stays, and stays ours. */
static void a_directory_with_something_else_in_it_stays(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        scratch_write(w->b.s, "helper/os/theirs", "x");
        buildworld_want(&w->b, "");
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_helper(w, "os/theirs=x ");
        assert_recorded(w, "made /os", 1);
        assert_recorded(w, "made ", 1);
        shell("rm %s/helper/os/theirs", w->b.s->path);
        assert_int_equal(update(w), 0);
        assert_recorded(w, "made ", 1);
}

static void misc_files_without_room_are_left_out(void **state) {
        World *w = *state;
        shell("truncate -s 30M %s/v/tree/a", w->b.s->path);
        Capture capture = capture_begin();
        int r = update(w);
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(r, 0);
        assert_contains(log, "sdx1: no room for the misc files, leaving them out");
        assert_helper(w, "EFI/boot.efi=booter loader/os.conf=linux_/os/linux-N os/linux-N=kernel_A ");
        assert_int_equal(w->result.written, 2);
        assert_recorded(w, "carries ", 3);
        assert_recorded(w, "carries misc", 0);
        shell("rm %s/v/tree/a", w->b.s->path);
        assert_int_equal(update(w), 0);
        assert_recorded(w, "carries misc /os/tree/b/c ", 1);
}

/* What stands there already needs no room. */
static void a_set_of_misc_files_alone_may_have_no_room(void **state) {
        World *w = *state;
        shell("truncate -s 30M %s/v/tree/a", w->b.s->path);
        buildworld_want(&w->b, "<copy role=\"misc\" from=\"/tree\" to=\"/os/tree\"/>");
        assert_int_equal(update(w), 0);
        assert_helper(w, "");
        assert_recorded(w, "carries ", 0);
        assert_recorded(w, "fingerprint ", 1);
}

static void misc_files_that_are_there_stay_on_record_when_there_is_no_room(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        shell("truncate -s 30M %s/v/tree/z", w->b.s->path);
        assert_int_equal(update(w), 0);
        assert_recorded(w, "carries misc ", 2);
        assert_helper(w, HELPER_A);
}

static void a_misc_file_that_failed_is_not_carried(void **state) {
        World *w = *state;
        scratch_write(w->b.s, "helper/os/tree/b", "of another");
        assert_int_equal(update(w), 0);
        assert_int_equal(w->result.written, 3);
        assert_recorded(w, "carries misc /os/tree/a ", 1);
        assert_recorded(w, "carries misc ", 1);
        assert_helper(w,
                      "EFI/boot.efi=booter loader/os.conf=linux_/os/linux-N os/linux-N=kernel_A os/tree/a=a "
                      "os/tree/b=of_another ");
}

static void what_is_in_the_way_goes_first_and_is_said(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        buildworld_want(&w->b, LOADER "<copy role=\"misc\" from=\"/tree/a\" to=\"/os/tree\"/>");
        Capture capture = capture_begin();
        int r = update(w);
        _cleanup_free_ char *log = capture_end(&capture);
        assert_int_equal(r, 0);
        assert_contains(log, "sdx1: first removing what is in the way of the new set: 2 files");
        assert_helper(w,
                      "EFI/boot.efi=booter loader/os.conf=linux_/os/linux-N os/linux-N=kernel_A os/tree=a ");
        assert_int_equal(w->result.removed, 2);
        assert_recorded(w, "made ", 3);
}

static void what_a_killed_build_staged_is_swept(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        scratch_write(w->b.s, "helper/os/.bootkeep-01234567.tmp", "staged");
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_helper(w, HELPER_A);
}

static void a_disk_that_cannot_be_flushed_leaves_the_intent(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        meanwhile.flush_fails = true;
        assert_int_equal(update_to(w, "kernel B"), -EIO);
        assert_string_equal(w->reason, "cannot flush the disk: Input/output error");
        assert_recorded(w, "state intent", 1);
        assert_int_equal(meanwhile.n_flushed, 1);
}

static void what_cannot_be_carried_changes_nothing(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        _cleanup_free_ char *before = read_stamp(w);
        shell("rm %s/v/kernel", w->b.s->path);
        assert_int_equal(update(w), -ENOENT);
        assert_string_equal(w->reason, "/kernel is missing");
        scratch_write(w->b.s, "v/tree/linux", "x");
        buildworld_want(&w->b, LOADER "<copy role=\"misc\" from=\"/tree\" to=\"/os\"/>");
        assert_int_equal(update_to(w, "kernel B"), -EEXIST);
        assert_string_equal(w->reason, "/kernel and /tree/linux would both be /os/linux on the helper");
        assert_helper(w, HELPER_A);
        _cleanup_free_ char *after = read_stamp(w);
        assert_string_equal(before, after);
}

static void a_guard_says_no_before_anything_is_written(void **state) {
        World *w = *state;
        assert_int_equal(update(w), 0);
        buildworld_want(&w->b, "<copy role=\"booter\" from=\"/boot.efi\" to=\"/EFI/boot.efi\"/>");
        assert_int_equal(update(w), -EPERM);
        assert_contains(w->reason, "without a boot entry");
        assert_helper(w, HELPER_A);
        assert_recorded(w, "state ", 0);
        w->updater.force = true;
        assert_int_equal(update(w), 0);
        assert_helper(w, "EFI/boot.efi=booter ");
}

static void an_update_can_be_interrupted(void **state) {
        World *w = *state;
        Interrupt *interrupt = NULL;
        assert_int_equal(interrupt_new(&interrupt), 0);
        w->updater.interrupt = interrupt;
        assert_int_equal(update(w), 0);
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        assert_int_equal(update_to(w, "kernel B"), -EINTR);
        assert_helper(w, HELPER_A);
        (void) interrupt_free(interrupt);
}

static void progress_ends_at_all_that_was_expected(void **state) {
        char text[4096] = "";
        World *w = *state;
        Progress progress = {.f = fmemopen(text, sizeof(text), "w")};
        w->updater.progress = &progress;
        assert_int_equal(update(w), 0);
        assert_int_equal(progress.of, w->result.bytes);
        assert_int_equal(progress.done, w->result.bytes);
        (void) fclose(progress.f);
        assert_contains(text, "PROGRESS");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(the_first_set_is_written_whole_and_recorded),
                world_test(switch_is_announced_and_over_when_it_is_on_the_disk),
                world_test(what_may_come_is_recorded_before_it_comes),
                world_test(what_is_fresh_is_not_looked_at),
                world_test(by_force_everything_is_read),
                world_test(a_new_kernel_takes_the_place_of_the_old_one),
                world_test(what_was_booted_is_kept_on_the_running_volume),
                world_test(what_is_kept_and_gone_is_not_kept_on),
                world_test(a_set_that_cannot_be_staged_leaves_all_as_it_was),
                world_test(a_set_that_cannot_be_switched_to_leaves_its_intent),
                world_test(nothing_is_written_before_the_intent_is_on_the_disk),
                world_test(what_is_gone_is_no_longer_on_record),
                world_test(what_cannot_be_removed_stays_on_record),
                world_test(what_is_no_longer_wanted_goes),
                world_test(a_directory_with_something_else_in_it_stays),
                world_test(misc_files_without_room_are_left_out),
                world_test(a_set_of_misc_files_alone_may_have_no_room),
                world_test(misc_files_that_are_there_stay_on_record_when_there_is_no_room),
                world_test(a_misc_file_that_failed_is_not_carried),
                world_test(what_is_in_the_way_goes_first_and_is_said),
                world_test(what_a_killed_build_staged_is_swept),
                world_test(a_disk_that_cannot_be_flushed_leaves_the_intent),
                world_test(what_cannot_be_carried_changes_nothing),
                world_test(a_guard_says_no_before_anything_is_written),
                world_test(an_update_can_be_interrupted),
                world_test(progress_ends_at_all_that_was_expected),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
