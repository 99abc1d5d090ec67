/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/options.h"

#include <getopt.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"
#include "config.h"

#define OPTIONS_MAX 32U

/* What getopt_long returns: the letter of a short option, and this with its index for a long one. */
#define LONG_OPTION 0x100

/* The options in the form that getopt_long expects. */
typedef struct Getopt {
        struct option table[OPTIONS_MAX + 1]; /* with a terminator */
        size_t n;
        char letters[3 * OPTIONS_MAX + 1]; /* each with up to two colons */
} Getopt;

int option_set(const char *value, void *data) {
        assert(data);
        *(bool *) data = true;
        return 0;
}

int option_clear(const char *value, void *data) {
        assert(data);
        *(bool *) data = false;
        return 0;
}

int option_ignore(const char *value, void *data) {
        return 0;
}

int option_yes_no(const char *value, void *data) {
        assert(value && data);
        if (!streq(value, "yes") && !streq(value, "no"))
                return error_origin(-EINVAL);
        *(bool *) data = streq(value, "yes");
        return 0;
}

int option_string(const char *value, void *data) {
        assert(value && data);
        *(const char **) data = value;
        return 0;
}

int option_list(const char *value, void *data) {
        assert(value && data);
        return strv_extend(data, value);
}

int option_number(const char *value, void *data) {
        assert(value && data);
        return parse_u64(value, data) < 0 ? error_origin(-EINVAL) : 0;
}

static bool option_may_lack_value(const Option *o) {
        return o->argument && o->argument[0] == '[';
}

/* "--json[=MODE]", "-N NAMESPACE" */
static int print_spelling(const Option *o, char *buffer, size_t size) {
        const char *argument = strempty(o->argument);
        if (!o->name)
                return snprintf(buffer, size, "-%c%s%s", o->letter, *argument ? " " : "", argument);
        if (option_may_lack_value(o))
                return snprintf(buffer, size, "--%s[=%s", o->name, argument + 1);
        return snprintf(buffer, size, "--%s%s%s", o->name, *argument ? "=" : "", argument);
}

static int spelling_length(const Option *o) {
        return print_spelling(o, NULL, 0);
}

/* The texts begin in one column: after the letter ("-f "), WIDTH and two spaces. */
static void print_option(const Option *o, int width) {
        char spelling[64];
        assert(spelling_length(o) < (int) sizeof(spelling));
        (void) print_spelling(o, spelling, sizeof(spelling));
        if (!o->name)
                (void) printf("  %-*s  %s\n", width + 3, spelling, o->text);
        else if (o->letter)
                (void) printf("  -%c %-*s  %s\n", o->letter, width, spelling, o->text);
        else
                (void) printf("     %-*s  %s\n", width, spelling, o->text);
}

static void print_options(const Option *options, size_t n) {
        int width = 0;
        for (size_t i = 0; i < n; i++)
                width = MAX(width, spelling_length(&options[i]));
        for (size_t i = 0; i < n; i++)
                print_option(&options[i], width);
}

static int print_help(const Option *options, size_t n, const OptionsHelp *help) {
        (void) printf("%s [OPTIONS...]%s%s\n\n%s\n\n", help->program, help->synopsis ? " " : "",
                      strempty(help->synopsis), help->purpose);
        if (help->print_verbs)
                help->print_verbs();
        print_options(options, n);
        return printf("\n%s\n", help->footer) < 0 ? error_origin(-EIO) : 0;
}

static int print_version(const OptionsHelp *help) {
        return printf("%s %s\n", help->program, BOOTKEEP_VERSION) < 0 ? error_origin(-EIO) : 0;
}

static int option_apply(const Option *o, const char *value) {
        int r = o->parse(value, o->data);
        if (r >= 0)
                return 0;
        _cleanup_free_ char *name = NULL;
        if ((o->name ? strprintf(&name, "--%s", o->name) : strprintf(&name, "-%c", o->letter)) < 0)
                return error_origin(-ENOMEM);
        if (r == -EINVAL && value)
                log_error("%s%c%s: bad value, expected %s", name, o->name ? '=' : ' ', value,
                          o->expects ? o->expects : o->argument);
        else
                (void) log_errno(r, "%s", name);
        return r;
}

/* O is the option with the index I. */
static void getopt_add(Getopt *g, const Option *o, size_t i) {
        int has_argument = !o->argument               ? no_argument
                           : option_may_lack_value(o) ? optional_argument
                                                      : required_argument;
        static const char *const colons[] = {
                [no_argument] = "", [required_argument] = ":", [optional_argument] = "::"};
        assert(o->text && o->parse && (o->name || o->letter) && g->n < OPTIONS_MAX);
        if (o->name)
                g->table[g->n++] = (struct option){
                        .name = o->name, .has_arg = has_argument, .val = LONG_OPTION + (int) i};
        if (o->letter) {
                size_t n = strlen(g->letters);
                (void) snprintf(g->letters + n, sizeof(g->letters) - n, "%c%s", o->letter,
                                colons[has_argument]);
        }
}

static const Option *option_find(const Option *options, size_t n, int c) {
        for (size_t i = 0; i < n; i++)
                if (c == LONG_OPTION + (int) i || c == options[i].letter)
                        return &options[i];
        return NULL;
}

/* 1: applied; 0: no further options; negative errno: bad usage, logged. */
static int options_take(int argc, char **argv, const Getopt *g, const Option *options, size_t n) {
        int c = getopt_long(argc, argv, g->letters, g->table, NULL);
        if (c < 0)
                return 0;
        const Option *o = option_find(options, n, c);
        if (!o)
                return error_origin(-EINVAL); /* getopt has said why */
        int r = option_apply(o, optarg);
        return r < 0 ? r : 1;
}

int options_parse(int argc, char **argv, const Option *options, size_t n, const OptionsHelp *help) {
        bool wants_help = false, wants_version = false;
        const Option own[] = {
                {"help", NULL, "Show this help", option_set, &wants_help, 'h'},
                {"version", NULL, "Show package version", option_set, &wants_version, help->version_letter},
        };
        Option all[OPTIONS_MAX] = {};
        Getopt g = {};
        assert(n + ELEMENTSOF(own) <= OPTIONS_MAX && help->program && help->purpose && help->footer);
        for (size_t i = 0; i < n; i++)
                all[i] = options[i];
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                all[n++] = own[i];
        for (size_t i = 0; i < n; i++)
                getopt_add(&g, &all[i], i);
        for (;;) {
                int r = options_take(argc, argv, &g, all, n);
                if (r <= 0)
                        return r < 0 ? r : 1;
                if (wants_help)
                        return print_help(all, n, help);
                if (wants_version)
                        return print_version(help);
        }
}
