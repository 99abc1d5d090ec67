/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/outputcheck.h"

#include "freshnessworld.h"

#define OUTPUTS(outputs)                                                                                     \
        "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>" outputs          \
        "</cache></bootcaches>"
#define OUTPUT(path) "<output path=\"" path "\"/>"

static Subject the_cache(const World *w) {
        return (Subject){.context = &w->context, .cache = &w->plan->caches[0]};
}

static Stamp *recorded(const World *w) {
        const Subject cache = the_cache(w);
        Stamp *stamp = stamp_new();
        assert_int_equal(outputs_record(&cache, stamp, NULL), 0);
        return stamp;
}

/* Compares the outputs with STAMP. */
static void outputs_are(const World *w, const Stamp *stamp, const char *expected) {
        const Subject cache = the_cache(w);
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(outputs_compare(&cache, stamp, &f), 0);
        check(&f, expected);
}

/* Compares what COMMAND, run on the volume, leaves of the outputs with what they were before. */
static void outputs_become(World *w, const char *command, const char *expected) {
        Stamp *stamp = recorded(w);
        outputs_are(w, stamp, "up to date");
        shell("cd %s/v && %s", w->s->path, command);
        outputs_are(w, stamp, expected);
        stamp_free(stamp);
}

static void size_and_mtime_are_told_apart(void **state) {
        World *w = world_new(*state);
        shell("touch -d @1000 %s/v/out", w->s->path);
        outputs_become(w, "printf other >out && touch -d @2000 out",
                       "/out changed (since it was built: mtime, TIME)");
        outputs_become(w, "printf longer >out && touch -d @2000 out",
                       "/out changed (since it was built: size, TIME)");
        outputs_become(w, "printf 'longer than ten' >out && touch -d @2000 out",
                       "/out changed (since it was built: size, TIME)"); /* one more digit */
        outputs_become(w, "printf x >out && touch -d @3000 out",
                       "/out changed (since it was built: size, mtime, TIME)");
        world_free(w);
}

static void file_and_directory_replace_each_other(void **state) {
        World *w = world_new(*state);
        outputs_become(w, "rm out && mkdir out", "/out changed (since it was built: replaced)");
        outputs_become(w, "rmdir out && touch out", "/out changed (since it was built: replaced, TIME)");
        world_free(w);
}

static void directory_changes_with_anything_in_it(void **state) {
        static const char *const commands[] = {"touch out/new", "rm out/new", "chmod 600 out/f",
                                               "echo y >>out/f"};
        World *w = world_new(*state);
        shell("cd %s/v && rm out && mkdir out && touch out/f", w->s->path);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                outputs_become(w, commands[i], "/out changed (since it was built)");
        outputs_become(w, "touch out && cat out/f >/dev/null", "up to date");
        world_free(w);
}

static void without_trust_in_ctime_no_time_is_told(void **state) {
        World *w = world_new(*state);
        w->context.trust_ctime = false;
        outputs_become(w, "echo longer >out", "/out changed (since it was built: size, mtime)");
        outputs_become(w, "chmod 600 out", "up to date");
        outputs_are(w, NULL, "/out is new");
        shell("cd %s/v && rm out && mkdir out && touch out/f", w->s->path);
        outputs_become(w, "chmod 644 out/f", "up to date"); /* a change of ctime alone */
        w->context.trust_ctime = true;
        outputs_become(w, "chmod 600 out/f && chmod 644 out/f", "/out changed (since it was built)");
        world_free(w);
}

static void output_without_a_line_is_new(void **state) {
        static const char *const lines[] = {"/out1 5 1.000000000", "/ou 5 1.000000000",
                                            "/other 5 1.000000000"};
        World *w = world_new(*state);
        Stamp *stamp = stamp_new();
        outputs_are(w, NULL, "/out is new (TIME)");
        outputs_are(w, stamp, "/out is new (TIME)");
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                assert_int_equal(stamp_add(stamp, "output", "%s", lines[i]), 0);
        assert_int_equal(stamp_add(stamp, "file", "/out 5 1.000000000"), 0);
        outputs_are(w, stamp, "/out is new (TIME)");
        stamp_free(stamp);
        shell("cd %s/v && rm out && mkdir out", w->s->path);
        outputs_are(w, NULL, "/out is new"); /* the time of a directory says nothing about its content */
        world_free(w);
}

static void first_difference_is_told(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/out1", "one");
        scratch_write(w->s, "v/out2", "two");
        world_plan(w, OUTPUTS(OUTPUT("/out1") OUTPUT("/out2")));
        outputs_become(w, "rm out2 && echo longer >out1",
                       "/out1 changed (since it was built: size, mtime, TIME)");
        outputs_are(w, NULL, "/out1 is new (TIME)");
        scratch_write(w->s, "v/out2", "two");
        outputs_become(w, "rm out1 && echo longer >out2", "/out1 is missing (by TIME)");
        world_free(w);
}

