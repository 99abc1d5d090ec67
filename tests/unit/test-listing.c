/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/listing.h"

#include "walkworld.h"

static void names_come_in_byte_order_without_dots(void **state) {
        const Scratch *s = *state;
        static const char *const names[] = {"B", "a", "a.b", "\xff"};
        static ListingBuffer buffer;
        Listing listing = {};
        for (size_t i = ELEMENTSOF(names); i > 0; i--)
                scratch_write(s, names[i - 1], "");
        for (size_t piece = 0; piece <= 64; piece += 64) {
                _cleanup_close_ int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                listings.piece = piece;
                listings.n = 0;
                assert_int_equal(listing_read(fd, &buffer, &listing), 0);
                assert_true(piece == 0 || listings.n > 2);
                assert_int_equal(listing.n_names, ELEMENTSOF(names));
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        assert_string_equal(listing.names[i], names[i]);
                listing_done(&listing);
                assert_true(!listing.text && !listing.names && listing.n_names == 0);
        }
}

static void names_are_whole_however_many_there_are(void **state) {
        const Scratch *s = *state;
        static ListingBuffer buffer;
        Listing listing = {};
        char name[64];
        shell("cd %s && seq -f 'file-with-a-long-name-%%04g' 0 999 | xargs touch", s->path);
        _cleanup_close_ int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(listing_read(fd, &buffer, &listing), 0);
        assert_int_equal(listing.n_names, 1000);
        for (size_t i = 0; i < listing.n_names; i++) {
                (void) snprintf(name, sizeof(name), "file-with-a-long-name-%04zu", i);
                assert_string_equal(listing.names[i], name);
        }
        listing_done(&listing);
}

static void directory_without_names_has_an_empty_listing(void **state) {
        const Scratch *s = *state;
        static ListingBuffer buffer;
        Listing listing = {};
        _cleanup_close_ int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(listing_read(fd, &buffer, &listing), 0);
        assert_int_equal(listing.n_names, 0);
        listing_done(&listing);
}

static void removal_ends_a_listing_and_an_error_is_told(void **state) {
        const Scratch *s = *state;
        static const int errors[] = {ENOENT, EIO};
        static ListingBuffer buffer;
        for (size_t i = 0; i < 9; i++) {
                char name[] = "file-?";
                name[5] = (char) ('0' + i);
                scratch_write(s, name, "");
        }
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                Listing listing = {};
                _cleanup_close_ int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                memset(&listings, 0, sizeof(listings));
                listings.piece = 128;
                listings.skip = 2;
                listings.error = errors[i];
                int r = listing_read(fd, &buffer, &listing);
                assert_int_equal(r, errors[i] == ENOENT ? 0 : -errors[i]);
                assert_in_range(listing.n_names, 1, 8);
                listing_done(&listing);
        }
}

static int is_empty(const Scratch *s, const char *name) {
        _cleanup_close_ int fd = openat(s->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return listing_is_empty(fd);
}

static void directory_is_empty_if_there_is_no_name_in_it(void **state) {
        const Scratch *s = *state;
        char longest[260] = "d/";
        memset(longest + 2, 'n', 255);
        assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
        assert_int_equal(is_empty(s, "d"), 1);
        for (listings.piece = 0; listings.piece <= 24; listings.piece += 24) { /* one entry at a time, too */
                static const char *const names[] = {"d/x", "d/..x", "d/.x"};
                for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                        scratch_write(s, names[i], "");
                        assert_int_equal(is_empty(s, "d"), 0);
                        assert_int_equal(unlinkat(s->fd, names[i], 0), 0);
                }
                assert_int_equal(is_empty(s, "d"), 1);
        }
        listings.piece = 0;
        scratch_write(s, longest, "");
        assert_int_equal(is_empty(s, "d"), 0);
}

static void directory_that_cannot_be_read_is_not_empty(void **state) {
        const Scratch *s = *state;
        opening.path = ".";
        opening.error = EIO;
        assert_int_equal(listing_is_empty(s->fd), -EIO);
        opening.path = NULL;
        listings.error = EIO;
        assert_int_equal(listing_is_empty(s->fd), -EIO);
        listings.error = ENOENT; /* it was just removed */
        assert_int_equal(listing_is_empty(s->fd), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                walk_test(names_come_in_byte_order_without_dots),
                walk_test(names_are_whole_however_many_there_are),
                walk_test(directory_without_names_has_an_empty_listing),
                walk_test(removal_ends_a_listing_and_an_error_is_told),
                walk_test(directory_is_empty_if_there_is_no_name_in_it),
                walk_test(directory_that_cannot_be_read_is_not_empty),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
