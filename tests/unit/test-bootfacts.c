/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/bootfacts.h"

#include "fixture.h"

#define VENDOR "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* As efivarfs shows it: attributes, then UTF-16LE with a NUL. */
static void set_variable(const Scratch *s, const char *name, const char *text) {
        char path[128], data[2048] = {7};
        size_t size = 4;
        for (const char *p = text;; p++) {
                data[size] = *p;
                size += 2;
                if (!*p)
                        break;
        }
        (void) snprintf(path, sizeof(path), "%s" VENDOR, name);
        int fd = openat(s->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        close(fd);
}

static void facts_are(const Scratch *s, const char *partuuid, const char *entry) {
        _cleanup_(boot_facts_done) BootFacts facts = BOOT_FACTS_NULL;
        assert_int_equal(boot_facts_read(s->path, &facts), 0);
        assert_true(streq_ptr(facts.partuuid, partuuid));
        assert_true(streq_ptr(facts.entry, entry));
}

static void kernel_tells_which_boot_it_is(void **state) {
        const Scratch *s = *state;
        _cleanup_(boot_facts_done) BootFacts facts = BOOT_FACTS_NULL;
        assert_int_equal(boot_facts_read(s->path, &facts), 0);
        assert_int_equal(strlen(facts.boot_id), 36);
        assert_true(*facts.release);
        assert_non_null(facts.started);
        assert_null(strchr(facts.started, '\\'));
}

static void without_firmware_the_boot_loader_tells_nothing(void **state) {
        _cleanup_(boot_facts_done) BootFacts facts = BOOT_FACTS_NULL;
        assert_int_equal(boot_facts_read("/nonexistent", &facts), 0);
        assert_null(facts.partuuid);
        assert_null(facts.entry);
        facts_are(*state, NULL, NULL);
}

#define UUID "eb511f56-56dc-0a40-8fa7-050aed9e7758"

static void variables_of_the_boot_loader_are_read(void **state) {
        const Scratch *s = *state;
        set_variable(s, "LoaderDevicePartUUID", "EB511F56-56DC-0A40-8FA7-050AED9E7758");
        set_variable(s, "LoaderEntrySelected", "os-6.1.0.conf");
        facts_are(s, UUID, "os-6.1.0.conf");
}

static void what_is_no_partition_uuid_is_not_told(void **state) {
        static const char *const texts[] = {"", UUID "0", "eb511f56", "zb511f56-56dc-0a40-8fa7-050aed9e7758",
                                            UUID "\n"};
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                set_variable(s, "LoaderDevicePartUUID", texts[i]);
                facts_are(s, NULL, NULL);
        }
}

static void garbage_is_not_told(void **state) {
        const Scratch *s = *state;
        char text[1000];
        memset(text, 'x', sizeof(text));
        text[513] = 0;
        set_variable(s, "LoaderEntrySelected", text);
        facts_are(s, NULL, NULL);
        text[512] = 0;
        set_variable(s, "LoaderEntrySelected", text);
        facts_are(s, NULL, text);
        for (size_t size = 0; size < 6; size++) { /* cut off */
                shell("cd %s && truncate -s %zu LoaderEntrySelected" VENDOR, s->path, size);
                facts_are(s, NULL, NULL);
        }
        shell("cd %s && printf '\\7\\0\\0\\0x\\1' >LoaderEntrySelected" VENDOR, s->path); /* not ASCII */
        facts_are(s, NULL, NULL);
        set_variable(s, "LoaderEntrySelected", "a\x1b[2J");
        facts_are(s, NULL, NULL);
        shell("cd %s && rm LoaderEntrySelected" VENDOR " && mkdir LoaderEntrySelected" VENDOR, s->path);
        facts_are(s, NULL, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(kernel_tells_which_boot_it_is),
                scratch_test(without_firmware_the_boot_loader_tells_nothing),
                scratch_test(variables_of_the_boot_loader_are_read),
                scratch_test(what_is_no_partition_uuid_is_not_told),
                scratch_test(garbage_is_not_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
