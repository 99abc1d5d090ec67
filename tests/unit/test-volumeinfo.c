/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What bootkeepctl knows about a volume is what the daemon sent, whatever else it sent. */

#include "ctl/volumeinfo.h"

#include <sys/socket.h>

#include "interpose.h"

static sd_bus *bus;  /* with nobody at the other end, */
static int end = -1; /* which is this */

/* Calls that read a message, and which of them fails, from 1; 0: none. */
static unsigned reading, failing;

static bool reading_fails(void) {
        return ++reading == failing;
}

int sd_bus_message_enter_container(sd_bus_message *m, char type, const char *contents) {
        return reading_fails() ? -EIO : REAL(sd_bus_message_enter_container)(m, type, contents);
}

int sd_bus_message_exit_container(sd_bus_message *m) {
        return reading_fails() ? -EIO : REAL(sd_bus_message_exit_container)(m);
}

int sd_bus_message_peek_type(sd_bus_message *m, char *type, const char **contents) {
        return reading_fails() ? -EIO : REAL(sd_bus_message_peek_type)(m, type, contents);
}

int sd_bus_message_read_basic(sd_bus_message *m, char type, void *p) {
        return reading_fails() ? -EIO : REAL(sd_bus_message_read_basic)(m, type, p);
}

int sd_bus_message_skip(sd_bus_message *m, const char *types) {
        return reading_fails() ? -EIO : REAL(sd_bus_message_skip)(m, types);
}

int sd_bus_message_read(sd_bus_message *m, const char *types, ...) {
        va_list ap;
        va_start(ap, types);
        int r = reading_fails() ? -EIO : sd_bus_message_readv(m, types, ap);
        va_end(ap);
        return r;
}

static int make_bus(void **state) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        end = fds[1];
        return 0;
}

static int drop_bus(void **state) {
        sd_bus_close(bus);
        sd_bus_unref(bus);
        close(end);
        return 0;
}

/* A message for reading, with arguments according to TYPES. */
#define MESSAGE(...) message_sealed(message_new(), __VA_ARGS__)

static sd_bus_message *message_new(void) {
        sd_bus_message *m = NULL;
        assert_true(sd_bus_message_new_signal(bus, &m, "/x", "org.example.X", "Y") >= 0);
        return m;
}

static sd_bus_message *message_sealed(sd_bus_message *m, const char *types, ...) {
        va_list ap;
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_message_seal(m, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(m, true) >= 0);
        return m;
}

static void reads(VolumeInfo *v, sd_bus_message *m) {
        assert_true(volume_info_read(v, m) >= 0);
        sd_bus_message_unref(m);
}

static sd_bus_message *message_of_all(void) {
        return MESSAGE("a{sv}", 23, "LastFailure", "s", "no room", "Name", "s", "sda2", "Device", "s",
                       "/dev/sda2", "MountPoint", "s", "/", "FileSystemType", "s", "ext4", "UUID", "s", "u",
                       "Manifest", "s", "/m.xml", "State", "s", "stale", "StateReason", "s", "why", "Busy",
                       "b", 1, "Trusted", "b", 1, "LockHolder", "s", ":1.5", "LockHolderPID", "u",
                       4000000012U, "LockWaiters", "u", 4000000003U, "Failures", "u", 4000000004U, "Attempts",
                       "u", 4000000005U, "LastBuildStart", "t", UINT64_MAX - 6000, "LastBuildEnd", "t",
                       UINT64_MAX - 7000, "LastBuildStatus", "i", -1, "Progress", "(tt)", UINT64_C(8),
                       UINT64_C(9), "Caches", "a(ssbs)", 2, "initramfs", "6.1.0", 0, "changed", "depmod", "",
                       1, "", "Learned", "a(ss)", 1, "initramfs", "no: why", "Helpers", "a(sssbs)", 1, "sda1",
                       "esp", "p", 0, "gone");
}

static VolumeInfo *all_of_it(void) {
        VolumeInfo *v = volume_info_new("/org/bootkeep1/volume/sda2");
        assert_non_null(v);
        reads(v, message_of_all());
        return v;
}

