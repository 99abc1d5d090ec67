/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helperworld.h"

#include "builder/transaction/entry.h"

/* One helper between two builds. */
typedef struct World {
        HelperSet wanted, entries, left;
        HelperRecord record;
        HelperView views[32];
        HelperPlanInput in;
        HelperPlan *plan;
        char *reason;
} World;

static int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        w->in = (HelperPlanInput){
                .wanted = &w->wanted,
                .views = w->views,
                .record = &w->record,
                .entries = &w->entries,
                .left = &w->left,
                .boot_id = BOOT_NOW,
                .block_size = 4096,
                .available = 1024 * 1024,
        };
        *state = w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;
        (void) helper_plan_free(w->plan);
        helper_set_done(&w->wanted);
        helper_set_done(&w->entries);
        helper_set_done(&w->left);
        helper_record_done(&w->record);
        free(w->reason);
        free(w);
        return 0;
}

/* A kernel with its entry, and what starts it. */
static void want_kernel(HelperSet *s, const char *version, const char *build) {
        char to[64], entry[64], text[128], data[128];

        (void) snprintf(to, sizeof(to), "/m/%s/linux", version);
        (void) snprintf(data, sizeof(data), "kernel %s of %s", version, build);
        want(s, ROLE_REQUIRED, to, data);
        (void) snprintf(entry, sizeof(entry), "/loader/entries/%s.conf", version);
        (void) snprintf(text, sizeof(text), "version %s\nlinux %s\n", version, to);
        want(s, ROLE_ENTRY, entry, text);
}

static void name_all(World *w) {
        assert_int_equal(helper_set_name(&w->wanted, &w->record.carried, NULL), 0);
        assert_int_equal(helper_plan_date(&w->wanted, &w->record, BOOT_NOW), 0);
}

static HelperFile duplicate(const HelperFile *f) {
        return (HelperFile){
                .role = f->role,
                .to = f->to ? copy(f->to) : NULL,
                .path = copy(f->path),
                .source = f->source ? copy(f->source) : NULL,
                .description = f->description ? copy(f->description) : NULL,
                .boot = copy(f->boot),
                .content = f->content,
                .size = f->size,
                .foreign = f->foreign,
        };
}

/* What was wanted stands there now, since BOOT; the next set may be wanted. Takes over what the plan kept. */
static void carried_out(World *w, const char *boot) {
        HelperRecord next = HELPER_RECORD_NULL;

        helper_set_done(&w->entries);
        for (size_t i = 0; i < w->wanted.n; i++) {
                HelperFile *f = &w->wanted.items[i], c = duplicate(f);
                if (boot)
                        assert_true(free_and_strdup(&c.boot, boot) >= 0);
                if (f->role == ROLE_ENTRY) {
                        HelperFile e = duplicate(&c);
                        e.text = copy(f->text);
                        assert_int_equal(helper_set_add(&w->entries, &e), 0);
                }
                assert_int_equal(helper_set_add(&next.carried, &c), 0);
        }
        for (size_t i = 0; w->plan && i < w->plan->previous.n; i++) {
                HelperFile c = duplicate(&w->plan->previous.items[i]);
                assert_int_equal(helper_set_add(&next.previous, &c), 0);
        }
        helper_record_done(&w->record);
        w->record = next;
        helper_set_done(&w->wanted);
        w->plan = helper_plan_free(w->plan);
}

/* Views as look.h would give them: the same name and content stands there. */
static void look(World *w) {
        for (size_t i = 0; i < w->wanted.n; i++) {
                const HelperFile *f = &w->wanted.items[i];
                w->views[i] = (HelperView){};
                for (size_t j = 0; j < w->record.carried.n; j++) {
                        const HelperFile *o = &w->record.carried.items[j];
                        if (!streq(o->path, f->path))
                                continue;
                        w->views[i].standing =
                                fingerprint_equal(&o->content, &f->content) ? STANDING_SAME : STANDING_OTHER;
                        w->views[i].sector = o->size == ENTRY_SECTOR;
                }
        }
}

static int plan(World *w) {
        name_all(w);
        look(w);
        return helper_plan_new(&w->in, &w->plan, &w->reason);
}

static size_t step_of(const World *w, const char *path) {
        for (size_t i = 0; i < w->plan->n_steps; i++)
                if (streq(w->plan->steps[i].file->path, path))
                        return i;
        fail_msg("no step for %s", path);
        return 0;
}

