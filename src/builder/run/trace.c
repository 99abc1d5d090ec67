/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/trace.h"

#include <sys/mman.h>

#include "base/error.h"
#include "builder/run/sentfile.h"

/* ---- what is seen ---- */

void trace_item_done(TraceItem *item) {
        free(item->path);
        (void) strv_free(item->names);
        *item = (TraceItem){};
}

void trace_done(Trace *trace) {
        for (size_t i = 0; i < trace->n; i++)
                trace_item_done(&trace->items[i]);
        free(trace->items);
        free(trace->incomplete);
        *trace = (Trace){};
}

int trace_miss(Trace *trace, const char *format, ...) {
        va_list ap;
        if (trace->incomplete)
                return 0;
        va_start(ap, format);
        int r = vstrprintf(&trace->incomplete, format, ap);
        va_end(ap);
        return r < 0 ? error_origin(-ENOMEM) : 0;
}

static size_t bytes_of_item(const TraceItem *item) {
        size_t bytes = strlen(item->path) + 1;
        for (char *const *name = item->names; name && *name; name++)
                bytes += strlen(*name) + 1;
        return bytes;
}

int trace_take(Trace *trace, TraceItem *seen) {
        assert(seen->path && seen->path[0] == '/' && seen->kinds != 0);
        size_t bytes = bytes_of_item(seen);
        int r = 0;
        if (trace->n >= TRACE_ITEMS_MAX || bytes > TRACE_BYTES_MAX - trace->bytes)
                r = trace_miss(trace, "it used more than is kept");
        else if (grow(trace->items, trace->n) < 0)
                r = error_origin(-ENOMEM);
        else {
                seen->order = (unsigned) trace->n;
                trace->items[trace->n++] = *seen;
                trace->bytes += bytes;
                *seen = (TraceItem){};
        }
        trace_item_done(seen);
        return r;
}

int trace_add(Trace *trace, const char *path, unsigned kinds) {
        TraceItem seen = {.path = strdup(path), .kinds = kinds};
        return seen.path ? trace_take(trace, &seen) : error_origin(-ENOMEM);
}

int trace_names(StrvBuilder *names, char ***ret) {
        char **all = NULL;
        if (strv_builder_finish(names, &all) < 0)
                return error_origin(-ENOMEM);
        if (!all)
                all = calloc(1, sizeof(*all));
        if (!all)
                return error_origin(-ENOMEM);
        *ret = all;
        return 0;
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(((const TraceItem *) a)->path, ((const TraceItem *) b)->path);
}

