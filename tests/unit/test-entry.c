/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interpose.h"

#include "helper/entry.h"

/* What libc says of a stream, whatever happened to it. */
static bool stream_fails, closing_fails;

int ferror(FILE *f) {
        return stream_fails ? 1 : REAL(ferror)(f);
}

int fclose(FILE *f) {
        int r = REAL(fclose)(f);
        return closing_fails ? EOF : r;
}

static const char *initrd_to_new(const char *word, size_t size, void *userdata) {
        return size == 7 && memcmp(word, "/initrd", 7) == 0 ? userdata : NULL;
}

static char new_name[] = "/initrd-1f6a03c2";
static const EntryNames to_new = {.name = initrd_to_new, .userdata = new_name};

static char *rewritten(const char *text) {
        char *made = NULL;
        size_t size = 0;
        assert_int_equal(entry_rewrite(text, strlen(text), &to_new, &made, &size), 0);
        assert_int_equal(strlen(made), size);
        return made;
}

static void assert_rewritten(const char *text, const char *expected) {
        char *made = rewritten(text);
        assert_string_equal(made, expected);
        free(made);
}

static void whole_words_are_replaced_and_white_space_is_kept(void **state) {
        assert_rewritten("title x\n\tinitrd  /initrd\r\n", "title x\n\tinitrd  /initrd-1f6a03c2\r\n");
        assert_rewritten("/initrd /initrd", "/initrd-1f6a03c2 /initrd-1f6a03c2");
        assert_rewritten("a\f/initrd\v/initrd", "a\f/initrd-1f6a03c2\v/initrd-1f6a03c2");
        assert_rewritten("a\t/initrd\tb", "a\t/initrd-1f6a03c2\tb");
        assert_rewritten("", "");
}

static void failed_write_of_a_text_is_out_of_memory(void **state) {
        char *made = NULL;
        size_t size = 77;
        stream_fails = true;
        assert_int_equal(entry_rewrite("a", 1, &to_new, &made, &size), -ENOMEM);
        stream_fails = false;
        closing_fails = true;
        assert_int_equal(entry_rewrite("a", 1, &to_new, &made, &size), -ENOMEM);
        closing_fails = false;
        assert_null(made);
        assert_int_equal(size, 77);
}

static void parts_of_words_are_not_replaced(void **state) {
        assert_rewritten("initrd /initrd.old\n", "initrd /initrd.old\n");
        assert_rewritten("initrd=/initrd x/initrd\n", "initrd=/initrd x/initrd\n");
        assert_rewritten("options /initr\n", "options /initr\n");
}

static void entries_that_are_not_text_are_refused(void **state) {
        char *made = NULL, *big = calloc(1, ENTRY_SIZE_MAX + 1);
        size_t size;

        assert_int_equal(entry_rewrite("a\0b", 3, &to_new, &made, &size), -EINVAL);
        assert_non_null(big);
        memset(big, 'a', ENTRY_SIZE_MAX + 1);
        assert_int_equal(entry_rewrite(big, ENTRY_SIZE_MAX + 1, &to_new, &made, &size), -EFBIG);
        assert_null(made);
        assert_int_equal(entry_rewrite(big, ENTRY_SIZE_MAX, &to_new, &made, &size), 0);
        assert_int_equal(size, ENTRY_SIZE_MAX);
        free(made);
        free(big);
}

static void words_are_found_whole(void **state) {
        const char *text = "linux /a/linux\ninitrd /a/initrd";

        assert_true(entry_has_word(text, strlen(text), "/a/linux"));
        assert_true(entry_has_word(text, strlen(text), "/a/initrd"));
        assert_false(entry_has_word(text, strlen(text), "/a/init"));
        assert_false(entry_has_word(text, strlen(text), "a/initrd"));
        assert_false(entry_has_word(text, strlen(text) - 1, "/a/initrd"));
        assert_true(entry_has_word("/a/x", 4, "/a/x"));
        assert_false(entry_has_word("/a/x", 4, "/a/y"));
        assert_false(entry_has_word("/a/x-1", 6, "/a/x"));
        assert_false(entry_has_word(NULL, 0, "/a/x"));
}

static void a_short_text_fills_one_sector(void **state) {
        char *text = strdup("title x\n"), *whole = calloc(1, ENTRY_SECTOR + 2);
        size_t size = 8, long_size = ENTRY_SECTOR + 1;

        assert_int_equal(entry_pad(&text, &size), 0);
        assert_int_equal(size, ENTRY_SECTOR);
        assert_memory_equal(text, "title x\n\n", 9);
        assert_int_equal(strlen(text), ENTRY_SECTOR);
        assert_int_equal(text[ENTRY_SECTOR - 1], '\n');

        assert_non_null(whole);
        assert_int_equal(entry_pad(&whole, &long_size), 0);
        assert_int_equal(long_size, ENTRY_SECTOR + 1);
        free(text);
        free(whole);
}

static void a_sibling_has_the_same_extension(void **state) {
        static const struct {
                const char *path, *sibling;
        } cases[] = {
                {"/loader/entries/a.conf", "/loader/entries/a-previous.conf"},
                {"/loader/entries/a-6.1.conf", "/loader/entries/a-6.1-previous.conf"},
                {"/extlinux/x", "/extlinux/x-previous"},
                {"/a.d/x", "/a.d/x-previous"},
                {"/a/.x", "/a/.x-previous"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *sibling = NULL;
                assert_int_equal(entry_sibling(cases[i].path, "previous", &sibling), 0);
                assert_string_equal(sibling, cases[i].sibling);
                free(sibling);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_words_are_replaced_and_white_space_is_kept),
                cmocka_unit_test(failed_write_of_a_text_is_out_of_memory),
                cmocka_unit_test(parts_of_words_are_not_replaced),
                cmocka_unit_test(entries_that_are_not_text_are_refused),
                cmocka_unit_test(words_are_found_whole),
                cmocka_unit_test(a_short_text_fills_one_sector),
                cmocka_unit_test(a_sibling_has_the_same_extension),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