static const char *path_of(const World *w, const char *to) {
        return file_of(&w->wanted, to)->path;
}

static size_t index_in(char **v, const char *s) {
        for (size_t i = 0; v && v[i]; i++)
                if (streq(v[i], s))
                        return i;
        fail_msg("%s is not in the list", s);
        return 0;
}

static bool is_kept(const World *w, const char *path) {
        for (size_t i = 0; i < w->plan->previous.n; i++)
                if (streq(w->plan->previous.items[i].path, path))
                        return true;
        return false;
}

/* Kernel 1 of build A was put there during BOOT; returns its name on the helper. */
static char *start_with_kernel(World *w, const char *boot) {
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(plan(w), 0);
        char *linux_a = copy(path_of(w, "/m/1/linux"));
        carried_out(w, boot);
        return linux_a;
}

static void want_kernel_1(World *w, const char *build) {
        want_kernel(&w->wanted, "1", build);
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
}

static void the_first_set_is_written_in_order_of_roles(void **state) {
        World *w = *state;

        want(&w->wanted, ROLE_MISC, "/splash", "s");
        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        want_kernel(&w->wanted, "1", "A");
        assert_int_equal(plan(w), 0);
        assert_int_equal(w->plan->n_steps, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(w->plan->steps[i].file->role, i);
                assert_int_equal(w->plan->steps[i].kind, STEP_RENAME);
                assert_false(w->plan->steps[i].foreign);
        }
        assert_null(w->plan->remove);
        assert_int_equal(w->plan->needed, 4 * 4096);
}

static void what_stands_there_is_left(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "A");
        assert_int_equal(plan(w), 0);
        assert_int_equal(w->plan->n_steps, 0);
        assert_int_equal(w->plan->bytes, 0);
        assert_null(w->plan->remove);
        assert_string_equal(file_of(&w->wanted, "/m/1/linux")->boot, BOOT_BEFORE);
}

static void a_new_kernel_is_switched_by_one_sector(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);

        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        assert_int_equal(w->plan->n_steps, 2);
        size_t kernel = step_of(w, path_of(w, "/m/1/linux")), entry = step_of(w, "/loader/entries/1.conf");
        assert_true(kernel < entry);
        assert_int_equal(w->plan->steps[entry].kind, STEP_OVERWRITE);
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], linux_a);
        free(linux_a);
}

static void an_entry_that_is_no_single_sector_stands_beside_first(void **state) {
        World *w = *state;
        char text[700];

        memset(text, '#', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        want(&w->wanted, ROLE_ENTRY, "/e.conf", text);
        name_all(w);
        w->views[0] = (HelperView){.standing = STANDING_OTHER};
        assert_int_equal(helper_plan_new(&w->in, &w->plan, &w->reason), 0);
        assert_int_equal(w->plan->steps[0].kind, STEP_BESIDE);
        assert_int_equal(strlen(w->plan->steps[0].beside), strlen("/e-01234567.conf"));
        assert_int_equal(w->plan->needed, 2 * 4096);
}

static void what_bootkeep_did_not_write_is_marked(void **state) {
        World *w = *state;

        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        want(&w->wanted, ROLE_BOOTER, "/ours.efi", "b");
        assert_int_equal(strv_extend(&w->record.ours, "/OURS.efi"), 0);
        name_all(w);
        w->views[0] = w->views[1] = (HelperView){.standing = STANDING_OTHER};
        assert_int_equal(helper_plan_new(&w->in, &w->plan, &w->reason), 0);
        assert_true(w->plan->steps[0].foreign);
        assert_false(w->plan->steps[1].foreign);
}

static void an_equal_file_is_adopted(void **state) {
        World *w = *state;

        want(&w->wanted, ROLE_BOOTER, "/boot.efi", "b");
        name_all(w);
        w->views[0] = (HelperView){.standing = STANDING_EQUAL};
        assert_int_equal(helper_plan_new(&w->in, &w->plan, &w->reason), 0);
        assert_int_equal(w->plan->steps[0].kind, STEP_ADOPT);
        assert_int_equal(w->plan->needed, 0);
}

static void what_somebody_else_wrote_is_not_removed(void **state) {
        World *w = *state;

        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_BOOTER, "/theirs.efi", "b");
        want(&w->wanted, ROLE_BOOTER, "/ours.efi", "b");
        assert_int_equal(strv_extend(&w->record.ours, "/OURS.efi"), 0);
        name_all(w);
        for (size_t i = 0; i < w->wanted.n; i++)
                w->views[i] = (HelperView){.standing = STANDING_EQUAL};
        assert_int_equal(helper_plan_claim(&w->wanted, w->views, &w->record), 0);
        for (size_t i = 0; i < w->wanted.n; i++)
                assert_int_equal(w->wanted.items[i].foreign, streq(w->wanted.items[i].to, "/theirs.efi"));
        carried_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_MISC, "/theirs.efi", "another");
        assert_int_equal(plan(w), 0);
        assert_true(w->plan->steps[0].foreign);
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], "/ours.efi");
        carried_out(w, BOOT_NOW);
}

