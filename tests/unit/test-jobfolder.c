/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/jobfolder.h"

#include <sys/stat.h>

#include "unitworld.h"

/* In a child: it takes over standard output. Returns the exit status, 0: argv is as expected. */
static int enter_in_child(const char *folder) {
        int status = -1;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char **argv = NULL;
                int r = jobfolder_enter(folder, "bootkeep-build", &argv);
                if (r < 0)
                        _exit(-r);
                if (strv_length(argv) != 3 || !streq(argv[0], "bootkeep-build") ||
                    !streq(argv[1], "--force") || !streq(argv[2], "/mnt"))
                        _exit(255);
                (void) write_all(STDOUT_FILENO, "RESULT success\n", 15);
                _exit(buildfolder_claim(STDOUT_FILENO) < 0 ? 254 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void prepare_folder(const Scratch *s) {
        char *argv[] = {(char *) "--force", (char *) "/mnt", NULL};
        assert_int_equal(buildfolder_write(s->fd, "report", "", 0), 0);
        assert_int_equal(buildfolder_write_arguments(s->fd, argv), 0);
}

static void options_come_from_the_folder_and_output_goes_there(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *report = NULL;
        size_t size = 0;
        prepare_folder(s);
        assert_int_equal(enter_in_child(s->path), 0);
        assert_int_equal(buildfolder_read(s->fd, "report", &report, &size), 0);
        assert_string_equal(report, "RESULT success\n");
}

static void a_folder_that_is_not_ours_is_refused(void **state) {
        const Scratch *s = *state;
        prepare_folder(s);
        assert_int_equal(fchmod(s->fd, 0770), 0);
        assert_int_equal(enter_in_child(s->path), EPERM);
        assert_int_equal(fchmod(s->fd, 0700), 0);
        assert_int_equal(unlinkat(s->fd, "arguments", 0), 0);
        assert_int_equal(enter_in_child(s->path), ENOENT);
        assert_int_equal(unlinkat(s->fd, "report", 0), 0);
        assert_int_equal(enter_in_child(s->path), ENOENT);
        assert_int_equal(enter_in_child("/nonexistent"), ENOENT);
}

static void only_one_build_runs_in_a_folder(void **state) {
        const Scratch *s = *state;
        prepare_folder(s);
        pid_t pid = unit_build_begin(s->path, "");
        assert_int_equal(enter_in_child(s->path), EAGAIN);
        unit_build_end(s->path, pid, NULL);
        assert_int_equal(enter_in_child(s->path), 0);
}

static void say_as_systemd(const char *result, const char *code, const char *status) {
        const char *const names[] = {"SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"}, *const values[] = {
                                                                                            result, code,
                                                                                            status};
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(values[i] ? setenv(names[i], values[i], true) : unsetenv(names[i]), 0);
}

static void end_is_noted_as_systemd_says_it(void **state) {
        const Scratch *s = *state;
        static const struct {
                const char *result, *code, *status, *noted;
        } ends[] = {
                {"success", "exited", "0", "success exited 0\n"},
                {"oom-kill", "killed", "KILL", "oom-kill killed KILL\n"},
                {"resources", NULL, NULL, "resources - -\n"},
                {"a b", "", "x\ny", "- - -\n"}, /* not from systemd */
        };
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                _cleanup_free_ char *end = NULL;
                size_t size = 0;
                say_as_systemd(ends[i].result, ends[i].code, ends[i].status);
                assert_int_equal(jobfolder_note_end(s->path), 0);
                assert_int_equal(buildfolder_read(s->fd, "end", &end, &size), 0);
                assert_string_equal(end, ends[i].noted);
        }
        say_as_systemd(NULL, NULL, NULL);
        assert_int_equal(jobfolder_note_end("/nonexistent"), 0); /* the daemon has done with it */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(options_come_from_the_folder_and_output_goes_there),
                scratch_test(a_folder_that_is_not_ours_is_refused),
                scratch_test(only_one_build_runs_in_a_folder),
                scratch_test(end_is_noted_as_systemd_says_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
