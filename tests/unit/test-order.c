/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What depends on what, according to paths; and that thousands of paths cost next to nothing. */

#include "fixture.h"

#include <sys/random.h>

#include "interpose.h"

#include "manifest/order.h"

static size_t random_bytes; /* asked for so far */

ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
        random_bytes += size;
        return REAL(getrandom)(buffer, size, flags);
}

typedef struct Path {
        size_t item;
        OrderKind kind;
        const char *path;
        const char *scope;
} Path;

#define READS(item, path)                                                                                    \
        { item, ORDER_SOURCE, path, NULL }
#define WRITES(item, path)                                                                                   \
        { item, ORDER_OUTPUT, path, NULL }

static int sort(size_t n_items, const Path *paths, size_t n_paths, size_t **ret, size_t *ret_n) {
        _cleanup_(order_freep) Order *o = NULL;
        size_t other = 0;
        assert_int_equal(order_new(n_items, &o), 0);
        for (size_t i = 0; i < n_paths; i++)
                assert_int_equal(order_declare(o, paths[i].item,
                                               &(OrderPath){paths[i].kind, paths[i].scope, paths[i].path},
                                               &other),
                                 0);
        for (size_t i = 0; i < n_paths; i++)
                assert_int_equal(order_connect(o, paths[i].item,
                                               &(OrderPath){paths[i].kind, paths[i].scope, paths[i].path}),
                                 0);
        return order_sort(o, ret, ret_n);
}

/* The result R with the items EXPECTED, as digits. */
static void gives(const Path *paths, size_t n_paths, size_t n_items, int expected_r, const char *expected) {
        _cleanup_free_ size_t *items = NULL;
        size_t n = 0;
        char digits[16] = "";
        assert_int_equal(sort(n_items, paths, n_paths, &items, &n), expected_r);
        for (size_t i = 0; i < n && i + 1 < sizeof(digits); i++)
                digits[i] = (char) ('0' + items[i]);
        assert_string_equal(digits, expected);
}

#define SORTS(expected, n_items, ...)                                                                        \
        do {                                                                                                 \
                const Path paths[] = {__VA_ARGS__};                                                          \
                gives(paths, ELEMENTSOF(paths), n_items, 0, expected);                                       \
        } while (0)
#define CIRCLE(expected, n_items, ...)                                                                       \
        do {                                                                                                 \
                const Path paths[] = {__VA_ARGS__};                                                          \
                gives(paths, ELEMENTSOF(paths), n_items, -ELOOP, expected);                                  \
        } while (0)

static void writers_come_before_readers(void **state) {
        SORTS("10", 2, READS(0, "/x"), WRITES(0, "/y"), READS(1, "/z"), WRITES(1, "/x"));
        SORTS("210", 3, READS(0, "/b"), WRITES(0, "/c"), READS(1, "/a"), WRITES(1, "/b"), READS(2, "/s"),
              WRITES(2, "/a"));
}

static void directories_count_as_what_is_in_them(void **state) {
        SORTS("10", 2, READS(0, "/d"), WRITES(0, "/y"), READS(1, "/z"), WRITES(1, "/d/e/f"));
        SORTS("10", 2, READS(0, "/d/e/f"), WRITES(0, "/y"), READS(1, "/z"), WRITES(1, "/d"));
        /* all that read it */
        SORTS("201", 3, READS(0, "/d"), WRITES(0, "/0"), READS(1, "/d"), WRITES(1, "/1"), READS(2, "/s"),
              WRITES(2, "/d/e"));
        /* a common prefix of names is not a directory */
        SORTS("01", 2, READS(0, "/d"), WRITES(0, "/y"), READS(1, "/z"), WRITES(1, "/de"));
        SORTS("01", 2, READS(0, "/d/ef"), WRITES(0, "/y"), READS(1, "/z"), WRITES(1, "/d/e"));
}

/* What is in a directory has nothing to do with what has its name in another. */
static void same_name_in_another_directory_is_another_place(void **state) {
        SORTS("01", 2, READS(0, "/a/x"), WRITES(0, "/c/y"), READS(1, "/s"), WRITES(1, "/b/x"));
        SORTS("01", 2, READS(0, "/s"), WRITES(0, "/a/x"), READS(1, "/s"), WRITES(1, "/b/x"));
}

/* All directories above a path count, not only the first, and missing ones are skipped. */
static void every_part_of_a_path_counts(void **state) {
        SORTS("3120", 4, READS(0, "/a/b/c"), WRITES(0, "/y"), READS(1, "/x"), WRITES(1, "/a/b"),
              READS(2, "/s"), WRITES(2, "/a"), READS(3, "/s"), WRITES(3, "/x"));
        SORTS("120", 3, READS(0, "/a/b"), WRITES(0, "/y"), READS(1, "/s"), WRITES(1, "/q"), READS(2, "/q"),
              WRITES(2, "/a/b"));
}

