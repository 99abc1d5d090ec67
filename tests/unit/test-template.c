/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths with specifiers: which are refused, what they expand to, and the cost of expanding them. */

#include "fixture.h"

#include "manifest/template.h"

#define ID "0123456789abcdef0123456789abcdef"

static void problems_are_named(void **state) {
        static const struct {
                const char *template, *problem;
        } all[] = {
                {"/a", NULL},
                {"/a/%i/%m/%%", NULL},
                {"/%%x", NULL},
                {"/a b~\xc3\xa4\x80", NULL},
                {"/...", NULL},
                {"", "a path must begin with /"},
                {"a", "a path must begin with /"},
                {"/", "the root itself is not allowed"},
                {"//", "a path must not contain an empty part, \".\" or \"..\""},
                {"/a/", "a path must not contain an empty part, \".\" or \"..\""},
                {"/a/../b", "a path must not contain an empty part, \".\" or \"..\""},
                {"/.", "a path must not contain an empty part, \".\" or \"..\""},
                {"/a\n", "a path must not contain control characters"},
                {"/\x1f", "a path must not contain control characters"},
                {"/\x7f", "a path must not contain control characters"},
                {"/\x01", "a path must not contain control characters"},
                {"/%", "the specifiers are %i, %m and %%"},
                {"/%%%", "the specifiers are %i, %m and %%"},
                {"/%x", "the specifiers are %i, %m and %%"},
                {"/%I", "the specifiers are %i, %m and %%"},
                {"/%i%m%n", "the specifiers are %i, %m and %%"},
                {"/%/i", "the specifiers are %i, %m and %%"},
        };
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                const char *problem = template_problem(all[i].template);
                if (!streq_ptr(problem, all[i].problem))
                        fail_msg("%s: \"%s\"", all[i].template, strempty(problem));
        }
        char longest[TEMPLATE_PATH_MAX + 2];
        memset(longest, 'a', sizeof(longest));
        longest[0] = '/';
        longest[TEMPLATE_PATH_MAX + 1] = 0;
        assert_string_equal(template_problem(longest), "a path must not be longer than 4095 bytes");
        longest[TEMPLATE_PATH_MAX] = 0;
        assert_null(template_problem(longest));
}

static void uses_are_found(void **state) {
        assert_true(template_uses("/a/%i", 'i'));
        assert_true(template_uses("/%m%i", 'i'));
        assert_true(template_uses("/%%%i", 'i'));
        assert_true(template_uses("/%%", '%'));
        assert_false(template_uses("/a/%i", 'm'));
        assert_false(template_uses("/%%i", 'i'));
        assert_false(template_uses("/i", 'i'));
        assert_false(template_uses("/%", 'i'));
        assert_false(template_uses("", 'i'));
}

static void expands_to(const char *template, const char *instance, const char *id, const char *expected) {
        char buffer[TEMPLATE_PATH_MAX + 1];
        int r = template_expand(template, instance, id, buffer);
        if (r != 0 || !streq(buffer, expected))
                fail_msg("%s: %i", template, r);
}

static void fails(const char *template, const char *instance, const char *id, int expected) {
        char buffer[TEMPLATE_PATH_MAX + 1];
        assert_int_equal(template_expand(template, instance, id, buffer), expected);
}

static void specifiers_are_replaced_where_they_stand(void **state) {
        expands_to("/a", NULL, NULL, "/a");
        expands_to("/a-%i.b", "6.1", NULL, "/a-6.1.b");
        expands_to("/%i/%i", "x", NULL, "/x/x");
        expands_to("/%m/%i", "x", ID, "/" ID "/x");
        expands_to("/%%i%%", "x", ID, "/%i%");
        expands_to("/%i", "%m", ID, "/%m"); /* inserted text is not expanded again */
        expands_to("/x%i", "", NULL, "/x");
        fails("/%i", NULL, ID, -EINVAL);
        fails("/%m", "x", NULL, -EINVAL);
        fails("/%x", "x", ID, -EINVAL);
        fails("/%", "x", ID, -EINVAL);
        fails("/a/%i", "..", NULL, -EINVAL);
        fails("/a/%i", ".", NULL, -EINVAL);
        fails("/a/%i", "", NULL, -EINVAL);
        fails("/a/%i", "/b", NULL, -EINVAL);
        fails("/a/%i", "b/", NULL, -EINVAL);
        expands_to("/%i", "..x", NULL, "/..x");
}

static void what_is_too_long_is_so_to_the_byte(void **state) {
        char name[TEMPLATE_PATH_MAX + 1], expected[TEMPLATE_PATH_MAX + 1];
        memset(name, 'n', sizeof(name));
        name[TEMPLATE_PATH_MAX - 1] = 0;
        expected[0] = '/';
        strcpy(expected + 1, name);
        expands_to("/%i", name, NULL, expected);
        name[TEMPLATE_PATH_MAX - 1] = 'n';
        name[TEMPLATE_PATH_MAX] = 0;
        fails("/%i", name, NULL, -ENAMETOOLONG);
        name[TEMPLATE_PATH_MAX - 1] = 0;
        fails("/%ix", name, NULL, -ENAMETOOLONG);
        fails("/%i%i", name, NULL, -ENAMETOOLONG);
        name[TEMPLATE_PATH_MAX - 2] = 0;
        expected[TEMPLATE_PATH_MAX - 1] = 'x';
        expands_to("/%ix", name, NULL, expected);
}

/* Bytes, 32 more for each path and 4 more for each part; 32 for a machine id. */
static void costs_are_counted(void **state) {
        static const struct {
                const char *template;
                size_t fixed, instances;
        } all[] = {
                {"/a", 32 + 4 + 2, 0},     {"/a/bc", 32 + 8 + 5, 0},    {"/%i", 32 + 4 + 2, 1},
                {"/%i/%i", 32 + 8 + 4, 2}, {"/%m", 32 + 4 + 1 + 32, 0}, {"/%m%i-", 32 + 4 + 3 + 32, 1},
                {"/%%", 32 + 4 + 2, 0},    {"/%%i", 32 + 4 + 3, 0},     {"/%", 32 + 4 + 2, 0},
        };
        TemplateCost sum = {}, expected = {};
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                TemplateCost cost = {};
                template_add_cost(all[i].template, &cost);
                if (cost.fixed != all[i].fixed || cost.instances != all[i].instances)
                        fail_msg("%s: %zu, %zu", all[i].template, cost.fixed, cost.instances);
                template_add_cost(all[i].template, &sum);
                expected.fixed += cost.fixed;
                expected.instances += cost.instances;
        }
        assert_int_equal(sum.fixed, expected.fixed);
        assert_int_equal(sum.instances, expected.instances);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(problems_are_named),
                cmocka_unit_test(uses_are_found),
                cmocka_unit_test(specifiers_are_replaced_where_they_stand),
                cmocka_unit_test(what_is_too_long_is_so_to_the_byte),
                cmocka_unit_test(costs_are_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
