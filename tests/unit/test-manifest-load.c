/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which file on a volume is its manifest, and what must be true of it before a byte of it is honoured.
 * Requires root: the files must belong to root. */

#include "fixture.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "bootkeep.h"
#include "interpose.h"

#include "manifest/manifest.h"

static mode_t fstat_fails_for; /* what type of file; 0: none */

int fstat(int fd, struct stat *ret) {
        int r = REAL(fstat)(fd, ret);
        if (r < 0 || fstat_fails_for == 0 || (ret->st_mode & S_IFMT) != fstat_fails_for)
                return r;
        errno = EIO;
        return -1;
}

#define ADMIN "etc/bootkeep/bootcaches.xml"
#define VENDOR "usr/lib/bootkeep/bootcaches.xml"
#define MANIFEST(to) "<bootcaches version=\"1\"><copy role=\"misc\" from=\"/a\" to=\"" to "\"/></bootcaches>"

static void loads(const Scratch *s, const char *place, const char *to) {
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        int r = manifest_load(&(Walk){.root = s->fd}, &m, &why);
        if (r != 0)
                fail_msg("gave %i: %s", r, strempty(why));
        assert_string_equal(m->path, place);
        assert_string_equal(m->copies[0].to, to);
        assert_null(why);
}

static void refuses(const Scratch *s, const char *reason) {
        Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_load(&(Walk){.root = s->fd}, &m, &why), -EBADMSG);
        assert_null(m);
        assert_string_equal(why, reason);
}

static void finds_none(const Scratch *s) {
        Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_load(&(Walk){.root = s->fd}, &m, &why), -ENOENT);
        assert_null(m);
        assert_null(why);
}

static void the_administrators_place_comes_first(void **state) {
        const Scratch *s = *state;
        finds_none(s);
        scratch_write(s, VENDOR, MANIFEST("/vendor"));
        loads(s, BOOTKEEP_MANIFEST_VENDOR, "/vendor");
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/admin");
}

static void a_bad_manifest_is_not_skipped(void **state) {
        const Scratch *s = *state;
        scratch_write(s, VENDOR, MANIFEST("/vendor"));
        scratch_write(s, ADMIN, "");
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": the file is empty");
        scratch_write(s, ADMIN, "\n<bootcaches version=\"7\"/>");
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ":2: unknown version \"7\" in <bootcaches>; expected 1");
        assert_int_equal(unlinkat(s->fd, ADMIN, 0), 0);
        loads(s, BOOTKEEP_MANIFEST_VENDOR, "/vendor");
}

static void a_dangling_link_does_not_bring_back_the_vendors_manifest(void **state) {
        const Scratch *s = *state;
        scratch_write(s, VENDOR, MANIFEST("/vendor"));
        make_link(s, ADMIN, "/srv/manifest.xml");
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": " BOOTKEEP_MANIFEST_ADMIN
                                           " is a symbolic link to /srv/manifest.xml: nothing is there");
        scratch_write(s, "srv/manifest.xml", MANIFEST("/linked"));
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
}

/* LINK, a symbolic link in the path to PLACE, is why it is refused; TEXT: its target, and what is wrong. */
static void refuses_link(const Scratch *s, const char *place, const char *link, const char *text) {
        _cleanup_free_ char *reason = NULL;
        assert_int_equal(strprintf(&reason, "%s: %s is a symbolic link to %s", place, link, text), 0);
        refuses(s, reason);
}

/* A bad link in the path to a manifest, of each kind, in both places. */
static void every_dangling_link_is_refused(void **state) {
        const Scratch *s = *state;
        static const struct {
                const char *link, *target, *problem;
        } kinds[] = {
                {"/bootkeep/bootcaches.xml", "gone", "nothing is there"},
                {"/bootkeep/bootcaches.xml", "/a/file/below", "nothing is there"},
                {"/bootkeep/bootcaches.xml", "bootcaches.xml", "too many symbolic links in its path"},
                {"/bootkeep", "/nowhere", "nothing is there"},
                {"/bootkeep", "../nowhere/at/all", "nothing is there"},
                {"/bootkeep", "/a/file", "nothing is there"},
                {"/bootkeep", "bootkeep", "too many symbolic links in its path"},
        };
        static const char *const places[][2] = {{"/etc", BOOTKEEP_MANIFEST_ADMIN},
                                                {"/usr/lib", BOOTKEEP_MANIFEST_VENDOR}};
        scratch_write(s, "a/file", "");
        for (size_t p = 0; p < ELEMENTSOF(places); p++)
                for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                        _cleanup_free_ char *link = NULL, *text = NULL;
                        assert_int_equal(strprintf(&link, "%s%s", places[p][0], kinds[i].link), 0);
                        assert_int_equal(strprintf(&text, "%s: %s", kinds[i].target, kinds[i].problem), 0);
                        make_link(s, link + 1, kinds[i].target);
                        refuses_link(s, places[p][1], link, text);
                        shell("rm -r %s/etc %s/usr 2>/dev/null || true", s->path, s->path);
                }
}

