/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freshness/survey.h"

#include "freshnessworld.h"

#define BOOTCACHES(rest) "<bootcaches version=\"1\">" rest "</bootcaches>"
#define CACHE(sources) "<cache name=\"c\" builder=\"b\">" sources "<output path=\"/out\"/></cache>"

static void survey_of(World *w, Survey *survey, const Subject *subject) {
        assert_int_equal(survey_start(survey, &w->context, NULL, NULL), 0);
        assert_int_equal(survey_subject(survey, subject), 0);
}

static void print_digest(Survey *survey, char hex[static FINGERPRINT_HEX_MAX]) {
        Fingerprint f = hasher_digest(survey->hasher);
        (void) fingerprint_to_hex(&f, hex);
        survey_done(survey);
}

static void digest_of_cache(World *w, char hex[static FINGERPRINT_HEX_MAX]) {
        Survey survey;
        survey_of(w, &survey, &(Subject){.context = &w->context, .cache = &w->plan->caches[0]});
        print_digest(&survey, hex);
}

static void digest_of_helper(World *w, char hex[static FINGERPRINT_HEX_MAX]) {
        Survey survey;
        survey_of(w, &survey, &(Subject){.context = &w->context, .helper = &w->helper});
        print_digest(&survey, hex);
}

/* Otherwise everything would be built again once bootkeep was updated. */
static void fingerprints_are_those_of_the_version_before(void **state) {
        World *w = world_new(*state);
        char hex[FINGERPRINT_HEX_MAX];
        world_plan(w, BOOTCACHES(CACHE(
                              "<source path=\"/none\" optional=\"yes\"/>") "<copy role=\"misc\" "
                                                                           "from=\"/none\" to=\"/to\"/>"));
        digest_of_cache(w, hex);
        assert_string_equal(hex, "4cd6fe003501dc5d6935f65b005b56a4");
        digest_of_helper(w, hex);
        assert_string_equal(hex, "4a07e02ea708b2279dc4db226eadb8ab");
        world_free(w);
}

static void helper_differs(World *w, const char *manifest, const char *other, bool expected) {
        char before[FINGERPRINT_HEX_MAX], after[FINGERPRINT_HEX_MAX];
        world_plan(w, manifest);
        digest_of_helper(w, before);
        world_plan(w, other);
        digest_of_helper(w, after);
        assert_int_equal(!streq(before, after), expected);
}

static void copies_count_by_role_and_place(void **state) {
        static const char manifest[] = BOOTCACHES("<copy role=\"required\" from=\"/out\" to=\"/a\"/>");
        World *w = world_new(*state);
        helper_differs(w, manifest, manifest, false);
        helper_differs(w, manifest, BOOTCACHES("<copy role=\"misc\" from=\"/out\" to=\"/a\"/>"), true);
        helper_differs(w, manifest, BOOTCACHES("<copy role=\"required\" from=\"/out\" to=\"/b\"/>"), true);
        helper_differs(w, manifest, BOOTCACHES("<copy role=\"required\" from=\"/src/a\" to=\"/a\"/>"), true);
        world_free(w);
}

static void copies_for_another_helper_do_not_count(void **state) {
        World *w = world_new(*state);
        w->helper.disk_has_xbootldr = true;
        helper_differs(w, BOOTCACHES("<copy role=\"required\" from=\"/out\" to=\"/a\"/>"),
                       BOOTCACHES("<copy role=\"required\" helper=\"xbootldr\" from=\"/gone\" to=\"/b\"/>"
                                  "<copy role=\"required\" from=\"/out\" to=\"/a\"/>"),
                       false);
        world_free(w);
}

static void helper_for_which_there_are_no_copies_is_surveyed_all_the_same(void **state) {
        World *w = world_new(*state);
        helper_differs(w, BOOTCACHES(""),
                       BOOTCACHES("<copy role=\"required\" helper=\"xbootldr\" from=\"/out\" to=\"/a\"/>"),
                       true);
        w->helper.disk_has_xbootldr = true;
        helper_differs(w, BOOTCACHES(""),
                       BOOTCACHES("<copy role=\"required\" helper=\"xbootldr\" from=\"/out\" to=\"/a\"/>"),
                       false);
        world_free(w);
}

static void builders_of_one_command_are_told_apart_by_name(void **state) {
        World *w = world_new(*state);
        char before[FINGERPRINT_HEX_MAX], after[FINGERPRINT_HEX_MAX];
        digest_of_cache(w, before);
        Definition renamed = *w->plan->caches[0].definition;
        char other[] = "other";
        renamed.name = other;
        w->plan->caches[0].definition = &renamed;
        digest_of_cache(w, after);
        assert_string_not_equal(before, after);
        world_free(w);
}

static void absence_counts_by_path(void **state) {
        World *w = world_new(*state);
        char before[FINGERPRINT_HEX_MAX], after[FINGERPRINT_HEX_MAX];
        world_plan(w, BOOTCACHES(CACHE("<source path=\"/none\" optional=\"yes\"/>")));
        digest_of_cache(w, before);
        world_plan(w, BOOTCACHES(CACHE("<source path=\"/gone\" optional=\"yes\"/>")));
        digest_of_cache(w, after);
        assert_string_not_equal(before, after);
        world_plan(w, BOOTCACHES(CACHE("<source path=\"/none\" optional=\"yes\"/>")));
        scratch_write(w->s, "v/none", "");
        digest_of_cache(w, after);
        assert_string_not_equal(before, after);
        world_free(w);
}

