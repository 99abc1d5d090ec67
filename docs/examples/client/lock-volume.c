/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lock-volume VOLUME COMMAND...: a client of bootkeep in C. Whoever changes what the boot caches of a volume
 * are made from, or what helper partitions carry, holds its lock meanwhile, so that nothing is built half
 * way. This waits for the lock, runs the command, gives the lock back with what became of it, and waits until
 * nothing is owed any more. Its exit status is that of the command, or 1.
 *
 *      cc -o lock-volume lock-volume.c $(pkg-config --cflags --libs bootkeep libsystemd)
 *
 * The lock belongs to the connection: if this program is killed, bootkeepd takes the lock back and counts a
 * failure. */

#include <bootkeep.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000)
#define FLUSH_USEC (10U * 60U * SECOND)

/* Logs what the bus or bootkeepd said against a call; returns R. */
static int complain(const char *what, int r, const sd_bus_error *error) {
        (void) fprintf(stderr, "lock-volume: %s: %s\n", what, error->message ? error->message : strerror(-r));
        return r;
}

/* Waits in line as long as it takes: the default timeout of a call would be 25 seconds. */
static int lock_volume(sd_bus *bus, const char *volume) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, "LockVolume");
        if (r >= 0)
                r = sd_bus_message_append(m, "su", volume, BOOTKEEP_LOCK_WAIT);
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, NULL);
        if (sd_bus_error_has_name(&error, BOOTKEEP_ERROR_REBOOT_IN_PROGRESS))
                (void) fprintf(stderr, "lock-volume: the system is about to go down\n");
        else if (r < 0)
                (void) complain("cannot lock", r, &error);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        return r;
}

/* STATUS: 0 success, BOOTKEEP_BUILD_TEMPFAIL not yet done, else a failure, which is counted. */
static int unlock_volume(sd_bus *bus, const char *volume, int status) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH, BOOTKEEP_MANAGER_INTERFACE,
                                   "UnlockVolume", &error, NULL, "si", volume, (int32_t) status);
        if (r < 0)
                (void) complain("cannot unlock", r, &error);
        sd_bus_error_free(&error);
        return r;
}

/* Has everything that is owed done now, on all volumes. 1: it is; 0: not in time. */
static int flush(sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL, *reply = NULL;
        const char *busy = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, "Flush");
        if (r >= 0)
                r = sd_bus_message_append(m, "t", FLUSH_USEC);
        if (r >= 0)
                r = sd_bus_call(bus, m, FLUSH_USEC + 30U * SECOND, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        bool all_done = r >= 0;
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &busy)) > 0) {
                (void) fprintf(stderr, "lock-volume: work is still owed on %s\n", busy);
                all_done = false;
        }
        if (r < 0)
                (void) complain("cannot wait for what is owed", r, &error);
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        return r < 0 ? r : all_done;
}

static int run_command(char *argv[]) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
                (void) execvp(argv[0], argv);
                perror(argv[0]);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
                perror("lock-volume");
                return EXIT_FAILURE;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char *argv[]) {
        sd_bus *bus = NULL;
        if (argc < 3) {
                (void) fprintf(stderr, "usage: lock-volume VOLUME COMMAND...\n");
                return BOOTKEEP_CTL_USAGE;
        }
        int status = EXIT_FAILURE, r = sd_bus_open_system(&bus);
        if (r < 0)
                (void) fprintf(stderr, "lock-volume: no system bus: %s\n", strerror(-r));
        if (r >= 0)
                r = lock_volume(bus, argv[1]);
        if (r >= 0) {
                status = run_command(argv + 2);
                r = unlock_volume(bus, argv[1], status);
        }
        if (r >= 0)
                r = flush(bus);
        sd_bus_flush_close_unref(bus);
        return r <= 0 && status == 0 ? EXIT_FAILURE : status;
}
