/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/refusaldropins.h"

#include "scratch.h"

#define NAME "50-bootkeep-owed.conf"

/* The line of systemd's description, from the first of the files. */
static void description(const Scratch *s, const char *text, char *ret, size_t size) {
        char path[128];
        assert_int_equal(dropins_write(s->path, text), 0);
        (void) snprintf(path, sizeof(path), "%s/reboot.target.d/" NAME, s->path);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_non_null(fgets(ret, (int) size, f)); /* the comment */
        assert_non_null(fgets(ret, (int) size, f));
        assert_string_equal(ret, "[Unit]\n");
        assert_non_null(fgets(ret, (int) size, f));
        assert_int_equal(fclose(f), 0);
        ret[strcspn(ret, "\n")] = 0;
}

static void describes(const Scratch *s, const char *text, const char *expected) {
        char line[1024], whole[1024];
        description(s, text, line, sizeof(line));
        (void) snprintf(whole, sizeof(whole),
                        "Description=Refused by bootkeep: %s (see bootkeepctl reboot --wait)", expected);
        assert_string_equal(line, whole);
}

static void each_target_gets_one_and_all_go(void **state) {
        const Scratch *s = *state;
        assert_int_equal(dropins_remove(s->path), 0);
        assert_int_equal(dropins_write(s->path, "sda2"), 0);
        assert_int_equal(dropins_write(s->path, "sda2 and sdb2"), 0); /* in the place of the others */
        for (size_t i = 0; i < DROPINS_MAX; i++)
                shell("grep -qx RefuseManualStart=yes %s/%s.d/" NAME, s->path, dropins_targets[i]);
        shell("test $(find %s -type f | wc -l) = 5", s->path);
        shell("test -z \"$(find %s -type f -perm /0133)\"", s->path);
        assert_int_equal(dropins_remove(s->path), 1);
        assert_int_equal(dropins_remove(s->path), 0);
        shell("test -z \"$(ls -A %s)\"", s->path);
}

static void what_others_have_there_stays(void **state) {
        const Scratch *s = *state;
        assert_int_equal(dropins_write(s->path, "sda2"), 0);
        shell("touch %s/halt.target.d/mine.conf", s->path);
        assert_int_equal(dropins_remove(s->path), 1);
        shell("test \"$(cd %s && find . -type f)\" = ./halt.target.d/mine.conf", s->path);
}

static void a_text_is_one_line_without_specifiers(void **state) {
        describes(*state, "sda2 (/): stale", "sda2 (/): stale");
        describes(*state, "100%n", "100%%n");
        describes(*state, "a\nb\tc\177d\\", "a b c d\\");
        describes(*state, "", "");
        describes(*state, "é", "é");
}

static void a_long_text_ends_with_a_whole_character(void **state) {
        char text[1024] = "", line[1024];
        static const char unit[] = {'\303', '\251', '%'}; /* é% */
        for (size_t i = 0; i < 999; i++)
                text[i] = unit[i % ELEMENTSOF(unit)];
        description(*state, text, line, sizeof(line));
        const char *end = strstr(line, "... (see");
        assert_non_null(end);
        assert_true(end - line > 380 && end - line < 480);
        assert_true(end[-1] == '%' || strncmp(end - 2, "é", 2) == 0);
}

static void where_one_cannot_be_written_none_is_left(void **state) {
        const Scratch *s = *state;
        shell("touch %s/soft-reboot.target.d", s->path);
        assert_true(dropins_write(s->path, "sda2") < 0);
        shell("test -z \"$(find %s -name '*.conf' -o -name '*.tmp')\"", s->path);
        shell("rm %s/soft-reboot.target.d; mkdir -p %s/halt.target.d/" NAME, s->path, s->path);
        assert_true(dropins_write(s->path, "sda2") < 0);
        shell("test -z \"$(find %s -type f)\"", s->path);
        assert_true(dropins_write("/nonexistent", "sda2") == -ENOENT);
        assert_int_equal(dropins_remove("/nonexistent"), 0);
}

/* /run belongs to root, but a link that root has put there is not ours to follow. */
static void a_link_is_not_followed(void **state) {
        const Scratch *s = *state;
        shell("mkdir %s/elsewhere %s/units && ln -s ../elsewhere %s/units/reboot.target.d", s->path, s->path,
              s->path);
        char units[128];
        (void) snprintf(units, sizeof(units), "%s/units", s->path);
        assert_true(dropins_write(units, "sda2") < 0);
        shell("test -z \"$(ls -A %s/elsewhere)\"", s->path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(each_target_gets_one_and_all_go),
                scratch_test(what_others_have_there_stays),
                scratch_test(a_text_is_one_line_without_specifiers),
                scratch_test(a_long_text_ends_with_a_whole_character),
                scratch_test(where_one_cannot_be_written_none_is_left),
                scratch_test(a_link_is_not_followed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
