/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The volume is the folder v, the helper the folder h, its disk the file disk. */

#include "builder/transaction/transfer.h"

#include <signal.h>
#include <sys/random.h>

#include "fixture.h"
#include "helperworld.h"
#include "interpose.h"

typedef struct Stage {
        Scratch *s;
        HelperStep steps[8];
        HelperPlan plan;
        PrivateMount mount;
        int volume;
        Transfer transfer;
        char *reason;
} Stage;

static struct {
        char done[512];      /* on the helper, in order */
        const char *failing; /* this name is given to nothing, nor removed */
        ino_t disk;
        bool disk_fails;
        int random_error;     /* no name can be made up for a temporary */
        const char *stopping; /* at the first call of this name we are told to stop */
} world;

static void record(const char *what, const char *name) {
        size_t n = strlen(world.done);
        (void) snprintf(world.done + n, sizeof(world.done) - n, "%s%s%s%s", n > 0 ? "; " : "", what,
                        *name ? " " : "", strstr(name, ".bootkeep-") ? "T" : name);
}

static bool name_fails(const char *name) {
        if (!world.failing || !streq(world.failing, name))
                return false;
        errno = EIO;
        return true;
}

static void stop_at(const char *call) {
        if (!world.stopping || !streq(world.stopping, call))
                return;
        world.stopping = NULL;
        assert_int_equal(kill(getpid(), SIGTERM), 0);
}

ssize_t write(int fd, const void *buf, size_t n) {
        if (n == strlen("text") && memcmp(buf, "text", n) == 0)
                stop_at("write");
        return REAL(write)(fd, buf, n);
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
        errno = world.random_error;
        return world.random_error > 0 ? -1 : REAL(getrandom)(buffer, length, flags);
}

int renameat(int oldfd, const char *old, int newfd, const char *new) {
        record("rename", new);
        stop_at("rename");
        return name_fails(new) ? -1 : REAL(renameat)(oldfd, old, newfd, new);
}

int unlinkat(int fd, const char *name, int flag) {
        record("remove", name);
        return name_fails(name) ? -1 : REAL(unlinkat)(fd, name, flag);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset) {
        record("overwrite", "");
        return REAL(pwrite64)(fd, buf, n, offset);
}

int fsync(int fd) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        stop_at("sync");
        if (world.disk == 0 || st.st_ino != world.disk)
                return REAL(fsync)(fd);
        record("flush", "");
        errno = EIO;
        return world.disk_fails ? -1 : 0;
}

static int stage_setup(void **state) {
        Stage *g = calloc(1, sizeof(*g));
        struct stat st;
        assert_non_null(g);
        memset(&world, 0, sizeof(world));
        assert_int_equal(scratch_setup((void **) &g->s), 0);
        shell("mkdir %s/v %s/h && >%s/disk", g->s->path, g->s->path, g->s->path);
        g->mount.root = openat(g->s->fd, "h", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g->mount.device = openat(g->s->fd, "disk", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(g->mount.device, &st), 0);
        world.disk = st.st_ino;
        g->plan.steps = g->steps;
        g->volume = openat(g->s->fd, "v", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g->transfer = (Transfer){
                .plan = &g->plan,
                .mount = &g->mount,
                .volume = g->volume,
                .fields = {.volume = "vol", .helper = "sdx1"},
        };
        *state = g;
        return 0;
}

static int stage_teardown(void **state) {
        Stage *g = *state;
        world.failing = NULL;
        closep(&g->volume);
        transfer_discard(&g->transfer);
        transfer_done(&g->transfer);
        privatemount_done(&g->mount);
        for (size_t i = 0; i < g->plan.n_steps; i++)
                free(g->steps[i].beside);
        free(g->reason);
        int r = scratch_teardown((void **) &g->s);
        free(g);
        return r;
}

#define stage_test(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)

static HelperStep *add_step(Stage *g, HelperStep step) {
        assert_true(g->plan.n_steps < ELEMENTSOF(g->steps));
        g->steps[g->plan.n_steps] = step;
        return &g->steps[g->plan.n_steps++];
}

/* PATH is copied from a file of the same name on the volume, which contains TEXT. */
static HelperStep *copy_step(Stage *g, CopyRole role, const char *path, const char *text) {
        char name[64];
        (void) snprintf(name, sizeof(name), "v%s", path);
        scratch_write(g->s, name, text);
        return add_step(g, (HelperStep){
                                   .kind = STEP_RENAME,
                                   .role = role,
                                   .path = path,
                                   .source = path,
                                   .size = strlen(text),
                                   .content = content(text),
                           });
}

static HelperStep *text_step(Stage *g, StepKind kind, const char *path, const char *text) {
        return add_step(g, (HelperStep){
                                   .kind = kind,
                                   .role = ROLE_ENTRY,
                                   .path = path,
                                   .text = text,
                                   .size = strlen(text),
                                   .beside = kind == STEP_BESIDE ? copy("/e-beside.conf") : NULL,
                           });
}

static void stage(Stage *g) {
        assert_int_equal(transfer_init(&g->transfer), 0);
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), 0);
        assert_null(g->reason);
        *world.done = 0;
}

