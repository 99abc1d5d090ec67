/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: helper/helperfiles.c */

#include "helperworld.h"

/* What the record says about a name: a set of these. */
enum {
        CARRIED = 1 << 0,
        ADOPTED = 1 << 1,
        KEPT = 1 << 2,
        OURS = 1 << 3,
};

/* What was found under it. */
typedef enum Found {
        SOMETHING, /* not what is wanted, or not read */
        FIXED,     /* exactly what is wanted, a file whose name says nothing */
        BY_CONTENT,
        ENTRY,
} Found;

static void a_file_is_ours_by_its_record_or_by_its_name(void **state) {
        static const struct {
                unsigned recorded;
                Found found;
                bool ours;
        } cases[] = {
                {0, SOMETHING, false},
                {0, FIXED, false},
                {0, BY_CONTENT, true},
                {0, ENTRY, true},
                {CARRIED, SOMETHING, true},
                {CARRIED, FIXED, true},
                {CARRIED | ADOPTED, SOMETHING, false},
                {CARRIED | ADOPTED, FIXED, false},
                {CARRIED | ADOPTED, BY_CONTENT, false},
                {CARRIED | ADOPTED, ENTRY, false},
                {CARRIED | ADOPTED | KEPT, SOMETHING, false},
                {CARRIED | ADOPTED | OURS, SOMETHING, false},
                {KEPT, SOMETHING, true},
                {KEPT, FIXED, true},
                {OURS, SOMETHING, true},
                {OURS, FIXED, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HelperRecord record = HELPER_RECORD_NULL;
                Claim claim = {};
                char path[] = "/A/x", other[] = "/a/X-01234567";
                WantedFile f = {
                        .role = cases[i].found == ENTRY ? ROLE_ENTRY : ROLE_REQUIRED,
                        .to = cases[i].found == BY_CONTENT ? other : path,
                        .path = path,
                };
                if (cases[i].recorded & CARRIED)
                        carry(&record.carried, ROLE_MISC, "/a/x", "/a/x", "")->adopted =
                                cases[i].recorded & ADOPTED;
                if (cases[i].recorded & KEPT)
                        (void) keep(&record.kept, ROLE_REQUIRED, "/a/x", BOOT_NOW);
                if (cases[i].recorded & OURS)
                        assert_int_equal(strv_extend(&record.ours, "/a/x"), 0);
                assert_int_equal(claim_init(&claim, &record), 0);
                if (claim_covers(&claim, path, cases[i].found == SOMETHING ? NULL : &f) != cases[i].ours)
                        fail_msg("case %zu", i);
                assert_true(!claim_carried(&claim, path) == !(cases[i].recorded & CARRIED));
                claim_done(&claim);
                helper_record_done(&record);
        }
}

/* Only a required file is named after its content; another name of any other file may be anybody's. */
static void only_required_files_are_named_by_content(void **state) {
        char path[] = "/x-1", to[] = "/x";
        for (CopyRole role = 0; role < _ROLE_MAX; role++) {
                const WantedFile wanted = {.role = role, .to = to, .path = path};
                const CarriedFile carried = {.role = role, .to = to, .path = path};
                assert_true(wanted_file_is_named_by_content(&wanted) == (role == ROLE_REQUIRED));
                assert_true(carried_file_is_named_by_content(&carried) == (role == ROLE_REQUIRED));
        }
        assert_false(
                wanted_file_is_named_by_content(&(WantedFile){.role = ROLE_REQUIRED, .to = to, .path = to}));
        assert_false(carried_file_is_named_by_content(
                &(CarriedFile){.role = ROLE_REQUIRED, .to = to, .path = to}));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_ours_by_its_record_or_by_its_name),
                cmocka_unit_test(only_required_files_are_named_by_content),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
