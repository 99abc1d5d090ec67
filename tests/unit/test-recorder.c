/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/recorder.h"

#include "helperworld.h"

static char partuuid[] = "12-34", uuid[] = "AB-CD", other_uuid[] = "EF-01";

static const Helper helper = {.partuuid = partuuid, .fs_uuid = uuid};
static const Helper formatted = {.partuuid = partuuid, .fs_uuid = other_uuid};
static const Helper without_filesystem = {.partuuid = partuuid};

static Recorder open_recorder(const Scratch *s) {
        Recorder recorder = RECORDER_NULL;
        shell("mkdir -p %s/helpers", s->path);
        assert_int_equal(recorder_open(&recorder, s->fd, &helper, NULL), 0);
        return recorder;
}

static void write_record(const Recorder *recorder, const HelperRecord *record) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        assert_int_equal(stamp_add(stamp, "fingerprint", "0123"), 0);
        assert_int_equal(recorder_write(recorder, record, stamp, NULL), 0);
}

/* What is read as the record of H: the first name that is ours, or NULL; and its file system. */
static char *first_of_ours(const Recorder *recorder, const Helper *h) {
        HelperRecord record = HELPER_RECORD_NULL;
        assert_int_equal(recorder_read(recorder, h, &record, NULL), 0);
        assert_true(streq_ptr(record.filesystem, h->fs_uuid));
        char *first = record.ours ? copy(record.ours[0]) : NULL;
        helper_record_done(&record);
        return first;
}

static void a_record_is_kept_in_the_stamp_of_its_partition(void **state) {
        const Scratch *s = *state;
        Recorder recorder = open_recorder(s);
        HelperRecord record = {.filesystem = copy("AB-CD")};
        assert_int_equal(strv_extend(&record.ours, "/ours"), 0);
        write_record(&recorder, &record);
        shell("cd %s/helpers && test \"$(ls)\" = 12-34.stamp && "
              "test \"$(cat *)\" = \"$(printf 'bootkeep-stamp 1\\nfingerprint 0123\\nfilesystem AB-CD\\nours "
              "/ours')\"",
              s->path);
        _cleanup_free_ char *first = first_of_ours(&recorder, &helper);
        assert_string_equal(first, "/ours");
        helper_record_done(&record);
        recorder_done(&recorder);
        assert_null(recorder.name);
        assert_true(recorder.stamps < 0);
}

/* What was formatted since carries nothing of ours. */
static void a_record_of_another_file_system_is_none(void **state) {
        const Scratch *s = *state;
        Recorder recorder = open_recorder(s);
        HelperRecord record = {.filesystem = copy("AB-CD")};
        assert_int_equal(strv_extend(&record.ours, "/ours"), 0);
        write_record(&recorder, &record);
        assert_null(first_of_ours(&recorder, &formatted));
        assert_null(first_of_ours(&recorder, &without_filesystem));
        free(TAKE_PTR(record.filesystem));
        write_record(&recorder, &record);
        assert_null(first_of_ours(&recorder, &helper));
        _cleanup_free_ char *first = first_of_ours(&recorder, &without_filesystem);
        assert_string_equal(first, "/ours");
        helper_record_done(&record);
        recorder_done(&recorder);
}

static void what_is_no_record_says_that_nothing_is_ours(void **state) {
        static const char *const texts[] = {
                "", "something else\n", "bootkeep-stamp 1\nfilesystem AB-CD\nours /ours\nours not-a-path\n"};
        const Scratch *s = *state;
        Recorder recorder = open_recorder(s);
        assert_null(first_of_ours(&recorder, &helper)); /* there is none */
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                scratch_write(s, "helpers/12-34.stamp", texts[i]);
                assert_null(first_of_ours(&recorder, &helper));
        }
        scratch_write(s, "good", "bootkeep-stamp 1\nfilesystem AB-CD\nours /ours\n");
        shell("cd %s/helpers && rm * && ln -s ../good 12-34.stamp", s->path);
        assert_null(first_of_ours(&recorder, &helper));
        recorder_done(&recorder);
}

/* A record that could not be read is not the same as none. */
static void a_record_that_cannot_be_read_or_written_is_an_error(void **state) {
        const Scratch *s = *state;
        Recorder recorder = open_recorder(s);
        HelperRecord record = HELPER_RECORD_NULL;
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        _cleanup_free_ char *reading = NULL, *writing = NULL;
        close(recorder.stamps);
        scratch_write(s, "file", "x");
        recorder.stamps = openat(s->fd, "file", O_RDONLY | O_CLOEXEC);
        assert_int_equal(recorder_read(&recorder, &helper, &record, &reading), -ENOTDIR);
        assert_string_equal(reading, "cannot read its stamp: Not a directory");
        assert_null(record.filesystem);
        assert_int_equal(recorder_write(&recorder, &record, stamp, &writing), -ENOTDIR);
        assert_string_equal(writing, "cannot write its stamp: Not a directory");
        recorder_done(&recorder);
}

static void stamps_are_in_their_own_directory(void **state) {
        const Scratch *s = *state;
        Recorder recorder = RECORDER_NULL;
        char *reason = NULL;
        assert_int_equal(recorder_open(&recorder, s->fd, &helper, &reason), -ENOENT);
        assert_string_equal(reason, "cannot open the stamps: No such file or directory");
        shell("mkdir %s/elsewhere && ln -s elsewhere %s/helpers", s->path, s->path);
        assert_int_equal(recorder_open(&recorder, s->fd, &helper, &reason), -ELOOP);
        shell("rm %s/helpers", s->path);
        scratch_write(s, "helpers", "x");
        assert_int_equal(recorder_open(&recorder, s->fd, &helper, &reason), -ENOTDIR);
        free(reason);
        recorder_done(&recorder);
}

static void a_record_that_is_too_large_is_told_and_the_old_one_stays(void **state) {
        const Scratch *s = *state;
        Recorder recorder = open_recorder(s);
        HelperRecord record = {.filesystem = copy("AB-CD")};
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        StrvBuilder ours = {};
        char name[1025] = "/", *reason = NULL;
        memset(name + 1, 'x', sizeof(name) - 2);
        assert_int_equal(strv_extend(&record.ours, "/ours"), 0);
        write_record(&recorder, &record);
        (void) strv_free(record.ours);
        for (size_t i = 0; i < 4 * 1024; i++)
                assert_int_equal(strv_builder_extend(&ours, name), 0);
        assert_int_equal(strv_builder_finish(&ours, &record.ours), 0);
        assert_int_equal(recorder_write(&recorder, &record, stamp, &reason), -EFBIG);
        assert_string_equal(reason, "has too many files: their record would be larger than 4 MiB");
        _cleanup_free_ char *first = first_of_ours(&recorder, &helper);
        assert_string_equal(first, "/ours");
        free(reason);
        helper_record_done(&record);
        recorder_done(&recorder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_record_is_kept_in_the_stamp_of_its_partition),
                scratch_test(a_record_of_another_file_system_is_none),
                scratch_test(what_is_no_record_says_that_nothing_is_ours),
                scratch_test(a_record_that_cannot_be_read_or_written_is_an_error),
                scratch_test(stamps_are_in_their_own_directory),
                scratch_test(a_record_that_is_too_large_is_told_and_the_old_one_stays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