static int compare_arrivals(const void *a, const void *b) {
        const TraceItem *x = a, *y = b;
        int c = compare_paths(x, y);
        return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

/* LATER is of the same path. */
static void join_later(TraceItem *item, TraceItem *later) {
        item->kinds |= later->kinds;
        if (item->stx.stx_mask == 0)
                item->stx = later->stx;
        if (!item->names)
                item->names = TAKE_PTR(later->names);
        trace_item_done(later);
}

void trace_finish(Trace *trace) {
        size_t kept = 0;
        if (trace->n == 0)
                return;
        qsort(trace->items, trace->n, sizeof(*trace->items), compare_arrivals);
        for (size_t i = 1; i < trace->n; i++)
                if (streq(trace->items[i].path, trace->items[kept].path))
                        join_later(&trace->items[kept], &trace->items[i]);
                else
                        trace->items[++kept] = trace->items[i];
        trace->n = kept + 1;
}

const TraceItem *trace_find(const Trace *trace, const char *path) {
        const TraceItem key = {.path = (char *) path};
        return trace->n > 0 ? bsearch(&key, trace->items, trace->n, sizeof(*trace->items), compare_paths)
                            : NULL;
}

/* ---- as bytes ---- */

/* Both ends are the same program: structs are as it has them. */
typedef struct TraceHead {
        struct timespec began;
        int64_t clock;
        uint32_t n;
        bool incomplete; /* the reason follows */
} TraceHead;

/* The path and the names follow, each with its NUL, and another NUL at the end of names. */
typedef struct TraceItemHead {
        struct statx stx;
        uint32_t kinds;
        bool has_names;
} TraceItemHead;

#define TRACE_REASON_MAX 4096U
#define TRACE_FILE_MAX                                                                                       \
        (sizeof(TraceHead) + TRACE_REASON_MAX + TRACE_BYTES_MAX +                                            \
         TRACE_ITEMS_MAX * (sizeof(TraceItemHead) + 1))

static void put_text(FILE *f, const char *text) {
        (void) fwrite(text, 1, strlen(text) + 1, f);
}

static void put_item(FILE *f, const TraceItem *item) {
        const TraceItemHead head = {.stx = item->stx, .kinds = item->kinds, .has_names = item->names};
        (void) fwrite(&head, sizeof(head), 1, f);
        put_text(f, item->path);
        for (char *const *name = item->names; name && *name; name++)
                put_text(f, *name);
        if (item->names)
                put_text(f, "");
}

int trace_write(const Trace *trace, int *ret_fd) {
        assert(ret_fd);
        const TraceHead head = {.began = trace->began,
                                .clock = trace->clock,
                                .n = (uint32_t) trace->n,
                                .incomplete = trace->incomplete};
        _cleanup_close_ int fd = memfd_create("trace", MFD_CLOEXEC);
        _cleanup_fclose_ FILE *f = NULL;
        if (fd < 0)
                return error_origin(-errno);
        int r = sentfile_open(fd, "we", &f);
        if (r < 0)
                return r;
        (void) fwrite(&head, sizeof(head), 1, f);
        if (trace->incomplete)
                put_text(f, trace->incomplete);
        for (size_t i = 0; i < trace->n; i++)
                put_item(f, &trace->items[i]);
        if (fflush(f) != 0 || ferror(f))
                return error_origin(-EIO);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

typedef struct TraceReader {
        FILE *f;
        char *text; /* the last one */
        size_t room;
} TraceReader;

static void tracereader_done(TraceReader *reader) {
        if (reader->f)
                (void) fclose(reader->f);
        free(reader->text);
}

/* READER->text; the size of the file bounds it. */
static int get_text(TraceReader *reader) {
        errno = 0;
        ssize_t size = getdelim(&reader->text, &reader->room, 0, reader->f);
        if (size < 0 && errno == ENOMEM)
                return error_origin(-ENOMEM);
        return size <= 0 || reader->text[size - 1] != 0 ? error_origin(-EBADMSG) : 0;
}

static int get_names(TraceReader *reader, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder names = {};
        int r;
        while ((r = get_text(reader)) >= 0 && *reader->text)
                if (strv_builder_extend(&names, reader->text) < 0)
                        return error_origin(-ENOMEM);
        return r < 0 ? r : trace_names(&names, ret);
}

static int get_item(TraceReader *reader, Trace *trace) {
        _cleanup_(trace_item_done) TraceItem item = {};
        TraceItemHead head;
        if (fread(&head, sizeof(head), 1, reader->f) != 1 || head.kinds == 0)
                return error_origin(-EBADMSG);
        item.stx = head.stx;
        item.kinds = head.kinds;
        int r = get_text(reader);
        if (r >= 0 && *reader->text != '/')
                r = error_origin(-EBADMSG);
        if (r >= 0)
                r = free_and_strdup(&item.path, reader->text);
        if (r >= 0 && head.has_names)
                r = get_names(reader, &item.names);
        return r < 0 ? r : trace_take(trace, &item);
}

static int get_trace(TraceReader *reader, Trace *trace) {
        TraceHead head;
        if (fread(&head, sizeof(head), 1, reader->f) != 1 || head.n > TRACE_ITEMS_MAX)
                return error_origin(-EBADMSG);
        trace->began = head.began;
        trace->clock = head.clock;
        int r = head.incomplete ? get_text(reader) : 0;
        if (r >= 0 && head.incomplete)
                r = free_and_strdup(&trace->incomplete, reader->text);
        for (uint32_t i = 0; r >= 0 && i < head.n; i++)
                r = get_item(reader, trace);
        return r < 0 ? r : 0;
}

int trace_read(int fd, Trace *ret) {
        assert(fd >= 0 && ret);
        _cleanup_(tracereader_done) TraceReader reader = {};
        _cleanup_(trace_done) Trace trace = {};
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size > TRACE_FILE_MAX)
                return error_origin(-EBADMSG);
        int r = sentfile_open(fd, "re", &reader.f);
        if (r < 0)
                return r;
        rewind(reader.f);
        r = get_trace(&reader, &trace);
        if (r < 0)
                return r;
        *ret = trace;
        trace = (Trace){};
        return 0;
}