static void entries_go_before_what_they_name(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);

        want_kernel(&w->wanted, "2", "A");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(plan(w), 0);
        assert_true(index_in(w->plan->remove, "/loader/entries/1.conf") < index_in(w->plan->remove, linux_a));
        free(linux_a);
}

static void a_file_that_only_changed_its_case_is_not_removed(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_NOW));
        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_BOOTER, "/efi/boot/bootx64.efi", "booter");
        assert_int_equal(plan(w), 0);
        assert_null(w->plan->remove);
}

static void leftovers_of_an_interrupted_build_go(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_NOW));
        w->record.intent = true;
        assert_int_equal(strv_extend(&w->record.ours, "/m/1/linux-deadbeef"), 0);
        assert_int_equal(strv_extend(&w->record.ours, "/EFI/BOOT/BOOTX64.EFI"), 0);
        want_kernel_1(w, "A");
        assert_int_equal(plan(w), 0);
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], "/m/1/linux-deadbeef");
}

static void a_helper_is_not_left_without_entry(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_REQUIRED, "/m/1/linux", "k");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "without a boot entry"));
        assert_non_null(strstr(w->reason, "--force"));
        w->in.force = true;
        assert_int_equal(helper_plan_new(&w->in, &w->plan, &w->reason), 0);
}

static void a_helper_is_not_left_without_anything_to_boot(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_NOW));
        want(&w->wanted, ROLE_ENTRY, "/loader/entries/1.conf", "x");
        want(&w->wanted, ROLE_MISC, "/a", "x");
        assert_int_equal(plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "without anything to boot"));
}

static void most_of_a_helper_is_not_removed_at_once(void **state) {
        World *w = *state;

        for (const char *v = "1\0"
                             "2\0"
                             "3\0"
                             "4\0";
             *v; v += 2)
                want_kernel(&w->wanted, v, "A");
        assert_int_equal(plan(w), 0);
        carried_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "4", "A");
        assert_int_equal(plan(w), -EPERM);
        assert_non_null(strstr(w->reason, "6 of 8 files would be removed"));
        w->in.force = true;
        assert_int_equal(helper_plan_new(&w->in, &w->plan, &w->reason), 0);
        assert_int_equal(strv_length(w->plan->remove), 6);
}

static void half_of_a_helper_may_go(void **state) {
        World *w = *state;

        want_kernel(&w->wanted, "1", "A");
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(plan(w), 0);
        carried_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(plan(w), 0);
}

static void one_kernel_for_another_is_no_loss(void **state) {
        World *w = *state;

        want_kernel(&w->wanted, "1", "A");
        assert_int_equal(plan(w), 0);
        carried_out(w, BOOT_NOW);
        want_kernel(&w->wanted, "2", "A");
        assert_int_equal(plan(w), 0);
        assert_int_equal(strv_length(w->plan->remove), 2);
}

static void too_little_room_is_said_in_numbers(void **state) {
        World *w = *state;

        want_kernel(&w->wanted, "1", "A");
        w->in.available = 4096;
        w->in.n_directories = 1;
        assert_int_equal(plan(w), -ENOSPC);
        assert_string_equal(w->reason, "12.0 KiB needed, 4.0 KiB free");
}

static void misc_files_are_left_out_before_anything_fails(void **state) {
        World *w = *state;

        want_kernel(&w->wanted, "1", "A");
        want(&w->wanted, ROLE_MISC, "/splash", "s");
        w->in.available = 8192;
        assert_int_equal(plan(w), 0);
        assert_true(w->plan->without_misc);
        assert_int_equal(w->plan->n_steps, 2);
}

