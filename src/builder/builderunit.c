/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/builderunit.h"

#include <fcntl.h>
#include <poll.h>
#include <systemd/sd-bus.h>

#include "base/buildfolder.h"
#include "base/error.h"
#include "base/failure.h"
#include "base/fdpass.h"
#include "base/progress.h"
#include "base/systemdbus.h"

/* A machine that is busy booting or going down takes its time. */
#define START_USEC (90 * USEC_PER_SEC)
#define CALL_USEC (5 * USEC_PER_SEC)
/* That it ended is known here at once, and to systemd a moment later. */
#define END_USEC (10 * USEC_PER_SEC)
#define END_TURN_USEC (50 * USEC_PER_MSEC)

typedef struct UnitStart {
        const BuilderUnitRequest *request;
        sd_bus *bus;
        sd_bus_slot *call, *ended;
        int listener;
        char *refusal;
} UnitStart;

static void unit_start_done(UnitStart *start) {
        sd_bus_slot_unref(start->call);
        sd_bus_slot_unref(start->ended);
        sd_bus_close_unref(start->bus);
        closep(&start->listener);
        free(start->refusal);
}

/* By way of the descriptor: the path itself may be longer than an address. */
static int open_meeting_place(const char *folder, int *ret, char **ret_path) {
        _cleanup_close_ int fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_origin(-errno);
        int r = strprintf(ret_path, "/proc/self/fd/%i/" BUILDFOLDER_BUILDERS, fd);
        if (r < 0)
                return r;
        *ret = TAKE_FD(fd);
        return 0;
}

static int on_unit_start_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitStart *start = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        if (e)
                (void) systemd_explain_refusal(e, start->request->unit, &start->refusal);
        return 1;
}

/* Its job ended without starting it. */
static int on_start_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitStart *start = userdata;
        const char *path, *unit, *result;
        uint32_t id;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
            streq(unit, start->request->unit) && !streq(result, "done") && !streq(result, "canceled"))
                (void) strprintf(&start->refusal, "systemd could not start %s (%s)", unit, result);
        return 0;
}

/* Whatever the system is about to do: what it is for runs already. And anew: that of a build that was killed
 * may still be busy with ending its builder, and would not call back. */
static int send_unit_start(UnitStart *start) {
        int r = sd_bus_open_system(&start->bus);
        if (r >= 0)
                r = sd_bus_match_signal_async(start->bus, &start->ended, SYSTEMD, SYSTEMD_PATH,
                                              SYSTEMD_MANAGER, "JobRemoved", on_start_job_removed, NULL,
                                              start);
        if (r >= 0)
                r = sd_bus_call_method_async(start->bus, &start->call, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                             "RestartUnit", on_unit_start_answer, start, "ss",
                                             start->request->unit, "ignore-dependencies");
        return r < 0 ? r : 0;
}

/* 1: somebody has called back; 0: nothing yet. */
static int poll_unit_start(const UnitStart *start) {
        Interrupt *interrupt = start->request->patience.interrupt;
        struct pollfd p[] = {
                {.fd = start->listener, .events = POLLIN},
                {.fd = interrupt_get_fd(interrupt), .events = POLLIN},
                {.fd = sd_bus_get_fd(start->bus)},
        };
        int r = sd_bus_get_events(start->bus);
        if (r < 0)
                return r;
        p[2].events = (short) r;
        if (poll(p, ELEMENTSOF(p), (int) (PROGRESS_BEAT_USEC / USEC_PER_MSEC)) < 0 && errno != EINTR)
                return error_origin(-errno);
        if (interrupt_check(interrupt))
                return error_origin(-EINTR);
        return p[0].revents != 0;
}

static int await_call(UnitStart *start, int *ret_socket, char **reterr) {
        const Patience *patience = &start->request->patience;
        uint64_t end = now_usec() + START_USEC, beat = now_usec() + PROGRESS_BEAT_USEC;
        while (!start->refusal) {
                int r = sd_bus_process(start->bus, NULL);
                if (r == 0)
                        r = poll_unit_start(start);
                else if (r > 0)
                        continue;
                if (r == 1)
                        return fdpass_accept(start->listener, ret_socket);
                if (r >= 0 && now_usec() >= end)
                        r = error_origin(-ETIMEDOUT);
                if (r < 0)
                        return r;
                if (now_usec() >= beat) {
                        beat = now_usec() + PROGRESS_BEAT_USEC;
                        patience->beat(patience->userdata);
                }
        }
        return failure(reterr, -ENOEXEC, "%s", start->refusal);
}

int builderunit_connect(const BuilderUnitRequest *request, int *ret_socket, char **reterr) {
        assert(request->unit && request->folder && request->patience.beat && ret_socket);
        _cleanup_(unit_start_done) UnitStart start = {.request = request, .listener = -EBADF};
        _cleanup_close_ int folder = -EBADF;
        _cleanup_free_ char *path = NULL;
        int r = open_meeting_place(request->folder, &folder, &path);
        if (r >= 0)
                r = fdpass_listen(path, &start.listener);
        if (r >= 0)
                r = send_unit_start(&start);
        if (r >= 0)
                r = await_call(&start, ret_socket, reterr);
        if (path)
                (void) unlink(path);
        if (r < 0 && r != -EINTR && r != -ENOEXEC)
                return failure_errno(reterr, r, "%s", request->unit);
        return r;
}

int builderunit_call_back(const char *folder, int *ret_socket) {
        assert(folder && ret_socket);
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;
        int r = open_meeting_place(folder, &fd, &path);
        return r < 0 ? r : fdpass_connect(path, ret_socket);
}

/* ---- how it ended ---- */

static int read_unit_property(sd_bus *bus, const char *path, const char *name, char **ret) {
        bool of_unit = streq(name, "ActiveState");
        return sd_bus_get_property_string(bus, SYSTEMD, path, of_unit ? SYSTEMD ".Unit" : SYSTEMD ".Service",
                                          name, NULL, ret);
}

static bool has_unit_ended(sd_bus *bus, const char *path) {
        _cleanup_free_ char *state = NULL;
        return read_unit_property(bus, path, "ActiveState", &state) < 0 || streq(state, "failed") ||
               streq(state, "inactive");
}

static char *describe_unit_end(const char *unit, const char *result) {
        char *text = NULL;
        if (streq(result, "oom-kill"))
                (void) strprintf(&text, "was killed because it ran out of memory (see MemoryMax= of %s)",
                                 unit);
        else
                (void) strprintf(&text, "was killed with %s (%s)", unit, result);
        return text;
}

char *builderunit_explain_end(const char *unit) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL, *result = NULL;
        uint64_t end = now_usec() + END_USEC;
        if (sd_bus_open_system(&bus) < 0 || sd_bus_set_method_call_timeout(bus, CALL_USEC) < 0 ||
            sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, &path) < 0)
                return NULL;
        while (!has_unit_ended(bus, path) && now_usec() < end)
                (void) usleep(END_TURN_USEC);
        if (read_unit_property(bus, path, "Result", &result) < 0)
                return NULL;
        (void) sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "ResetFailedUnit", NULL, NULL,
                                  "s", unit);
        return describe_unit_end(unit, result);
}
