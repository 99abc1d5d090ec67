/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/record.h"

#include <poll.h>

#include "volumerecord.h"

static void a_new_record_has_reported_nothing_and_is_not_trusted(void **state) {
        _cleanup_(record_freep) Record *r = NULL;
        struct Driver *driver = (struct Driver *) &r;
        char name[] = "sda2";
        assert_int_equal(record_new(driver, name, &r), 0);
        name[0] = 'X';
        assert_string_equal(r->name, "sda2");
        assert_ptr_equal(r->driver, driver);
        assert_int_equal(r->volume.state, VOLUME_NEW);
        assert_false(r->volume.trusted);
        assert_true(r->volume.timer == USEC_INFINITY);
        assert_int_equal(r->told_state, _VOLUME_STATE_MAX);
        assert_int_equal(r->told_rested, _VOLUME_STATE_MAX);
        assert_null(record_mount(r));
        assert_int_equal(record_drop_mount(r, 7), 0);
        assert_true(r->pin < 0);
        assert_null(record_free(NULL));
}

/* Nothing keeps a volume busy that is no longer known. */
static void a_freed_record_releases_what_it_holds(void **state) {
        Record *r = volume("sda2", "/mnt");
        int fd = open("/", O_PATH | O_CLOEXEC), output;
        assert_true(fd >= 0);
        r->pin = fd;
        assert_int_equal(watch_new(&r->watch), 0);
        assert_int_equal(job_start((char *[]){(char *) "/bin/true", NULL}, -EBADF, &r->scan.job), 0);
        int watched = watch_get_fd(r->watch);
        output = job_get_output_fd(r->scan.job);
        assert_null(record_free(r));
        assert_int_equal(fcntl(watched, F_GETFD), -1);
        assert_int_equal(fcntl(output, F_GETFD), -1);
        while (fcntl(fd, F_GETFD) >= 0) /* by a process of its own, which nobody waits for */
                (void) poll(NULL, 0, 1);
}

static void first_mount_is_used_until_it_goes(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/first");
        MountEntry second = entry(8, "/second"), third = entry(9, "/third"), moved = entry(7, "/moved");
        assert_int_equal(record_set_mount(r, &second), 0);
        assert_int_equal(record_set_mount(r, &third), 0);
        assert_string_equal(record_mount(r)->target, "/first");
        assert_int_equal(record_set_mount(r, &moved), 0); /* the same mount, elsewhere */
        assert_int_equal(r->n_mounts, 3);
        assert_string_equal(record_mount(r)->target, "/moved");
        assert_int_equal(record_drop_mount(r, 99), 0);
        assert_int_equal(record_drop_mount(r, 7), 1);
        assert_int_equal(record_drop_mount(r, 7), 0);
        assert_int_equal(r->n_mounts, 2);
        assert_string_equal(record_mount(r)->target, "/second");
        assert_string_equal(r->mounts[1].target, "/third");
        assert_int_equal(record_drop_mount(r, 9), 1); /* the last one */
        assert_string_equal(record_mount(r)->target, "/second");
        assert_int_equal(record_drop_mount(r, 8), 1);
        assert_null(record_mount(r));
}

static void entry_is_copied(void **state) {
        char target[] = "/mnt";
        _cleanup_(record_freep) Record *r = volume("sda2", target);
        target[1] = 'X';
        assert_string_equal(record_mount(r)->target, "/mnt");
        assert_int_equal(record_mount(r)->id, 7);
        assert_string_equal(record_mount(r)->fstype, "ext4");
}

static void many_mounts_are_kept_apart(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        for (uint64_t id = 8; id < 20; id++) {
                MountEntry e = entry(id, "/mnt/x");
                assert_int_equal(record_set_mount(r, &e), 0);
        }
        assert_int_equal(r->n_mounts, 13);
        assert_int_equal(record_drop_mount(r, 18), 1);
        assert_int_equal(record_drop_mount(r, 12), 1);
        static const uint64_t left[] = {7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 19};
        assert_int_equal(r->n_mounts, ELEMENTSOF(left));
        for (size_t i = 0; i < ELEMENTSOF(left); i++)
                assert_int_equal(r->mounts[i].id, left[i]);
        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                assert_int_equal(record_mount(r)->id, left[i]);
                assert_int_equal(record_drop_mount(r, left[i]), 1);
        }
        assert_null(record_mount(r));
}

static void places_are_those_of_the_last_scan_or_all_while_one_runs(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_false(record_has_place(r, "/etc")); /* a scan is yet to come */
        r->report = report_new();
        assert_false(record_has_place(r, "/etc"));
        assert_int_equal(report_parse_line(r->report, "PLACE /boot/initrd"), 0);
        assert_int_equal(report_parse_line(r->report, "PLACE /etc"), 0);
        assert_true(record_has_place(r, "/etc"));
        assert_true(record_has_place(r, "/etc/x/y"));
        assert_true(record_has_place(r, "/boot"));
        assert_true(record_has_place(r, "/"));
        assert_false(record_has_place(r, "/boot/initrd2"));
        assert_false(record_has_place(r, "/srv"));
        assert_int_equal(job_start((char *[]){(char *) "/bin/true", NULL}, -EBADF, &r->scan.job), 0);
        assert_true(record_has_place(r, "/srv"));
}

static void a_build_waits_only_if_it_says_so(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_false(record_build_waits(r));
        r->build.report = report_of("PROGRESS 1 2\n");
        assert_false(record_build_waits(r));
        report_free(r->build.report);
        r->build.report = report_of("WAITING yes\n");
        assert_true(record_build_waits(r));
}

static void unreadable_settings_block_before_a_covering_mount_does(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        assert_null(record_block(r));
        record_follow_block(r);
        assert_int_equal(r->volume.holds, 0);
        r->report = report_of("CACHE c - stale /x gone\nCOVERED /x\n");
        assert_string_equal(record_block(r), "a mount covers /x");
        record_follow_block(r);
        assert_int_equal(r->volume.holds, VOLUME_HOLD_BLOCKED);
        r->no_bus = "no bus";
        assert_string_equal(record_block(r), "no bus");
        r->unread = "bootkeep.conf cannot be read";
        assert_string_equal(record_block(r), "bootkeep.conf cannot be read");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_new_record_has_reported_nothing_and_is_not_trusted),
                cmocka_unit_test(a_freed_record_releases_what_it_holds),
                cmocka_unit_test(first_mount_is_used_until_it_goes),
                cmocka_unit_test(entry_is_copied),
                cmocka_unit_test(many_mounts_are_kept_apart),
                cmocka_unit_test(places_are_those_of_the_last_scan_or_all_while_one_runs),
                cmocka_unit_test(a_build_waits_only_if_it_says_so),
                cmocka_unit_test(unreadable_settings_block_before_a_covering_mount_does),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
