/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/core/unitend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct Case {
        const char *result, *code, *status;
        bool began;
        int expected;
        const char *why; /* words of it, or NULL */
} Case;

static void what_systemd_says_is_understood(void **state) {
        static const Case cases[] = {
                {"success", "exited", "0", true, 0, NULL},
                {"exit-code", "exited", "1", true, 1, NULL},
                {"success", "exited", "75", true, 75, NULL},
                {"exit-code", "exited", "199", true, 199, NULL},
                {"signal", "killed", "KILL", true, 128 + 9, NULL},
                {"signal", "killed", "TERM", true, 128 + 15, NULL},
                {"success", "killed", "TERM", true, 128 + 15, NULL},
                {"core-dump", "dumped", "SEGV", true, 128 + 11, "crashed"},
                {"core-dump", "dumped", "ABRT", true, 128 + 6, "crashed"},
                {"signal", "killed", "RTMIN", true, 128 + 9, NULL}, /* a signal at least */
                {"oom-kill", "killed", "KILL", true, 128 + 9, "memory"},
                {"oom-kill", "exited", "1", true, 1, "memory"},
                {"oom-kill", "exited", "0", true, 0, NULL}, /* it was not the one that was killed */
                {"timeout", "killed", "TERM", true, 128 + 15, "longer"},
                {"watchdog", "killed", "ABRT", true, 128 + 6, "watchdog"},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Case *c = &cases[i];
                UnitEnd end = unitend_of(c->result, c->code, c->status);
                assert_int_equal(end.began, c->began);
                assert_int_equal(end.status, c->expected);
                if (c->why)
                        assert_non_null(strstr(strempty(end.why), c->why));
                else
                        assert_null(end.why);
        }
}

/* Then the build may be begun in another way. */
static void what_never_began_is_told_apart(void **state) {
        static const Case cases[] = {
                {"exit-code", "exited", "203", false, 203, NULL}, /* EXEC */
                {"exit-code", "exited", "226", false, 226, NULL}, /* NAMESPACE */
                {"exit-code", "exited", "200", false, 200, NULL},
                {"exit-code", "exited", "255", false, 255, NULL},
                {"resources", "-", "-", false, 255, NULL},
                {"success", "-", "-", false, 255, NULL},
                {"", "", "", false, 255, NULL},
                {"exit-code", "exited", "", false, 255, NULL},
                {"exit-code", "exited", "-1", false, 255, NULL},
                {"exit-code", "exited", "1x", false, 255, NULL},
                {"exit-code", "exited", "256", false, 255, NULL},
                {"exit-code", "exited", "99999999999999999999", false, 255, NULL},
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                UnitEnd end = unitend_of(cases[i].result, cases[i].code, cases[i].status);
                assert_false(end.began);
                assert_int_equal(end.status, cases[i].expected);
                assert_null(end.why);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_systemd_says_is_understood),
                cmocka_unit_test(what_never_began_is_told_apart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
