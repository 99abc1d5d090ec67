/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/bootline.h"

#include "freshnessworld.h"

#define A_UUID "aaaaaaaa-0000-4000-8000-000000000001"
#define B_UUID "bbbbbbbb-0000-4000-8000-000000000002"
#define NOW "22222222-2222-2222-2222-222222222222"
#define BEFORE "11111111-1111-1111-1111-111111111111"
#define HASH "0123456789abcdef0123456789abcdef"

#define KERNELS                                                                                              \
        "<bootcaches version=\"1\">"                                                                         \
        "<copy role=\"required\" each=\"/boot/*\" from=\"/boot/%i\" to=\"/%i/linux\"/>"                      \
        "<copy role=\"required\" from=\"/src\" to=\"/tree\"/>"                                               \
        "</bootcaches>"

/* A machine that runs 6.1, with an ESP on each of two disks, and room for more helpers. */
typedef struct Machine {
        World *w;
        Helper helpers[3];
        HelperList list;
        BootFacts facts;
} Machine;

#define HELPER(of_type, name, on, uuid)                                                                      \
        ((Helper){.type = (of_type),                                                                         \
                  .device = (char *) (name),                                                                 \
                  .disk = (char *) (on),                                                                     \
                  .partuuid = (char *) (uuid)})

static void machine_start(Machine *m, const Scratch *s) {
        static char id[] = NOW, release[] = "6.1", nothing[] = "";
        scratch_write(s, "v/boot/6.1", "kernel");
        scratch_write(s, "v/boot/6.2", "kernel");
        *m = (Machine){.w = world_new(s), .facts = {.boot_id = id, .release = release, .started = nothing}};
        world_plan(m->w, KERNELS);
        m->helpers[0] = HELPER(HELPER_ESP, "sda1", "sda", A_UUID);
        m->helpers[1] = HELPER(HELPER_ESP, "sdb1", "sdb", B_UUID);
        m->list = (HelperList){.items = m->helpers, .n = 2};
}

static void has_stamp(const Machine *m, const char *partuuid, const char *lines) {
        char name[128], text[1024];
        (void) snprintf(name, sizeof(name), "state/helpers/%s.stamp", partuuid);
        (void) snprintf(text, sizeof(text), "bootkeep-stamp 1\n%s", lines);
        scratch_write(m->w->s, name, text);
}

#define LINUX(boot) "carries required /6.1/linux-aaaaaaaa " HASH " 6 " boot " /6.1/linux /boot/6.1 d\n"
#define TREE(boot) "carries required /tree/b/c " HASH " 1 " boot " /tree/b/c /src/b/c d\n"
#define REPLACED "6.1 was booted, and its /6.1/linux has been replaced since"

static void line_is(const Machine *m, const char *expected) {
        _cleanup_(booted_done) Booted booted = BOOTED_NULL;
        char text[512] = "";
        FILE *f = fmemopen(text, sizeof(text), "w");
        assert_int_equal(bootline_judge(&m->w->context, &m->list, &m->facts, &booted), 0);
        assert_int_equal(bootline_print(f, &booted), 0);
        (void) fclose(f);
        text[strcspn(text, "\n")] = 0;
        assert_string_equal(text, expected);
}

static void boot_loader_tells_which_helper_it_was(void **state) {
        static char uuid[] = A_UUID;
        Machine m;
        machine_start(&m, *state);
        has_stamp(&m, A_UUID, LINUX(BEFORE));
        has_stamp(&m, B_UUID, LINUX(NOW));
        m.facts.partuuid = uuid;
        line_is(&m, "BOOTED current");
        has_stamp(&m, A_UUID, LINUX(NOW));
        has_stamp(&m, B_UUID, LINUX(BEFORE));
        line_is(&m, "BOOTED replaced sda1: " REPLACED);
        world_free(m.w);
}

static void only_helper_needs_no_boot_loader(void **state) {
        Machine m;
        machine_start(&m, *state);
        has_stamp(&m, A_UUID, LINUX(NOW));
        m.list.n = 1;
        line_is(&m, "BOOTED replaced sda1: " REPLACED);
        m.list.n = 0;
        line_is(&m, "BOOTED current");
        world_free(m.w);
}

static void helper_that_is_gone_is_unknown(void **state) {
        static char uuid[] = "cccccccc-0000-4000-8000-000000000003";
        Machine m;
        machine_start(&m, *state);
        has_stamp(&m, A_UUID, LINUX(NOW));
        m.facts.partuuid = uuid;
        line_is(&m,
                "BOOTED unknown the boot loader is on the partition cccccccc-0000-4000-8000-000000000003, "
                "which is no helper of this volume");
        world_free(m.w);
}

static void several_that_may_have_been_it_must_agree(void **state) {
        static char uuid[] = A_UUID;
        Machine m;
        machine_start(&m, *state);
        has_stamp(&m, A_UUID, LINUX(NOW));
        has_stamp(&m, B_UUID, LINUX(BEFORE));
        line_is(&m, "BOOTED unknown the boot loader did not tell which of sda1 and sdb1 it was read from");
        has_stamp(&m, B_UUID, LINUX(NOW));
        line_is(&m, "BOOTED replaced sda1 and sdb1: " REPLACED);
        has_stamp(&m, A_UUID, LINUX(BEFORE));
        has_stamp(&m, B_UUID, LINUX(BEFORE));
        line_is(&m, "BOOTED unknown the boot loader did not tell which of sda1 and sdb1 it was read from");
        m.helpers[1].partuuid = uuid; /* as `sfdisk -d A | sfdisk B` leaves it */
        m.facts.partuuid = uuid;
        line_is(&m, "BOOTED unknown sda1 and sdb1 have the same partition UUID " A_UUID);
        world_free(m.w);
}

