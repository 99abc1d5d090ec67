/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/trust.h"

#include "fixture.h"
#include "interpose.h"

#define EXT4 "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define FAT "12AB-34CD"

/* The store's calls of libc: where one fails, and what was synced. */
static struct {
        int fsync_error, fsync_at;        /* of the call of this number, from 1 */
        int readdir_error, readdir_noise; /* errno of a failure; that of a success */
        Synced synced;
} world;

int fsync(int fd) {
        synced_note(&world.synced, fd);
        if (world.fsync_error > 0 && world.synced.n == (size_t) world.fsync_at) {
                errno = world.fsync_error;
                return -1;
        }
        return REAL(fsync)(fd);
}

struct dirent *readdir(DIR *d) {
        struct dirent *e = REAL(readdir)(d);
        if (world.readdir_error > 0) {
                errno = world.readdir_error;
                return NULL;
        }
        if (e && world.readdir_noise > 0)
                errno = world.readdir_noise;
        return e;
}

static TrustStore *opened(const Scratch *s) {
        world.synced.n = 0;
        TrustStore *t = NULL;
        char *dir = outer_path(s, "state/deep/trusted");
        errno = EIO; /* of something that failed long ago */
        assert_int_equal(trust_store_new(dir, &t), 0);
        free(dir);
        return t;
}

/* The same store as seen by the next start of the daemon. */
static TrustStore *reopened(const Scratch *s, TrustStore *t) {
        trust_store_free(t);
        return opened(s);
}

static void nobody_is_trusted_at_first(void **state) {
        _cleanup_(trust_store_freep) TrustStore *t = opened(*state);
        assert_false(trust_store_has(t, EXT4, NULL));
        assert_false(trust_store_has(t, EXT4, "disk"));
        assert_false(trust_store_has(t, NULL, NULL));
        assert_false(trust_store_has(t, "", NULL));
}

