/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/record.h"

#include "volumerecord.h"

static void first_mount_is_used_until_it_goes(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/first");
        MountEntry second = entry(8, "/second"), moved = entry(7, "/moved");
        assert_int_equal(record_set_mount(r, &second), 0);
        assert_string_equal(record_mount(r)->target, "/first");
        assert_int_equal(record_set_mount(r, &moved), 0); /* the same mount, elsewhere */
        assert_int_equal(r->n_mounts, 2);
        assert_string_equal(record_mount(r)->target, "/moved");
        assert_int_equal(record_drop_mount(r, 99), 0);
        assert_int_equal(record_drop_mount(r, 7), 1);
        assert_int_equal(record_drop_mount(r, 7), 0);
        assert_string_equal(record_mount(r)->target, "/second");
        assert_int_equal(record_drop_mount(r, 8), 1);
        assert_null(record_mount(r));
}

static void entry_is_copied(void **state) {
        char target[] = "/mnt";
        _cleanup_(record_freep) Record *r = volume("sda2", target);
        memcpy(target, "XXXX", 4);
        assert_string_equal(record_mount(r)->target, "/mnt");
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_mount_is_used_until_it_goes),
                cmocka_unit_test(entry_is_copied),
                cmocka_unit_test(places_are_those_of_the_last_scan_or_all_while_one_runs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
