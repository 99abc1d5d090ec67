/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/markfiles.h"

#include "fixture.h"

#define FILE_TEXT "*** System restart required ***\n"
#define ALL_NEW (REBOOTMARK_MAKE | REBOOTMARK_LIST)
#define ALL_BACK (REBOOTMARK_UNLIST | REBOOTMARK_REMOVE)

static void looks(const Scratch *s, bool exists, bool ours, const char *lists) {
        RebootMark mark;
        assert_int_equal(markfiles_read(s->path, &mark), 0);
        assert_int_equal(mark.exists, exists);
        assert_int_equal(mark.ours, ours);
        assert_int_equal(mark.lists_us, strchr(lists, 'u') != NULL);
        assert_int_equal(mark.lists_others, strchr(lists, 'o') != NULL);
}

static void contains(const Scratch *s, const char *name, const char *expected) {
        char text[256];
        int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);
        assert_true(expected ? fd >= 0 : fd < 0 && errno == ENOENT);
        if (fd < 0)
                return;
        ssize_t n = read(fd, text, sizeof(text) - 1);
        assert_true(n >= 0);
        text[n] = 0;
        close(fd);
        assert_string_equal(text, expected);
}

static void does(const Scratch *s, unsigned acts) {
        assert_int_equal(markfiles_apply(s->path, acts), 0);
        contains(s, ".bootkeep-reboot-required", NULL);
}

static void what_is_made_is_known_as_ours_and_taken_back(void **state) {
        const Scratch *s = *state;
        looks(s, false, false, "");
        does(s, ALL_NEW);
        contains(s, "reboot-required", FILE_TEXT);
        contains(s, "reboot-required.pkgs", "bootkeep\n");
        looks(s, true, true, "u");
        does(s, ALL_BACK);
        contains(s, "reboot-required", NULL);
        contains(s, "reboot-required.pkgs", NULL);
        contains(s, "bootkeep/reboot-required", NULL);
        looks(s, false, false, "");
}

static void files_can_be_read_by_everybody(void **state) {
        const Scratch *s = *state;
        static const char *const names[] = {"reboot-required", "reboot-required.pkgs"};
        does(s, ALL_NEW);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct stat st;
                assert_int_equal(fstatat(s->fd, names[i], &st, 0), 0);
                assert_int_equal(st.st_mode, S_IFREG | 0644);
        }
}

static void file_that_somebody_else_has_written_to_is_not_ours(void **state) {
        const Scratch *s = *state;
        does(s, ALL_NEW);
        shell("touch -d '2001-01-01' %s/reboot-required", s->path);
        looks(s, true, false, "u");
        shell("rm %s/reboot-required", s->path);
        does(s, REBOOTMARK_MAKE);
        looks(s, true, true, "u");
        shell("echo more >>%s/reboot-required", s->path);
        looks(s, true, false, "u");
        shell("rm %s/reboot-required; echo '*** System restart required ***' >%s/reboot-required", s->path,
              s->path);
        looks(s, true, false, "u");
}

static void file_of_somebody_else_is_left_alone(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "reboot-required", "theirs\n");
        does(s, ALL_NEW); /* it came between the look and the act */
        contains(s, "reboot-required", "theirs\n");
        looks(s, true, false, "u");
}

static void lines_of_others_are_kept(void **state) {
        static const struct {
                const char *before, *with, *after, *lists;
        } cases[] = {
                {"linux-image-6.1\n", "linux-image-6.1\nbootkeep\n", "linux-image-6.1\n", "uo"},
                {"dbus", "dbus\nbootkeep\n", "dbus\n", "uo"},
                {"bootkeeper\nmybootkeep\n", "bootkeeper\nmybootkeep\nbootkeep\n", "bootkeeper\nmybootkeep\n",
                 "uo"},
                {"\n\n", "\n\nbootkeep\n", NULL, "u"},
                {"bootkeep\ndbus\nbootkeep\n", "bootkeep\ndbus\nbootkeep\nbootkeep\n", "dbus\n", "uo"},
                {"", "bootkeep\n", NULL, "u"},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                scratch_write(s, "reboot-required.pkgs", cases[i].before);
                does(s, REBOOTMARK_LIST);
                contains(s, "reboot-required.pkgs", cases[i].with);
                looks(s, false, false, cases[i].lists);
                does(s, REBOOTMARK_UNLIST);
                contains(s, "reboot-required.pkgs", cases[i].after);
        }
}

/* Whatever they are, others rely on them. */
static void what_is_no_file_is_somebody_elses(void **state) {
        static const char *const makers[] = {"mkdir", "mkfifo", "ln -s /dev/null", "truncate -s 2M"};
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(makers); i++) {
                shell("cd %s && %s reboot-required.pkgs && %s reboot-required", s->path, makers[i],
                      makers[i]);
                looks(s, true, false, "o");
                assert_true(markfiles_apply(s->path, REBOOTMARK_LIST) < 0);
                assert_true(markfiles_apply(s->path, REBOOTMARK_UNLIST) < 0);
                does(s, REBOOTMARK_MAKE);
                shell("cd %s && test -e reboot-required.pkgs && rm -r reboot-required.pkgs reboot-required",
                      s->path);
        }
}

static void garbled_note_is_none(void **state) {
        static const char *const notes[] = {"", "1",
                                            "1 2 3.4 and very much more than any note of ours could ever be"};
        const Scratch *s = *state;
        does(s, REBOOTMARK_MAKE);
        for (size_t i = 0; i < ELEMENTSOF(notes); i++) {
                scratch_write(s, "bootkeep/reboot-required", notes[i]);
                looks(s, true, false, "");
        }
        shell("rm -r %s/bootkeep && ln -s / %s/bootkeep", s->path, s->path);
        looks(s, true, false, "");
}

static void folder_that_is_missing_or_cannot_be_written_is_an_error(void **state) {
        const Scratch *s = *state;
        RebootMark mark = {.exists = true};
        assert_int_equal(markfiles_read("/nonexistent", &mark), -ENOENT);
        assert_true(mark.exists);
        assert_int_equal(markfiles_apply("/nonexistent", ALL_NEW), -ENOENT);
        shell("mkdir %s/.bootkeep-reboot-required", s->path); /* in the way */
        assert_int_equal(markfiles_apply(s->path, ALL_NEW), -EEXIST);
        looks(s, false, false, "");
        assert_int_equal(markfiles_apply(s->path, REBOOTMARK_UNLIST), 0); /* there is none */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_is_made_is_known_as_ours_and_taken_back),
                scratch_test(files_can_be_read_by_everybody),
                scratch_test(file_that_somebody_else_has_written_to_is_not_ours),
                scratch_test(file_of_somebody_else_is_left_alone),
                scratch_test(lines_of_others_are_kept),
                scratch_test(what_is_no_file_is_somebody_elses),
                scratch_test(garbled_note_is_none),
                scratch_test(folder_that_is_missing_or_cannot_be_written_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