static void assert_text(const Stage *g, const char *name, const char *expected) {
        char path[128], text[1024] = "";
        (void) snprintf(path, sizeof(path), "h%s", name);
        int fd = openat(g->s->fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("%s", name);
        assert_true(read(fd, text, sizeof(text) - 1) >= 0);
        close(fd);
        assert_string_equal(text, expected);
}

/* The names on the helper, separated by spaces. */
static void assert_names(const Stage *g, const char *expected) {
        shell("cd %s/h && test \"$(find . -type f | sort | sed 's,^./,,' | tr '\\n' ' ')\" = '%s'",
              g->s->path, expected);
}

static void what_is_staged_is_complete_and_changes_nothing(void **state) {
        char buffer[256] = "", sector[ENTRY_SECTOR + 1] = "";
        Stage *g = *state;
        FILE *f = fmemopen(buffer, sizeof(buffer), "w");
        Progress progress = {.f = f};
        memset(sector, 's', ENTRY_SECTOR);
        scratch_write(g->s, "h/linux", "old");
        scratch_write(g->s, "h/same", "same");
        scratch_write(g->s, "h/e.conf", "old");
        g->transfer.progress = &progress;
        progress_expect(&progress, 100);
        (void) copy_step(g, ROLE_REQUIRED, "/linux", "new");
        add_step(g, (HelperStep){.kind = STEP_ADOPT, .path = "/same"});
        (void) text_step(g, STEP_OVERWRITE, "/sector", sector);
        (void) text_step(g, STEP_BESIDE, "/e.conf", "entry");
        (void) text_step(g, STEP_RENAME, "/f.conf", "other");
        stage(g);
        Transfer *t = &g->transfer;
        assert_text(g, t->staged[0], "new");
        assert_null(t->staged[1]);
        assert_null(t->staged[2]);
        assert_text(g, t->staged[3], "entry");
        assert_text(g, t->beside[3], "entry");
        assert_text(g, t->staged[4], "other");
        assert_null(t->beside[4]);
        assert_text(g, "/linux", "old");
        assert_text(g, "/e.conf", "old");
        shell("test $(ls -A %s/h | wc -l) = 7", g->s->path);
        assert_int_equal(t->bytes, strlen("new") + 2 * strlen("entry") + strlen("other"));
        assert_int_equal(progress.done, t->bytes);
        transfer_discard(t);
        assert_names(g, "e.conf linux same ");
        assert_null(t->staged[0]);
        transfer_discard(t);
        transfer_done(t);
        assert_true(!t->staged && !t->beside && !t->failed && !t->plan);
        (void) fclose(f);
}

static void each_kind_is_switched_by_its_recipe_in_order(void **state) {
        char old[ENTRY_SECTOR + 1] = "", new[ENTRY_SECTOR + 1] = "";
        Stage *g = *state;
        memset(old, 'o', ENTRY_SECTOR);
        memset(new, 'n', ENTRY_SECTOR);
        scratch_write(g->s, "h/sector", old);
        scratch_write(g->s, "h/same", "same");
        scratch_write(g->s, "h/e.conf", "old");
        (void) copy_step(g, ROLE_REQUIRED, "/linux", "new");
        add_step(g, (HelperStep){.kind = STEP_ADOPT, .path = "/same"});
        (void) text_step(g, STEP_OVERWRITE, "/sector", new);
        (void) text_step(g, STEP_BESIDE, "/e.conf", "entry");
        (void) copy_step(g, ROLE_MISC, "/misc", "misc");
        stage(g);
        assert_int_equal(transfer_switch(&g->transfer, &g->reason), 0);
        assert_string_equal(world.done,
                            "rename linux; overwrite; rename e-beside.conf; rename e.conf; remove "
                            "e-beside.conf; rename misc");
        assert_names(g, "e.conf linux misc same sector ");
        assert_text(g, "/linux", "new");
        assert_text(g, "/sector", new);
        assert_text(g, "/e.conf", "entry");
        transfer_discard(&g->transfer);
        assert_names(g, "e.conf linux misc same sector ");
}

/* Such a file has no second name, so its content must be on the disk before anything else is written. */
static void the_disk_is_flushed_after_what_boots_under_a_fixed_name(void **state) {
        static char fixed[] = "/x", named[] = "/x-01234567";
        static const struct {
                CopyRole role;
                const char *path;
                bool kept, exists, flushed;
        } cases[] = {
                {ROLE_REQUIRED, fixed, .flushed = true},
                {ROLE_BOOTER, fixed, .flushed = true},
                {ROLE_REQUIRED, named},
                {ROLE_MISC, fixed},
                {ROLE_REQUIRED, fixed, .kept = true},
                {ROLE_BOOTER, fixed, .exists = true},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Stage *g = NULL;
                assert_int_equal(stage_setup((void **) &g), 0);
                const WantedFile wanted = {
                        .role = cases[i].role, .to = fixed, .path = cases[i].path == named ? named : fixed};
                HelperStep *step = copy_step(g, cases[i].role, cases[i].path, "new");
                step->wanted = cases[i].kept ? NULL : &wanted;
                if (cases[i].exists) {
                        step->kind = STEP_ADOPT;
                        scratch_write(g->s, "h/x", "new");
                }
                stage(g);
                assert_int_equal(transfer_switch(&g->transfer, &g->reason), 0);
                if (!strstr(world.done, "flush") == cases[i].flushed)
                        fail_msg("case %zu", i);
                assert_int_equal(stage_teardown((void **) &g), 0);
        }
}

static void a_disk_that_cannot_be_flushed_ends_the_switch(void **state) {
        static char fixed[] = "/boot.efi";
        const WantedFile wanted = {.role = ROLE_BOOTER, .to = fixed, .path = fixed};
        Stage *g = *state;
        copy_step(g, ROLE_BOOTER, fixed, "new")->wanted = &wanted;
        (void) copy_step(g, ROLE_MISC, "/misc", "new");
        stage(g);
        world.disk_fails = true;
        assert_int_equal(transfer_switch(&g->transfer, &g->reason), -EIO);
        assert_string_equal(g->reason, "cannot switch /boot.efi: Input/output error");
        assert_string_equal(world.done, "rename boot.efi; flush");
}

/* What is not reached stays as it was. */
static void a_step_that_fails_ends_the_switch(void **state) {
        static const char *const failing[] = {"linux", "e-beside.conf", "e.conf"};
        static const char *const done[] = {"rename linux", "rename linux; rename e-beside.conf",
                                           "rename linux; rename e-beside.conf; rename e.conf"};
        for (size_t i = 0; i < ELEMENTSOF(failing); i++) {
                Stage *g = NULL;
                assert_int_equal(stage_setup((void **) &g), 0);
                scratch_write(g->s, "h/e.conf", "old");
                (void) copy_step(g, ROLE_REQUIRED, "/linux", "new");
                (void) text_step(g, STEP_BESIDE, "/e.conf", "entry");
                (void) copy_step(g, ROLE_BOOTER, "/booter", "new");
                stage(g);
                world.failing = failing[i];
                assert_int_equal(transfer_switch(&g->transfer, &g->reason), -EIO);
                assert_string_equal(world.done, done[i]);
                assert_begins(g->reason,
                              i == 0 ? "cannot switch /linux: Input" : "cannot switch /e.conf: Input");
                assert_text(g, "/e.conf", "old");
                transfer_discard(&g->transfer);
                assert_names(g, i == 0   ? "e.conf "
                                : i == 1 ? "e.conf linux "
                                         : "e-beside.conf e.conf linux ");
                assert_int_equal(stage_teardown((void **) &g), 0);
        }
}

/* It is said in the log. */
static void a_misc_file_that_fails_is_left_out(void **state) {
        Stage *g = *state;
        scratch_write(g->s, "h/in-the-way", "x");
        (void) copy_step(g, ROLE_MISC, "/in-the-way/misc", "new");
        copy_step(g, ROLE_MISC, "/unswitched", "new")->foreign = true;
        (void) copy_step(g, ROLE_MISC, "/fine", "new");
        copy_step(g, ROLE_MISC, "/changed", "new")->content = content("newer");
        Capture capture = capture_begin();
        stage(g);
        world.failing = "unswitched";
        assert_int_equal(transfer_switch(&g->transfer, &g->reason), 0);
        _cleanup_free_ char *log = capture_end(&capture);
        assert_null(g->reason);
        assert_contains(log, "sdx1: cannot write /in-the-way/misc: Not a directory: left out");
        assert_contains(log, "sdx1: /changed changed while it was copied: left out");
        assert_contains(log, "sdx1: cannot switch /unswitched: Input/output error: left out");
        assert_null(strstr(log, "replaced"));
        const bool *failed = g->transfer.failed;
        assert_true(failed[0] && failed[1] && !failed[2] && failed[3]);
        assert_names(g, "fine in-the-way ");
}

/* As when memory runs out: then nothing at all is sure. */
static void a_misc_file_is_not_forgiven_everything(void **state) {
        Stage *g = *state;
        (void) copy_step(g, ROLE_MISC, "/misc", "new");
        assert_int_equal(transfer_init(&g->transfer), 0);
        world.random_error = ENOMEM;
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -ENOMEM);
        assert_false(g->transfer.failed[0]);
        world.random_error = EIO;
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), 0);
        assert_true(g->transfer.failed[0]);
}