/* Of links that lead to links, the one is named whose target does not exist. */
static void the_link_to_blame_is_named(void **state) {
        const Scratch *s = *state;
        make_link(s, ADMIN, "/srv/first");
        make_link(s, "srv/first", "second/in/it");
        make_link(s, "srv/second", "../real");
        scratch_write(s, "real/x", "");
        refuses_link(s, BOOTKEEP_MANIFEST_ADMIN, "/srv/first", "second/in/it: nothing is there");
        scratch_write(s, "real/in/it", MANIFEST("/linked"));
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
        shell("rm -r %s/real", s->path);
        refuses_link(s, BOOTKEEP_MANIFEST_ADMIN, "/srv/second", "../real: nothing is there");
}

/* If links lead to a folder without a manifest, there is none. */
static void a_link_to_a_folder_without_a_manifest_means_none(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "srv/bootkeep/other", "");
        make_link(s, "etc/bootkeep", "/srv/bootkeep/");
        make_link(s, "usr", "srv");
        finds_none(s);
        scratch_write(s, "srv/lib/bootkeep/bootcaches.xml", MANIFEST("/vendor"));
        loads(s, BOOTKEEP_MANIFEST_VENDOR, "/vendor");
        scratch_write(s, "srv/bootkeep/bootcaches.xml", MANIFEST("/admin"));
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/admin");
}

static void a_file_in_the_path_means_none(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "etc", "a file");
        scratch_write(s, "usr/lib/bootkeep", "a file");
        finds_none(s);
}

static void links_inside_the_volume_are_followed(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "srv/manifest.xml", MANIFEST("/linked"));
        make_link(s, ADMIN, "../../srv/manifest.xml");
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
        assert_int_equal(unlinkat(s->fd, ADMIN, 0), 0);
        make_link(s, ADMIN, "/srv/manifest.xml"); /* as seen in a chroot */
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
}

static void links_cannot_lead_out(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *outside = outer_path(s, "outside.xml"), *volume = outer_path(s, "volume");
        scratch_write(s, "outside.xml", MANIFEST("/outside"));
        scratch_write(s, "volume/x", "");
        Scratch inner = {.fd = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        (void) snprintf(inner.path, sizeof(inner.path), "%s", volume);
        static const char *const targets[] = {"../../../outside.xml", "../../../../../../../../outside.xml",
                                              NULL};
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                _cleanup_free_ char *text = NULL;
                const char *target = targets[i] ? targets[i] : outside;
                make_link(&inner, ADMIN, target);
                /* ".." at the root stays there: there is nothing of that name inside */
                assert_int_equal(strprintf(&text, "%s: nothing is there", target), 0);
                refuses_link(&inner, BOOTKEEP_MANIFEST_ADMIN, BOOTKEEP_MANIFEST_ADMIN, text);
                assert_int_equal(unlinkat(inner.fd, ADMIN, 0), 0);
        }
        close(inner.fd);
}

static void a_mount_in_the_path_is_not_crossed(void **state) {
        Scratch *s = *state;
        scratch_write(s, ADMIN, MANIFEST("/below"));
        scratch_unshare(s);
        _cleanup_free_ char *etc = outer_path(s, "etc");
        assert_int_equal(mount("none", etc, "tmpfs", 0, NULL), 0);
        scratch_write(s, ADMIN, MANIFEST("/above"));
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": its path leaves the volume");
        assert_int_equal(umount2(etc, MNT_DETACH), 0);
}

