/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/table.h"

#include <libsmartcols/libsmartcols.h>

struct Table {
        struct libscols_table *table;
        size_t n_columns;
};

Table *table_free(Table *t) {
        if (t)
                scols_unref_table(t->table);
        free(t);
        return NULL;
}

static int add_columns(Table *t, const TableColumn *columns) {
        static const int flags[] = {
                [TABLE_PLAIN] = 0,
                [TABLE_TREE] = SCOLS_FL_TREE,
                [TABLE_WRAP] = SCOLS_FL_WRAP,
        };

        for (size_t i = 0; i < t->n_columns; i++)
                if (!scols_table_new_column(t->table, columns[i].heading, 0, flags[columns[i].kind]))
                        return -ENOMEM;
        return 0;
}

int table_new(const Ctl *ctl, const TableColumn *columns, size_t n, Table **ret) {
        _cleanup_(table_freep) Table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->table = scols_new_table();
        if (!t->table)
                return -ENOMEM;
        t->n_columns = n;
        (void) scols_table_set_stream(t->table, stdout);
        (void) scols_table_enable_noheadings(t->table, !ctl->legend);
        (void) scols_table_enable_colors(t->table, ctl->colors);
        (void) scols_table_set_termforce(t->table,
                                         ctl->width > 0 ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
        if (ctl->width > 0)
                (void) scols_table_set_termwidth(t->table, ctl->width);
        int r = add_columns(t, columns);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int table_add(Table *t, TableLine *parent, const char *color, const TableCell *cells, TableLine **ret) {
        struct libscols_line *line = scols_table_new_line(t->table, parent);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_columns; i++) {
                const char *c = cells[i].color ? cells[i].color : color;
                if (scols_line_set_data(line, i, strempty(cells[i].text)) < 0)
                        return -ENOMEM;
                if (c && scols_cell_set_color(scols_line_get_cell(line, i), c) < 0)
                        return -ENOMEM;
        }
        if (ret)
                *ret = line;
        return 0;
}

int table_print(Table *t) {
        int r = scols_print_table(t->table);
        return r < 0 ? r : 0;
}