static void a_source_that_changed_is_no_content_to_switch_to(void **state) {
        Stage *g = *state;
        copy_step(g, ROLE_REQUIRED, "/linux", "new")->content = content("newer");
        assert_int_equal(transfer_init(&g->transfer), 0);
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -EAGAIN);
        assert_string_equal(g->reason, "/linux changed while it was copied");
        shell("rm %s/v/linux", g->s->path);
        g->steps[0].content = content("new");
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -EAGAIN);
        assert_string_equal(g->reason, "/linux changed while it was copied");
        transfer_discard(&g->transfer);
        assert_names(g, "");
}

static void what_cannot_be_written_is_named(void **state) {
        Stage *g = *state;
        scratch_write(g->s, "h/file", "x");
        (void) copy_step(g, ROLE_REQUIRED, "/file/linux", "new");
        assert_int_equal(transfer_init(&g->transfer), 0);
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -ENOTDIR);
        assert_string_equal(g->reason, "cannot write /file/linux: Not a directory");
        g->steps[0] = (HelperStep){
                .kind = STEP_RENAME, .role = ROLE_ENTRY, .path = "/file/e", .text = "x", .size = 1};
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -ENOTDIR);
        assert_string_equal(g->reason, "cannot write /file/e: Not a directory");
}

/* A volume may have a disk that fails. */
static void a_source_that_cannot_be_opened_is_named(void **state) {
        Stage *g = *state;
        (void) copy_step(g, ROLE_REQUIRED, "/linux", "new");
        g->steps[0].source = "not-absolute";
        assert_int_equal(transfer_init(&g->transfer), 0);
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), -EINVAL);
        assert_string_equal(g->reason, "not-absolute: Invalid argument");
}

