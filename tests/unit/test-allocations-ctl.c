/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/ctl fails in turn, except where a bus or a terminal is needed. */

#include "allocations.h"

#include <sys/socket.h>

#include "ctl/format.h"
#include "ctl/monitorline.h"
#include "ctl/volumeinfo.h"

static int wrap_text(void *userdata) {
        _cleanup_free_ char *text = format_wrap("some words that are too many for one line", 10, '\n');
        return text ? 0 : -ENOMEM;
}

static void text_is_wrapped_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(wrap_text, NULL);
}

/* volumeinfo */

/* On a bus with nobody at the other end. */
static sd_bus_message *make_message(sd_bus *bus) {
        sd_bus_message *m = NULL;
        assert_true(sd_bus_message_new_signal(bus, &m, "/x", "org.example.X", "Y") >= 0);
        assert_true(sd_bus_message_append(m, "a{sv}", 3, "Name", "s", "sda2", "Caches", "a(ssbs)", 2,
                                          "initramfs", "6.1.0", 0, "changed", "depmod", "", 1, "", "Helpers",
                                          "a(sssbs)", 1, "sda1", "esp", "p", 0, "gone") >= 0);
        assert_true(sd_bus_message_seal(m, 1, 0) >= 0);
        return m;
}

static int read_volume(void *userdata) {
        sd_bus_message *m = userdata;
        _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new("/org/bootkeep1/volume/sda2");
        assert_true(sd_bus_message_rewind(m, true) >= 0);
        return v ? volume_info_read(v, m) : -ENOMEM;
}

static int list_copies(void *userdata) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = calloc(1, sizeof(*l));
        int r = l ? 0 : -ENOMEM;
        for (int i = 0; r >= 0 && i < 3; i++) {
                VolumeInfo *copy = volume_info_copy(userdata);
                r = copy ? volume_info_list_add(l, copy) : -ENOMEM;
        }
        return r;
}

/* A line that has no memory is left out. */
static int say_changes(void *userdata) {
        static const Ctl ctl = {.json = JSON_OFF};
        monitor_line_changes(&ctl, NULL, userdata);
        return 0;
}

static void volumes_are_read_or_the_error_is_returned(void **state) {
        sd_bus *bus = NULL;
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        sd_bus_message *m = make_message(bus);
        allocations_fail_in_turn(read_volume, m);
        VolumeInfo *v = volume_info_new("/org/bootkeep1/volume/sda2");
        assert_non_null(v);
        assert_true(sd_bus_message_rewind(m, true) >= 0);
        assert_true(volume_info_read(v, m) >= 0);
        allocations_fail_in_turn(list_copies, v);
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        assert_true(dup2(null, STDOUT_FILENO) >= 0);
        allocations_fail_or_cope(say_changes, v);
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        close(out);
        close(null);
        volume_info_free(v);
        sd_bus_message_unref(m);
        sd_bus_close(bus);
        sd_bus_unref(bus);
        close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_wrapped_or_the_error_is_returned),
                cmocka_unit_test(volumes_are_read_or_the_error_is_returned),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
