/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/ancestors.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "fixture.h"

static void all_of_them_are_found_from_the_youngest_on(void **state) {
        pid_t pids[ANCESTORS_MAX], ours = getpid();
        assert_int_equal(prctl(PR_SET_NAME, ") S 1 x"), 0); /* as anybody may call itself */
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                size_t n = ancestors_of(getpid(), pids);
                _exit(n >= 2 && pids[0] == getpid() && pids[1] == ours && pids[n - 1] > 1 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        size_t n = ancestors_of(ours, pids);
        assert_true(n >= 1 && pids[0] == ours && (n == 1 || pids[1] == getppid()));
}

static void a_process_that_is_not_known_has_none(void **state) {
        pid_t pids[ANCESTORS_MAX];
        assert_int_equal(ancestors_of(0, pids), 0);
        assert_int_equal(ancestors_of(1, pids), 0);
        assert_int_equal(ancestors_of(-1, pids), 0);
        assert_int_equal(ancestors_of(INT32_MAX, pids), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_of_them_are_found_from_the_youngest_on),
                cmocka_unit_test(a_process_that_is_not_known_has_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