/* CALL is when we are told to stop: never, before the first step, when data is written, or when it is synced.
 * What was staged by then is known, so that it can be discarded. */
static void assert_interrupted_at(CopyRole role, bool text, const char *call) {
        Stage *g = NULL;
        Interrupt *interrupt = NULL;
        assert_int_equal(stage_setup((void **) &g), 0);
        assert_int_equal(interrupt_new(&interrupt), 0);
        g->transfer.interrupt = interrupt;
        HelperStep *step = copy_step(g, role, "/new", "text");
        step->text = text ? "text" : NULL;
        assert_int_equal(transfer_init(&g->transfer), 0);
        world.stopping = call;
        if (streq(call, "begin"))
                stop_at("begin");
        assert_int_equal(transfer_stage(&g->transfer, &g->reason), streq(call, "never") ? 0 : -EINTR);
        assert_false(g->transfer.failed[0]);
        bool whole = streq(call, "never") || streq(call, "sync") || (text && streq(call, "write"));
        assert_int_equal(g->transfer.staged[0] != NULL, whole);
        transfer_discard(&g->transfer);
        assert_names(g, "");
        (void) interrupt_free(interrupt);
        assert_int_equal(stage_teardown((void **) &g), 0);
}

static void staging_can_be_interrupted_even_for_misc_files(void **state) {
        static const char *const calls[] = {"never", "begin", "write", "sync"};
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                assert_interrupted_at(ROLE_MISC, false, calls[i]);
                assert_interrupted_at(ROLE_REQUIRED, false, calls[i]);
                assert_interrupted_at(ROLE_ENTRY, true, calls[i]);
        }
}