static void a_link_into_another_mount_is_refused(void **state) {
        Scratch *s = *state;
        static const char *const places[][2] = {{ADMIN, BOOTKEEP_MANIFEST_ADMIN},
                                                {VENDOR, BOOTKEEP_MANIFEST_VENDOR}};
        scratch_write(s, "mnt/x", "");
        scratch_unshare(s);
        _cleanup_free_ char *mnt = outer_path(s, "mnt");
        assert_int_equal(mount("none", mnt, "tmpfs", 0, NULL), 0);
        scratch_write(s, "mnt/manifest.xml", MANIFEST("/above"));
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                make_link(s, places[i][0], "/mnt/manifest.xml");
                refuses_link(s, places[i][1], places[i][1], "/mnt/manifest.xml: its path leaves the volume");
                assert_int_equal(unlinkat(s->fd, places[i][0], 0), 0);
        }
        assert_int_equal(umount2(mnt, MNT_DETACH), 0);
}

static void a_separate_usr_is_another_volume(void **state) {
        Scratch *s = *state;
        scratch_write(s, VENDOR, MANIFEST("/below"));
        scratch_unshare(s);
        _cleanup_free_ char *usr = outer_path(s, "usr");
        assert_int_equal(mount("none", usr, "tmpfs", 0, NULL), 0);
        scratch_write(s, VENDOR, MANIFEST("/above"));
        finds_none(s);
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/admin");
        assert_int_equal(umount2(usr, MNT_DETACH), 0);
}

static void only_a_regular_file_will_do(void **state) {
        const Scratch *s = *state;
        scratch_write(s, VENDOR, MANIFEST("/vendor"));
        scratch_write(s, ADMIN, "");
        _cleanup_free_ char *path = outer_path(s, ADMIN);

        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": not a regular file");
        assert_int_equal(rmdir(path), 0);

        assert_int_equal(mkfifo(path, 0644), 0); /* a plain open would wait here */
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": not a regular file");
        assert_int_equal(unlink(path), 0);

        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        _cleanup_close_ int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": not a regular file");
        assert_int_equal(unlink(path), 0);

        if (mknod(path, S_IFCHR | 0644, makedev(1, 3)) == 0) /* /dev/null means nothing special here */
                refuses(s, BOOTKEEP_MANIFEST_ADMIN ": not a regular file");
}

static void only_root_may_own_and_write_it(void **state) {
        const Scratch *s = *state;
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        static const mode_t bad[] = {0664, 0646, 0666, 0620, 0602, 0777},
                            good[] = {0644, 0600, 0400, 0444, 0755};
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(fchmodat(s->fd, ADMIN, bad[i], 0), 0);
                refuses(s, BOOTKEEP_MANIFEST_ADMIN ": writable by users other than root");
        }
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(fchmodat(s->fd, ADMIN, good[i], 0), 0);
                loads(s, BOOTKEEP_MANIFEST_ADMIN, "/admin");
        }
        if (fchownat(s->fd, ADMIN, 1, 0, 0) < 0)
                skip();
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": not owned by root");
}

/* Each folder in the path of what is read: anybody who can change it could put another file of root there. */
static void only_root_may_change_the_folders_in_the_path(void **state) {
        const Scratch *s = *state;
        static const char *const folders[] = {"/", "/etc", "/etc/bootkeep", "/srv", "/srv/a"};
        scratch_write(s, "srv/a/manifest.xml", MANIFEST("/linked"));
        make_link(s, ADMIN, "/srv/a/manifest.xml");
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                const char *f = i == 0 ? "." : folders[i] + 1;
                _cleanup_free_ char *reason = NULL;
                assert_int_equal(strprintf(&reason, "%s: %s is writable by users other than root",
                                           BOOTKEEP_MANIFEST_ADMIN, folders[i]),
                                 0);
                assert_int_equal(fchmodat(s->fd, f, 01777, 0), 0);
                refuses(s, reason);
                assert_int_equal(fchmodat(s->fd, f, 0775, 0), 0); /* its group is root's */
                loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
                if (fchownat(s->fd, f, 0, 1, 0) < 0)
                        skip();
                refuses(s, reason);
                assert_int_equal(fchownat(s->fd, f, 1, 0, 0), 0);
                assert_int_equal(fchmodat(s->fd, f, 0755, 0), 0);
                refuses(s, reason);
                assert_int_equal(fchownat(s->fd, f, 0, 0, 0), 0);
                loads(s, BOOTKEEP_MANIFEST_ADMIN, "/linked");
        }
        assert_int_equal(fchownat(s->fd, "etc", 1, 0, 0), 0);
        assert_int_equal(unlinkat(s->fd, ADMIN, 0), 0);
        finds_none(s);
}

