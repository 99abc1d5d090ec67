/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/shown.h"

#include "volumerecord.h"

static const Peer *holder; /* of the lock, as the owner of the locks tells */

static void assert_changes(Record *r, const char *expected) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *text = strdup("");
        assert_int_equal(shown_take_changes(r, holder, &names), 0);
        for (char **n = names; n && *n; n++) {
                char *longer = NULL;
                assert_int_equal(strprintf(&longer, "%s%s%s", text, *text ? " " : "", *n), 0);
                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
}

static void each_change_is_reported_once(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        assert_int_equal(shown_take_changes(r, NULL, &all), 0);
        assert_true(strv_contains(all, "State") && strv_contains(all, "MountPoint"));
        assert_changes(r, "");
        r->volume.state = VOLUME_SETTLING;
        assert_changes(r, "State Busy StateReason");
        assert_changes(r, "");
        r->volume.state = VOLUME_FRESH;
        r->volume.failures = 2;
        r->volume.attempts = 3;
        assert_changes(r, "State Busy Failures Attempts StateReason");
        r->failure = strdup("no room");
        assert_changes(r, "LastFailure");
        r->volume.failures = 0; /* what failed before a success is over */
        assert_changes(r, "Failures LastFailure");
        r->volume.trusted = false;
        assert_changes(r, "Trusted");
        r->report = report_new();
        assert_int_equal(report_parse_line(r->report, "MANIFEST /etc/bootkeep/bootcaches.xml"), 0);
        assert_changes(r, "Manifest");
        r->device.uuid = strdup(UUID);
        assert_changes(r, "UUID");
        r->device.node = strdup("/dev/sda2");
        assert_changes(r, "Device");
        MountEntry moved = entry(7, "/moved");
        assert_int_equal(record_set_mount(r, &moved), 0);
        assert_changes(r, "MountPoint");
        assert_changes(r, "");
}

/* However short they are, and whatever is the same of them. */
static void texts_that_differ_in_a_byte_differ(void **state) {
        static const char *const names[] = {"", "a", "b", "ab", "ba", "bb", "abc", "abd", "bbd"};
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        assert_int_equal(shown_take_changes(r, NULL, &all), 0);
        for (size_t i = 1; i < ELEMENTSOF(names); i++) {
                free(r->device.uuid);
                r->device.uuid = strdup(names[i]);
                assert_changes(r, "UUID");
        }
        free(TAKE_PTR(r->device.uuid));
        assert_changes(r, "UUID"); /* unknown again */
        r->device.uuid = strdup("");
        assert_changes(r, ""); /* which is shown as "" */
}

/* However long they are, and wherever the byte is. */
static void long_texts_that_differ_in_their_first_byte_differ(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        char text[200];
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        r->device.uuid = strdup(text);
        assert_int_equal(shown_take_changes(r, NULL, &all), 0);
        r->device.uuid[0] = 'y';
        assert_changes(r, "UUID");
}

/* The shortest text whose hash (FNV-1a, 64 bits) is 0 must not look as if it had been reported already. */
static void a_text_whose_hash_is_zero_is_reported(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        r->device.uuid = strdup("\xd5\x6b\xb9\x53\x42\x87\x08\x36");
        assert_int_equal(shown_take_changes(r, NULL, &all), 0);
        assert_true(strv_contains(all, "UUID"));
        assert_changes(r, "");
}

static void first_time_everything_is_new(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_changes(
                r, "State Busy Trusted Failures Attempts LastFailure StateReason Manifest MountPoint Device "
                   "UUID LockHolder LockHolderPID LockWaiters");
        assert_changes(r, "");
}

