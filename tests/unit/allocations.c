/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocations.h"

#include <blkid.h>
#include <dlfcn.h>
#include <libeconf.h>
#include <libmount.h>
#include <libsmartcols/libsmartcols.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <malloc.h>
#include <search.h>
#include <systemd/sd-bus.h>
#include <xxhash.h>

/* One that our code has not released yet. */
typedef struct Live {
        struct Live *next;
        const void *memory;
        const void *caller;
} Live;

static struct {
        bool armed, paused;
        pid_t pid;              /* of the test: its children are not affected */
        bool all;               /* not only the chosen one fails, but also all that follow */
        unsigned count, chosen; /* allocations made; the one that fails */
        const void *failed_for; /* the return address of that one; NULL: not there yet */
        const void *leaked_for;
        Live *live[4096];
} allocations;

/* The names that the linker gives to wrapped functions. */
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void __real_free(void *p);
int __real_vasprintf(char **ret, const char *format, va_list ap);

static bool fails(const void *caller) {
        if (!allocations.armed || allocations.paused || getpid() != allocations.pid)
                return false;
        allocations.count++;
        if (allocations.count != allocations.chosen && !(allocations.all && allocations.failed_for))
                return false;
        if (!allocations.failed_for)
                allocations.failed_for = caller;
        errno = ENOMEM;
        return true;
}

static Live **live_bucket(const void *memory) {
        return &allocations.live[((uintptr_t) memory >> 4) % ELEMENTSOF(allocations.live)];
}

static void *born(void *memory, const void *caller) {
        if (memory && allocations.armed) {
                Live *l = __real_malloc(sizeof(Live));
                *l = (Live){.next = *live_bucket(memory), .memory = memory, .caller = caller};
                *live_bucket(memory) = l;
        }
        return memory;
}

static void died(const void *memory) {
        for (Live **l = live_bucket(memory); *l; l = &(*l)->next)
                if ((*l)->memory == memory) {
                        Live *gone = *l;
                        *l = gone->next;
                        __real_free(gone);
                        return;
                }
}

static unsigned forget_live(void) {
        unsigned n = 0;
        for (size_t i = 0; i < ELEMENTSOF(allocations.live); i++)
                for (Live *l; (l = allocations.live[i]); n++) {
                        allocations.leaked_for = l->caller;
                        allocations.live[i] = l->next;
                        __real_free(l);
                }
        return n;
}

/* Defines the wrapper of a function that returns memory (OWNED) or something that contains memory. */
#define WRAP(type, name, parameters, arguments, owned)                                                       \
        type __real_##name parameters;                                                                       \
        type __wrap_##name parameters;                                                                       \
        type __wrap_##name parameters {                                                                      \
                const void *caller = __builtin_return_address(0);                                            \
                if (fails(caller))                                                                           \
                        return NULL;                                                                         \
                type made = __real_##name arguments;                                                         \
                if (owned)                                                                                   \
                        (void) born(made, caller);                                                           \
                return made;                                                                                 \
        }                                                                                                    \
        struct swallow_semicolon_##name

WRAP(void *, malloc, (size_t size), (size), true);
WRAP(void *, calloc, (size_t n, size_t size), (n, size), true);
WRAP(char *, strdup, (const char *s), (s), true);
WRAP(char *, strndup, (const char *s, size_t n), (s, n), true);
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), false);
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), false);
WRAP(FILE *, open_memstream, (char **text, size_t *size), (text, size), false);
WRAP(DIR *, opendir, (const char *path), (path), false);
WRAP(DIR *, fdopendir, (int fd), (fd), false);
WRAP(void *, tsearch, (const void *key, void **root, __compar_fn_t compare), (key, root, compare), false);
WRAP(char *, realpath, (const char *path, char *resolved), (path, resolved), !resolved);
WRAP(XXH3_state_t *, XXH3_createState, (void), (), false);
WRAP(struct libmnt_iter *, mnt_new_iter, (int direction), (direction), false);
WRAP(struct libmnt_table *, mnt_new_table, (void), (), false);
WRAP(struct libmnt_table *, mnt_new_table_from_file, (const char *path), (path), false);
WRAP(struct libmnt_monitor *, mnt_new_monitor, (void), (), false);
WRAP(xmlParserCtxt *, xmlNewParserCtxt, (void), (), false);
WRAP(xmlChar *, xmlNodeGetContent, (const xmlNode *node), (node), false);
WRAP(xmlRelaxNGParserCtxt *, xmlRelaxNGNewMemParserCtxt, (const char *text, int size), (text, size), false);
WRAP(xmlRelaxNGValidCtxt *, xmlRelaxNGNewValidCtxt, (xmlRelaxNG * schema), (schema), false);
WRAP(blkid_probe, blkid_new_probe, (void), (), false);