static void ctime_counts_where_it_is_trusted(void **state) {
        World *w = world_new(*state);
        char before[FINGERPRINT_HEX_MAX], after[FINGERPRINT_HEX_MAX];
        for (int trust = 0; trust < 2; trust++) {
                w->context.trust_ctime = trust;
                digest_of_cache(w, before);
                shell("chmod 600 %s/v/src/a && chmod 644 %s/v/src/a", w->s->path, w->s->path);
                digest_of_cache(w, after);
                assert_int_equal(!streq(before, after), trust);
        }
        world_free(w);
}

/* Which of these paths may be missing, alone or through a file that is in the way. */
static void only_what_may_be_missing_may(void **state) {
        static const struct {
                const char *path;
                bool may_miss;
                int error;
        } all[] = {
                {"/src/a", false, 0},     {"/none", true, 0},          {"/none", false, -ENOENT},
                {"/src/a/none", true, 0}, {"/src/loop", true, -ELOOP}, {"/src/a/none", false, -ENOTDIR},
        };
        World *w = world_new(*state);
        assert_int_equal(symlinkat("loop", w->s->fd, "v/src/loop"), 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                Survey survey;
                assert_int_equal(survey_start(&survey, &w->context, NULL, NULL), 0);
                assert_int_equal(survey_path(&survey, all[i].path, NULL, all[i].may_miss), 0);
                assert_int_equal(survey.error, all[i].error);
                assert_int_equal(survey.finding.difference != DIFFERENCE_NONE, all[i].error < 0);
                survey_done(&survey);
        }
        world_free(w);
}

/* Required ones are not; those of other roles neither. */
static void copies_of_the_role_misc_may_be_missing(void **state) {
        static const char *const roles[] = {"misc", "required", "entry"};
        World *w = world_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(roles); i++) {
                char manifest[256];
                Survey survey;
                (void) snprintf(manifest, sizeof(manifest),
                                BOOTCACHES("<copy role=\"%s\" from=\"/none\" to=\"/a.conf\"/>"), roles[i]);
                world_plan(w, manifest);
                survey_of(w, &survey, &(Subject){.context = &w->context, .helper = &w->helper});
                assert_int_equal(survey.error, i == 0 ? 0 : -ENOENT);
                survey_done(&survey);
        }
        world_free(w);
}

static void first_error_counts(void **state) {
        World *w = world_new(*state);
        Survey survey;
        assert_int_equal(symlinkat("loop", w->s->fd, "v/src/loop"), 0);
        assert_int_equal(survey_start(&survey, &w->context, NULL, NULL), 0);
        assert_int_equal(survey_path(&survey, "/src/loop", NULL, false), 0);
        assert_int_equal(survey_path(&survey, "/none", NULL, false), 0);
        assert_int_equal(survey.error, -ELOOP);
        assert_int_equal(survey.finding.difference, DIFFERENCE_UNREADABLE);
        assert_string_equal(survey.finding.path, "/src/loop");
        survey_done(&survey);
        world_free(w);
}

static int count_entry(const WalkEntry *entry, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

static int end_walk(const WalkEntry *entry, void *userdata) {
        return -ENFILE;
}

static void each_file_is_visited(void **state) {
        World *w = world_new(*state);
        size_t n = 0;
        Survey survey;
        const Visitor counting = {count_entry, &n}, ending = {end_walk, NULL};
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        assert_int_equal(survey_start(&survey, &w->context, NULL, &counting), 0);
        assert_int_equal(survey_subject(&survey, &cache), 0);
        assert_int_equal(n, 4); /* /src, /src/a, /src/b, /src/b/c */
        survey_done(&survey);
        assert_null(survey.visitor);
        assert_null(survey.hasher);
        assert_int_equal(survey_start(&survey, &w->context, NULL, &ending), 0);
        assert_int_equal(survey_subject(&survey, &cache), -ENFILE);
        assert_int_equal(survey.finding.difference, DIFFERENCE_NONE);
        survey_done(&survey);
        world_free(w);
}

static int count_arm(int fd, ArmKind kind, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

static void what_is_armed_is_the_survey_s_own_choice(void **state) {
        World *w = world_new(*state);
        size_t n = 0;
        Survey survey;
        const Arm arm = {count_arm, &n};
        const Subject cache = {.context = &w->context, .cache = &w->plan->caches[0]};
        w->context.arm = &arm;
        survey_of(w, &survey, &cache);
        survey_done(&survey);
        assert_int_equal(n, 0);
        w->context.arm = NULL;
        assert_int_equal(survey_start(&survey, &w->context, &arm, NULL), 0);
        assert_int_equal(survey_subject(&survey, &cache), 0);
        survey_done(&survey);
        assert_true(n > 0);
        world_free(w);
}

static void survey_that_is_done_holds_nothing(void **state) {
        World *w = world_new(*state);
        Survey survey;
        assert_int_equal(survey_start(&survey, &w->context, NULL, NULL), 0);
        assert_int_equal(survey_path(&survey, "/none", NULL, false), 0);
        survey_done(&survey);
        assert_int_equal(survey.error, 0);
        assert_null(survey.hasher);
        assert_null(survey.finding.path);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(fingerprints_are_those_of_the_version_before),
                scratch_test(copies_count_by_role_and_place),
                scratch_test(copies_for_another_helper_do_not_count),
                scratch_test(helper_for_which_there_are_no_copies_is_surveyed_all_the_same),
                scratch_test(builders_of_one_command_are_told_apart_by_name),
                scratch_test(absence_counts_by_path),
                scratch_test(ctime_counts_where_it_is_trusted),
                scratch_test(only_what_may_be_missing_may),
                scratch_test(copies_of_the_role_misc_may_be_missing),
                scratch_test(first_error_counts),
                scratch_test(each_file_is_visited),
                scratch_test(what_is_armed_is_the_survey_s_own_choice),
                scratch_test(survey_that_is_done_holds_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
