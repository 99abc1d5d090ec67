/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/trace.h"

#include "fixture.h"

static void take(Trace *trace, const char *path, unsigned kinds, uint64_t ino, char **names) {
        TraceItem item = {.path = strdup(path), .kinds = kinds, .names = names};
        assert_non_null(item.path);
        item.stx.stx_ino = ino;
        item.stx.stx_mask = ino > 0 ? STATX_INO : 0;
        assert_int_equal(trace_take(trace, &item), 0);
        assert_null(item.path);
        assert_null(item.names);
}

static char **names_of(const char *a, const char *b) {
        StrvBuilder names = {};
        char **all = NULL;
        if (a)
                assert_int_equal(strv_builder_extend(&names, a), 0);
        if (b)
                assert_int_equal(strv_builder_extend(&names, b), 0);
        assert_int_equal(trace_names(&names, &all), 0);
        assert_non_null(all);
        return all;
}

static void what_was_seen_first_stays(void **state) {
        _cleanup_(trace_done) Trace trace = {};
        assert_int_equal(trace_add(&trace, "/b", TRACE_LOOKED), 0);
        take(&trace, "/a/x", TRACE_READ, 3, NULL);
        take(&trace, "/b", TRACE_READ, 1, NULL);
        take(&trace, "/a", TRACE_LISTED, 4, names_of("x", NULL));
        take(&trace, "/b", TRACE_WRITTEN, 2, NULL);
        take(&trace, "/a", TRACE_LISTED, 4, names_of("x", "y"));
        trace_finish(&trace);
        assert_int_equal(trace.n, 3);
        assert_string_equal(trace.items[0].path, "/a");
        assert_string_equal(trace.items[1].path, "/a/x");
        const TraceItem *b = trace_find(&trace, "/b"), *a = trace_find(&trace, "/a");
        assert_ptr_equal(b, &trace.items[2]);
        assert_int_equal(b->kinds, TRACE_LOOKED | TRACE_READ | TRACE_WRITTEN);
        assert_int_equal(b->stx.stx_ino, 1);
        assert_null(b->names);
        assert_int_equal(strv_length(a->names), 1);
        assert_null(trace_find(&trace, "/c"));
        assert_null(trace.incomplete);
}

static void nothing_was_seen(void **state) {
        Trace trace = {};
        trace_finish(&trace);
        assert_int_equal(trace.n, 0);
        assert_null(trace_find(&trace, "/a"));
        trace_done(&trace);
}

static void first_reason_why_something_is_missing_stays(void **state) {
        _cleanup_(trace_done) Trace trace = {};
        assert_int_equal(trace_miss(&trace, "one"), 0);
        assert_int_equal(trace_miss(&trace, "two"), 0);
        assert_string_equal(trace.incomplete, "one");
}

static void no_more_is_kept_than_may_be(void **state) {
        _cleanup_(trace_done) Trace trace = {}, large = {};
        char path[32];
        for (unsigned i = 0; i < TRACE_ITEMS_MAX; i++) {
                (void) snprintf(path, sizeof(path), "/%u", i);
                assert_int_equal(trace_add(&trace, path, TRACE_READ), 0);
        }
        assert_null(trace.incomplete);
        assert_int_equal(trace_add(&trace, "/more", TRACE_READ), 0);
        assert_int_equal(trace.n, TRACE_ITEMS_MAX);
        assert_string_equal(trace.incomplete, "it used more than is kept");
        char *huge = calloc(1, TRACE_BYTES_MAX - 2);
        assert_non_null(huge);
        memset(huge, 'x', TRACE_BYTES_MAX - 3);
        take(&large, "/", TRACE_LISTED, 1, names_of(huge, NULL)); /* all that there is room for */
        free(huge);
        assert_null(large.incomplete);
        assert_int_equal(trace_add(&large, "/", TRACE_READ), 0);
        assert_int_equal(large.n, 1);
        assert_non_null(large.incomplete);
}

static bool same_names(char *const *a, char *const *b) {
        while (a && b && *a && *b && streq(*a, *b)) {
                a++;
                b++;
        }
        return a && b ? !*a && !*b : a == b;
}

static void assert_survives(const Trace *trace) {
        _cleanup_(trace_done) Trace got = {};
        int fd = -EBADF;
        assert_int_equal(trace_write(trace, &fd), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(trace_read(fd, &got), 0);
        assert_int_equal(close(fd), 0);
        assert_memory_equal(&got.began, &trace->began, sizeof(got.began));
        assert_true(got.clock == trace->clock);
        assert_true(streq_ptr(got.incomplete, trace->incomplete));
        assert_int_equal(got.n, trace->n);
        assert_int_equal(got.bytes, trace->bytes);
        for (size_t i = 0; got.items && trace->items && i < got.n; i++) {
                const TraceItem *a = &trace->items[i], *b = &got.items[i];
                assert_string_equal(b->path, a->path);
                assert_int_equal(b->kinds, a->kinds);
                assert_memory_equal(&b->stx, &a->stx, sizeof(a->stx));
                assert_true(same_names(a->names, b->names));
        }
}

static void what_is_written_is_read(void **state) {
        _cleanup_(trace_done) Trace trace = {.began = {.tv_sec = 17, .tv_nsec = 4}, .clock = 5};
        assert_survives(&trace);
        take(&trace, "/with\nlines", TRACE_READ | TRACE_WRITTEN, 5, NULL);
        take(&trace, "/folder", TRACE_LISTED, 6, names_of("a b", "c"));
        take(&trace, "/empty", TRACE_LISTED, 7, names_of(NULL, NULL));
        assert_int_equal(trace_add(&trace, "/absent", TRACE_ABSENT), 0);
        trace_finish(&trace);
        assert_survives(&trace);
        assert_int_equal(trace_miss(&trace, "an overflow"), 0);
        assert_survives(&trace);
}

/* Each part of it that is not the whole. */
static void garbage_is_no_trace(void **state) {
        _cleanup_(trace_done) Trace trace = {};
        take(&trace, "/f", TRACE_LISTED, 6, names_of("a", "b"));
        assert_int_equal(trace_miss(&trace, "why"), 0);
        int fd = -EBADF;
        assert_int_equal(trace_write(&trace, &fd), 0);
        for (off_t size = lseek(fd, 0, SEEK_END) - 1; size >= 0; size--) {
                Trace got = {.n = 5};
                assert_int_equal(ftruncate(fd, size), 0);
                assert_int_equal(trace_read(fd, &got), -EBADMSG);
                assert_int_equal(got.n, 5);
        }
        Trace got = {};
        assert_int_equal(ftruncate(fd, 1 << 20), 0); /* zeros */
        assert_int_equal(trace_read(fd, &got), 0);
        assert_int_equal(got.n, 0);
        trace_done(&got);
        assert_int_equal(ftruncate(fd, 1L << 30), 0);
        assert_int_equal(trace_read(fd, &got), -EBADMSG);
        assert_int_equal(close(fd), 0);
        assert_int_equal(trace_read(1000, &got), -EBADF);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(trace_read(ends[0], &got), -EBADMSG);
        (void) close(ends[0]);
        (void) close(ends[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_seen_first_stays),
                cmocka_unit_test(nothing_was_seen),
                cmocka_unit_test(first_reason_why_something_is_missing_stays),
                cmocka_unit_test(no_more_is_kept_than_may_be),
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(garbage_is_no_trace),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