static void it_has_at_most_64_kib(void **state) {
        const Scratch *s = *state;
        static char text[MANIFEST_SIZE_MAX + 1];
        static const char manifest[] = MANIFEST("/padded");
        memset(text, '\n', sizeof(text));
        memcpy(text, manifest, sizeof(manifest) - 1);
        write_bytes(s, ADMIN, text, MANIFEST_SIZE_MAX);
        loads(s, BOOTKEEP_MANIFEST_ADMIN, "/padded");
        write_bytes(s, ADMIN, text, MANIFEST_SIZE_MAX + 1);
        refuses(s, BOOTKEEP_MANIFEST_ADMIN ": larger than 64 KiB");
}

/* Counts the places by kind. */
static int count_arm(int fd, ArmKind kind, void *userdata) {
        unsigned *counts = userdata;
        counts[kind]++;
        return 0;
}

static void every_place_looked_at_is_armed(void **state) {
        const Scratch *s = *state;
        unsigned counts[_ARM_KIND_MAX] = {};
        const Arm arm = {.arm = count_arm, .userdata = counts};
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_load(&(Walk){s->fd, &arm}, &m, &why), -ENOENT);
        assert_int_equal(counts[ARM_MISSING], 2); /* `etc` and `usr` could appear */

        memset(counts, 0, sizeof(counts));
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        assert_int_equal(manifest_load(&(Walk){s->fd, &arm}, &m, &why), 0);
        assert_int_equal(counts[ARM_MISSING], 0);
        assert_int_equal(counts[ARM_NODE], 1);

        memset(counts, 0, sizeof(counts));
        scratch_write(s, ADMIN, "broken");
        Manifest *none = NULL;
        assert_int_equal(manifest_load(&(Walk){s->fd, &arm}, &none, &why), -EBADMSG);
        assert_int_equal(counts[ARM_NODE], 1); /* so that a correction is noticed */
}

static int refuse_arm(int fd, ArmKind kind, void *userdata) {
        return -ENOSPC;
}

/* Corrects the folder at the moment when it is armed. */
static int mend_arm(int fd, ArmKind kind, void *userdata) {
        struct stat st;
        unsigned *n = userdata;
        assert_int_equal(fstat(fd, &st), 0);
        if (kind != ARM_NODE || !S_ISDIR(st.st_mode))
                return 0;
        (*n)++;
        char path[64];
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
        assert_int_equal(chmod(path, 0755), 0);
        return 0;
}

static void a_bad_folder_is_armed_and_then_looked_at_again(void **state) {
        const Scratch *s = *state;
        unsigned counts[_ARM_KIND_MAX] = {}, n = 0;
        Manifest *m = NULL;
        char *why = NULL;
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        assert_int_equal(fchmodat(s->fd, "etc/bootkeep", 0777, 0), 0);
        assert_int_equal(manifest_load(&(Walk){s->fd, &(Arm){count_arm, counts}}, &m, &why), -EBADMSG);
        assert_int_equal(counts[ARM_NODE], 2); /* the file and the folder */
        free(why);
        why = NULL;
        assert_int_equal(manifest_load(&(Walk){s->fd, &(Arm){mend_arm, &n}}, &m, &why), 0);
        assert_int_equal(n, 1);
        assert_null(why);
        manifest_free(m);
}

/* When the folder etc is armed, it is corrected, and the folder of the manifest moves away; something else
 * may take its place. */
typedef struct Mover {
        const Scratch *s;
        enum { LEAVES_NOTHING, LEAVES_LINK, LEAVES_FILE } leaves;
} Mover;

static int move_folder_arm(int fd, ArmKind kind, void *userdata) {
        const Mover *m = userdata;
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        if (kind != ARM_NODE || !S_ISDIR(st.st_mode))
                return 0;
        assert_int_equal(fchmodat(m->s->fd, "etc", 0755, 0), 0);
        assert_int_equal(renameat(m->s->fd, "etc/bootkeep", m->s->fd, "etc/moved"), 0);
        if (m->leaves == LEAVES_FILE)
                scratch_write(m->s, "etc/bootkeep", "");
        return m->leaves == LEAVES_LINK ? symlinkat("moved", m->s->fd, "etc/bootkeep") : 0;
}

