/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/unitend.h"

#include <signal.h>

/* From here on, an exit status is systemd's: it could not set up what the unit asks for, or execute it. */
#define STATUS_OF_SYSTEMD 200
#define STATUS_MAX 255

/* "KILL", or a number where the signal has no name. */
static int signal_of(const char *name) {
        for (int s = 1; s < NSIG; s++)
                if (streq_ptr(sigabbrev_np(s), name))
                        return s;
        return SIGKILL;
}

static int number_of(const char *s) {
        int n = 0;
        if (!*s)
                return -1;
        for (; *s; s++) {
                if (*s < '0' || *s > '9' || n > STATUS_MAX)
                        return -1;
                n = n * 10 + (*s - '0');
        }
        return n <= STATUS_MAX ? n : -1;
}

static const char *cause_of(const char *result) {
        static const struct {
                const char *result, *why;
        } causes[] = {
                {"oom-kill", "was killed because it, or a builder, ran out of memory (see MemoryMax= of its "
                             "unit)"},
                {"timeout", "was stopped by systemd: it ran longer than its unit allows"},
                {"watchdog", "was stopped by systemd: its watchdog expired"},
                {"core-dump", "crashed"},
        };
        for (size_t i = 0; i < ELEMENTSOF(causes); i++)
                if (streq(causes[i].result, result))
                        return causes[i].why;
        return NULL;
}

UnitEnd unitend_of(const char *result, const char *code, const char *status) {
        assert(result && code && status);
        if (streq(code, "killed") || streq(code, "dumped"))
                return (UnitEnd){.status = 128 + signal_of(status), .why = cause_of(result), .began = true};
        int n = streq(code, "exited") ? number_of(status) : -1;
        if (n < 0 || n >= STATUS_OF_SYSTEMD)
                return (UnitEnd){.status = n < 0 ? STATUS_MAX : n};
        return (UnitEnd){.status = n, .why = n == 0 ? NULL : cause_of(result), .began = true};
}
