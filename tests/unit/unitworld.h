/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process in the place of a bootkeep-build that systemd runs: it claims the report in FOLDER, writes TEXT
 * to it, and goes on until it is killed. */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/buildfolder.h"
#include "fixture.h"

static inline pid_t unit_build_begin(const char *folder, const char *text) {
        char *report = NULL;
        int begun[2];
        char c;
        assert_int_equal(strprintf(&report, "%s/report", folder), 0);
        assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                int fd = open(report, O_WRONLY | O_APPEND | O_CLOEXEC);
                if (buildfolder_claim(fd) < 0 || write_all(fd, text, strlen(text)) < 0)
                        _exit(1);
                (void) write_all(begun[1], "x", 1);
                for (;;)
                        pause();
        }
        close(begun[1]);
        assert_int_equal(read(begun[0], &c, 1), 1);
        close(begun[0]);
        free(report);
        return pid;
}

/* It is killed; systemd, if it says anything, says END. */
static inline void unit_build_end(const char *folder, pid_t pid, const char *end) {
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (end)
                assert_int_equal(buildfolder_write(fd, BUILDFOLDER_END, end, strlen(end)), 0);
        close(fd);
}