static void assert_all_of_it(const VolumeInfo *v) {
        assert_string_equal(v->object, "/org/bootkeep1/volume/sda2");
        assert_string_equal(v->name, "sda2");
        assert_string_equal(v->device, "/dev/sda2");
        assert_string_equal(v->mount_point, "/");
        assert_string_equal(v->fs_type, "ext4");
        assert_string_equal(v->uuid, "u");
        assert_string_equal(v->manifest, "/m.xml");
        assert_string_equal(v->state, "stale");
        assert_string_equal(v->reason, "why");
        assert_string_equal(v->lock_holder, ":1.5");
        assert_true(v->busy && v->trusted);
        assert_int_equal(v->lock_holder_pid, 4000000012U);
        assert_int_equal(v->lock_waiters, 4000000003U);
        assert_int_equal(v->failures, 4000000004U);
        assert_int_equal(v->attempts, 4000000005U);
        assert_string_equal(v->last_failure, "no room");
        assert_true(v->last_build_start == UINT64_MAX - 6000);
        assert_true(v->last_build_end == UINT64_MAX - 7000);
        assert_int_equal(v->last_build_status, -1);
        assert_int_equal(v->progress_done, 8);
        assert_int_equal(v->progress_of, 9);
        assert_int_equal(v->n_caches, 2);
        assert_string_equal(v->caches[0].name, "initramfs");
        assert_string_equal(v->caches[0].instance, "6.1.0");
        assert_string_equal(v->caches[0].reason, "changed");
        assert_false(v->caches[0].fresh);
        assert_string_equal(v->caches[1].name, "depmod");
        assert_string_equal(v->caches[1].instance, "");
        assert_string_equal(v->caches[1].reason, "");
        assert_true(v->caches[1].fresh);
        assert_int_equal(v->n_helpers, 1);
        assert_string_equal(v->helpers[0].device, "sda1");
        assert_string_equal(v->helpers[0].type, "esp");
        assert_string_equal(v->helpers[0].partuuid, "p");
        assert_string_equal(v->helpers[0].reason, "gone");
        assert_false(v->helpers[0].fresh);
}

static void every_property_is_read(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = all_of_it();
        assert_all_of_it(v);
        assert_int_equal(volume_info_stale_caches(v), 1);
        assert_int_equal(volume_info_stale_helpers(v), 1);
        assert_false(volume_info_is_plain(v));
}

static void what_is_read_again_stays(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = all_of_it();
        reads(v, message_of_all());
        assert_all_of_it(v);
}

static void no_caches_replace_those_that_were(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = all_of_it();
        reads(v, MESSAGE("a{sv}", 2, "Caches", "a(ssbs)", 0, "Helpers", "a(sssbs)", 0));
        assert_true(!v->caches && !v->helpers && v->n_caches == 0 && v->n_helpers == 0);
        reads(v, message_of_all());
        assert_all_of_it(v);
}

static void nothing_is_known_of_a_new_one(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new("/x");
        assert_string_equal(v->name, "");
        assert_string_equal(v->lock_holder, "");
        assert_int_equal(v->n_caches, 0);
        assert_int_equal(volume_info_stale_caches(v), 0);
        assert_int_equal(volume_info_stale_helpers(v), 0);
        reads(v, MESSAGE("a{sv}", 0));
        assert_string_equal(v->state, "");
}

static void what_changed_replaces_what_was(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = all_of_it();
        reads(v, MESSAGE("a{sv}", 4, "State", "s", "plain", "Busy", "b", 0, "Caches", "a(ssbs)", 1, "x", "y",
                         1, "", "Helpers", "a(sssbs)", 0));
        assert_true(volume_info_is_plain(v));
        assert_false(v->busy);
        assert_true(v->trusted);
        assert_int_equal(v->n_caches, 1);
        assert_string_equal(v->caches[0].name, "x");
        assert_int_equal(v->n_helpers, 0);
        assert_int_equal(volume_info_stale_caches(v), 0);
        assert_int_equal(volume_info_stale_helpers(v), 0);
}

/* This program and the daemon need not be of the same version. */
static void unknown_properties_are_skipped(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new("/x");
        reads(v, MESSAGE("a{sv}", 9, "A", "a(ssbs)", 1, "a", "b", 1, "c", "B", "a(sssbs)", 1, "a", "b", "c",
                         1, "d", "C", "(tt)", UINT64_C(1), UINT64_C(2), "Colour", "s", "blue", "Busy", "s",
                         "yes", "Caches", "a(ss)", 1, "a", "b", "Failures", "t", UINT64_C(3), "Name", "as", 1,
                         "n", "State", "s", "fresh"));
        assert_false(v->busy);
        assert_int_equal(v->n_caches + v->n_helpers, 0);
        assert_int_equal(v->progress_of, 0);
        assert_int_equal(v->failures, 0);
        assert_string_equal(v->name, "");
        assert_string_equal(v->state, "fresh");
        sd_bus_message *m = MESSAGE("s", "no properties");
        assert_true(volume_info_read(v, m) < 0);
        sd_bus_message_unref(m);
}

static void any_error_of_reading_is_returned(void **state) {
        sd_bus_message *m = message_of_all();
        unsigned n = 0;
        do {
                _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new("/x");
                assert_true(sd_bus_message_rewind(m, true) >= 0);
                reading = 0;
                failing = ++n;
                int r = volume_info_read(v, m);
                failing = 0;
                assert_true(reading < n ? r >= 0 : r == -EIO);
        } while (reading >= n);
        assert_true(n > 21 * 4); /* each property has a container, a name, a type and a value */
        sd_bus_message_unref(m);
}