static void folder_that_moves_while_loading_is_an_error(void **state) {
        static const struct {
                int leaves, error;
        } cases[] = {
                {LEAVES_NOTHING, -EAGAIN}, /* not "there is none": the vendor's would be taken */
                {LEAVES_LINK, -ELOOP},
                {LEAVES_FILE, -ENOTDIR},
        };
        const Scratch *s = *state;
        scratch_write(s, VENDOR, MANIFEST("/vendor"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Mover mover = {.s = s, .leaves = cases[i].leaves};
                Manifest *m = NULL;
                char *why = NULL;
                scratch_write(s, ADMIN, MANIFEST("/admin"));
                assert_int_equal(fchmodat(s->fd, "etc", 0777, 0), 0);
                assert_int_equal(manifest_load(&(Walk){s->fd, &(Arm){move_folder_arm, &mover}}, &m, &why),
                                 cases[i].error);
                assert_true(!m && !why);
                shell("rm -r %s/etc", s->path);
        }
}

/* Fails the second time that something is missing: at the vendor's place. */
static int refuse_second(int fd, ArmKind kind, void *userdata) {
        unsigned *n = userdata;
        return kind == ARM_MISSING && ++*n == 2 ? -ENOSPC : 0;
}

static int refuse_folder(int fd, ArmKind kind, void *userdata) {
        struct stat st;
        return kind == ARM_NODE && fstat(fd, &st) >= 0 && S_ISDIR(st.st_mode) ? -ENOSPC : 0;
}

static void no_watch_left_for_the_vendors_place_is_an_error_too(void **state) {
        const Scratch *s = *state;
        unsigned n = 0;
        Manifest *m = NULL;
        char *why = NULL;
        assert_int_equal(manifest_load(&(Walk){s->fd, &(Arm){refuse_second, &n}}, &m, &why), -ENOSPC);
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        assert_int_equal(fchmodat(s->fd, "etc", 0777, 0), 0);
        assert_int_equal(manifest_load(&(Walk){s->fd, &(Arm){refuse_folder, NULL}}, &m, &why), -ENOSPC);
        assert_null(why);
}

static void manifest_whose_owner_cannot_be_read_is_an_error(void **state) {
        static const mode_t types[] = {S_IFREG, S_IFDIR};
        const Scratch *s = *state;
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                Manifest *m = NULL;
                char *why = NULL;
                fstat_fails_for = types[i];
                int r = manifest_load(&(Walk){.root = s->fd}, &m, &why);
                fstat_fails_for = 0;
                assert_int_equal(r, -EIO);
                assert_true(!m && !why);
        }
}

static void no_watch_left_is_an_error_not_a_refusal(void **state) {
        const Scratch *s = *state;
        const Arm arm = {.arm = refuse_arm};
        Manifest *m = NULL;
        char *why = NULL;
        scratch_write(s, ADMIN, MANIFEST("/admin"));
        assert_int_equal(manifest_load(&(Walk){s->fd, &arm}, &m, &why), -ENOSPC);
        assert_null(why);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_bad_folder_is_armed_and_then_looked_at_again),
                scratch_test(folder_that_moves_while_loading_is_an_error),
                scratch_test(no_watch_left_for_the_vendors_place_is_an_error_too),
                scratch_test(the_administrators_place_comes_first),
                scratch_test(a_bad_manifest_is_not_skipped),
                scratch_test(a_dangling_link_does_not_bring_back_the_vendors_manifest),
                scratch_test(every_dangling_link_is_refused),
                scratch_test(the_link_to_blame_is_named),
                scratch_test(a_link_to_a_folder_without_a_manifest_means_none),
                scratch_test(a_link_into_another_mount_is_refused),
                scratch_test(a_file_in_the_path_means_none),
                scratch_test(links_inside_the_volume_are_followed),
                scratch_test(links_cannot_lead_out),
                scratch_test(only_a_regular_file_will_do),
                scratch_test(only_root_may_own_and_write_it),
                scratch_test(only_root_may_change_the_folders_in_the_path),
                scratch_test(it_has_at_most_64_kib),
                scratch_test(every_place_looked_at_is_armed),
                scratch_test(manifest_whose_owner_cannot_be_read_is_an_error),
                scratch_test(no_watch_left_is_an_error_not_a_refusal),
                scratch_test(a_mount_in_the_path_is_not_crossed),
                scratch_test(a_separate_usr_is_another_volume),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
