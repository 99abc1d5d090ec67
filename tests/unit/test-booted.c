/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: freshness/booted.c helper/started.c */

#include "freshness/booted.h"

#include "helperworld.h"

#define NO_INSTANCE NULL
#define LINUX_A "/m/6.1-1/linux-aaaaaaaa"
#define LINUX_B "/m/6.1-1/linux-bbbbbbbb"
#define INITRD_A "/m/6.1-1/initrd-aaaaaaaa"
#define INITRD_B "/m/6.1-1/initrd-bbbbbbbb"
#define ENTRY "/loader/entries/6.1-1.conf"
#define PREVIOUS "/loader/entries/6.1-1-previous.conf"

/* A machine that runs 6.1-1, of which the boot loader has told nothing, and what its helper carries. */
typedef struct Machine {
        BootFacts facts;
        BootedHelpers helpers;
        const char *instances[32];
} Machine;

static int machine_setup(void **state) {
        Machine *m = calloc(1, sizeof(*m));
        assert_non_null(m);
        m->facts = (BootFacts){.boot_id = copy(BOOT_NOW), .release = copy("6.1-1"), .started = copy("")};
        m->helpers.instances = m->instances;
        *state = m;
        return 0;
}

static int machine_teardown(void **state) {
        Machine *m = *state;
        boot_facts_done(&m->facts);
        assert_null(m->facts.boot_id);
        helper_record_done(&m->helpers.record);
        free(m);
        return 0;
}

static CarriedFile *has(Machine *m, CopyRole role, const char *instance, const char *to, const char *path) {
        m->instances[m->helpers.record.carried.n] = instance;
        return carry(&m->helpers.record.carried, role, to, path, path);
}

/* Since this boot. */
static void has_new(Machine *m, CopyRole role, const char *instance, const char *to, const char *path) {
        CarriedFile *f = has(m, role, instance, to, path);
        assert_true(free_and_strdup(&f->boot, BOOT_NOW) >= 0);
}