static void stale_caches_and_helpers_are_counted(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new("/x");
        reads(v, MESSAGE("a{sv}", 2, "Caches", "a(ssbs)", 4, "a", "", 0, "", "b", "", 1, "", "c", "", 0, "",
                         "d", "", 1, "", "Helpers", "a(sssbs)", 4, "a", "", "", 0, "", "b", "", "", 0, "",
                         "c", "", "", 1, "", "d", "", "", 0, ""));
        assert_int_equal(volume_info_stale_caches(v), 2);
        assert_int_equal(volume_info_stale_helpers(v), 3);
        _cleanup_(volume_info_freep) VolumeInfo *copy = volume_info_copy(v);
        assert_int_equal(volume_info_stale_caches(copy), 2);
        assert_int_equal(volume_info_stale_helpers(copy), 3);
}

static void null_may_be_freed(void **state) {
        assert_null(volume_info_free(NULL));
        assert_null(volume_info_list_free(NULL));
}

static void a_copy_lives_on_its_own(void **state) {
        VolumeInfo *v = all_of_it();
        _cleanup_(volume_info_freep) VolumeInfo *copy = volume_info_copy(v);
        assert_non_null(copy);
        (void) volume_info_free(v);
        assert_all_of_it(copy);
}

static void the_list_is_sorted(void **state) {
        static const struct {
                const char *name, *state;
        } volumes[] = {
                {"sda10", "fresh"}, {"a", "plain"}, {"sda9", "stale"}, {"sda2[/@]", "fresh"}, {"0", "plain"}};
        static const char *const sorted[] = {"sda2[/@]", "sda9", "sda10", "0", "a"};
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = calloc(1, sizeof(*l));
        assert_non_null(l);
        volume_info_list_sort(l);
        for (size_t i = 0; i < ELEMENTSOF(volumes); i++) {
                VolumeInfo *v = volume_info_new("/x");
                assert_true(free_and_strdup(&v->name, volumes[i].name) >= 0);
                assert_true(free_and_strdup(&v->state, volumes[i].state) >= 0);
                assert_int_equal(volume_info_list_add(l, v), 0);
        }
        assert_int_equal(volume_info_list_add(l, NULL), -ENOMEM);
        volume_info_list_sort(l);
        assert_int_equal(l->n, ELEMENTSOF(sorted));
        for (size_t i = 0; i < l->n; i++)
                assert_string_equal(l->items[i]->name, sorted[i]);
}

static void json_has_every_property(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = all_of_it();
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        Json j = JSON_INIT(f, JSON_SHORT);
        volume_info_to_json(v, &j);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(
                text,
                "{\"name\":\"sda2\",\"device\":\"/dev/sda2\",\"mount_point\":\"/"
                "\",\"file_system_type\":\"ext4\","
                "\"uuid\":\"u\",\"manifest\":\"/"
                "m.xml\",\"state\":\"stale\",\"state_reason\":\"why\",\"busy\":true,"
                "\"trusted\":true,\"lock_holder\":\":1.5\",\"lock_holder_pid\":4000000012,\"lock_waiters\":"
                "4000000003,"
                "\"failures\":4000000004,\"attempts\":4000000005,\"last_failure\":\"no "
                "room\",\"last_build_start\":18446744073709545615,"
                "\"last_build_end\":18446744073709544615,"
                "\"last_build_status\":-1,\"caches\":[{\"name\":\"initramfs\",\"instance\":\"6.1.0\","
                "\"fresh\":false,\"reason\":\"changed\"},{\"name\":\"depmod\",\"instance\":\"\",\"fresh\":"
                "true,"
                "\"reason\":\"\"}],\"learned\":[{\"cache\":\"initramfs\",\"learned\":\"no: "
                "why\"}],\"helpers\":[{\"device\":\"sda1\",\"type\":\"esp\",\"partuuid\":\"p\","
                "\"fresh\":false,\"reason\":\"gone\"}]}\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_property_is_read),
                cmocka_unit_test(what_is_read_again_stays),
                cmocka_unit_test(no_caches_replace_those_that_were),
                cmocka_unit_test(nothing_is_known_of_a_new_one),
                cmocka_unit_test(what_changed_replaces_what_was),
                cmocka_unit_test(unknown_properties_are_skipped),
                cmocka_unit_test(any_error_of_reading_is_returned),
                cmocka_unit_test(stale_caches_and_helpers_are_counted),
                cmocka_unit_test(null_may_be_freed),
                cmocka_unit_test(a_copy_lives_on_its_own),
                cmocka_unit_test(the_list_is_sorted),
                cmocka_unit_test(json_has_every_property),
        };
        return cmocka_run_group_tests(tests, make_bus, drop_bus);
}
