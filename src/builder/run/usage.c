/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/usage.h"

#include <dirent.h>
#include <unistd.h>

/* Of more than so many processes, some are not looked at. */
#define PROCESSES_MAX 512U

typedef struct ProcessList {
        pid_t pids[PROCESSES_MAX];
        size_t n;
} ProcessList;

static FILE *open_proc(pid_t pid, const char *file) {
        char path[128];
        (void) snprintf(path, sizeof(path), "/proc/%i/%s", pid, file);
        return fopen(path, "re");
}

/* A line as `1234 (a name) S 1 …`, where the name may contain anything. */
static uint64_t read_cpu_usec(pid_t pid) {
        char text[1024];
        _cleanup_fclose_ FILE *f = open_proc(pid, "stat");
        unsigned long own[2], children[2];
        long ticks = sysconf(_SC_CLK_TCK);
        size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
        text[n] = 0;
        const char *name_end = strrchr(text, ')');
        if (!name_end || ticks <= 0 ||
            sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &own[0],
                   &own[1], &children[0], &children[1]) != 4)
                return 0;
        return ((uint64_t) own[0] + own[1] + children[0] + children[1]) * USEC_PER_SEC / (uint64_t) ticks;
}

/* Only what reaches a disk: to start a program is to read from memory, and a loop that waits does so all the
 * time. */
static uint64_t read_io_bytes(pid_t pid) {
        char line[64];
        unsigned long long bytes;
        uint64_t sum = 0;
        _cleanup_fclose_ FILE *f = open_proc(pid, "io");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "read_bytes: %llu", &bytes) == 1 ||
                    sscanf(line, "write_bytes: %llu", &bytes) == 1)
                        sum += bytes;
        return sum;
}

static void add_children_of_thread(pid_t pid, const char *thread, ProcessList *list) {
        char file[64];
        int child;
        (void) snprintf(file, sizeof(file), "task/%.20s/children", thread);
        _cleanup_fclose_ FILE *f = open_proc(pid, file);
        while (f && list->n < PROCESSES_MAX && fscanf(f, "%d", &child) == 1)
                list->pids[list->n++] = child;
}

static void add_children(pid_t pid, ProcessList *list) {
        char path[64];
        (void) snprintf(path, sizeof(path), "/proc/%i/task", pid);
        _cleanup_closedir_ DIR *threads = opendir(path);
        for (const struct dirent *d; threads && (d = readdir(threads));)
                if (*d->d_name != '.')
                        add_children_of_thread(pid, d->d_name, list);
}

Usage usage_of_tree(pid_t pid) {
        ProcessList list = {.pids = {pid}, .n = 1};
        Usage usage = {};
        for (size_t i = 0; i < list.n; i++) {
                usage.cpu_usec += read_cpu_usec(list.pids[i]);
                usage.io_bytes += read_io_bytes(list.pids[i]);
                add_children(list.pids[i], &list);
        }
        return usage;
}