static void lock_and_those_that_wait_for_it_are_shown(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        const Peer first = {.id = 1, .name = ":1.7", .pid = 4711},
                   second = {.id = 2, .name = ":1.8", .pid = 12};
        _cleanup_strv_free_ char **all = NULL;
        BusVolume v = {};
        LockRequest waiting = {};
        assert_int_equal(shown_take_changes(r, NULL, &all), 0);
        shown_view(r, NULL, &v);
        assert_null(v.lock_holder);
        assert_int_equal(v.lock_holder_pid, 0);
        assert_int_equal(v.lock_waiters, 0);
        holder = &first;
        assert_changes(r, "LockHolder LockHolderPID");
        assert_int_equal(lock_ask(&r->lock, NULL, 1, NULL), LOCK_GRANTED);
        assert_int_equal(lock_wait(&r->lock, 2, &waiting), LOCK_WAITS);
        assert_changes(r, "LockWaiters");
        shown_view(r, &first, &v);
        assert_string_equal(v.lock_holder, ":1.7");
        assert_int_equal(v.lock_holder_pid, 4711);
        assert_int_equal(v.lock_waiters, 1);
        holder = &second;
        assert_changes(r, "LockHolder LockHolderPID");
        holder = NULL;
        lock_leave(&r->lock, &waiting);
        assert_changes(r, "LockHolder LockHolderPID LockWaiters");
}

static void view_shows_what_is(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        BusVolume v = {};
        r->volume.state = VOLUME_SETTLING;
        assert_int_equal(shown_take_changes(r, NULL, &all), 0); /* the texts are those last reported */
        shown_view(r, NULL, &v);
        assert_string_equal(v.name, "sda2");
        assert_string_equal(v.device, "/dev/mapper/os"); /* as mounted, if udev does not know better */
        assert_string_equal(v.mount_point, "/mnt");
        assert_string_equal(v.fstype, "ext4");
        assert_null(v.uuid);
        assert_null(v.manifest);
        assert_null(v.report);
        assert_string_equal(v.state, "settling");
        assert_string_equal(v.reason, "something changed");
        assert_true(v.busy && v.trusted);
        r->volume.state = VOLUME_FRESH;
        shown_view(r, NULL, &v);
        assert_string_equal(v.state, "fresh");
        assert_string_equal(v.reason, "something changed");
        assert_false(v.busy);
        r->volume.trusted = false;
        r->device.node = strdup("/dev/dm-0");
        r->device.uuid = strdup(UUID);
        shown_view(r, NULL, &v);
        assert_false(v.trusted);
        assert_string_equal(v.device, "/dev/dm-0");
        assert_string_equal(v.uuid, UUID);
}

static void view_shows_counts_reports_and_the_last_build(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        BusVolume v = {};
        shown_view(r, NULL, &v);
        assert_int_equal(v.progress_done, 0);
        assert_int_equal(v.progress_of, 0);
        r->volume.failures = 2;
        r->volume.attempts = 3;
        r->last_build_start = 11;
        r->last_build_end = 12;
        r->last_build_status = 13;
        r->report = report_of("MANIFEST /etc/bootkeep/bootcaches.xml\n");
        r->build.report = report_of("PROGRESS 5 9\n");
        shown_view(r, NULL, &v);
        assert_int_equal(v.failures, 2);
        assert_int_equal(v.attempts, 3);
        assert_int_equal(v.last_build_start, 11);
        assert_int_equal(v.last_build_end, 12);
        assert_int_equal(v.last_build_status, 13);
        assert_string_equal(v.manifest, "/etc/bootkeep/bootcaches.xml");
        assert_ptr_equal(v.report, r->report);
        assert_int_equal(v.progress_done, 5);
        assert_int_equal(v.progress_of, 9);
}

static void volume_that_is_not_mounted_has_no_place(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        BusVolume v = {};
        assert_int_equal(record_drop_mount(r, 7), 1);
        shown_view(r, NULL, &v);
        assert_string_equal(v.mount_point, "");
        assert_string_equal(v.fstype, "");
        assert_string_equal(v.device, "");
        r->device.node = strdup("/dev/dm-0");
        shown_view(r, NULL, &v);
        assert_string_equal(v.device, "/dev/dm-0");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_time_everything_is_new),
                cmocka_unit_test(each_change_is_reported_once),
                cmocka_unit_test(texts_that_differ_in_a_byte_differ),
                cmocka_unit_test(long_texts_that_differ_in_their_first_byte_differ),
                cmocka_unit_test(a_text_whose_hash_is_zero_is_reported),
                cmocka_unit_test(lock_and_those_that_wait_for_it_are_shown),
                cmocka_unit_test(view_shows_what_is),
                cmocka_unit_test(view_shows_counts_reports_and_the_last_build),
                cmocka_unit_test(volume_that_is_not_mounted_has_no_place),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
