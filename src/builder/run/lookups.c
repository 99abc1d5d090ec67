/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first look counts, as in the trace: each name is followed once, and a second time costs no more than
 * reading it. Which names are known is kept as hashes, in a table of a fixed size: one that is pushed out is
 * followed again, which is slower and nothing else.
 *
 * What a process names could be changed by another thread of it, between our look and the kernel's. That is
 * its own affair: this is no fence. */

#include "builder/run/lookups.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/failure.h"
#include "builder/run/lookupcaller.h"
#include "builder/run/lookuppath.h"

/* of Linux 6.6: who waits goes on at once, on our processor */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#define KNOWN_MAX (1U << 16)

/* One call follows another: to wait for that alone costs less than for all that the runner waits for. The
 * lull is longer than a tick: a timer that the processor has to be set for costs more than it saves. */
#define CALLS_AT_ONCE 32U
#define LULL_MSEC 10

struct Lookups {
        LookupsJob job;
        LookupFilter filter;
        int ours, theirs; /* a socket */
        int listener, root;
        LookupTree tree;
        bool rooted; /* somebody has, or may have, called chroot(2) */
        uint64_t *known;
        size_t request_size, response_size;
        struct seccomp_notif *request;
        struct seccomp_notif_resp *response;
        char path[PATH_MAX], base[PATH_MAX], top[PATH_MAX]; /* of the call that waits */
};

/* One call that waits. */
typedef struct Asked {
        Lookups *lookups;
        const LookupCall *call;
        pid_t pid;
        const __u64 *args;
        unsigned wanted; /* which kinds are kept */
        char *path, *base, *top;
        LookupName name;
} Asked;

static int lookups_give_up(Lookups *l, int r) {
        return r == -ENOMEM ? r : trace_miss(l->job.trace, "seccomp: %s", strerror(-r));
}

/* WHAT follows the name of the program. */
static int miss_by(const Asked *a, const char *what) {
        char program[16];
        lookupcaller_read_program(a->pid, program);
        return trace_miss(a->lookups->job.trace, "%s %s", program, what);
}

Lookups *lookups_free(Lookups *l) {
        if (!l)
                return NULL;
        closep(&l->ours);
        closep(&l->theirs);
        closep(&l->listener);
        closep(&l->root);
        lookupfilter_done(&l->filter);
        free(l->known);
        free(l->request);
        free(l->response);
        free(l);
        return NULL;
}

/* Those of the kernel may be larger than ours, and must be zero. */
static int make_buffers(Lookups *l) {
        struct seccomp_notif_sizes sizes = {};
        if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
                return error_origin(-errno);
        l->request_size = MAX(sizes.seccomp_notif, sizeof(*l->request));
        l->response_size = MAX(sizes.seccomp_notif_resp, sizeof(*l->response));
        l->request = calloc(1, l->request_size);
        l->response = calloc(1, l->response_size);
        l->known = calloc(KNOWN_MAX, sizeof(*l->known));
        return l->request && l->response && l->known ? 0 : error_origin(-ENOMEM);
}

static int prepare(Lookups *l) {
        int pair[2];
        int r = make_buffers(l);
        if (r >= 0)
                r = lookupfilter_make(l->job.scope, l->job.program, &l->filter);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_origin(-errno);
        l->ours = pair[0];
        l->theirs = pair[1];
        return 0;
}

int lookups_new(const LookupsJob *job, Lookups **ret) {
        assert(job && job->program && job->volume && job->trace && ret);
        _cleanup_(lookups_freep) Lookups *l = calloc(1, sizeof(*l));
        if (!l)
                return error_origin(-ENOMEM);
        *l = (Lookups){
                .job = *job,
                .ours = -EBADF,
                .theirs = -EBADF,
                .listener = -EBADF,
                .root = -EBADF,
                .rooted = job->scope == LOOKUP_MOUNTS, /* nobody would tell */
        };
        int r = prepare(l);
        if (r < 0)
                r = lookups_give_up(l, r);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

typedef union Descriptors {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
} Descriptors;

/* Of lookups_install(): that of the volume is from there, since the mounts may be gone when we look. */
typedef struct Outcome {
        int r;
        struct statx volume;
} Outcome;

/* With the listener and the root directory, unless it failed. */
static void send_outcome(int fd, const Outcome *outcome, const int fds[static 2]) {
        Descriptors control = {};
        Outcome copy = *outcome;
        struct iovec data = {.iov_base = &copy, .iov_len = sizeof(copy)};
        struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
        if (outcome->r >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                assert(c);
                *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(2 * sizeof(int))};
                memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
        }
        (void) sendmsg(fd, &m, MSG_NOSIGNAL);
}

