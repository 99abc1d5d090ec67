/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/jobfolder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/buildfolder.h"
#include "base/error.h"

/* What it says is done as root. */
static int open_job_folder(const char *path, int *ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return error_origin(-EPERM);
        *ret = TAKE_FD(fd);
        return 0;
}

/* The claim ends with the first descriptor of it that we close: there is one, which stays. */
static int report_into(int folder) {
        int fd = openat(folder, BUILDFOLDER_REPORT, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        int r = dup2(fd, STDOUT_FILENO) < 0 ? error_origin(-errno) : 0;
        (void) close(fd);
        return r < 0 ? r : buildfolder_claim(STDOUT_FILENO);
}

int jobfolder_enter(const char *path, const char *program, char ***ret_argv) {
        _cleanup_strv_free_ char **options = NULL, **argv = NULL;
        _cleanup_close_ int folder = -EBADF;
        int r = open_job_folder(path, &folder);
        if (r >= 0)
                r = report_into(folder);
        if (r >= 0)
                r = buildfolder_read_arguments(folder, &options);
        if (r >= 0)
                r = strv_extend(&argv, program);
        for (char **o = options; r >= 0 && *o; o++)
                r = strv_extend(&argv, *o);
        if (r < 0)
                return r;
        *ret_argv = TAKE_PTR(argv);
        return 0;
}

static const char *told_by_systemd(const char *name) {
        const char *value = getenv(name);
        return isempty(value) || strpbrk(value, " \n\\") ? "-" : value;
}

int jobfolder_note_end(const char *path) {
        _cleanup_close_ int folder = -EBADF;
        _cleanup_free_ char *line = NULL;
        int r = open_job_folder(path, &folder);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = strprintf(&line, "%s %s %s\n", told_by_systemd("SERVICE_RESULT"),
                              told_by_systemd("EXIT_CODE"), told_by_systemd("EXIT_STATUS"));
        return r < 0 ? r : buildfolder_write(folder, BUILDFOLDER_END, line, strlen(line));
}
