/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The system calls of a scan, as tables. A call that a library makes without needing it (a newer libc, say)
 * must not end a scan, so calls in no table fail with EPERM. Calls that no library would make while examining
 * files, but somebody who has taken over the parser would, kill the process before it can try the next thing.
 *
 * openat2(2) takes its flags in memory, where no filter sees them: landlock.c and being nobody ensure that it
 * opens nothing for writing. */

#include "scan/syscalls.h"

#include <fcntl.h>
#include <linux/blkzoned.h>
#include <linux/cdrom.h>
#include <linux/fd.h>
#include <linux/fs.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/error.h"
#include "base/util.h"

static const int allowed[] = {
        /* looking */
        SCMP_SYS(access),
        SCMP_SYS(faccessat),
        SCMP_SYS(faccessat2),
        SCMP_SYS(fstat),
        SCMP_SYS(fstatfs),
        SCMP_SYS(getcwd),
        SCMP_SYS(getdents),
        SCMP_SYS(getdents64),
        SCMP_SYS(lstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(openat2),
        SCMP_SYS(readlink),
        SCMP_SYS(readlinkat),
        SCMP_SYS(stat),
        SCMP_SYS(statfs),
        SCMP_SYS(statx),
        /* reading */
        SCMP_SYS(close),
        SCMP_SYS(close_range),
        SCMP_SYS(dup),
        SCMP_SYS(fadvise64),
        SCMP_SYS(lseek),
        SCMP_SYS(pread64),
        SCMP_SYS(preadv),
        SCMP_SYS(read),
        SCMP_SYS(readv),
        /* arming */
        SCMP_SYS(inotify_add_watch),
        /* memory; mmap and mprotect are further below */
        SCMP_SYS(brk),
        SCMP_SYS(madvise),
        SCMP_SYS(mremap),
        SCMP_SYS(munmap),
#ifdef __s390__
        SCMP_SYS(mmap), /* its arguments are in memory, where no filter sees them */
#endif
        /* made by a libc on its own */
        SCMP_SYS(clock_getres),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(futex),
        SCMP_SYS(getegid),
        SCMP_SYS(geteuid),
        SCMP_SYS(getgid),
        SCMP_SYS(getpid),
        SCMP_SYS(getrandom),
        SCMP_SYS(getrlimit),
        SCMP_SYS(getrusage),
        SCMP_SYS(gettid),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(getuid),
        SCMP_SYS(nanosleep),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(rseq),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(sched_yield),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(sysinfo),
        SCMP_SYS(time),
        SCMP_SYS(uname),
        /* the same on 32-bit architectures */
        SCMP_SYS(_llseek),
        SCMP_SYS(arm_fadvise64_64),
        SCMP_SYS(clock_getres_time64),
        SCMP_SYS(clock_gettime64),
        SCMP_SYS(clock_nanosleep_time64),
        SCMP_SYS(fadvise64_64),
        SCMP_SYS(fstat64),
        SCMP_SYS(fstatat64),
        SCMP_SYS(fstatfs64),
        SCMP_SYS(futex_time64),
        SCMP_SYS(getegid32),
        SCMP_SYS(geteuid32),
        SCMP_SYS(getgid32),
        SCMP_SYS(getuid32),
        SCMP_SYS(lstat64),
        SCMP_SYS(sigreturn),
        SCMP_SYS(stat64),
        SCMP_SYS(statfs64),
        SCMP_SYS(ugetrlimit),
};

/* Allowed if for one argument (argument & MASK) == VALUE. */
static const struct {
        int call;
        unsigned argument;
        uint64_t mask, value;
} conditions[] = {
        /* nothing is opened for writing, created or truncated */
        {SCMP_SYS(open), 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
        {SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
#ifndef __s390__
        {SCMP_SYS(mmap), 2, PROT_EXEC, 0},
#endif
        /* no memory becomes executable */
        {SCMP_SYS(mmap2), 2, PROT_EXEC, 0},
        {SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
        /* the records and the messages */
        {SCMP_SYS(write), 0, UINT32_MAX, 1},
        {SCMP_SYS(write), 0, UINT32_MAX, 2},
        {SCMP_SYS(writev), 0, UINT32_MAX, 1},
        {SCMP_SYS(writev), 0, UINT32_MAX, 2},
        /* descriptors */
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_DUPFD_CLOEXEC},
        {SCMP_SYS(fcntl64), 1, UINT32_MAX, F_DUPFD_CLOEXEC},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFD},
        {SCMP_SYS(fcntl64), 1, UINT32_MAX, F_GETFD},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFD},
        {SCMP_SYS(fcntl64), 1, UINT32_MAX, F_SETFD},
        {SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFL},
        {SCMP_SYS(fcntl64), 1, UINT32_MAX, F_GETFL},
        /* properties of devices (libblkid) */
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKGETSIZE64},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKSSZGET},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKPBSZGET},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKIOMIN},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKIOOPT},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKALIGNOFF},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, BLKGETZONESZ},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, CDROM_GET_CAPABILITY},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, CDROM_LAST_WRITTEN},
        {SCMP_SYS(ioctl), 1, UINT32_MAX, FDGETFDCSTAT},
        /* limits are read, not set */
        {SCMP_SYS(prlimit64), 2, UINT64_MAX, 0},
};

