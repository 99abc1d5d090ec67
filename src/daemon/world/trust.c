/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/trust.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/error.h"
#include "base/log.h"

#define RECORD_MAX 4096

typedef struct Enrolled {
        char *uuid;
        char *serial; /* NULL: of a disk that has none */
        UT_hash_handle hh;
} Enrolled;

struct TrustStore {
        int dir;
        Enrolled *enrolled; /* by uuid */
};

/* It must be harmless as a file name: this accepts the ids of FAT, ext4, NTFS and btrfs. */
static bool uuid_is_valid(const char *uuid) {
        size_t n = strlen(uuid);
        if (n == 0 || n > 64 || uuid[0] == '-')
                return false;
        for (; *uuid; uuid++)
                if (!isalnum((unsigned char) *uuid) && *uuid != '-')
                        return false;
        return true;
}

static void enrolled_free(Enrolled *e) {
        free(e->uuid);
        free(e->serial);
        free(e);
}
DEFINE_CLEANUP(Enrolled *, enrolled_free);

static Enrolled *enrolled_find(const TrustStore *t, const char *uuid) {
        Enrolled *e;
        HASH_FIND_STR(t->enrolled, uuid, e);
        return e;
}

static void enrolled_forget(TrustStore *t, Enrolled *e) {
        HASH_DEL(t->enrolled, e);
        enrolled_free(e);
}

static int enrolled_remember(TrustStore *t, const char *uuid, const char *serial) {
        _cleanup_(enrolled_freep) Enrolled *e = calloc(1, sizeof(*e));
        if (!e || free_and_strdup(&e->uuid, uuid) < 0 || free_and_strdup(&e->serial, serial) < 0)
                return error_origin(-ENOMEM);
        Enrolled *old = enrolled_find(t, uuid);
        if (old)
                enrolled_forget(t, old);
        HASH_ADD_KEYPTR(hh, t->enrolled, e->uuid, strlen(e->uuid), e);
        if (!e->hh.tbl)
                return error_origin(-ENOMEM);
        e = NULL;
        return 0;
}

/* A record is `serial=TEXT` and a newline. Anything less is damage. */
static int read_enrolment(TrustStore *t, const char *uuid) {
        char text[RECORD_MAX] = "";
        _cleanup_close_ int fd = openat(t->dir, uuid, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return error_origin(-errno);
        ssize_t n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return error_origin(-errno);
        const char *serial = startswith(text, "serial=");
        size_t length = strcspn(text, "\n");
        if (!serial || length + 1 != (size_t) n)
                return error_origin(-EBADMSG);
        text[length] = 0;
        return enrolled_remember(t, uuid, isempty(serial) ? NULL : serial);
}

static int read_enrolments(TrustStore *t) {
        _cleanup_close_ int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        if (!d)
                return error_origin(-errno);
        (void) TAKE_FD(fd);
        for (;;) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e && errno != 0)
                        log_warning("Cannot list all enrolments, those that are missing are not trusted: %s",
                                    strerror(errno));
                if (!e)
                        return 0;
                if (!uuid_is_valid(e->d_name))
                        continue; /* ".", "..", a temporary */
                int r = read_enrolment(t, e->d_name);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        log_warning_errno(r,
                                          "Cannot read the enrolment of %s, which is not trusted therefore",
                                          e->d_name);
        }
}

/* mkdir -p: the state directory may be the first thing below /var/lib. */
static int make_store_directory(const char *dir) {
        _cleanup_free_ char *path = strdup(dir);
        if (!path)
                return error_origin(-ENOMEM);
        for (char *p = path + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = 0;
                if (mkdir(path, 0755) < 0 && errno != EEXIST)
                        return error_origin(-errno);
                *p = '/';
        }
        return mkdir(path, 0700) < 0 && errno != EEXIST ? error_origin(-errno) : 0;
}

int trust_store_new(const char *dir, TrustStore **ret) {
        assert(dir && ret);
        _cleanup_(trust_store_freep) TrustStore *t = calloc(1, sizeof(*t));
        if (!t)
                return error_origin(-ENOMEM);
        t->dir = -EBADF;
        int r = make_store_directory(dir);
        if (r < 0)
                return r;
        t->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (t->dir < 0)
                return error_origin(-errno);
        r = read_enrolments(t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

TrustStore *trust_store_free(TrustStore *t) {
        if (t) {
                Enrolled *e, *next;
                HASH_ITER (hh, t->enrolled, e, next)
                        enrolled_forget(t, e);
                closep(&t->dir);
        }
        free(t);
        return NULL;
}

bool trust_store_has(const TrustStore *t, const char *uuid, const char *serial) {
        assert(t);
        const Enrolled *e = uuid ? enrolled_find(t, uuid) : NULL;
        return e && streq(strempty(e->serial), strempty(serial));
}

static int write_enrolment(int dir, const char *temporary, const char *serial) {
        _cleanup_close_ int fd =
                openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_origin(-errno);
        _cleanup_free_ char *text = NULL;
        int r = strprintf(&text, "serial=%s\n", strempty(serial));
        if (r >= 0)
                r = write_all(fd, text, strlen(text));
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

int trust_store_add(TrustStore *t, const char *uuid, const char *serial) {
        static const char temporary[] = ".new";
        assert(t);
        if (isempty(uuid) || !uuid_is_valid(uuid))
                return error_origin(-EINVAL);
        int r = write_enrolment(t->dir, temporary, serial);
        if (r >= 0 && renameat(t->dir, temporary, t->dir, uuid) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(t->dir, temporary, 0);
                return r;
        }
        if (fsync(t->dir) < 0)
                return error_origin(-errno);
        return enrolled_remember(t, uuid, serial);
}

int trust_store_remove(TrustStore *t, const char *uuid) {
        Enrolled *e = uuid ? enrolled_find(t, uuid) : NULL;
        if (!e)
                return error_origin(-ENOENT);
        if (unlinkat(t->dir, uuid, 0) < 0 && errno != ENOENT)
                return error_origin(-errno);
        if (fsync(t->dir) < 0)
                return error_origin(-errno);
        enrolled_forget(t, e);
        return 0;
}