static void what_was_booted_is_kept_with_an_entry_of_its_own(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_null(w->plan->remove);
        const HelperFile *p = w->plan->steps[step_of(w, "/loader/entries/1-previous.conf")].file;
        assert_true(entry_has_word(p->text, p->size, linux_a));
        assert_true(step_of(w, p->path) < step_of(w, "/loader/entries/1.conf"));
        free(linux_a);
}

static void it_is_kept_through_further_builds_of_the_same_boot(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        carried_out(w, NULL);
        want_kernel_1(w, "C");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1); /* B never booted */
        assert_string_equal(w->plan->remove[0], linux_b);
        free(linux_a);
        free(linux_b);
}

static void a_build_in_a_later_boot_lets_it_go(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        carried_out(w, NULL);
        w->in.boot_id = "33333333-3333-3333-3333-333333333333";
        want_kernel_1(w, "C");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, linux_b));
        assert_false(is_kept(w, linux_a));
        assert_true(index_in(w->plan->remove, linux_a) < SIZE_MAX);
        free(linux_a);
        free(linux_b);
}

static void a_build_in_a_later_boot_of_the_kept_set_lets_the_other_go(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE), cmdline[64];

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        char *linux_b = copy(path_of(w, "/m/1/linux"));
        carried_out(w, NULL);
        (void) snprintf(cmdline, sizeof(cmdline), "BOOT_IMAGE=(hd0,gpt1)%s ro", linux_a);
        w->in.boot_id = "33333333-3333-3333-3333-333333333333";
        w->in.cmdline = cmdline;
        want_kernel_1(w, "C");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], linux_b);
        free(linux_a);
        free(linux_b);
}

static void a_volume_that_was_not_booted_keeps_nothing(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        assert_int_equal(w->plan->previous.n, 0);
        assert_string_equal(w->plan->remove[0], linux_a);
        free(linux_a);
}

static void a_kernel_that_is_removed_while_it_runs_is_kept(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel(&w->wanted, "2", "A");
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, linux_a));
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_int_equal(strv_length(w->plan->remove), 1);
        assert_string_equal(w->plan->remove[0], "/loader/entries/1.conf");
        free(linux_a);
}

/* Its content is not in memory then, but on the volume. */
static void an_entry_may_become_a_file_of_another_role(void **state) {
        char text[ENTRY_SECTOR + 1] = {};
        World *w = *state;

        memset(text, 'x', ENTRY_SECTOR);
        w->in.running = true;
        free(start_with_kernel(w, BOOT_BEFORE));
        want_kernel_1(w, "A");
        want(&w->wanted, ROLE_ENTRY, "/grub.cfg", text);
        assert_int_equal(plan(w), 0);
        carried_out(w, BOOT_BEFORE);
        want_kernel_1(w, "A");
        want(&w->wanted, ROLE_BOOTER, "/grub.cfg", text);
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, "/grub-previous.cfg"));
        assert_null(w->plan->remove);
}

static void the_kept_set_makes_room_first_and_its_entry_goes_first(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        carried_out(w, NULL);
        want_kernel_1(w, "C");
        w->in.available = 0;
        assert_int_equal(plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 2);
        assert_string_equal(w->plan->drop[0], "/loader/entries/1-previous.conf");
        assert_string_equal(w->plan->drop[1], linux_a);
        assert_int_equal(w->plan->previous.n, 0);
        free(linux_a);
}

/* What an interrupted build left under this name; TEXT for an entry. */
static void leave(World *w, const char *path, const char *text) {
        HelperFile f = {.role = ROLE_REQUIRED, .path = copy(path), .size = 4096};

        if (text) {
                f.text = copy(text);
                f.size = strlen(text);
        }
        assert_int_equal(strv_extend(&w->record.ours, path), 0);
        assert_int_equal(helper_set_add(&w->left, &f), 0);
}

static void what_nothing_needs_makes_room_before_the_kept_set(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_BEFORE);

        w->in.running = true;
        want_kernel_1(w, "B");
        assert_int_equal(plan(w), 0);
        carried_out(w, NULL);
        leave(w, "/m/1/linux-deadbeef", NULL);
        leave(w, "/m/1/linux-00000000", NULL);
        want_kernel_1(w, "C");
        w->in.available = 0;
        assert_int_equal(plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 2);
        assert_string_equal(w->plan->drop[0], "/m/1/linux-00000000"); /* the last that was written */
        assert_true(is_kept(w, linux_a));
        assert_int_equal(strv_length(w->plan->remove), 1); /* B */
        free(linux_a);
}