static void the_rest_keeps_its_order(void **state) {
        SORTS("0123", 4, READS(0, "/a"), WRITES(0, "/0"), READS(1, "/a"), WRITES(1, "/1"), READS(2, "/a"),
              WRITES(2, "/2"), READS(3, "/a"), WRITES(3, "/3"));
        SORTS("1230", 4, READS(0, "/3"), WRITES(0, "/0"), READS(1, "/a"), WRITES(1, "/1"), READS(2, "/1"),
              WRITES(2, "/2"), READS(3, "/a"), WRITES(3, "/3"), READS(0, "/2"));
        _cleanup_free_ size_t *items = NULL;
        size_t n = 1;
        assert_int_equal(sort(0, NULL, 0, &items, &n), 0);
        assert_int_equal(n, 0);
}

/* The lowest come as early as they can: a boot menu, last in the manifest, does not overtake the initramfs
 * because that has something to wait for. */
static void what_waits_is_not_overtaken(void **state) {
        SORTS("012", 3, READS(0, "/a"), WRITES(0, "/dep"), READS(1, "/dep"), WRITES(1, "/initrd"),
              READS(2, "/b"), WRITES(2, "/menu"));
        SORTS("102", 3, READS(1, "/a"), WRITES(1, "/dep"), READS(0, "/dep"), WRITES(0, "/initrd"),
              READS(2, "/b"), WRITES(2, "/menu"));
        SORTS("201", 3, READS(2, "/a"), WRITES(2, "/dep"), READS(0, "/dep"), WRITES(0, "/initrd"),
              READS(1, "/b"), WRITES(1, "/menu"));
        SORTS("012", 3, READS(1, "/a"), WRITES(1, "/dep"), READS(2, "/dep"), WRITES(2, "/initrd"),
              READS(0, "/b"), WRITES(0, "/menu"));
}

static void groups_come_before_what_reads_them(void **state) {
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *items = NULL;
        size_t n = 0;
        assert_int_equal(order_new(4, &o), 0);
        assert_int_equal(order_join(o, 0, ORDER_SOURCE, "initrd"), 0);
        assert_int_equal(order_join(o, 1, ORDER_OUTPUT, "other"), 0);
        assert_int_equal(order_join(o, 2, ORDER_OUTPUT, "initrd"), 0);
        assert_int_equal(order_join(o, 3, ORDER_OUTPUT, "initrd"), 0);
        assert_int_equal(order_sort(o, &items, &n), 0);
        assert_int_equal(n, 4);
        assert_memory_equal(items, ((size_t[]){2, 3, 0, 1}), 4 * sizeof(size_t));
        free(items);
        items = NULL;
        assert_int_equal(order_join(o, 0, ORDER_OUTPUT, "menu"), 0);
        assert_int_equal(order_join(o, 3, ORDER_SOURCE, "menu"), 0);
        assert_int_equal(order_sort(o, &items, &n), -ELOOP);
        assert_int_equal(n, 2);
        assert_memory_equal(items, ((size_t[]){0, 3}), 2 * sizeof(size_t));
}

static void cycles_are_found_with_their_members(void **state) {
        CIRCLE("0", 1, READS(0, "/x"), WRITES(0, "/x"));
        CIRCLE("0", 1, READS(0, "/x"), WRITES(0, "/x/y"));
        CIRCLE("01", 2, READS(0, "/x"), WRITES(0, "/y"), READS(1, "/y"), WRITES(1, "/x"));
        CIRCLE("0123", 4, READS(0, "/3"), WRITES(0, "/0"), READS(1, "/0"), WRITES(1, "/1"), READS(2, "/1"),
               WRITES(2, "/2"), READS(3, "/2"), WRITES(3, "/3"));
        CIRCLE("0321", 4, READS(0, "/1"), WRITES(0, "/0"), READS(1, "/2"), WRITES(1, "/1"), READS(2, "/3"),
               WRITES(2, "/2"), READS(3, "/0"), WRITES(3, "/3"));
        /* wherever it is found first, it begins with the lowest */
        CIRCLE("1423", 5, READS(0, "/s"), WRITES(0, "/0"), READS(4, "/1"), WRITES(4, "/4"), READS(2, "/4"),
               WRITES(2, "/2"), READS(3, "/2"), WRITES(3, "/3"), READS(1, "/3"), WRITES(1, "/1"));
        CIRCLE("1423", 5, READS(0, "/s"), WRITES(0, "/0"), READS(1, "/3"), WRITES(1, "/1"), READS(3, "/2"),
               WRITES(3, "/3"), READS(4, "/1"), WRITES(4, "/4"), READS(2, "/4"), WRITES(2, "/2"));
        /* what leads into it is not a member, although it is named last */
        CIRCLE("132", 4, READS(0, "/s"), WRITES(0, "/0"), READS(1, "/2"), WRITES(1, "/1"), READS(2, "/3"),
               WRITES(2, "/2"), READS(3, "/1"), WRITES(3, "/3"), READS(1, "/0"), READS(2, "/0"),
               READS(3, "/0"));
        /* 0 leads into it and 4 comes after it: neither is a member */
        CIRCLE("132", 5, READS(0, "/s"), WRITES(0, "/0"), READS(1, "/0"), READS(1, "/2"), WRITES(1, "/1"),
               READS(2, "/3"), WRITES(2, "/2"), READS(3, "/1"), WRITES(3, "/3"), READS(4, "/1"),
               WRITES(4, "/4"));
}