WRAP(struct libscols_table *, scols_new_table, (void), (), false);
WRAP(struct libscols_iter *, scols_new_iter, (int direction), (direction), false);
WRAP(struct libscols_line *, scols_table_new_line, (struct libscols_table * t, struct libscols_line *parent),
     (t, parent), false);
WRAP(struct libscols_column *, scols_table_new_column,
     (struct libscols_table * t, const char *name, double width, int flags), (t, name, width, flags), false);

/* Defines the wrapper of a function that needs memory and returns 0 or more, or a negative errno. */
#define WRAP_ERRNO(name, parameters, arguments)                                                              \
        int __real_##name parameters;                                                                        \
        int __wrap_##name parameters;                                                                        \
        int __wrap_##name parameters {                                                                       \
                return fails(__builtin_return_address(0)) ? -ENOMEM : __real_##name arguments;               \
        }                                                                                                    \
        struct swallow_semicolon_##name

WRAP_ERRNO(sd_bus_open_system, (sd_bus * *ret), (ret));
WRAP_ERRNO(sd_bus_open_system_with_description, (sd_bus * *ret, const char *description), (ret, description));
WRAP_ERRNO(sd_bus_message_new_method_call,
           (sd_bus * bus, sd_bus_message **ret, const char *destination, const char *path,
            const char *interface, const char *member),
           (bus, ret, destination, path, interface, member));
WRAP_ERRNO(sd_bus_message_new_method_return, (sd_bus_message * call, sd_bus_message **ret), (call, ret));
WRAP_ERRNO(sd_bus_message_open_container, (sd_bus_message * m, char type, const char *contents),
           (m, type, contents));
WRAP_ERRNO(sd_bus_message_close_container, (sd_bus_message * m), (m));
WRAP_ERRNO(sd_bus_message_enter_container, (sd_bus_message * m, char type, const char *contents),
           (m, type, contents));
WRAP_ERRNO(sd_bus_path_encode, (const char *prefix, const char *id, char **ret), (prefix, id, ret));
WRAP_ERRNO(sd_bus_path_decode, (const char *path, const char *prefix, char **ret), (path, prefix, ret));
WRAP_ERRNO(sd_bus_call,
           (sd_bus * bus, sd_bus_message *m, uint64_t usec, sd_bus_error *error, sd_bus_message **ret),
           (bus, m, usec, error, ret));
WRAP_ERRNO(sd_bus_call_async,
           (sd_bus * bus, sd_bus_slot **slot, sd_bus_message *m, sd_bus_message_handler_t callback,
            void *userdata, uint64_t usec),
           (bus, slot, m, callback, userdata, usec));
WRAP_ERRNO(sd_bus_add_match_async,
           (sd_bus * bus, sd_bus_slot **slot, const char *match, sd_bus_message_handler_t callback,
            sd_bus_message_handler_t install, void *userdata),
           (bus, slot, match, callback, install, userdata));
WRAP_ERRNO(sd_bus_get_name_creds, (sd_bus * bus, const char *name, uint64_t mask, sd_bus_creds **ret),
           (bus, name, mask, ret));
WRAP_ERRNO(sd_event_add_time,
           (sd_event * e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
            sd_event_time_handler_t callback, void *userdata),
           (e, s, clock, usec, accuracy, callback, userdata));
WRAP_ERRNO(sd_event_add_io,
           (sd_event * e, sd_event_source **s, int fd, uint32_t events, sd_event_io_handler_t callback,
            void *userdata),
           (e, s, fd, events, callback, userdata));
WRAP_ERRNO(sd_event_add_defer,
           (sd_event * e, sd_event_source **s, sd_event_handler_t callback, void *userdata),
           (e, s, callback, userdata));

/* Functions that only release memory do not fail. */
static void *wrapped_realloc(void *p, size_t n, size_t size, const void *caller) {
        bool grows = !p || n * size > malloc_usable_size(p);
        if (grows && fails(caller))
                return NULL;
        void *grown = __real_reallocarray(p, n, size);
        if (grown) {
                died(p);
                (void) born(grown, caller);
        }
        return grown;
}

