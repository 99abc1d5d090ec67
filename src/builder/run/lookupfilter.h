/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seccomp filter of a builder that is learned from: which of its system calls wait until we have seen
 * them. Nothing is ever refused by it. */

#include <linux/filter.h>

#include "base/util.h"

typedef enum LookupScope {
        LOOKUP_MOUNTS, /* what would hide opens from fanotify(7): mount namespaces, bind mounts */
        LOOKUP_NAMES,  /* and whatever looks at a name */
} LookupScope;

typedef enum LookupAct {
        LOOKUP_STAT, /* follows links, unless its flags say otherwise */
        LOOKUP_LSTAT,
        LOOKUP_READLINK,
        LOOKUP_OPEN,
        LOOKUP_OPEN_HOW, /* openat2(2): its flags are in memory */
        LOOKUP_EXEC,
        LOOKUP_CHDIR,
        LOOKUP_CHROOT,
        LOOKUP_UNSHARE, /* also clone(2) */
        LOOKUP_SETNS,
        LOOKUP_CLONE3, /* its flags are in memory */
        LOOKUP_CLONE_TREE,
        LOOKUP_MOUNT,
        LOOKUP_FSCONFIG,
        LOOKUP_RING, /* io_uring looks at names without a system call */
} LookupAct;

typedef struct LookupCall {
        const char *name;
        LookupScope scope;
        LookupAct act;
        signed char at, path, flags; /* which arguments these are; -1: there is none */
} LookupCall;

typedef struct LookupNumber {
        uint32_t arch; /* AUDIT_ARCH_… */
        int number;
        const LookupCall *call;
} LookupNumber;

typedef struct LookupFilter {
        struct sock_fprog program;
        LookupNumber *numbers; /* sorted */
        size_t n;
} LookupFilter;

void lookupfilter_done(LookupFilter *filter);

/* An execve(2) of the very string EXEMPT, by its address, is not reported: it is the one by which the builder
 * begins, and whoever starts that waits for it. -ENOMEM; other errno: this kernel cannot. */
int lookupfilter_make(LookupScope scope, const char *exempt, LookupFilter *ret);

/* For the calling process and whatever it starts, without its losing the right to run set-uid programs: so it
 * takes CAP_SYS_ADMIN (-EACCES). -EBUSY: somebody is listening to us already. Allocates nothing. */
int lookupfilter_install(const LookupFilter *filter, int *ret_listener);

/* NULL: it is of an architecture that the filter does not know. */
const LookupCall *lookupfilter_find(const LookupFilter *filter, uint32_t arch, int number);