static void what_an_interrupted_build_switched_to_stays_and_what_it_switched_from_makes_room(void **state) {
        World *w = *state;
        char *linux_a = start_with_kernel(w, BOOT_NOW);
        HelperFile *entry = &w->entries.items[0];

        free(entry->text);
        entry->text = copy("linux /m/1/linux-bbbbbbbb\n");
        entry->size = strlen(entry->text);
        leave(w, "/m/1/linux-bbbbbbbb", NULL);
        leave(w, "/m/2/linux-22222222", NULL);
        leave(w, "/loader/entries/2.conf", "linux /m/2/linux-22222222\n");
        want_kernel_1(w, "C");
        want_kernel(&w->wanted, "2", "C");
        w->in.available = 2 * 4096; /* of three */
        assert_int_equal(plan(w), 0);
        assert_int_equal(strv_length(w->plan->drop), 1);
        assert_string_equal(w->plan->drop[0], linux_a);
        free(linux_a);
}

static void what_an_interrupted_build_brought_is_kept_once_it_was_booted(void **state) {
        World *w = *state;

        free(start_with_kernel(w, BOOT_BEFORE));
        HelperFile *entry = &w->entries.items[0];
        free(entry->text);
        entry->text = copy("linux /m/1/linux-bbbbbbbb\n");
        entry->size = strlen(entry->text);
        leave(w, "/m/1/linux-bbbbbbbb", NULL);
        w->in.running = true;
        want_kernel_1(w, "C");
        assert_int_equal(plan(w), 0);
        assert_true(is_kept(w, "/loader/entries/1-previous.conf"));
        assert_true(is_kept(w, "/m/1/linux-bbbbbbbb"));
}

static void sizes_read_well(void **state) {
        char b[SIZE_TEXT_MAX];

        assert_string_equal(size_to_text(0, b), "0 bytes");
        assert_string_equal(size_to_text(1023, b), "1023 bytes");
        assert_string_equal(size_to_text(42152755, b), "40.2 MiB");
        assert_string_equal(size_to_text(UINT64_MAX, b), "16777216.0 TiB");
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                world_test(the_first_set_is_written_in_order_of_roles),
                world_test(what_stands_there_is_left),
                world_test(a_new_kernel_is_switched_by_one_sector),
                world_test(an_entry_that_is_no_single_sector_stands_beside_first),
                world_test(what_bootkeep_did_not_write_is_marked),
                world_test(an_equal_file_is_adopted),
                world_test(what_somebody_else_wrote_is_not_removed),
                world_test(entries_go_before_what_they_name),
                world_test(a_file_that_only_changed_its_case_is_not_removed),
                world_test(leftovers_of_an_interrupted_build_go),
                world_test(a_helper_is_not_left_without_entry),
                world_test(a_helper_is_not_left_without_anything_to_boot),
                world_test(most_of_a_helper_is_not_removed_at_once),
                world_test(half_of_a_helper_may_go),
                world_test(one_kernel_for_another_is_no_loss),
                world_test(too_little_room_is_said_in_numbers),
                world_test(misc_files_are_left_out_before_anything_fails),
                world_test(what_was_booted_is_kept_with_an_entry_of_its_own),
                world_test(it_is_kept_through_further_builds_of_the_same_boot),
                world_test(a_build_in_a_later_boot_lets_it_go),
                world_test(a_build_in_a_later_boot_of_the_kept_set_lets_the_other_go),
                world_test(a_volume_that_was_not_booted_keeps_nothing),
                world_test(a_kernel_that_is_removed_while_it_runs_is_kept),
                world_test(an_entry_may_become_a_file_of_another_role),
                world_test(the_kept_set_makes_room_first_and_its_entry_goes_first),
                world_test(what_nothing_needs_makes_room_before_the_kept_set),
                world_test(what_an_interrupted_build_switched_to_stays_and_what_it_switched_from_makes_room),
                world_test(what_an_interrupted_build_brought_is_kept_once_it_was_booted),
                cmocka_unit_test(sizes_read_well),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
