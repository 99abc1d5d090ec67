/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/launch.h"

#include <poll.h>

#include "fixture.h"

static void hear(const char *line, void *userdata) {
        assert_int_equal(strv_extend(userdata, line), 0);
}

/* Both programs print their arguments, one per line, and what descriptor 3 is. */
static LaunchOptions options(const Scratch *s) {
        static const char *const programs[] = {"bootkeep-scan", "bootkeep-build"};
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                scratch_write(
                        s, programs[i],
                        "#!/bin/sh\nprintf '%s\\n' \"${0##*/}\" \"$@\"\nreadlink /proc/self/fd/3\nexit 0\n");
                assert_int_equal(fchmodat(s->fd, programs[i], 0755, 0), 0);
        }
        return (LaunchOptions){.libexec = s->path, .trust_ctime = true};
}

/* Waits for JOB and returns the arguments that it got. */
static char **told(Job *j) {
        char **lines = NULL;
        struct pollfd p = {.fd = job_get_process_fd(j), .events = POLLIN};
        int status = -1;
        assert_int_equal(poll(&p, 1, 60000), 1);
        assert_int_equal(job_read_rest(j, hear, &lines), 1);
        assert_int_equal(job_reap(j, &status), 0);
        assert_int_equal(status, 0);
        job_free(j);
        return lines;
}

static void scan_is_passed_its_mount_and_the_watch(void **state) {
        const Scratch *s = *state;
        LaunchOptions o = options(s);
        o.hold_locked = (char *[]){(char *) "/one", (char *) "/t wo", NULL};
        o.hold_exists = (char *[]){(char *) "/three", NULL};
        Job *j = NULL;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(null >= 0);
        assert_int_equal(launch_scan(&o, &(LaunchBuild){"sda1", "/mnt", 1234567890123, false}, null, &j), 0);
        _cleanup_strv_free_ char **lines = told(j);
        assert_string_equal(lines[0], "bootkeep-scan");
        assert_true(strv_contains(lines, "--inotify-fd=3"));
        assert_true(strv_contains(lines, "--quiet")); /* the daemon logs what it reports */
        assert_true(strv_contains(lines, "--mount-id=1234567890123"));
        assert_true(strv_contains(lines, "--trust-ctime=yes"));
        assert_true(strv_contains(lines, "--hold-locked=/one"));
        assert_true(strv_contains(lines, "--hold-locked=/t wo"));
        assert_true(strv_contains(lines, "--hold-exists=/three"));
        assert_true(strv_contains(lines, "/dev/null")); /* descriptor 3 */
        close(null);
}

/* In a mount namespace of its own the mount has another ID, which nobody knows beforehand. */
static void scan_in_another_namespace_is_told_the_volume(void **state) {
        LaunchOptions o = options(*state);
        Job *j = NULL;
        o.apart = true;
        o.runtime = "/run/x";
        assert_int_equal(launch_scan(&o, &(LaunchBuild){"sda2[/@]", "/mnt", 17, false}, -EBADF, &j), 0);
        _cleanup_strv_free_ char **lines = told(j);
        assert_true(strv_contains(lines, "--volume=sda2[/@]"));
        assert_true(strv_contains(lines, "--uncover=/run/x/stamps-17"));
        assert_false(strv_contains(lines, "--mount-id=17"));
        assert_true(strv_contains(lines, "/mnt"));
}

/* Both meet at the same socket. */
static void stamps_are_opened_where_the_scan_asks(void **state) {
        LaunchOptions o = options(*state);
        Job *scan = NULL, *opener = NULL;
        o.runtime = "/run/x";
        assert_int_equal(launch_scan(&o, &(LaunchBuild){"sda2", "/mnt", 17, false}, -EBADF, &scan), 0);
        assert_int_equal(launch_opening(&o, &(LaunchBuild){"sda2", "/mnt", 17, false}, &opener), 0);
        _cleanup_strv_free_ char **asked = told(scan), **opened = told(opener);
        assert_true(strv_contains(asked, "--uncover=/run/x/stamps-17"));
        assert_string_equal(opened[0], "bootkeep-build");
        assert_true(strv_contains(opened, "--uncover=/run/x/stamps-17"));
        assert_true(strv_contains(opened, "--mount-id=17"));
        assert_true(strv_contains(opened, "/mnt"));
}

/* It may run beside the scan. */
static void stamps_are_opened_where_who_inquires_asks(void **state) {
        LaunchOptions o = options(*state);
        const LaunchBuild inquiry = {"sda2", "/mnt", 17, .inquiry = 3};
        Job *scan = NULL, *opener = NULL;
        assert_int_equal(launch_sources(&o, &inquiry, "c", &scan), 0);
        _cleanup_strv_free_ char **nowhere = told(scan);
        assert_false(strv_contains(nowhere, "--uncover=/stamps-17-3"));
        o.runtime = "/run/x";
        assert_int_equal(launch_sources(&o, &inquiry, "c", &scan), 0);
        assert_int_equal(launch_opening(&o, &inquiry, &opener), 0);
        _cleanup_strv_free_ char **asked = told(scan), **opened = told(opener);
        assert_true(strv_contains(asked, "--uncover=/run/x/stamps-17-3"));
        assert_true(strv_contains(asked, "--sources=c"));
        assert_true(strv_contains(opened, "--uncover=/run/x/stamps-17-3"));
}

