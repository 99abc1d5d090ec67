/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/refusaldropins.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/error.h"

#define NAME "50-bootkeep-owed.conf"
#define STAGED ".50-bootkeep-owed.tmp" /* systemd reads what ends in .conf */

/* A description is a line of a list: the longest reason need not fit. */
#define TEXT_MAX 400U

const char *const dropins_targets[DROPINS_MAX] = {"reboot.target", "poweroff.target", "halt.target",
                                                  "kexec.target", "soft-reboot.target"};

/* As systemd reads it: "%" begins a specifier, and no line may end early. A character is taken whole. */
static char *make_description(const char *text) {
        char *escaped = calloc(TEXT_MAX + 8, 1), *to = escaped;
        if (!escaped)
                return NULL;
        for (; *text; text++) {
                bool begins = (*text & 0xc0) != 0x80;
                if (begins && to >= escaped + TEXT_MAX - 4) {
                        memcpy(to, "...", 3);
                        break;
                }
                if (*text == '%')
                        *to++ = '%';
                *to++ = (unsigned char) *text < ' ' || *text == 0x7f ? ' ' : *text;
        }
        return escaped;
}

static int make_content(const char *text, char **ret) {
        _cleanup_free_ char *description = make_description(text);
        if (!description)
                return error_origin(-ENOMEM);
        return strprintf(ret,
                         "# Made by bootkeepd (Refuse=yes), which removes it when nothing is owed.\n"
                         "[Unit]\n"
                         "Description=Refused by bootkeep: %s (see bootkeepctl reboot --wait)\n"
                         "Documentation=man:bootkeepctl(1)\n"
                         "RefuseManualStart=yes\n",
                         description);
}

/* Without memory: what was written can always be removed. */
static int format_target_folder(const char *folder, const char *target, char ret[static PATH_MAX]) {
        int n = snprintf(ret, PATH_MAX, "%s/%s.d", folder, target);
        return n < 0 || n >= PATH_MAX ? error_origin(-ENAMETOOLONG) : 0;
}

static int open_target_folder(const char *folder, const char *target, bool create) {
        char path[PATH_MAX];
        int r = format_target_folder(folder, target, path);
        if (r < 0)
                return r;
        if (create && mkdir(path, 0755) < 0 && errno != EEXIST)
                return error_origin(-errno);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? error_origin(-errno) : fd;
}

static int stage_dropin(int dir, const char *content) {
        _cleanup_close_ int fd =
                openat(dir, STAGED, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        return fd < 0 ? error_origin(-errno) : write_all(fd, content, strlen(content));
}

static int write_one(const char *folder, const char *target, const char *content) {
        _cleanup_close_ int dir = open_target_folder(folder, target, true);
        if (dir < 0)
                return dir;
        int r = stage_dropin(dir, content);
        if (r >= 0 && renameat(dir, STAGED, dir, NAME) < 0)
                r = error_origin(-errno);
        if (r < 0)
                (void) unlinkat(dir, STAGED, 0);
        return r;
}

/* The folder goes, too, unless somebody else has something in it. */
static int remove_one(const char *folder, const char *target) {
        _cleanup_close_ int dir = open_target_folder(folder, target, false);
        char path[PATH_MAX];
        if (dir < 0)
                return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ? 0 : dir;
        int r = unlinkat(dir, NAME, 0) >= 0 ? 1 : errno == ENOENT ? 0 : error_origin(-errno);
        if (r > 0 && format_target_folder(folder, target, path) >= 0)
                (void) rmdir(path);
        return r;
}

int dropins_write(const char *folder, const char *text) {
        assert(folder && text);
        _cleanup_free_ char *content = NULL;
        int r = make_content(text, &content);
        for (size_t i = 0; r >= 0 && i < DROPINS_MAX; i++)
                r = write_one(folder, dropins_targets[i], content);
        if (r < 0)
                (void) dropins_remove(folder);
        return r;
}

int dropins_remove(const char *folder) {
        assert(folder);
        int result = 0;
        for (size_t i = 0; i < DROPINS_MAX; i++) {
                int r = remove_one(folder, dropins_targets[i]);
                if (r < 0 || (r > 0 && result == 0))
                        result = r;
        }
        return result;
}