void lookups_install(const Lookups *l) {
        int fds[2] = {-EBADF, -EBADF};
        LookupTree tree = {};
        Outcome outcome = {};
        if (l->theirs < 0)
                return;
        fds[1] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        outcome.r = fds[1] < 0 ? -errno : lookuppath_open(fds[1], l->job.volume, &tree);
        if (outcome.r >= 0)
                outcome.r = lookupfilter_install(&l->filter, &fds[0]);
        outcome.volume = tree.stx;
        send_outcome(l->theirs, &outcome, fds);
        closep(&fds[0]);
        closep(&fds[1]);
}

static int receive_outcome(int fd, struct statx *ret_volume, int ret_fds[static 2]) {
        Outcome outcome = {};
        Descriptors control = {};
        struct iovec data = {.iov_base = &outcome, .iov_len = sizeof(outcome)};
        struct msghdr m = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0)
                return error_origin(-errno);
        const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (n == sizeof(outcome) && outcome.r < 0)
                return outcome.r;
        if (n != sizeof(outcome) || !c || c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
                return error_origin(-EBADMSG);
        memcpy(ret_fds, CMSG_DATA(c), 2 * sizeof(int));
        *ret_volume = outcome.volume;
        return 0;
}

int lookups_begin(Lookups *l) {
        int fds[2] = {-EBADF, -EBADF};
        if (l->ours < 0)
                return 0;
        l->tree.volume = l->job.volume;
        int r = receive_outcome(l->ours, &l->tree.stx, fds);
        closep(&l->ours);
        closep(&l->theirs);
        l->ours = l->theirs = -EBADF;
        if (r < 0)
                return lookups_give_up(l, r);
        l->listener = fds[0];
        l->root = l->tree.root = fds[1];
        (void) ioctl(l->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        return 0;
}

int lookups_get_fd(const Lookups *l) {
        return l->listener;
}

/* Was it still waiting when we looked at it? Else its ID may be another process's. */
static bool still_waits(const Lookups *l) {
        return ioctl(l->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &l->request->id) >= 0;
}

static bool is_current_directory(const Asked *a) {
        return a->call->at < 0 || (int) (uint32_t) a->args[a->call->at] == AT_FDCWD;
}

/* Where it begins and where it may lead, as text. */
static int read_places(Asked *a) {
        char name[32] = "cwd";
        int r = 0;
        memcpy(a->top, "/", 2);
        if (a->lookups->rooted)
                r = lookupcaller_read_place(a->pid, "root", a->top);
        memcpy(a->base, a->top, strlen(a->top) + 1);
        if (r < 0 || *a->path == '/')
                return r;
        if (!is_current_directory(a))
                (void) snprintf(name, sizeof(name), "fd/%i", (int) (uint32_t) a->args[a->call->at]);
        return lookupcaller_read_place(a->pid, name, a->base);
}

/* What points nowhere fails for the builder as well. What may not be read is another matter: by
 * kernel.yama.ptrace_scope=3, not by anybody. */
static int miss_unreadable(const Asked *a, int r) {
        if (r == -EPERM || r == -EACCES)
                return trace_miss(a->lookups->job.trace, "its memory may not be read");
        return 0;
}

/* 1; 0: it names nothing. */
static int read_name(Asked *a) {
        int r = lookupcaller_read_string(a->pid, a->args[a->call->path], a->path);
        if (r >= 0 && *a->path)
                r = read_places(a);
        if (r < 0)
                return miss_unreadable(a, r);
        a->name.top = a->top;
        a->name.base = a->base;
        a->name.path = a->path;
        return *a->path ? 1 : 0;
}

static uint64_t hash_asked(const Asked *a) {
        uint64_t hash = XXH3_64bits_withSeed(a->path, strlen(a->path) + 1, a->wanted * 2 + a->name.follow);
        hash = XXH3_64bits_withSeed(a->base, strlen(a->base) + 1, hash);
        return XXH3_64bits_withSeed(a->top, strlen(a->top) + 1, hash);
}

/* Notes it, if it is to be followed: what was read of somebody else must not count as known. */
static bool is_new(const Asked *a) {
        uint64_t hash = hash_asked(a);
        uint64_t *slot = &a->lookups->known[hash % KNOWN_MAX];
        if (*slot == hash || !still_waits(a->lookups))
                return false;
        *slot = hash;
        return true;
}

static int keep_seen(const char *path, unsigned kind, const struct statx *stx, void *userdata) {
        const Asked *a = userdata;
        TraceItem item = {.kinds = kind};
        if (!(kind & a->wanted))
                return 0;
        if (kind != TRACE_ABSENT)
                item.stx = *stx;
        item.path = strdup(path);
        return item.path ? trace_take(a->lookups->job.trace, &item) : error_origin(-ENOMEM);
}

static int follow_name(Asked *a) {
        const LookupTell tell = {keep_seen, a};
        struct statx end;
        int r = read_name(a);
        if (r <= 0 || !is_new(a))
                return MIN(r, 0);
        return lookuppath_follow(&a->lookups->tree, &a->name, &tell, &end);
}

/* What it opens is seen by fanotify, unless it only wants to hold it. Who may create a file does not ask
 * whether it is there. */
static void want_for_open(Asked *a, uint64_t flags) {
        a->name.follow = !(flags & O_NOFOLLOW);
        a->wanted = TRACE_LINK;
        if (!(flags & O_CREAT))
                a->wanted |= TRACE_ABSENT;
        if (flags & O_PATH)
                a->wanted |= TRACE_LOOKED;
}

static int judge_open_how(Asked *a) {
        struct open_how how = {};
        int r = lookupcaller_read(a->pid, a->args[2], &how, sizeof(how.flags));
        if (r < 0)
                return miss_unreadable(a, r);
        want_for_open(a, how.flags);
        return follow_name(a);
}

static int judge_look(Asked *a) {
        uint64_t flags = a->call->flags < 0 ? 0 : a->args[a->call->flags];
        a->name.follow = !(flags & AT_SYMLINK_NOFOLLOW);
        a->wanted = TRACE_LOOKED | TRACE_ABSENT | TRACE_LINK;
        if (a->call->act == LOOKUP_LSTAT || a->call->act == LOOKUP_READLINK)
                a->name.follow = false;
        return follow_name(a);
}

static int judge_setns(const Asked *a) {
        char path[64], target[8];
        uint32_t type = (uint32_t) a->args[1];
        (void) snprintf(path, sizeof(path), "/proc/%i/fd/%i", (int) a->pid, (int) (uint32_t) a->args[0]);
        if (type == 0 && (readlink(path, target, sizeof(target)) < 4 || strncmp(target, "mnt:", 4) != 0))
                return 0;
        return miss_by(a, "entered another mount namespace");
}

static int judge_clone3(const Asked *a) {
        uint64_t flags;
        int r = lookupcaller_read(a->pid, a->args[0], &flags, sizeof(flags));
        if (r < 0)
                return miss_unreadable(a, r);
        return !(flags & CLONE_NEWNS) ? 0 : miss_by(a, "made a mount namespace of its own");
}

/* Something on the volume. */
static int keep_found(const char *path, unsigned kind, const struct statx *stx, void *userdata) {
        if (kind == TRACE_LOOKED)
                *(bool *) userdata = true;
        return 0;
}

/* What is mounted, END, by the name in the call. 1; 0: it names nothing, or is not known any more. */
static int find_mounted(Asked *a, const LookupTell *tell, struct statx *ret_end) {
        a->name.follow = true;
        int r = read_name(a);
        if (r <= 0 || !still_waits(a->lookups))
                return MIN(r, 0);
        r = lookuppath_follow(&a->lookups->tree, &a->name, tell, ret_end);
        return r < 0 ? r : 1;
}

/* Whatever is opened through the copy of a mount is not seen. */
static int judge_bind(Asked *a, bool recursive) {
        bool found = false;
        const LookupTell tell = {keep_found, &found};
        struct statx end = {};
        int r = find_mounted(a, &tell, &end);
        if (r <= 0 || (!found && !(recursive && lookuppath_is_above_volume(&a->lookups->tree, &end))))
                return MIN(r, 0);
        return miss_by(a, "made a bind mount of the volume");
}

/* A btrfs has a device number that is no device's. */
static bool is_device_of_volume(const Lookups *l, const struct statx *end) {
        if (!S_ISBLK(end->stx_mode))
                return false;
        return l->tree.stx.stx_dev_major == 0 || (end->stx_rdev_major == l->tree.stx.stx_dev_major &&
                                                  end->stx_rdev_minor == l->tree.stx.stx_dev_minor);
}

static int judge_device(Asked *a) {
        const LookupTell tell = {keep_found, &(bool){false}};
        struct statx end = {};
        int r = find_mounted(a, &tell, &end);
        if (r <= 0 || !is_device_of_volume(a->lookups, &end))
                return MIN(r, 0);
        return miss_by(a, "mounted the volume once more");
}

static int judge_mount(Asked *a) {
        uint64_t flags = a->args[3];
        return flags & MS_BIND ? judge_bind(a, flags & MS_REC) : judge_device(a);
}

static int judge_fsconfig(Asked *a) {
        char key[PATH_MAX];
        int r = lookupcaller_read_string(a->pid, a->args[2], key);
        if (r < 0)
                return miss_unreadable(a, r);
        return streq(key, "source") ? judge_device(a) : 0;
}

static int judge_call(Asked *a) {
        switch (a->call->act) {
        case LOOKUP_CHROOT:
                a->lookups->rooted = true; /* when it looks at something the next time */
                return judge_look(a);
        case LOOKUP_STAT:
        case LOOKUP_LSTAT:
        case LOOKUP_READLINK:
        case LOOKUP_EXEC:
        case LOOKUP_CHDIR:
                return judge_look(a);
        case LOOKUP_OPEN:
                want_for_open(a, a->args[a->call->flags]);
                return follow_name(a);
        case LOOKUP_OPEN_HOW:
                return judge_open_how(a);
        case LOOKUP_UNSHARE:
                return miss_by(a, "made a mount namespace of its own");
        case LOOKUP_SETNS:
                return judge_setns(a);
        case LOOKUP_CLONE3:
                return judge_clone3(a);
        case LOOKUP_CLONE_TREE:
                return judge_bind(a, a->args[2] & AT_RECURSIVE);
        case LOOKUP_MOUNT:
                return judge_mount(a);
        case LOOKUP_FSCONFIG:
                return judge_fsconfig(a);
        case LOOKUP_RING:
                return miss_by(a, "uses io_uring");
        }
        assert(false);
        return 0;
}

/* What is incomplete needs no more. */
static int judge_request(Lookups *l) {
        const struct seccomp_data *data = &l->request->data;
        Asked a = {
                .lookups = l,
                .call = lookupfilter_find(&l->filter, data->arch, data->nr),
                .pid = (pid_t) l->request->pid,
                .args = data->args,
                .path = l->path,
                .base = l->base,
                .top = l->top,
        };
        if (l->job.trace->incomplete)
                return 0;
        if (!a.call)
                return miss_by(&a, "is a program of an unknown architecture");
        return judge_call(&a);
}

/* R: 0 at the end of all who might ask. */
static int stop_listening(Lookups *l, int r) {
        closep(&l->listener);
        l->listener = -EBADF;
        return r < 0 ? lookups_give_up(l, r) : 0;
}

/* Nothing is there to receive if who asked has been killed. */
static int serve_call(Lookups *l, short events) {
        if (!(events & POLLIN))
                return stop_listening(l, 0);
        memset(l->request, 0, l->request_size);
        if (ioctl(l->listener, SECCOMP_IOCTL_NOTIF_RECV, l->request) < 0)
                return errno == ENOENT || errno == EINTR ? 0 : stop_listening(l, error_origin(-errno));
        int r = judge_request(l);
        memset(l->response, 0, l->response_size);
        l->response->id = l->request->id;
        l->response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void) ioctl(l->listener, SECCOMP_IOCTL_NOTIF_SEND, l->response);
        return r;
}

int lookups_serve(Lookups *l, short events) {
        assert(l);
        for (unsigned i = 0; events && i < CALLS_AT_ONCE; i++) {
                int r = serve_call(l, events);
                if (r < 0 || l->listener < 0)
                        return r;
                struct pollfd p = {.fd = l->listener, .events = POLLIN};
                events = poll(&p, 1, LULL_MSEC) > 0 ? p.revents : 0;
        }
        return 0;
}
