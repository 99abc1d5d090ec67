/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The numbers differ between architectures, and a processor runs programs of several: libseccomp knows them.
 * A call of an architecture that is not in the table below is reported whatever it is, since nothing is known
 * of it. */

#include "builder/run/lookupfilter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"

#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

static const LookupCall calls[] = {
        {"clone", LOOKUP_MOUNTS, LOOKUP_UNSHARE, -1, -1, CLONE_FLAGS},
        {"clone3", LOOKUP_MOUNTS, LOOKUP_CLONE3, -1, -1, 0},
        {"fsconfig", LOOKUP_MOUNTS, LOOKUP_FSCONFIG, -1, 3, 1},
        {"mount", LOOKUP_MOUNTS, LOOKUP_MOUNT, -1, 0, 3},
        {"open_tree", LOOKUP_MOUNTS, LOOKUP_CLONE_TREE, 0, 1, 2},
        {"setns", LOOKUP_MOUNTS, LOOKUP_SETNS, -1, -1, 1},
        {"unshare", LOOKUP_MOUNTS, LOOKUP_UNSHARE, -1, -1, 0},
        {"access", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"chdir", LOOKUP_NAMES, LOOKUP_CHDIR, -1, 0, -1},
        {"chroot", LOOKUP_NAMES, LOOKUP_CHROOT, -1, 0, -1},
        {"execve", LOOKUP_NAMES, LOOKUP_EXEC, -1, 0, -1},
        {"execveat", LOOKUP_NAMES, LOOKUP_EXEC, 0, 1, 4},
        {"faccessat", LOOKUP_NAMES, LOOKUP_STAT, 0, 1, -1},
        {"faccessat2", LOOKUP_NAMES, LOOKUP_STAT, 0, 1, 3},
        {"fstatat64", LOOKUP_NAMES, LOOKUP_STAT, 0, 1, 3},
        {"io_uring_setup", LOOKUP_NAMES, LOOKUP_RING, -1, -1, -1},
        {"lstat", LOOKUP_NAMES, LOOKUP_LSTAT, -1, 0, -1},
        {"lstat64", LOOKUP_NAMES, LOOKUP_LSTAT, -1, 0, -1},
        {"newfstatat", LOOKUP_NAMES, LOOKUP_STAT, 0, 1, 3},
        {"oldlstat", LOOKUP_NAMES, LOOKUP_LSTAT, -1, 0, -1},
        {"oldstat", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"open", LOOKUP_NAMES, LOOKUP_OPEN, -1, 0, 1},
        {"openat", LOOKUP_NAMES, LOOKUP_OPEN, 0, 1, 2},
        {"openat2", LOOKUP_NAMES, LOOKUP_OPEN_HOW, 0, 1, 2},
        {"readlink", LOOKUP_NAMES, LOOKUP_READLINK, -1, 0, -1},
        {"readlinkat", LOOKUP_NAMES, LOOKUP_READLINK, 0, 1, -1},
        {"stat", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"stat64", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"statfs", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"statfs64", LOOKUP_NAMES, LOOKUP_STAT, -1, 0, -1},
        {"statx", LOOKUP_NAMES, LOOKUP_STAT, 0, 1, 2},
};

#define MOUNT_OTHERWISE (MS_REMOUNT | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

/* Such a call is reported only if one of its conditions holds; all others always are. fstat(3) is
 * newfstatat(2) of an empty path in glibc: a fourth of all calls, which look at no name. Who may create a
 * file does not ask whether it is there, and that it is opened is seen by fanotify. */
static const struct {
        const char *name;
        struct scmp_arg_cmp condition;
} conditions[] = {
        {"clone", {CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_NEWNS, CLONE_NEWNS}},
        {"fsconfig", {1, SCMP_CMP_EQ, FSCONFIG_SET_STRING, 0}},
        {"mount", {3, SCMP_CMP_MASKED_EQ, MS_BIND | MS_REMOUNT, MS_BIND}},
        {"mount", {3, SCMP_CMP_MASKED_EQ, MS_BIND | MOUNT_OTHERWISE, 0}},
        {"open_tree", {2, SCMP_CMP_MASKED_EQ, OPEN_TREE_CLONE, OPEN_TREE_CLONE}},
        {"setns", {1, SCMP_CMP_MASKED_EQ, CLONE_NEWNS, CLONE_NEWNS}},
        {"setns", {1, SCMP_CMP_MASKED_EQ, UINT32_MAX, 0}},
        {"unshare", {0, SCMP_CMP_MASKED_EQ, CLONE_NEWNS, CLONE_NEWNS}},
        {"open", {1, SCMP_CMP_MASKED_EQ, O_CREAT, 0}},
        {"openat", {2, SCMP_CMP_MASKED_EQ, O_CREAT, 0}},
        {"newfstatat", {3, SCMP_CMP_NE, AT_EMPTY_PATH, 0}},
        {"fstatat64", {3, SCMP_CMP_NE, AT_EMPTY_PATH, 0}},
};

/* What else programs may be made for on a machine whose programs are for the first. */
static const uint32_t families[][3] = {
        {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32},
        {SCMP_ARCH_X86, SCMP_ARCH_X86_64, SCMP_ARCH_X32},
        {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
        {SCMP_ARCH_ARM, SCMP_ARCH_AARCH64},
        {SCMP_ARCH_S390X, SCMP_ARCH_S390},
        {SCMP_ARCH_S390, SCMP_ARCH_S390X},
        {SCMP_ARCH_PPC64, SCMP_ARCH_PPC},
        {SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL, SCMP_ARCH_MIPSEL64N32},
};

#define FAMILY_MAX ELEMENTSOF(families[0])

static void context_freep(scmp_filter_ctx *context) {
        if (*context)
                seccomp_release(*context);
}

/* At least the native one; the rest are 0. */
static void find_family(uint32_t ret[static FAMILY_MAX]) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (families[i][0] == seccomp_arch_native()) {
                        memcpy(ret, families[i], sizeof(families[i]));
                        return;
                }
        ret[0] = seccomp_arch_native();
}

