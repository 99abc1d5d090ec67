/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables and trees for people, based on libsmartcols: coloured, and fitted to the terminal if there is one.
 * Control characters in cells are escaped by the library. */

#include "ctl/ctl.h"

struct libscols_line;

typedef struct Table Table;
typedef struct libscols_line TableLine;

typedef enum TableColumnKind {
        TABLE_PLAIN,
        TABLE_TREE, /* the column in which the branches are drawn */
        TABLE_WRAP, /* wraps if the terminal is narrow */
} TableColumnKind;

typedef struct TableColumn {
        const char *heading;
        TableColumnKind kind;
} TableColumn;

typedef struct TableCell {
        const char *text;  /* copied; NULL: empty */
        const char *color; /* one of format.h, or NULL */
} TableCell;

/* -ENOMEM. */
int table_new(const Ctl *ctl, const TableColumn *columns, size_t n, Table **ret);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free);

/* Adds a line of as many CELLS as there are columns, below PARENT (NULL: none). COLOR (or NULL) is for cells
 * that have none of their own. *RET (may be NULL) is owned by the table. -ENOMEM. */
int table_add(Table *t, TableLine *parent, const char *color, const TableCell *cells, TableLine **ret);

int table_print(Table *t); /* to stdout; an empty table prints nothing */