/* A machine that waits for us boots either set, but the new one is wanted. */
static void the_switch_is_completed_even_when_we_are_told_to_stop(void **state) {
        Stage *g = *state;
        Interrupt *interrupt = NULL;
        assert_int_equal(interrupt_new(&interrupt), 0);
        (void) copy_step(g, ROLE_REQUIRED, "/linux", "new");
        (void) text_step(g, STEP_RENAME, "/e.conf", "entry");
        g->transfer.interrupt = interrupt;
        stage(g);
        world.stopping = "rename";
        assert_int_equal(transfer_switch(&g->transfer, &g->reason), 0);
        assert_true(interrupt_check(interrupt));
        assert_names(g, "e.conf linux ");
        (void) interrupt_free(interrupt);
}

static void what_somebody_else_wrote_is_replaced_with_a_word(void **state) {
        Stage *g = *state;
        scratch_write(g->s, "h/theirs", "old");
        scratch_write(g->s, "h/ours", "old");
        copy_step(g, ROLE_MISC, "/theirs", "new")->foreign = true;
        (void) copy_step(g, ROLE_MISC, "/ours", "new");
        stage(g);
        Capture capture = capture_begin();
        assert_int_equal(transfer_switch(&g->transfer, &g->reason), 0);
        _cleanup_free_ char *log = capture_end(&capture);
        assert_contains(log, "sdx1: /theirs was not written by bootkeep: replaced");
        assert_null(strstr(log, "/ours was not"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                stage_test(what_is_staged_is_complete_and_changes_nothing),
                stage_test(each_kind_is_switched_by_its_recipe_in_order),
                cmocka_unit_test(the_disk_is_flushed_after_what_boots_under_a_fixed_name),
                stage_test(a_disk_that_cannot_be_flushed_ends_the_switch),
                cmocka_unit_test(a_step_that_fails_ends_the_switch),
                stage_test(a_misc_file_that_fails_is_left_out),
                stage_test(a_misc_file_is_not_forgiven_everything),
                stage_test(a_source_that_changed_is_no_content_to_switch_to),
                stage_test(what_cannot_be_written_is_named),
                stage_test(a_source_that_cannot_be_opened_is_named),
                cmocka_unit_test(staging_can_be_interrupted_even_for_misc_files),
                stage_test(the_switch_is_completed_even_when_we_are_told_to_stop),
                stage_test(what_somebody_else_wrote_is_replaced_with_a_word),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
