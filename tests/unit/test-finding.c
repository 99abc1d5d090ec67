/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: freshness/finding.c freshness/since.c */

#include "freshness/finding.h"

#include <time.h>

#include "freshness/since.h"
#include "interpose.h"

/* Fills in what was asked for, and nothing else. */
int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        int r = REAL(statx)(dirfd, name, flags, mask, ret);
        if (!(mask & STATX_TYPE))
                ret->stx_mode &= (uint16_t) ~S_IFMT;
        if (!(mask & STATX_MTIME))
                ret->stx_mtime = (struct statx_timestamp){};
        return r;
}

static void first_difference_counts(void **state) {
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(finding_note(&f, DIFFERENCE_CHANGED, "/a", "size"), 0);
        assert_int_equal(finding_note(&f, DIFFERENCE_NEW, "/b", NULL), 0);
        assert_int_equal(f.difference, DIFFERENCE_CHANGED);
        assert_string_equal(f.path, "/a");
        assert_string_equal(f.detail, "size");
        char *text = freshness_describe(&f);
        assert_string_equal(text, "/a changed (size)");
        free(text);
        freshness_done(&f);
        assert_int_equal(f.difference, DIFFERENCE_NONE);
        assert_null(f.path);
        assert_int_equal(finding_note(&f, DIFFERENCE_NEVER, NULL, NULL), 0);
        assert_int_equal(f.difference, DIFFERENCE_NEVER);
        assert_null(f.path);
        assert_null(f.detail);
        freshness_done(&f);
        assert_int_equal(finding_note(&f, DIFFERENCE_NEVER, NULL, "detail alone"), 0);
        assert_string_equal(f.detail, "detail alone");
        freshness_done(&f);
}

static void shortages_are_these(void **state) {
        static const int shortages[] = {-ENOMEM, -ENOSPC, -E2BIG, -EMFILE, -ENFILE};
        static const int others[] = {0, 1, -ENOENT, -EIO, -ELOOP, -EXDEV, -EAGAIN, -ENOTDIR, -EACCES};
        for (size_t i = 0; i < ELEMENTSOF(shortages); i++) {
                Freshness f = FRESHNESS_NULL;
                assert_true(finding_is_shortage(shortages[i]));
                assert_int_equal(finding_note_error(&f, -1, shortages[i], "/a"), shortages[i]);
                assert_int_equal(f.difference, DIFFERENCE_NONE);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(finding_is_shortage(others[i]));
}

static void errors_are_noted_by_what_they_mean(void **state) {
        const Scratch *s = *state;
        static const struct {
                int r;
                Difference difference;
                const char *detail;
        } all[] = {
                {-ENOENT, DIFFERENCE_MISSING, NULL},
                {-ENOTDIR, DIFFERENCE_MISSING, NULL},
                {-ELOOP, DIFFERENCE_UNREADABLE, "too many symbolic links"},
                {-EXDEV, DIFFERENCE_UNREADABLE, "its path leaves the volume"},
                {-EIO, DIFFERENCE_UNREADABLE, "Input/output error"},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Freshness f = FRESHNESS_NULL;
                assert_int_equal(finding_note_error(&f, s->fd, all[i].r, "/a"), 0);
                assert_int_equal(f.difference, all[i].difference);
                assert_string_equal(f.path, "/a");
                if (all[i].detail)
                        assert_string_equal(f.detail, all[i].detail);
                else
                        assert_non_null(startswith(f.detail, "by "));
                freshness_done(&f);
        }
}

/* Sets the mtime of the folder NAME. */
static void date_folder(const Scratch *s, const char *name, time_t seconds) {
        const struct timespec when = {.tv_sec = seconds};
        assert_int_equal(utimensat(s->fd, name, (const struct timespec[]){when, when}, 0), 0);
}

static void since_is(const Scratch *s, const char *path, int r, time_t seconds) {
        struct statx_timestamp when = {.tv_sec = 7};
        assert_int_equal(since_absence(s->fd, path, &when), r);
        assert_int_equal(when.tv_sec, r < 0 ? 7 : seconds);
}

static void nearest_folder_tells_when_something_went(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "a/b/file", "");
        assert_int_equal(symlinkat("a/b", s->fd, "link"), 0);
        assert_int_equal(symlinkat("/gone", s->fd, "a/dangling"), 0);
        date_folder(s, "a/b", 1000);
        date_folder(s, "a", 2000);
        date_folder(s, ".", 3000);
        since_is(s, "/a/b/x", 0, 1000);
        since_is(s, "/a/x/y/z", 0, 2000);
        since_is(s, "/x", 0, 3000);
        since_is(s, "/x/y", 0, 3000);
        since_is(s, "/link/x", 0, 1000);
        since_is(s, "/a/dangling/x", 0, 2000);
        since_is(s, "/a/b/file/x", -ENOENT, 0); /* there is a file */
        since_is(s, "/a/b/file/x/y", -ENOENT, 0);
        since_is(s, "/", -ENOENT, 0);
}

static void absence_has_a_detail_if_its_time_is_known(void **state) {
        const Scratch *s = *state;
        Freshness f = FRESHNESS_NULL;
        scratch_write(s, "file", "");
        assert_int_equal(finding_note_absence(&f, s->fd, DIFFERENCE_GONE, "/none"), 0);
        assert_int_equal(f.difference, DIFFERENCE_GONE);
        assert_string_equal(f.path, "/none");
        assert_non_null(startswith(f.detail, "by "));
        freshness_done(&f);
        assert_int_equal(finding_note_absence(&f, s->fd, DIFFERENCE_MISSING, "/file/none"), 0);
        assert_int_equal(f.difference, DIFFERENCE_MISSING);
        assert_null(f.detail);
        freshness_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_difference_counts),
                cmocka_unit_test(shortages_are_these),
                scratch_test(errors_are_noted_by_what_they_mean),
                scratch_test(absence_has_a_detail_if_its_time_is_known),
                scratch_test(nearest_folder_tells_when_something_went),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
