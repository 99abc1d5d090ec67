/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/options.h"

#include <getopt.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"
#include "config.h"

/* --help and --version stand behind those of the table. */
enum { OWN = 2, MANY = 32 };

#define TEXT_COLUMN 27

int option_set(const char *value, void *data) {
        *(bool *) data = true;
        return 0;
}

int option_clear(const char *value, void *data) {
        *(bool *) data = false;
        return 0;
}

int option_yes_no(const char *value, void *data) {
        if (!streq(value, "yes") && !streq(value, "no"))
                return error_origin(-EINVAL);
        *(bool *) data = streq(value, "yes");
        return 0;
}

int option_string(const char *value, void *data) {
        *(const char **) data = value;
        return 0;
}

int option_list(const char *value, void *data) {
        return strv_extend(data, value);
}

int option_number(const char *value, void *data) {
        return parse_u64(value, data) < 0 ? error_origin(-EINVAL) : 0;
}

static void print_option(const char *name, const char *argument, const char *text) {
        int n = printf("     --%s%s%s", name, argument ? "=" : "", strempty(argument));
        (void) printf("%*s %s\n", MAX(TEXT_COLUMN - n, 0), "", text);
}

static int print_help(const Option *options, size_t n, const OptionsHelp *help) {
        (void) printf("%s [OPTIONS...]%s%s\n\n%s\n\n", help->program, help->synopsis ? " " : "",
                      strempty(help->synopsis), help->purpose);
        for (size_t i = 0; i < n; i++)
                print_option(options[i].name, options[i].argument, options[i].text);
        print_option("version", NULL, "Show package version");
        print_option("help", NULL, "Show this help");
        return printf("\n%s\n", help->footer) < 0 ? error_origin(-EIO) : 0;
}

static int print_version(void) {
        return printf("bootkeep %s\n", BOOTKEEP_VERSION) < 0 ? error_origin(-EIO) : 0;
}

static int take(const Option *o, const char *value) {
        int r = o->parse(value, o->data);
        if (r == -EINVAL)
                log_error("--%s=%s: bad value, expected %s", o->name, strempty(value), o->argument);
        else if (r < 0)
                (void) log_errno(r, "--%s", o->name);
        return r;
}

int options_parse(int argc, char **argv, const Option *options, size_t n, const OptionsHelp *help) {
        struct option table[MANY + OWN + 1] = {};
        if (n > MANY)
                return error_origin(-E2BIG);
        for (size_t i = 0; i < n; i++)
                table[i] = (struct option){
                        .name = options[i].name,
                        .has_arg = options[i].argument ? required_argument : no_argument,
                };
        table[n] = (struct option){.name = "version"};
        table[n + 1] = (struct option){.name = "help"};

        int i = 0;
        for (int c; (c = getopt_long(argc, argv, "h", table, &i)) != -1;) {
                if (c == 'h' || (c == 0 && (size_t) i == n + 1))
                        return print_help(options, n, help);
                if (c == 0 && (size_t) i == n)
                        return print_version();
                int r = c == 0 ? take(&options[i], optarg) : error_origin(-EINVAL); /* getopt said why */
                if (r < 0)
                        return r;
        }
        return 1;
}
