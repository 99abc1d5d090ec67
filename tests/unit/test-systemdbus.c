/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/systemdbus.h"

#include "fixture.h"

static void assert_explained(const char *name, const char *message, const char *unit, const char *text) {
        const sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(name, message);
        _cleanup_free_ char *why = NULL;
        assert_int_equal(systemd_explain_refusal(&e, unit, &why), 0);
        assert_string_equal(why, text);
}

static void a_refusal_is_said_in_its_own_words(void **state) {
        assert_explained(SYSTEMD ".NoSuchUnit", "Unit a.service not found.", "a.service",
                         "Unit a.service not found.");
        assert_explained("org.example.Odd", NULL, "a.service", "org.example.Odd");
        assert_explained("org.example.Odd", "", "a.service", "org.example.Odd");
}

static void what_is_masked_says_how_to_undo_that(void **state) {
        assert_explained(SYSTEMD ".UnitMasked", "Unit a@b.c.service is masked.", "a@b.c.service",
                         "Unit a@b.c.service is masked. To undo that: systemctl unmask a@.service");
        assert_explained(SYSTEMD ".UnitMasked", "Masked.", "a.service",
                         "Masked. To undo that: systemctl unmask a.service");
        assert_explained(SYSTEMD ".UnitMasked", "Masked.", "a.b@c",
                         "Masked. To undo that: systemctl unmask a.b@c");
}

static void it_is_unreached_if_the_bus_says_so_not_systemd(void **state) {
        static const struct {
                const char *name;
                bool unreached;
        } all[] = {
                {SD_BUS_ERROR_NO_REPLY, true},     {SD_BUS_ERROR_NAME_HAS_NO_OWNER, true},
                {SD_BUS_ERROR_DISCONNECTED, true}, {SD_BUS_ERROR_SERVICE_UNKNOWN, true},
                {SD_BUS_ERROR_TIMEOUT, true},      {SD_BUS_ERROR_ACCESS_DENIED, false},
                {SYSTEMD ".UnitMasked", false},    {SYSTEMD ".NoSuchUnit", false},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                const sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(all[i].name, "why");
                assert_int_equal(systemd_is_unreached(&e), all[i].unreached);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_refusal_is_said_in_its_own_words),
                cmocka_unit_test(what_is_masked_says_how_to_undo_that),
                cmocka_unit_test(it_is_unreached_if_the_bus_says_so_not_systemd),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