static void several_that_are_old_in_different_ways_are_unknown(void **state) {
        static char started[] = "initrd=/6.1/linux-bbbbbbbb";
        Machine m;
        machine_start(&m, *state);
        m.facts.started = started;
        has_stamp(&m, A_UUID, LINUX(BEFORE)); /* previous */
        has_stamp(&m, B_UUID, LINUX(NOW));    /* replaced */
        line_is(&m, "BOOTED unknown the boot loader did not tell which of sda1 and sdb1 it was read from");
        world_free(m.w);
}

/* The boot loader of an ESP reads the XBOOTLDR partition of its disk. */
static void xbootldr_is_read_with_the_esp_of_its_disk(void **state) {
        static char uuid[] = A_UUID;
        Machine m;
        machine_start(&m, *state);
        m.facts.partuuid = uuid;
        m.helpers[2] = HELPER(HELPER_XBOOTLDR, "sda2", "sda", "dddddddd-0000-4000-8000-000000000004");
        m.list.n = 3;
        has_stamp(&m, "dddddddd-0000-4000-8000-000000000004",
                  LINUX(NOW) "previous required /6.1/linux-bbbbbbbb " HASH " 6 " NOW "\n");
        line_is(&m, "BOOTED replaced sda1: " REPLACED);
        m.facts.partuuid = NULL;
        m.helpers[1] = m.helpers[2];
        m.list.n = 2;
        line_is(&m, "BOOTED replaced sda1: " REPLACED);
        m.helpers[0] = m.helpers[2];
        m.list.n = 1;
        line_is(&m, "BOOTED replaced sda2: " REPLACED);
        world_free(m.w);
}

static void second_esp_of_a_disk_is_another_helper(void **state) {
        static char uuid[] = A_UUID;
        Machine m;
        machine_start(&m, *state);
        m.helpers[1].disk = m.helpers[0].disk;
        m.facts.partuuid = uuid;
        has_stamp(&m, A_UUID, LINUX(BEFORE));
        has_stamp(&m, B_UUID, LINUX(NOW));
        line_is(&m, "BOOTED current");
        m.facts.partuuid = NULL;
        line_is(&m, "BOOTED unknown the boot loader did not tell which of sda1 and sdb1 it was read from");
        world_free(m.w);
}

static void copied_directory_belongs_to_its_copy(void **state) {
        Machine m;
        machine_start(&m, *state);
        m.list.n = 1;
        has_stamp(&m, A_UUID, LINUX(BEFORE) TREE(NOW));
        line_is(&m, "BOOTED replaced sda1: 6.1 was booted, and its /tree/b/c has been replaced since");
        world_free(m.w);
}

/* It is on the helper until the next build. */
static void what_the_manifest_no_longer_names_is_no_set(void **state) {
        Machine m;
        machine_start(&m, *state);
        m.list.n = 1;
        has_stamp(&m, A_UUID,
                  LINUX(BEFORE) "carries required /9.9/linux-bbbbbbbb " HASH " 6 " NOW
                                " /9.9/linux /boot/9.9 d\n");
        line_is(&m, "BOOTED current");
        world_free(m.w);
}

static void new_kernel_is_found_by_the_manifest(void **state) {
        Machine m;
        machine_start(&m, *state);
        m.list.n = 1;
        has_stamp(&m, A_UUID,
                  LINUX(BEFORE) "carries required /6.2/linux-bbbbbbbb " HASH " 6 " NOW
                                " /6.2/linux /boot/6.2 d\n");
        line_is(&m, "BOOTED replaced sda1: 6.1 was booted, and 6.2 has been added since");
        world_free(m.w);
}

static void stamp_that_is_missing_or_garbled_tells_nothing(void **state) {
        static const char unknown[] = "BOOTED unknown sda1: 6.1 runs, and is not known to be carried";
        Machine m;
        machine_start(&m, *state);
        m.list.n = 1;
        line_is(&m, unknown);
        has_stamp(&m, A_UUID, "carries required nothing\n");
        line_is(&m, unknown);
        scratch_write(m.w->s, "state/helpers/" A_UUID ".stamp", "\x1b\n");
        line_is(&m, unknown);
        close(m.w->root.state_fd);
        m.w->root.state_fd = -ENOENT;
        line_is(&m, unknown);
        world_free(m.w);
}

static void container_is_not_what_was_booted(void **state) {
        Machine m;
        machine_start(&m, *state);
        has_stamp(&m, A_UUID, LINUX(NOW));
        m.list.n = 1;
        m.facts.contained = true;
        line_is(&m, "BOOTED unknown this is a container: the machine boots without it");
        world_free(m.w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(boot_loader_tells_which_helper_it_was),
                scratch_test(only_helper_needs_no_boot_loader),
                scratch_test(helper_that_is_gone_is_unknown),
                scratch_test(several_that_may_have_been_it_must_agree),
                scratch_test(several_that_are_old_in_different_ways_are_unknown),
                scratch_test(xbootldr_is_read_with_the_esp_of_its_disk),
                scratch_test(second_esp_of_a_disk_is_another_helper),
                scratch_test(copied_directory_belongs_to_its_copy),
                scratch_test(what_the_manifest_no_longer_names_is_no_set),
                scratch_test(new_kernel_is_found_by_the_manifest),
                scratch_test(stamp_that_is_missing_or_garbled_tells_nothing),
                scratch_test(container_is_not_what_was_booted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