static void scan_without_a_watch_arms_nothing(void **state) {
        LaunchOptions o = options(*state);
        Job *j = NULL;
        assert_int_equal(launch_scan(&o, &(LaunchBuild){"sda1", "/mnt", 1, false}, -EBADF, &j), 0);
        _cleanup_strv_free_ char **lines = told(j);
        for (char **l = lines; *l; l++)
                assert_null(strstr(*l, "inotify"));
}

static void build_is_forced_only_on_request(void **state) {
        LaunchOptions o = options(*state);
        for (int force = 0; force < 2; force++) {
                Job *j = NULL;
                assert_int_equal(launch_build(&o, &(LaunchBuild){"sda1", "/mnt", 1, force}, &j), 0);
                _cleanup_strv_free_ char **lines = told(j);
                assert_string_equal(lines[0], "bootkeep-build");
                assert_true(strv_contains(lines, "--no-wait")); /* others need its slot */
                assert_int_equal(strv_contains(lines, "--force"), force);
        }
}

static void handover_is_begun_or_done(void **state) {
        LaunchOptions o = options(*state);
        for (int begin = 0; begin < 2; begin++) {
                const LaunchHandover h = {.mount_point = "/mnt",
                                          .mount_id = 5,
                                          .file = "/run/f",
                                          .begin = begin,
                                          .cache = begin ? "-c" : NULL,
                                          .instance = begin ? "1 2" : NULL};
                Job *j = NULL;
                assert_int_equal(launch_handover(&o, &h, &j), 0);
                _cleanup_strv_free_ char **lines = told(j);
                assert_string_equal(lines[0], "bootkeep-build");
                assert_int_equal(strv_contains(lines, "--begin=/run/f"), begin);
                assert_int_equal(strv_contains(lines, "--done=/run/f"), !begin);
                assert_int_equal(strv_contains(lines, "--cache=-c"), begin);
                assert_int_equal(strv_contains(lines, "--instance=1 2"), begin);
                assert_true(strv_contains(lines, "--mount-id=5") && strv_contains(lines, "/mnt"));
        }
}

static void settings_are_passed_on(void **state) {
        LaunchOptions o = options(*state);
        Job *j = NULL;
        o.builders = "/some where/builders.d";
        o.trust_ctime = false;
        assert_int_equal(launch_build(&o, &(LaunchBuild){"sda1", "/mnt", 1, false}, &j), 0);
        _cleanup_strv_free_ char **lines = told(j);
        assert_true(strv_contains(lines, "--builders=/some where/builders.d"));
        assert_true(strv_contains(lines, "--trust-ctime=no"));
}

static void mount_point_is_never_an_option(void **state) {
        static const char *const odd[] = {"--force", "-h", "a b", "/x;reboot", "$(reboot)", "/\xff", ""};
        LaunchOptions o = options(*state);
        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                Job *j = NULL;
                assert_int_equal(launch_build(&o, &(LaunchBuild){"sda1", odd[i], 1, false}, &j), 0);
                _cleanup_strv_free_ char **lines = told(j);
                size_t n = 0;
                while (lines[n] && !streq(lines[n], "--"))
                        n++;
                assert_string_equal(lines[n], "--");
                assert_string_equal(lines[n + 1], odd[i]);
        }
}

static void missing_programs_are_an_error(void **state) {
        const Scratch *s = *state;
        LaunchOptions o = {.libexec = s->path};
        Job *j = NULL;
        assert_int_equal(launch_scan(&o, &(LaunchBuild){"sda1", "/mnt", 1, false}, -EBADF, &j), -ENOENT);
        assert_int_equal(launch_build(&o, &(LaunchBuild){"sda1", "/mnt", 1, false}, &j), -ENOENT);
        assert_null(j);
}

static void check_of_builders_accesses_no_volume(void **state) {
        LaunchOptions o = options(*state);
        Job *j = NULL;
        o.builders = "/some where/builders.d";
        assert_int_equal(launch_check_builders(&o, &j), 0);
        _cleanup_strv_free_ char **lines = told(j);
        assert_int_equal(strv_length(lines), 3);
        assert_string_equal(lines[0], "bootkeep-scan");
        assert_string_equal(lines[1], "--check-builders");
        assert_string_equal(lines[2], "--builders=/some where/builders.d");
        o.builders = NULL;
        assert_int_equal(launch_check_builders(&o, &j), 0);
        _cleanup_strv_free_ char **standard = told(j);
        assert_int_equal(strv_length(standard), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(scan_is_passed_its_mount_and_the_watch),
                scratch_test(scan_in_another_namespace_is_told_the_volume),
                scratch_test(stamps_are_opened_where_the_scan_asks),
                scratch_test(stamps_are_opened_where_who_inquires_asks),
                scratch_test(scan_without_a_watch_arms_nothing),
                scratch_test(build_is_forced_only_on_request),
                scratch_test(handover_is_begun_or_done),
                scratch_test(settings_are_passed_on),
                scratch_test(check_of_builders_accesses_no_volume),
                scratch_test(mount_point_is_never_an_option),
                scratch_test(missing_programs_are_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