static int add_families(scmp_filter_ctx context) {
        uint32_t family[FAMILY_MAX] = {};
        find_family(family);
        int r = 0;
        for (size_t i = 1; r >= 0 && i < FAMILY_MAX && family[i] != 0; i++)
                r = seccomp_arch_add(context, family[i]);
        return r;
}

/* What does not exist, on this architecture or for this libseccomp, needs no rule. */
static int add_condition(scmp_filter_ctx context, const char *name, const struct scmp_arg_cmp *condition) {
        int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR)
                return 0;
        int r = seccomp_rule_add_array(context, SCMP_ACT_NOTIFY, number, condition ? 1 : 0, condition);
        return r == -EDOM ? 0 : r;
}

static int add_call(scmp_filter_ctx context, const LookupCall *call, const char *exempt) {
        const struct scmp_arg_cmp begins = {0, SCMP_CMP_NE, (scmp_datum_t) (uintptr_t) exempt, 0};
        bool conditional = false;
        int r = 0;
        if (streq(call->name, "execve"))
                return add_condition(context, call->name, &begins);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(conditions); i++)
                if (streq(conditions[i].name, call->name)) {
                        conditional = true;
                        r = add_condition(context, call->name, &conditions[i].condition);
                }
        return conditional ? r : add_condition(context, call->name, NULL);
}

static int make_context(LookupScope scope, const char *exempt, scmp_filter_ctx *ret) {
        _cleanup_(context_freep) scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
        if (!context)
                return error_origin(-ENOMEM);
        int r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_NOTIFY);
        if (r >= 0)
                r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
        if (r >= 0)
                r = add_families(context);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(calls); i++)
                if (calls[i].scope <= scope)
                        r = add_call(context, &calls[i], exempt);
        if (r < 0)
                return error_origin(r);
        *ret = TAKE_PTR(context);
        return 0;
}

static int export_program(scmp_filter_ctx context, struct sock_fprog *ret) {
        _cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
        _cleanup_free_ struct sock_filter *code = NULL;
        struct stat st;
        if (fd < 0)
                return error_origin(-errno);
        int r = seccomp_export_bpf(context, fd);
        if (r < 0)
                return error_origin(r);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        size_t size = (size_t) st.st_size;
        code = malloc(MAX(size, sizeof(*code)));
        if (!code)
                return error_origin(-ENOMEM);
        if (pread(fd, code, size, 0) != (ssize_t) size || size / sizeof(*code) > BPF_MAXINSNS)
                return error_origin(-EIO);
        *ret = (struct sock_fprog){(unsigned short) (size / sizeof(*code)), TAKE_PTR(code)};
        return 0;
}

/* The kernel tells the two of x86-64 apart by the number. */
static uint32_t audit_arch(uint32_t arch) {
        return arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch;
}

static int compare_numbers(const void *a, const void *b) {
        const LookupNumber *x = a, *y = b;
        if (x->arch != y->arch)
                return x->arch < y->arch ? -1 : 1;
        return x->number == y->number ? 0 : x->number < y->number ? -1 : 1;
}

static int list_numbers(LookupScope scope, LookupFilter *filter) {
        uint32_t family[FAMILY_MAX] = {};
        find_family(family);
        filter->numbers = calloc(FAMILY_MAX * ELEMENTSOF(calls), sizeof(*filter->numbers));
        if (!filter->numbers)
                return error_origin(-ENOMEM);
        for (size_t f = 0; f < FAMILY_MAX && family[f] != 0; f++)
                for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                        int number = seccomp_syscall_resolve_name_arch(family[f], calls[i].name);
                        if (number >= 0 && calls[i].scope <= scope)
                                filter->numbers[filter->n++] =
                                        (LookupNumber){audit_arch(family[f]), number, &calls[i]};
                }
        qsort(filter->numbers, filter->n, sizeof(*filter->numbers), compare_numbers);
        return 0;
}

void lookupfilter_done(LookupFilter *filter) {
        free(filter->program.filter);
        free(filter->numbers);
        *filter = (LookupFilter){};
}

int lookupfilter_make(LookupScope scope, const char *exempt, LookupFilter *ret) {
        assert(ret);
        _cleanup_(context_freep) scmp_filter_ctx context = NULL;
        _cleanup_(lookupfilter_done) LookupFilter filter = {};
        int r = make_context(scope, exempt, &context);
        if (r >= 0)
                r = export_program(context, &filter.program);
        if (r >= 0)
                r = list_numbers(scope, &filter);
        if (r < 0)
                return r;
        *ret = filter;
        filter = (LookupFilter){};
        return 0;
}

/* A signal to a process that waits for us makes the kernel begin the call again, unless it may only be
 * killed (since 5.19). And its speculation is left alone: it is no prisoner. */
int lookupfilter_install(const LookupFilter *filter, int *ret_listener) {
        unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter->program);
        if (fd < 0 && errno == EINVAL)
                fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter->program);
        if (fd < 0)
                return error_origin(-errno);
        *ret_listener = (int) fd;
        return 0;
}

const LookupCall *lookupfilter_find(const LookupFilter *filter, uint32_t arch, int number) {
        const LookupNumber key = {.arch = arch, .number = number};
        const LookupNumber *found =
                bsearch(&key, filter->numbers, filter->n, sizeof(*filter->numbers), compare_numbers);
        return found ? found->call : NULL;
}
