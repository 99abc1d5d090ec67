/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was seen of one run of a builder: the files and folders that it and whatever it started used. It only
 * keeps; somebody else looks. Bounded, whatever a builder does: what is too much makes it incomplete. */

#include <sys/stat.h>
#include <time.h>

#include "base/util.h"

#define TRACE_ITEMS_MAX 65536U
#define TRACE_BYTES_MAX (16U << 20) /* of paths and names */

typedef enum TraceKind {
        TRACE_READ = 1 << 0,    /* a file was opened or executed */
        TRACE_LISTED = 1 << 1,  /* a folder was opened */
        TRACE_WRITTEN = 1 << 2, /* a file was closed after it was open for writing, by the builder */
        TRACE_LOOKED = 1 << 3,  /* it was only looked at */
        TRACE_ABSENT = 1 << 4,  /* it was looked for and was not there */
        TRACE_LINK = 1 << 5,    /* a symbolic link that was followed or read */
} TraceKind;

typedef struct TraceItem {
        char *path; /* within the volume's root, as the builder's mount has it; absolute */
        unsigned kinds;
        unsigned order;   /* of arrival */
        struct statx stx; /* when it was first seen, with btime; stx_mask 0: not known */
        char **names;     /* of a folder, when it was first seen, in byte order; NULL: not known */
} TraceItem;

typedef struct Trace {
        TraceItem *items; /* sorted by path, each path once, after trace_finish() */
        size_t n;
        size_t bytes;          /* of paths and names */
        struct timespec began; /* CLOCK_REALTIME_COARSE, before the builder was started */
        int64_t clock;         /* clockset_now() then; 0: not known */
        char *incomplete;      /* NULL: complete; else why not, for people */
} Trace;

void trace_done(Trace *trace);

void trace_item_done(TraceItem *item);

/* Something was seen, which may have been seen before. Takes the path and the names of SEEN, even on failure,
 * and nothing is left in it. Beyond what a trace may hold, it becomes incomplete. -ENOMEM. */
int trace_take(Trace *trace, TraceItem *seen);

/* The same, with a copy of PATH, and nothing more known. */
int trace_add(Trace *trace, const char *path, unsigned kinds);

/* The names of a folder for an item, sorted by the caller: none at all are not NULL, which means unknown. */
int trace_names(StrvBuilder *names, char ***ret);

/* Something is missing in it: why, for people. The first reason stays. -ENOMEM. */
int trace_miss(Trace *trace, const char *format, ...) _printf_(2, 3);

/* Nothing more is added: sorts it, and joins what is known of each path: what was seen first stays. */
void trace_finish(Trace *trace);

/* After trace_finish(). NULL: it was not seen. */
const TraceItem *trace_find(const Trace *trace, const char *path);

/* As bytes, in a file without a name, for another process on this machine. */
int trace_write(const Trace *trace, int *ret_fd);

/* Reads from the start of FD. -EBADMSG: it is none, or larger than one may be. */
int trace_read(int fd, Trace *ret);