static const struct {
        int call;
        bool sanitizer; /* made by the leak sanitizer */
} deadly[] = {
        /* another program, another process */
        {SCMP_SYS(execve)},
        {SCMP_SYS(execveat)},
        {SCMP_SYS(fork)},
        {SCMP_SYS(vfork)},
        {SCMP_SYS(clone), true},
        {SCMP_SYS(clone3), true},
        {SCMP_SYS(ptrace), true},
        {SCMP_SYS(process_vm_readv)},
        {SCMP_SYS(process_vm_writev)},
        {SCMP_SYS(pidfd_getfd)},
        {SCMP_SYS(pidfd_send_signal)},
        {SCMP_SYS(kill)},
        {SCMP_SYS(rt_sigqueueinfo)},
        /* the network and other services */
        {SCMP_SYS(socket)},
        {SCMP_SYS(socketpair)},
        {SCMP_SYS(connect)},
        {SCMP_SYS(bind)},
        {SCMP_SYS(listen)},
        {SCMP_SYS(accept)},
        {SCMP_SYS(accept4)},
        {SCMP_SYS(sendto)},
        {SCMP_SYS(sendmsg)},
        {SCMP_SYS(sendmmsg)},
        /* mounts and namespaces */
        {SCMP_SYS(mount)},
        {SCMP_SYS(umount2)},
        {SCMP_SYS(move_mount)},
        {SCMP_SYS(open_tree)},
        {SCMP_SYS(fsopen)},
        {SCMP_SYS(fsconfig)},
        {SCMP_SYS(fsmount)},
        {SCMP_SYS(fspick)},
        {SCMP_SYS(mount_setattr)},
        {SCMP_SYS(pivot_root)},
        {SCMP_SYS(chroot)},
        {SCMP_SYS(unshare)},
        {SCMP_SYS(setns)},
        /* the way around every path, which CAP_DAC_READ_SEARCH permits */
        {SCMP_SYS(open_by_handle_at)},
        /* other users, other rights */
        {SCMP_SYS(setuid)},
        {SCMP_SYS(setreuid)},
        {SCMP_SYS(setresuid)},
        {SCMP_SYS(setfsuid)},
        {SCMP_SYS(setgid)},
        {SCMP_SYS(setregid)},
        {SCMP_SYS(setresgid)},
        {SCMP_SYS(setfsgid)},
        {SCMP_SYS(setgroups)},
        {SCMP_SYS(setuid32)},
        {SCMP_SYS(setreuid32)},
        {SCMP_SYS(setresuid32)},
        {SCMP_SYS(setfsuid32)},
        {SCMP_SYS(setgid32)},
        {SCMP_SYS(setregid32)},
        {SCMP_SYS(setresgid32)},
        {SCMP_SYS(setfsgid32)},
        {SCMP_SYS(setgroups32)},
        {SCMP_SYS(capset)},
        /* the kernel */
        {SCMP_SYS(bpf)},
        {SCMP_SYS(perf_event_open)},
        {SCMP_SYS(userfaultfd)},
        {SCMP_SYS(io_uring_setup)},
        {SCMP_SYS(init_module)},
        {SCMP_SYS(finit_module)},
        {SCMP_SYS(delete_module)},
        {SCMP_SYS(kexec_load)},
        {SCMP_SYS(kexec_file_load)},
        {SCMP_SYS(reboot)},
        {SCMP_SYS(swapon)},
        {SCMP_SYS(swapoff)},
        {SCMP_SYS(iopl)},
        {SCMP_SYS(ioperm)},
        {SCMP_SYS(add_key)},
        {SCMP_SYS(request_key)},
        {SCMP_SYS(keyctl)},
};

static void filter_freep(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* A call that does not exist on this architecture needs no rule. */
static int add_rule(scmp_filter_ctx filter, uint32_t action, int call, const struct scmp_arg_cmp *condition) {
        int r = seccomp_rule_add_array(filter, action, call, condition ? 1 : 0, condition);
        return r == -EDOM ? 0 : r;
}

static int add_allowed(scmp_filter_ctx filter) {
        /* abort(3): a signal to itself */
        const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) getpid());
        int r = add_rule(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &self);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(allowed); i++)
                r = add_rule(filter, SCMP_ACT_ALLOW, allowed[i], NULL);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(conditions); i++) {
                const struct scmp_arg_cmp c = {
                        .arg = conditions[i].argument,
                        .op = SCMP_CMP_MASKED_EQ,
                        .datum_a = conditions[i].mask,
                        .datum_b = conditions[i].value,
                };
                r = add_rule(filter, SCMP_ACT_ALLOW, conditions[i].call, &c);
        }
        return r;
}

static int add_deadly(scmp_filter_ctx filter, bool lenient) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(deadly); i++)
                if (!lenient || !deadly[i].sanitizer)
                        r = add_rule(filter, SCMP_ACT_KILL_PROCESS, deadly[i].call, NULL);
        return r;
}

int syscalls_limit(bool lenient) {
        if (prctl(PR_GET_SECCOMP) < 0 && errno == EINVAL)
                return 0; /* a kernel without it */
        _cleanup_(filter_freep) scmp_filter_ctx filter =
                seccomp_init(lenient ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return error_origin(-ENOMEM);
        int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r >= 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
        if (r >= 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
        if (r >= 0 && !lenient)
                r = add_allowed(filter);
        if (r >= 0)
                r = add_deadly(filter, lenient);
        return r < 0 ? r : seccomp_load(filter);
}