static void enrolment_survives_a_restart(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        assert_int_equal(trust_store_add(t, FAT, NULL), 0);
        for (int i = 0; i < 2; i++) {
                assert_true(trust_store_has(t, EXT4, "Disk_1"));
                assert_true(trust_store_has(t, FAT, NULL));
                assert_false(trust_store_has(t, "4f68bce3", "Disk_1"));
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void copy_on_another_disk_is_not_trusted(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        for (int i = 0; i < 2; i++) {
                assert_false(trust_store_has(t, EXT4, "Disk_2"));
                assert_false(trust_store_has(t, EXT4, "Disk_11"));
                assert_false(trust_store_has(t, EXT4, ""));
                assert_false(trust_store_has(t, EXT4, NULL));
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void without_a_serial_only_disks_that_have_none_are_trusted(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, NULL), 0);
        for (int i = 0; i < 2; i++) {
                assert_true(trust_store_has(t, EXT4, NULL));
                assert_true(trust_store_has(t, EXT4, ""));
                assert_false(trust_store_has(t, EXT4, "Disk_1"));
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void enrolled_again_the_last_serial_counts(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_2"), 0);
        for (int i = 0; i < 2; i++) {
                assert_true(trust_store_has(t, EXT4, "Disk_2"));
                assert_false(trust_store_has(t, EXT4, "Disk_1"));
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void a_second_enrolment_is_forgotten_with_the_first(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_2"), 0);
        assert_int_equal(trust_store_remove(t, EXT4), 0);
        for (int i = 0; i < 2; i++) {
                assert_false(trust_store_has(t, EXT4, "Disk_1"));
                assert_false(trust_store_has(t, EXT4, "Disk_2"));
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void what_is_forgotten_stays_forgotten(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_remove(t, EXT4), -ENOENT);
        assert_int_equal(trust_store_remove(t, NULL), -ENOENT);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        assert_int_equal(trust_store_add(t, FAT, "Disk_1"), 0);
        assert_int_equal(trust_store_remove(t, EXT4), 0);
        for (int i = 0; i < 2; i++) {
                assert_false(trust_store_has(t, EXT4, "Disk_1"));
                assert_true(trust_store_has(t, FAT, "Disk_1"));
                assert_int_equal(trust_store_remove(t, EXT4), -ENOENT);
                t = reopened(s, t);
        }
        trust_store_free(t);
}

static void record_that_somebody_deleted_can_still_be_forgotten(void **state) {
        const Scratch *s = *state;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, NULL), 0);
        shell("rm %s/state/deep/trusted/" EXT4, s->path);
        assert_int_equal(trust_store_remove(t, EXT4), 0);
        assert_false(trust_store_has(t, EXT4, NULL));
}

static void names_that_are_not_uuids_are_refused_and_write_nothing(void **state) {
        static const char *const bad[] = {
                "",     ".",         "..",
                ".new", "../escape", "a/b",
                "a b",  "a\nb",      "-rf",
                "a.b",  "\xc3\xa4",  "0123456789012345678901234567890123456789012345678901234567890123X"};
        const Scratch *s = *state;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, NULL, NULL), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(trust_store_add(t, bad[i], "Disk_1"), -EINVAL);
                assert_int_equal(trust_store_remove(t, bad[i]), -ENOENT);
                assert_false(trust_store_has(t, bad[i], "Disk_1"));
        }
        shell("test -z \"$(ls -A %s/state/deep/trusted)\" && test \"$(ls %s)\" = state", s->path, s->path);
}

/* Of FAT, of ext4, and what is as long as a name may be. */
static void names_that_are_a_uuid_are_accepted(void **state) {
        static const char *const good[] = {
                FAT, EXT4, "a", "Z9-", "0123456789012345678901234567890123456789012345678901234567890123"};
        _cleanup_(trust_store_freep) TrustStore *t = opened(*state);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(trust_store_add(t, good[i], NULL), 0);
                assert_true(trust_store_has(t, good[i], NULL));
        }
}

/* Nobody but root has any business there. */
static void only_root_may_read_the_folder_but_everybody_those_above_it(void **state) {
        const Scratch *s = *state;
        struct stat st;
        mode_t mask = umask(022);
        trust_store_free(opened(s));
        (void) umask(mask);
        assert_int_equal(fstatat(s->fd, "state/deep/trusted", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(fstatat(s->fd, "state/deep", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
}

static void a_link_in_the_place_of_a_record_is_not_followed(void **state) {
        const Scratch *s = *state;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        scratch_write(s, "state/victim", "precious");
        make_link(s, "state/deep/trusted/.new", "../../victim");
        assert_int_equal(trust_store_add(t, EXT4, "disk"), -ELOOP);
        assert_false(trust_store_has(t, EXT4, "disk"));
        shell("test \"$(cat %s/state/victim)\" = precious", s->path);
}

static void what_cannot_be_deleted_is_not_forgotten(void **state) {
        const Scratch *s = *state;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        shell("cd %s/state/deep/trusted && rm " EXT4 " && mkdir " EXT4, s->path);
        assert_int_equal(trust_store_remove(t, EXT4), -EISDIR);
        assert_true(trust_store_has(t, EXT4, "disk"));
}

static void list_that_could_be_read_is_not_complained_about(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        world.readdir_noise = EAGAIN;
        Capture c = capture_begin();
        t = reopened(s, t);
        _cleanup_free_ char *said = capture_end(&c);
        world.readdir_noise = 0;
        assert_true(trust_store_has(t, EXT4, "disk"));
        assert_string_equal(said, "");
        trust_store_free(t);
}

static void damaged_records_trust_nobody_and_do_not_stop_the_rest(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "Disk_1"), 0);
        trust_store_free(t);
        scratch_write(s, "state/deep/trusted/AAAA-0001", "nonsense\n");
        scratch_write(s, "state/deep/trusted/AAAA-0002", "serial\n");
        scratch_write(s, "state/deep/trusted/AAAA-0003", "serial=Disk_1\nserial=Disk_2\n");
        scratch_write(s, "state/deep/trusted/not-a_uuid", "serial=Disk_1\n");
        scratch_write(s, "state/deep/trusted/.new", "serial=Disk_1\n");
        scratch_write(s, "state/deep/elsewhere", "serial=Disk_1\n");
        make_link(s, "state/deep/trusted/AAAA-0004", "../elsewhere");
        shell("cd %s/state/deep/trusted && mkdir AAAA-0005 && mkfifo AAAA-0006 && chmod 600 *", s->path);
        Capture c = capture_begin();
        t = opened(s);
        char *said = capture_end(&c);
        assert_true(trust_store_has(t, EXT4, "Disk_1"));
        for (int i = 1; i <= 6; i++) {
                char uuid[] = "AAAA-000X";
                uuid[8] = (char) ('0' + i);
                assert_false(trust_store_has(t, uuid, "Disk_1"));
                assert_non_null(strstr(said, uuid));
        }
        assert_false(trust_store_has(t, "not-a_uuid", "Disk_1"));
        free(said);
        trust_store_free(t);
}

/* A power cut can leave an empty file, or one full of zeros: neither may extend trust. */
static void torn_record_trusts_nobody(void **state) {
        const Scratch *s = *state;
        trust_store_free(opened(s));
        write_bytes(s, "state/deep/trusted/AAAA-0003", "\0serial=x", 9);
        write_bytes(s, "state/deep/trusted/AAAA-0007", "\0\0\0\0\0\0\0\0", 8);
        scratch_write(s, "state/deep/trusted/AAAA-0008", "");
        scratch_write(s, "state/deep/trusted/AAAA-0009", "serial=Disk_1");
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        assert_false(trust_store_has(t, "AAAA-0003", "Disk_1"));
        assert_false(trust_store_has(t, "AAAA-0007", "Disk_1"));
        assert_false(trust_store_has(t, "AAAA-0008", "Disk_1"));
        assert_false(trust_store_has(t, "AAAA-0009", "Disk_1"));
}

static void serial_of_any_length_and_kind_is_kept(void **state) {
        const Scratch *s = *state;
        char longest[3000];
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = 0;
        const char *const serials[] = {"a b=c", "\xc3\xa4", "serial=x", longest};
        TrustStore *t = opened(s);
        for (size_t i = 0; i < ELEMENTSOF(serials); i++) {
                assert_int_equal(trust_store_add(t, EXT4, serials[i]), 0);
                t = reopened(s, t);
                assert_true(trust_store_has(t, EXT4, serials[i]));
                assert_false(trust_store_has(t, EXT4, "other"));
        }
        trust_store_free(t);
}

/* A record is read up to 4095 bytes; a longer one is not ours. */
static void record_that_is_too_long_trusts_nobody(void **state) {
        const Scratch *s = *state;
        char serial[4095 - sizeof("serial=") + 2];
        memset(serial, 'x', sizeof(serial));
        for (int longer = 0; longer <= 1; longer++) {
                serial[sizeof(serial) - 2 + (size_t) longer] = 0;
                TrustStore *t = opened(s);
                assert_int_equal(trust_store_add(t, EXT4, serial), 0);
                t = reopened(s, t);
                assert_int_equal(trust_store_has(t, EXT4, serial), !longer);
                trust_store_free(t);
                serial[sizeof(serial) - 2] = 'x';
        }
        assert_null(trust_store_free(NULL));
}

static void enrolment_is_on_disk_when_it_is_reported(void **state) {
        const Scratch *s = *state;
        struct stat st;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        /* of an interrupted one */
        scratch_write(s, "state/deep/trusted/.new", "serial=a serial that is longer than the next\n");
        (void) memset(&world, 0, sizeof(world));
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        assert_int_equal(world.synced.n, 2);
        assert_true(synced_has(&world.synced, s, "state/deep/trusted/" EXT4));
        assert_true(synced_has(&world.synced, s, "state/deep/trusted"));
        t = reopened(s, t);
        assert_true(trust_store_has(t, EXT4, "disk"));
        (void) memset(&world, 0, sizeof(world));
        assert_int_equal(trust_store_remove(t, EXT4), 0);
        assert_int_equal(world.synced.n, 1);
        assert_true(synced_has(&world.synced, s, "state/deep/trusted"));
        mode_t mask = umask(0);
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        (void) umask(mask);
        assert_int_equal(fstatat(s->fd, "state/deep/trusted/" EXT4, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void no_child_inherits_the_folder(void **state) {
        _unused_ _cleanup_(trust_store_freep) TrustStore *t = opened(*state);
        unsigned found = 0;
        for (int fd = 3; fd < 100; fd++) {
                char link[64], path[256] = "";
                (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
                if (readlink(link, path, sizeof(path) - 1) < 0 || !strstr(path, "/state/deep/trusted"))
                        continue;
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                found++;
        }
        assert_int_equal(found, 1);
}

static void what_cannot_be_synced_is_an_error(void **state) {
        const Scratch *s = *state;
        _cleanup_(trust_store_freep) TrustStore *t = opened(s);
        for (int at = 1; at <= 2; at++) {
                (void) memset(&world, 0, sizeof(world));
                world.fsync_error = EIO;
                world.fsync_at = at;
                assert_int_equal(trust_store_add(t, EXT4, "disk"), -EIO);
                assert_false(trust_store_has(t, EXT4, "disk"));
                assert_int_equal(faccessat(s->fd, "state/deep/trusted/.new", F_OK, 0), -1);
        }
        (void) memset(&world, 0, sizeof(world));
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        (void) memset(&world, 0, sizeof(world));
        world.fsync_error = EIO;
        world.fsync_at = 1;
        assert_int_equal(trust_store_remove(t, EXT4), -EIO);
        assert_true(trust_store_has(t, EXT4, "disk"));
        (void) memset(&world, 0, sizeof(world));
}

/* Nothing is trusted if the list of trusted volumes cannot be read. */
static void a_list_that_cannot_be_read_trusts_nobody_and_is_reported(void **state) {
        const Scratch *s = *state;
        TrustStore *t = opened(s);
        assert_int_equal(trust_store_add(t, EXT4, "disk"), 0);
        world.readdir_error = EIO;
        Capture c = capture_begin();
        t = reopened(s, t);
        _cleanup_free_ char *said = capture_end(&c);
        world.readdir_error = 0;
        assert_false(trust_store_has(t, EXT4, "disk"));
        assert_non_null(strstr(said, "not trusted"));
        trust_store_free(t);
}

static void an_enrolment_that_could_not_be_written_is_an_error(void **state) {
        const Scratch *s = *state;
        if (geteuid() != 0)
                skip();
        scratch_unshare((Scratch *) (uintptr_t) s);
        shell("mkdir %s/small && mount -t tmpfs -o size=4k,nr_inodes=1 small %s/small", s->path, s->path);
        char *dir = outer_path(s, "small");
        TrustStore *t = NULL;
        assert_int_equal(trust_store_new(dir, &t), 0);
        free(dir);
        assert_int_equal(trust_store_add(t, EXT4, NULL), -ENOSPC);
        assert_false(trust_store_has(t, EXT4, NULL));
        trust_store_free(t);
        shell("umount %s/small", s->path);
}

static void the_first_of_two_errors_is_returned(void **state) {
        const Scratch *s = *state;
        if (geteuid() != 0)
                skip();
        scratch_unshare((Scratch *) (uintptr_t) s);
        shell("mkdir %s/small && mount -t tmpfs -o size=4k small %s/small && echo x >%s/small/full", s->path,
              s->path, s->path);
        _cleanup_free_ char *dir = outer_path(s, "small");
        TrustStore *t = NULL;
        assert_int_equal(trust_store_new(dir, &t), 0);
        (void) memset(&world, 0, sizeof(world));
        world.fsync_error = EIO;
        world.fsync_at = 1;
        assert_int_equal(trust_store_add(t, EXT4, "disk"), -ENOSPC);
        (void) memset(&world, 0, sizeof(world));
        assert_false(trust_store_has(t, EXT4, "disk"));
        trust_store_free(t);
        shell("umount %s/small", s->path);
}

static int error_of_store_at(const Scratch *s, const char *name) {
        TrustStore *t = NULL;
        _cleanup_free_ char *dir = outer_path(s, name);
        int r = trust_store_new(dir, &t);
        assert_null(t);
        return r;
}

static void folder_that_cannot_be_made_is_an_error(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "file", "");
        assert_int_equal(error_of_store_at(s, "file/trusted"), -ENOTDIR);
        assert_int_equal(error_of_store_at(s, "file"), -ENOTDIR);
        if (geteuid() != 0)
                skip();
        scratch_unshare((Scratch *) (uintptr_t) s);
        shell("mkdir %s/ro && mount -t tmpfs -o ro none %s/ro", s->path, s->path);
        int deep = error_of_store_at(s, "ro/deep/trusted"), direct = error_of_store_at(s, "ro/trusted");
        shell("umount %s/ro", s->path);
        assert_int_equal(deep, -EROFS);
        assert_int_equal(direct, -EROFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(nobody_is_trusted_at_first),
                scratch_test(enrolment_survives_a_restart),
                scratch_test(copy_on_another_disk_is_not_trusted),
                scratch_test(without_a_serial_only_disks_that_have_none_are_trusted),
                scratch_test(enrolled_again_the_last_serial_counts),
                scratch_test(a_second_enrolment_is_forgotten_with_the_first),
                scratch_test(what_is_forgotten_stays_forgotten),
                scratch_test(record_that_somebody_deleted_can_still_be_forgotten),
                scratch_test(names_that_are_not_uuids_are_refused_and_write_nothing),
                scratch_test(names_that_are_a_uuid_are_accepted),
                scratch_test(only_root_may_read_the_folder_but_everybody_those_above_it),
                scratch_test(a_link_in_the_place_of_a_record_is_not_followed),
                scratch_test(what_cannot_be_deleted_is_not_forgotten),
                scratch_test(list_that_could_be_read_is_not_complained_about),
                scratch_test(damaged_records_trust_nobody_and_do_not_stop_the_rest),
                scratch_test(torn_record_trusts_nobody),
                scratch_test(serial_of_any_length_and_kind_is_kept),
                scratch_test(record_that_is_too_long_trusts_nobody),
                scratch_test(enrolment_is_on_disk_when_it_is_reported),
                scratch_test(no_child_inherits_the_folder),
                scratch_test(what_cannot_be_synced_is_an_error),
                scratch_test(a_list_that_cannot_be_read_trusts_nobody_and_is_reported),
                scratch_test(an_enrolment_that_could_not_be_written_is_an_error),
                scratch_test(the_first_of_two_errors_is_returned),
                scratch_test(folder_that_cannot_be_made_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