static void link_to_an_output_counts_as_where_it_leads(void **state) {
        World *w = world_new(*state);
        shell("cd %s/v && mv out real && ln -s real out", w->s->path);
        outputs_become(w, "ln -sfn ./real out", "up to date");
        outputs_become(w, "echo longer >real", "/out changed (since it was built: size, mtime, TIME)");
        outputs_become(w, "rm real", "/out is missing (by TIME)");
        shell("cd %s/v && ln -sfn out out", w->s->path);
        outputs_are(w, NULL, "/out cannot be read (too many symbolic links)");
        world_free(w);
}

static void lines_are_these(void **state) {
        World *w = world_new(*state);
        const struct timespec when = {.tv_sec = 1000000000, .tv_nsec = 5};
        scratch_write(w->s, "v/a b", "12345");
        scratch_write(w->s, "v/dir/f", "");
        assert_int_equal(utimensat(w->s->fd, "v/a b", (const struct timespec[]){when, when}, 0), 0);
        world_plan(w, OUTPUTS(OUTPUT("/a b") OUTPUT("/dir")));
        Stamp *stamp = recorded(w);
        Fingerprint f;
        size_t i = 0;
        assert_string_equal(stamp_next(stamp, "output", &i), "/a\\x20b 5 1000000000.000000005");
        const char *rest = startswith(stamp_next(stamp, "output", &i), "/dir ");
        char *hex = strndup(rest, FINGERPRINT_HEX_MAX - 1);
        assert_int_equal(fingerprint_from_hex(hex, &f), 0);
        assert_string_equal(rest + FINGERPRINT_HEX_MAX - 1, " -");
        assert_null(stamp_next(stamp, "output", &i));
        free(hex);
        stamp_free(stamp);
        world_free(w);
}

static void each_instance_has_its_output(void **state) {
        World *w = world_new(*state);
        scratch_write(w->s, "v/kernels/1", "");
        scratch_write(w->s, "v/out-1", "one");
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\" each=\"/kernels/*\">"
                      "<source path=\"/src\"/><output path=\"/out-%i\"/></cache></bootcaches>");
        outputs_become(w, "echo longer >out-1", "/out-1 changed (since it was built: size, mtime, TIME)");
        world_free(w);
}

static void what_cannot_be_recorded_is_told(void **state) {
        static const struct {
                const char *command, *path;
                int error;
        } all[] = {
                {"rm out2", "/out2", -ENOENT},
                {"rm out1", "/out1", -ENOENT},
                {"ln -s out1 out1", "/out1", -ELOOP},
        };
        World *w = world_new(*state);
        scratch_write(w->s, "v/out1", "one");
        scratch_write(w->s, "v/out2", "two");
        world_plan(w, OUTPUTS(OUTPUT("/out1") OUTPUT("/out2")));
        const Subject cache = the_cache(w);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Stamp *stamp = stamp_new();
                char *missing = NULL;
                shell("cd %s/v && %s", w->s->path, all[i].command);
                assert_int_equal(outputs_record(&cache, stamp, &missing), all[i].error);
                assert_string_equal(missing, all[i].path);
                assert_int_equal(stamp->n_lines,
                                 i == 0 ? 1 : 0); /* nothing after the first that is missing */
                assert_int_equal(outputs_record(&cache, stamp, NULL), all[i].error);
                free(missing);
                stamp_free(stamp);
        }
        world_free(w);
}

static int refuse_arm(int fd, ArmKind kind, void *userdata) {
        return -EMFILE;
}

static void shortage_is_of_no_output(void **state) {
        World *w = world_new(*state);
        const Subject cache = the_cache(w);
        Freshness f = FRESHNESS_NULL;
        Stamp *stamp = stamp_new();
        char *missing = NULL;
        w->context.arm = &(Arm){refuse_arm, NULL};
        assert_int_equal(outputs_compare(&cache, stamp, &f), -EMFILE);
        assert_int_equal(f.difference, DIFFERENCE_NONE);
        assert_int_equal(outputs_record(&cache, stamp, &missing), -EMFILE);
        assert_null(missing);
        stamp_free(stamp);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(size_and_mtime_are_told_apart),
                scratch_test(file_and_directory_replace_each_other),
                scratch_test(directory_changes_with_anything_in_it),
                scratch_test(without_trust_in_ctime_no_time_is_told),
                scratch_test(output_without_a_line_is_new),
                scratch_test(first_difference_is_told),
                scratch_test(link_to_an_output_counts_as_where_it_leads),
                scratch_test(lines_are_these),
                scratch_test(each_instance_has_its_output),
                scratch_test(what_cannot_be_recorded_is_told),
                scratch_test(shortage_is_of_no_output),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
