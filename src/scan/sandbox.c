/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The privileges that a parser of foreign files may have. The steps are independent and in a table, so that
 * another one is another line; each can only take privileges away. */

#include "scan/sandbox.h"

#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/util.h"
#include "scan/landlock.h"
#include "scan/syscalls.h"

#define MEMORY_MAX (UINT64_C(256) * 1024 * 1024)
#define CPU_SECONDS_MAX 120
#define NOBODY 65534

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

typedef struct _cap_struct Capabilities;

static void capabilities_freep(Capabilities **c) {
        if (*c)
                (void) cap_free(*c);
}

static int forbid_new_privileges(void) {
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? error_origin(-errno) : 0;
}

static int forbid_inspection(void) {
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? error_origin(-errno) : 0;
}

/* Requires CAP_SETPCAP; a process without it has no capability to lose either, or loses it in the following
 * steps. */
static int clear_bounding_set(void) {
        for (cap_value_t c = 0; c < cap_max_bits(); c++)
                if (c != CAP_DAC_READ_SEARCH && cap_drop_bound(c) < 0 && errno != EPERM)
                        return error_origin(-errno);
        return 0;
}

static int clear_ambient_set(void) {
        return cap_reset_ambient() < 0 && errno != EINVAL && errno != EPERM ? error_origin(-errno) : 0;
}

static bool holds(cap_value_t capability) {
        _cleanup_(capabilities_freep) cap_t held = cap_get_proc();
        cap_flag_value_t value = CAP_CLEAR;
        return held && cap_get_flag(held, capability, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

/* Root owns the files to read, and an owner may write: so the capability to read is kept, the user ID is not.
 * If there is no user nobody (in a user namespace without it), or we may not become that (in bootkeepd's
 * unit), the other steps must suffice. */
static int become_nobody(void) {
        if (!holds(CAP_SETUID) || !holds(CAP_SETGID))
                return 0;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_origin(-errno);
        if (setgroups(0, NULL) < 0 && errno != EPERM) /* forbidden in some user namespaces */
                return error_origin(-errno);
        if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return errno == EINVAL ? 0 : error_origin(-errno);
        return 0;
}

static int drop_capabilities(void) {
        static const cap_value_t kept[] = {CAP_DAC_READ_SEARCH};
        _cleanup_(capabilities_freep) cap_t held = cap_get_proc(), wanted = cap_init();
        cap_flag_value_t permitted = CAP_CLEAR;
        if (!held || !wanted)
                return error_origin(-ENOMEM);
        if (cap_get_flag(held, kept[0], CAP_PERMITTED, &permitted) < 0)
                return error_origin(-errno);
        if (permitted == CAP_SET && (cap_set_flag(wanted, CAP_PERMITTED, 1, kept, CAP_SET) < 0 ||
                                     cap_set_flag(wanted, CAP_EFFECTIVE, 1, kept, CAP_SET) < 0))
                return error_origin(-errno);
        if (cap_compare(held, wanted) == 0)
                return 0; /* as in bootkeepd's unit, where nobody may set any */
        return cap_set_proc(wanted) < 0 ? error_origin(-errno) : 0;
}

static int limit(__rlimit_resource_t resource, uint64_t value) {
        struct rlimit old;
        if (getrlimit(resource, &old) < 0)
                return error_origin(-errno);
        rlim_t lower = MIN((rlim_t) value, old.rlim_max);
        return setrlimit(resource, &(struct rlimit){lower, lower}) < 0 ? error_origin(-errno) : 0;
}

/* The shadow memory of ASan is terabytes of address space. */
static int limit_memory(void) {
        return WITH_ASAN ? 0 : limit(RLIMIT_AS, MEMORY_MAX);
}

static int limit_time(void) {
        return limit(RLIMIT_CPU, CPU_SECONDS_MAX);
}

static int limit_cores(void) {
        return limit(RLIMIT_CORE, 0);
}

static bool is_file(int fd) {
        struct stat st;
        return fstat(fd, &st) >= 0 && S_ISREG(st.st_mode);
}

/* Not a byte into any file, except for the output, if somebody redirects that to one. */
static int limit_files(void) {
        return is_file(STDOUT_FILENO) || is_file(STDERR_FILENO) ? 0 : limit(RLIMIT_FSIZE, 0);
}

static int limit_syscalls(void) {
        return syscalls_limit(WITH_ASAN);
}

int sandbox_enter(void) {
        /* system calls last, since all the other steps make some */
        static int (*const steps[])(void) = {
                forbid_new_privileges, clear_bounding_set, clear_ambient_set, become_nobody,
                drop_capabilities,     forbid_inspection,  limit_memory,      limit_time,
                limit_cores,           limit_files,        landlock_enter,    limit_syscalls,
        };
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                int r = steps[i]();
                if (r < 0)
                        return r;
        }
        return 0;
}