static void has_kernel(Machine *m) {
        (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/linux", LINUX_A);
        (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/initrd", INITRD_A);
        (void) has(m, ROLE_ENTRY, "6.1-1", ENTRY, ENTRY);
        (void) has(m, ROLE_BOOTER, NO_INSTANCE, "/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTX64.EFI");
}

static void has_kept(Machine *m, CopyRole role, const char *path, const char *boot) {
        (void) keep(&m->helpers.record.kept, role, path, boot);
}

static void was_started(Machine *m, const char *words) {
        assert_true(free_and_strdup(&m->facts.started, words) >= 0);
}

static void was_selected(Machine *m, const char *entry) {
        assert_true(free_and_strdup(&m->facts.entry, entry) >= 0);
}

static void judged(const Machine *m, BootedState state, const char *text) {
        _cleanup_(booted_done) Booted booted = BOOTED_NULL;
        assert_int_equal(booted_judge(&m->facts, &m->helpers, &booted), 0);
        if (text)
                assert_string_equal(strempty(booted.text), text);
        else
                assert_null(booted.text);
        assert_int_equal(booted.state, state);
}

static void what_was_there_before_is_current(void **state) {
        Machine *m = *state;
        has_kernel(m);
        judged(m, BOOTED_CURRENT, NULL);
        was_started(m, "initrd=" INITRD_A " quiet");
        was_selected(m, "6.1-1.conf");
        judged(m, BOOTED_CURRENT, NULL);
}

static void any_file_of_the_set_put_there_since_is_news(void **state) {
        static const struct {
                CopyRole role;
                const char *to, *path;
        } files[] = {
                {ROLE_REQUIRED, "/m/6.1-1/linux", LINUX_B},
                {ROLE_REQUIRED, "/m/6.1-1/initrd", INITRD_B},
                {ROLE_ENTRY, ENTRY, ENTRY},
        };
        Machine *m = *state;
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *text = NULL;
                helper_record_done(&m->helpers.record);
                (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/other", "/m/6.1-1/other");
                has_new(m, files[i].role, "6.1-1", files[i].to, files[i].path);
                assert_int_equal(
                        strprintf(&text, "6.1-1 was booted, and its %s has been replaced since", files[i].to),
                        0);
                judged(m, BOOTED_REPLACED, text);
        }
}

/* Nobody boots from these. */
static void booter_and_misc_are_no_part_of_the_set(void **state) {
        Machine *m = *state;
        (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/linux", LINUX_A);
        has_new(m, ROLE_BOOTER, NO_INSTANCE, "/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTX64.EFI");
        has_new(m, ROLE_BOOTER, "6.1-1", "/EFI/x.efi", "/EFI/x.efi");
        has_new(m, ROLE_MISC, "6.1-1", "/splash", "/splash");
        judged(m, BOOTED_CURRENT, NULL);
}

static void unified_image_is_the_set(void **state) {
        Machine *m = *state;
        (void) has(m, ROLE_BOOTER, "6.1-1", "/EFI/Linux/6.1-1.efi", "/EFI/Linux/6.1-1.efi");
        has_new(m, ROLE_MISC, "6.1-1", "/splash", "/splash");
        has_new(m, ROLE_BOOTER, "5.0-1", "/EFI/Linux/5.0-1.efi", "/EFI/Linux/5.0-1.efi");
        judged(m, BOOTED_CURRENT, NULL);
        has_new(m, ROLE_BOOTER, "6.1-1", "/EFI/Linux/more.efi", "/EFI/Linux/more.efi");
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /EFI/Linux/more.efi has been replaced since");
}

static void what_belongs_to_every_instance_counts(void **state) {
        Machine *m = *state;
        has_kernel(m);
        has_new(m, ROLE_REQUIRED, NO_INSTANCE, "/ucode", "/ucode");
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /ucode has been replaced since");
}

static void what_somebody_else_wrote_may_be_old(void **state) {
        Machine *m = *state;
        has_new(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/linux", "/m/6.1-1/linux");
        m->helpers.record.carried.items[0].adopted = true;
        judged(m, BOOTED_CURRENT, NULL);
}

/* Its name is that of its content, whenever the record says it was put there. */
static void what_was_started_by_name_is_current(void **state) {
        Machine *m = *state;
        has_new(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/initrd", INITRD_A);
        was_started(m, "BOOT_IMAGE=(hd0,gpt1)" INITRD_A " ro");
        judged(m, BOOTED_CURRENT, NULL);
        was_started(m, INITRD_A "0"); /* another name */
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /m/6.1-1/initrd has been replaced since");
}

static void another_content_by_name_is_older(void **state) {
        Machine *m = *state;
        (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/initrd", INITRD_B);
        was_started(m, "initrd=" INITRD_A " quiet");
        judged(m, BOOTED_PREVIOUS, "6.1-1 was booted from " INITRD_A ", though " INITRD_B " is there");
        has_new(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/linux",
                LINUX_B); /* another boot would change something */
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /m/6.1-1/linux has been replaced since");
}

static void another_content_by_name_put_there_since(void **state) {
        Machine *m = *state;
        has_new(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/initrd", INITRD_B);
        m->helpers.record.carried.items[0].adopted = true; /* it is certain, however it came there */
        was_started(m, "initrd=" INITRD_A);
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /m/6.1-1/initrd has been replaced since");
}

/* The first of these is all that they have in common with a name of ours. */
static void names_that_are_not_derived_from_content_tell_nothing(void **state) {
        static const char *const words[] = {
                "/m/6.1-1/initrd",           "/m/6.1-1/initrd-aaaaaaa",  "/m/6.1-1/initrd-AAAAAAAA",
                "/m/6.1-1/initrd-aaaaaaaax", "/m/6.1-1/initrd_aaaaaaaa", "/m/6.1-2/initrd-aaaaaaaa",
        };
        Machine *m = *state;
        (void) has(m, ROLE_REQUIRED, "6.1-1", "/m/6.1-1/initrd", INITRD_B);
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                was_started(m, words[i]);
                judged(m, BOOTED_CURRENT, NULL);
        }
}

static void boot_loader_knows_better_which_kernel_runs(void **state) {
        Machine *m = *state;
        assert_true(free_and_strdup(&m->facts.release, "unheard-of") >= 0);
        has_kernel(m);
        (void) has(m, ROLE_REQUIRED, "6.1-2", "/m/6.1-2/linux", "/m/6.1-2/linux-cccccccc");
        has_new(m, ROLE_REQUIRED, "6.1-2", "/m/6.1-2/initrd", "/m/6.1-2/initrd-dddddddd");
        judged(m, BOOTED_UNKNOWN, "unheard-of runs, and is not known to be carried");
        was_started(m, LINUX_A);
        judged(m, BOOTED_CURRENT, NULL);
        was_started(m, "/m/6.1-2/linux-cccccccc");
        judged(m, BOOTED_REPLACED, "6.1-2 was booted, and its /m/6.1-2/initrd has been replaced since");
        was_started(m, "");
        was_selected(m, "6.1-1.CONF"); /* of a file on FAT */
        judged(m, BOOTED_CURRENT, NULL);
}

static void new_kernel_with_a_newer_version_is_news(void **state) {
        Machine *m = *state;
        has_kernel(m);
        has_new(m, ROLE_REQUIRED, "6.1-10", "/m/6.1-10/linux", "/m/6.1-10/linux");
        has_new(m, ROLE_REQUIRED, "6.1-10", "/m/6.1-10/initrd", "/m/6.1-10/initrd");
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and 6.1-10 has been added since");
}

static void other_kernels_are_no_news(void **state) {
        Machine *m = *state;
        has_kernel(m);
        /* older */
        has_new(m, ROLE_REQUIRED, "6.0-9", "/m/6.0-9/linux", "/m/6.0-9/linux");
        /* of another kind, rebuilt */
        has_new(m, ROLE_REQUIRED, "6.1-1-rt", "/m/6.1-1-rt/linux", "/m/6.1-1-rt/linux");
        /* without a version */
        has_new(m, ROLE_REQUIRED, "zen", "/m/zen/linux", "/m/zen/linux");
        /* there before: somebody has chosen the older one */
        (void) has(m, ROLE_REQUIRED, "6.2", "/m/6.2/linux", "/m/6.2/linux");
        /* there before, with a new initrd */
        (void) has(m, ROLE_REQUIRED, "6.3", "/m/6.3/linux", "/m/6.3/linux");
        has_new(m, ROLE_REQUIRED, "6.3", "/m/6.3/initrd", "/m/6.3/initrd");
        /* nothing that boots */
        has_new(m, ROLE_MISC, "6.4", "/m/6.4/splash", "/m/6.4/splash");
        /* no longer wanted */
        has_new(m, ROLE_REQUIRED, "", "/m/9.9/linux", "/m/9.9/linux");
        judged(m, BOOTED_CURRENT, NULL);
}

static void manifest_without_instances_has_one_set(void **state) {
        Machine *m = *state;
        (void) has(m, ROLE_REQUIRED, NO_INSTANCE, "/linux", "/linux-aaaaaaaa");
        judged(m, BOOTED_CURRENT, NULL);
        has_new(m, ROLE_REQUIRED, NO_INSTANCE, "/initrd", "/initrd-aaaaaaaa");
        judged(m, BOOTED_REPLACED, "6.1-1 was booted, and its /initrd has been replaced since");
}

static void what_is_not_recorded_is_unknown(void **state) {
        Machine *m = *state;
        judged(m, BOOTED_UNKNOWN, "6.1-1 runs, and is not known to be carried");
        (void) has(m, ROLE_REQUIRED, "7.0", "/m/7.0/linux", "/m/7.0/linux");
        judged(m, BOOTED_UNKNOWN, "6.1-1 runs, and is not known to be carried");
}

/* The kernel that runs was removed. */
static void removed_kernel_is_only_kept(void **state) {
        Machine *m = *state;
        (void) has(m, ROLE_REQUIRED, "6.0-9", "/m/6.0-9/linux", "/m/6.0-9/linux-cccccccc");
        has_kept(m, ROLE_REQUIRED, LINUX_A, BOOT_NOW);
        has_kept(m, ROLE_ENTRY, PREVIOUS, BOOT_NOW);
        was_started(m, "BOOT_IMAGE=" LINUX_A);
        judged(m, BOOTED_REPLACED, LINUX_A " was booted, and is only kept for this boot");
        assert_true(free_and_strdup(&m->helpers.record.kept.items[0].boot, BOOT_BEFORE) >= 0);
        judged(m, BOOTED_PREVIOUS, LINUX_A " was booted, and is only kept for this boot");
}

/* Another boot of the machine, by itself, would end the same way. */
static void kept_entry_that_was_chosen_is_previous(void **state) {
        Machine *m = *state;
        has_kernel(m);
        has_kept(m, ROLE_REQUIRED, "/m/6.1-1/linux-99999999", BOOT_NOW);
        has_kept(m, ROLE_ENTRY, PREVIOUS, BOOT_NOW);
        judged(m, BOOTED_CURRENT, NULL);
        was_selected(m, "6.1-1-previous.conf");
        judged(m, BOOTED_PREVIOUS, PREVIOUS " was booted, and is only kept for this boot");
        was_started(m, "/m/6.1-1/linux-99999999");
        judged(m, BOOTED_PREVIOUS,
               "6.1-1 was booted from /m/6.1-1/linux-99999999, though " LINUX_A " is there");
}

#define machine_test(f) cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                machine_test(what_was_there_before_is_current),
                machine_test(any_file_of_the_set_put_there_since_is_news),
                machine_test(booter_and_misc_are_no_part_of_the_set),
                machine_test(unified_image_is_the_set),
                machine_test(what_belongs_to_every_instance_counts),
                machine_test(what_somebody_else_wrote_may_be_old),
                machine_test(what_was_started_by_name_is_current),
                machine_test(another_content_by_name_is_older),
                machine_test(another_content_by_name_put_there_since),
                machine_test(names_that_are_not_derived_from_content_tell_nothing),
                machine_test(boot_loader_knows_better_which_kernel_runs),
                machine_test(new_kernel_with_a_newer_version_is_news),
                machine_test(other_kernels_are_no_news),
                machine_test(manifest_without_instances_has_one_set),
                machine_test(what_is_not_recorded_is_unknown),
                machine_test(removed_kernel_is_only_kept),
                machine_test(kept_entry_that_was_chosen_is_previous),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