void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void __wrap_free(void *p);
int __wrap_vasprintf(char **ret, const char *format, va_list ap);
_printf_(2, 3) int __wrap_asprintf(char **ret, const char *format, ...);
_printf_(3, 0) int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list ap);
_printf_(3, 4) int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...);
enum econf_err __real_econf_readFile(econf_file **ret, const char *file, const char *delim,
                                     const char *comment);
enum econf_err __wrap_econf_readFile(econf_file **ret, const char *file, const char *delim,
                                     const char *comment);

void *__wrap_realloc(void *p, size_t size) {
        return wrapped_realloc(p, 1, size, __builtin_return_address(0));
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return wrapped_realloc(p, n, size, __builtin_return_address(0));
}

void __wrap_free(void *p) {
        died(p);
        __real_free(p);
}

static int wrapped_vasprintf(char **ret, const char *format, va_list ap, const void *caller) {
        if (fails(caller))
                return -1;
        char *text = NULL;
        int n = __real_vasprintf(&text, format, ap);
        if (n >= 0)
                *ret = born(text, caller);
        return n;
}

int __wrap_vasprintf(char **ret, const char *format, va_list ap) {
        return wrapped_vasprintf(ret, format, ap, __builtin_return_address(0));
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        int n = wrapped_vasprintf(ret, format, ap, __builtin_return_address(0));
        va_end(ap);
        return n;
}

/* What -D_FORTIFY_SOURCE makes of these. */
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list ap) {
        return wrapped_vasprintf(ret, format, ap, __builtin_return_address(0));
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        int n = wrapped_vasprintf(ret, format, ap, __builtin_return_address(0));
        va_end(ap);
        return n;
}

enum econf_err __wrap_econf_readFile(econf_file **ret, const char *file, const char *delim,
                                     const char *comment) {
        return fails(__builtin_return_address(0)) ? ECONF_NOMEM
                                                  : __real_econf_readFile(ret, file, delim, comment);
}

static void print_place(const char *what, const void *address) {
        Dl_info info;
        if (!address || !dladdr(address, &info))
                return;
        print_error("# %s in: ", what);
        fflush(stderr);
        shell("addr2line -spfie %s %#tx >&2", info.dli_fname, (char *) address - (char *) info.dli_fbase - 1);
}

/* One run; false if nothing was left to fail. */
static bool run_once(const AllocationsCase *c, unsigned chosen, bool cope) {
        if (c->prepare)
                c->prepare(c->userdata);
        size_t descriptors = count_descriptors();
        allocations.count = 0;
        allocations.chosen = chosen;
        allocations.failed_for = NULL;
        allocations.pid = getpid();
        allocations.armed = true;
        int r = c->call(c->userdata);
        allocations.armed = false;
        unsigned leaked = c->hands_over ? (forget_live(), 0) : forget_live();
        bool failed = allocations.failed_for;
        bool good = failed ? r == -ENOMEM || (cope && r >= 0) : r >= 0;
        if (!good || leaked > 0 || count_descriptors() != descriptors) {
                print_place("it failed", allocations.failed_for);
                print_place("leaked is what was allocated", leaked > 0 ? allocations.leaked_for : NULL);
                fail_msg("allocation %u%s: result %i, %u not freed, %i descriptors left", chosen,
                         allocations.all ? " and all after it" : "", r, leaked,
                         (int) count_descriptors() - (int) descriptors);
        }
        return failed;
}

static void fail_each(const AllocationsCase *c, bool cope) {
        allocations.armed = false; /* it still is if a test failed in the middle of a call */
        (void) forget_live();
        if (c->prepare)
                c->prepare(c->userdata);
        (void) c->call(c->userdata); /* what is created once for the whole program */
        for (int all = 0; all <= 1; all++) {
                allocations.all = all;
                unsigned chosen = 1;
                while (run_once(c, chosen, cope))
                        chosen++;
                assert_true(chosen > 1);
        }
}

void allocations_pause(bool paused) {
        allocations.paused = paused;
}

bool allocations_have_failed(void) {
        return allocations.failed_for;
}

void allocations_fail_in_turn(allocations_call_t call, void *userdata) {
        fail_each(&(AllocationsCase){.call = call, .userdata = userdata}, false);
}

void allocations_fail_or_cope(allocations_call_t call, void *userdata) {
        fail_each(&(AllocationsCase){.call = call, .userdata = userdata}, true);
}

void allocations_fail_or_cope_prepared(const AllocationsCase *c) {
        fail_each(c, true);
}
