/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of a program: one table says which options there are, what each does and what --help
 * prints for it. --help and --version are built in. */

#include "base/util.h"

typedef struct Option {
        const char *name; /* without the dashes; NULL: only has a letter */
        /* what --help calls its value: "DIR"; "[MODE]": the value is optional, PARSE gets NULL without one;
         * NULL: no value */
        const char *argument;
        const char *text;
        int (*parse)(const char *value, void *data); /* -EINVAL: not such a value, other errno */
        void *data;
        char letter;         /* 'f' for -f; 0: none */
        const char *expects; /* what a bad value should have been; NULL: ARGUMENT */
} Option;

typedef struct OptionsHelp {
        const char *program;       /* "bootkeep-scan" */
        const char *synopsis;      /* "MOUNTPOINT", or NULL */
        const char *purpose;       /* a sentence or two */
        void (*print_verbs)(void); /* before the options, or NULL */
        const char *footer;        /* after the options: exit statuses, see also */
        char version_letter;       /* 'V' for -V; 0: --version alone */
} OptionsHelp;

/* 1: argv[optind] is the first argument that is not an option; 0: --help or --version was handled; negative
 * errno: bad usage, logged. */
int options_parse(int argc, char **argv, const Option *options, size_t n, const OptionsHelp *help);

/* For the tables. */
int option_set(const char *value, void *data);    /* bool: becomes true */
int option_clear(const char *value, void *data);  /* bool: becomes false */
int option_ignore(const char *value, void *data); /* anything */
int option_yes_no(const char *value, void *data); /* bool */
int option_string(const char *value, void *data); /* const char *, borrowed from argv */
int option_list(const char *value, void *data);   /* strv: one more */
int option_number(const char *value, void *data); /* uint64_t */