static void an_output_has_one_writer(void **state) {
        _cleanup_(order_freep) Order *o = NULL;
        size_t other = 9;
        assert_int_equal(order_new(3, &o), 0);
        assert_int_equal(order_declare(o, 1, &(OrderPath){ORDER_OUTPUT, NULL, "/a/b"}, &other), 0);
        assert_int_equal(order_declare(o, 2, &(OrderPath){ORDER_SOURCE, NULL, "/a/b"}, &other), 0);
        assert_int_equal(order_declare(o, 0, &(OrderPath){ORDER_SOURCE, NULL, "/a/b"}, &other), 0);
        assert_int_equal(other, 9);
        assert_int_equal(order_declare(o, 2, &(OrderPath){ORDER_OUTPUT, NULL, "/a/b"}, &other), -EEXIST);
        assert_int_equal(other, 1);
        assert_int_equal(order_declare(o, 2, &(OrderPath){ORDER_OUTPUT, NULL, "/a"}, &other), 0);
}

static void scopes_tell_instances_apart(void **state) {
        SORTS("10", 2, {0, ORDER_SOURCE, "/x%i", "/e/*"}, WRITES(0, "/y"), READS(1, "/z"),
              {1, ORDER_OUTPUT, "/x%i", "/e/*"});
        SORTS("01", 2, {0, ORDER_SOURCE, "/x%i", "/e/*"}, WRITES(0, "/y"), READS(1, "/z"),
              {1, ORDER_OUTPUT, "/x%i", "/f/*"});
        /* also of what is further down */
        SORTS("01", 2, {0, ORDER_SOURCE, "/x%i/y", "/e/*"}, WRITES(0, "/y"), READS(1, "/z"),
              {1, ORDER_OUTPUT, "/x%i/y", "/f/*"});
        /* without %i the scope does not matter */
        SORTS("10", 2, {0, ORDER_SOURCE, "/d", "/e/*"}, WRITES(0, "/y"), READS(1, "/z"),
              {1, ORDER_OUTPUT, "/d/%i", "/f/*"});
}

/* or somebody could choose paths that are taken for each other */
static void hashes_are_seeded_at_random(void **state) {
        Order *o = NULL;
        random_bytes = 0;
        assert_int_equal(order_new(1, &o), 0);
        assert_true(random_bytes >= 8);
        order_free(o);
}

static void many_below_one_directory_stay_cheap(void **state) {
        enum { n = 4000 }; /* each of 2000 writes below what each of 2000 others reads: 4 million pairs */
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *items = NULL;
        size_t other = 0, count = 0;
        char path[64];
        assert_int_equal(order_new(n, &o), 0);
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < n; i++) {
                        OrderKind kind = i < n / 2 ? ORDER_SOURCE : ORDER_OUTPUT;
                        (void) snprintf(path, sizeof(path), kind == ORDER_SOURCE ? "/boot" : "/boot/%zu", i);
                        if (round == 0)
                                assert_int_equal(order_declare(o, i, &(OrderPath){kind, NULL, path}, &other),
                                                 0);
                        else
                                assert_int_equal(order_connect(o, i, &(OrderPath){kind, NULL, path}), 0);
                }
        assert_int_equal(order_sort(o, &items, &count), 0);
        assert_int_equal(count, n);
        assert_int_equal(items[0], n / 2);
        assert_int_equal(items[n / 2], 0);
        assert_int_equal(items[n - 1], n / 2 - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_part_of_a_path_counts),
                cmocka_unit_test(writers_come_before_readers),
                cmocka_unit_test(directories_count_as_what_is_in_them),
                cmocka_unit_test(same_name_in_another_directory_is_another_place),
                cmocka_unit_test(hashes_are_seeded_at_random),
                cmocka_unit_test(the_rest_keeps_its_order),
                cmocka_unit_test(what_waits_is_not_overtaken),
                cmocka_unit_test(groups_come_before_what_reads_them),
                cmocka_unit_test(cycles_are_found_with_their_members),
                cmocka_unit_test(an_output_has_one_writer),
                cmocka_unit_test(scopes_tell_instances_apart),
                cmocka_unit_test(many_below_one_directory_stay_cheap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
