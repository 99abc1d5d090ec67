/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/shown.h"

#include "volumerecord.h"

static void assert_changes(Record *r, const char *expected) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *text = strdup("");
        assert_int_equal(shown_take_changes(r, NULL, &names), 0);
        for (char **n = names; n && *n; n++) {
                char *longer = NULL;
                assert_int_equal(strprintf(&longer, "%s%s%s", text, *text ? " " : "", *n), 0);
                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
}

static void each_change_is_told_once(void **state) {
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

static void view_shows_what_is(void **state) {
        _cleanup_(record_freep) Record *r = volume("sda2", "/mnt");
        _cleanup_strv_free_ char **all = NULL;
        BusVolume v = {};
        assert_int_equal(shown_take_changes(r, NULL, &all), 0); /* the texts are those last reported */
        shown_view(r, NULL, &v);
        assert_string_equal(v.name, "sda2");
        assert_string_equal(v.device, "/dev/mapper/os"); /* as mounted, if udev does not know better */
        assert_string_equal(v.mount_point, "/mnt");
        assert_string_equal(v.fstype, "ext4");
        assert_string_equal(v.state, "new");
        assert_true(v.trusted);
        assert_int_equal(v.progress_of, 0);
        assert_int_equal(record_drop_mount(r, 7), 1);
        shown_view(r, NULL, &v);
        assert_string_equal(v.mount_point, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_change_is_told_once),
                cmocka_unit_test(view_shows_what_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
