/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/table.h"

#include <libsmartcols/libsmartcols.h>

#include "base/error.h"
#include "ctl/format.h"

#define WRAP_WIDTH_MIN 12 /* a wrapped column gets no narrower than this: below that nothing is readable */

struct Table {
        struct libscols_table *table;
        const TableColumn *columns;
        size_t n_columns;
        size_t *widths; /* of the columns, once they have been laid out */
        size_t width;   /* of the terminal, or 0 */
};

Table *table_free(Table *t) {
        if (t) {
                scols_unref_table(t->table);
                free(t->widths);
        }
        free(t);
        return NULL;
}

/* The library wraps in the middle of words, and gives nearly all the room to the first column that needs
 * much. So line breaks are decided here, see fit(), and the library only breaks lines there. */
#define LINE_END 0xff /* not a byte of UTF-8, so of nothing that came over the bus */

static size_t widest_chunk(const struct libscols_column *column, const char *data, void *userdata) {
        size_t widest = 0;
        for (const char *end; data; data = end ? end + 1 : NULL) {
                end = strchr(data, LINE_END);
                size_t n = format_width(data, end ? (size_t) (end - data) : strlen(data));
                widest = n > widest ? n : widest;
        }
        return widest;
}

static char *next_chunk(const struct libscols_column *column, char *data, void *userdata) {
        char *end = data ? strchr(data, LINE_END) : NULL;
        if (!end)
                return NULL;
        *end = 0;
        return end + 1;
}

static int add_column(Table *t, const TableColumn *c) {
        /* text from a volume is escaped already: once is enough */
        static const char safe[] = {'\\', (char) LINE_END, 0};
        int flags = c->kind == TABLE_TREE ? SCOLS_FL_TREE : c->kind == TABLE_WRAP ? SCOLS_FL_WRAP : 0;
        struct libscols_column *column = scols_table_new_column(t->table, c->heading, 0, flags);
        if (!column || scols_column_set_safechars(column, safe) < 0)
                return error_origin(-ENOMEM);
        return c->kind == TABLE_WRAP ? scols_column_set_wrapfunc(column, widest_chunk, next_chunk, NULL) : 0;
}

int table_new(const Ctl *ctl, const TableColumn *columns, size_t n, Table **ret) {
        assert(ctl && columns && n > 0 && ret);
        _cleanup_(table_freep) Table *t = calloc(1, sizeof(*t));
        if (!t)
                return error_origin(-ENOMEM);
        t->table = scols_new_table();
        t->widths = calloc(n, sizeof(*t->widths));
        if (!t->table || !t->widths)
                return error_origin(-ENOMEM);
        t->columns = columns;
        t->n_columns = n;
        t->width = ctl->width;
        (void) scols_table_set_stream(t->table, stdout);
        (void) scols_table_enable_noheadings(t->table, !ctl->legend);
        (void) scols_table_enable_colors(t->table, ctl->colors);
        (void) scols_table_set_termforce(t->table,
                                         ctl->width > 0 ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
        if (ctl->width > 0)
                (void) scols_table_set_termwidth(t->table, ctl->width);
        for (size_t i = 0; i < n; i++)
                if (add_column(t, columns + i) < 0)
                        return error_origin(-ENOMEM);
        *ret = TAKE_PTR(t);
        return 0;
}

int table_add(Table *t, TableLine *parent, const char *color, const TableCell *cells, TableLine **ret) {
        assert(t && cells);
        struct libscols_line *line = scols_table_new_line(t->table, parent);
        if (!line)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < t->n_columns; i++) {
                const char *c = cells[i].color ? cells[i].color : color;
                if (scols_line_set_data(line, i, strempty(cells[i].text)) < 0)
                        return error_origin(-ENOMEM);
                if (c && scols_cell_set_color(scols_line_get_cell(line, i), c) < 0)
                        return error_origin(-ENOMEM);
        }
        if (ret)
                *ret = line;
        return 0;
}

static TableLine *next_line(Table *t, struct libscols_iter *i) {
        struct libscols_line *line;
        return scols_table_next_line(t->table, i, &line) == 0 ? line : NULL;
}

static size_t depth(const TableLine *line) {
        size_t n = 0;
        for (const TableLine *l = scols_line_get_parent(line); l; l = scols_line_get_parent(l))
                n++;
        return n;
}

static const char *text_of(TableLine *line, size_t i) {
        return strempty(scols_cell_get_data(scols_line_get_cell(line, i)));
}

/* How wide each column would be if there were room for all. */
static void measure(Table *t, struct libscols_iter *iter) {
        for (size_t i = 0; i < t->n_columns; i++)
                t->widths[i] = scols_table_is_noheadings(t->table) ? 0 : strlen(t->columns[i].heading);
        scols_reset_iter(iter, SCOLS_ITER_FORWARD);
        for (TableLine *line; (line = next_line(t, iter));)
                for (size_t i = 0; i < t->n_columns; i++) {
                        size_t branches = t->columns[i].kind == TABLE_TREE ? 2 * depth(line) : 0;
                        const char *text = text_of(line, i);
                        size_t n = format_width(text, strlen(text)) + branches;
                        t->widths[i] = n > t->widths[i] ? n : t->widths[i];
                }
}

/* Narrows the widest of those that may be wrapped until all fit, or none can become narrower. */
static void fit(Table *t) {
        assert(t->n_columns > 0 && t->width > 0);
        for (;;) {
                size_t total = t->n_columns - 1; /* the gaps between them */
                size_t *widest = NULL;
                for (size_t i = 0; i < t->n_columns; i++) {
                        total += t->widths[i];
                        if (t->columns[i].kind == TABLE_WRAP && (!widest || t->widths[i] > *widest))
                                widest = t->widths + i;
                }
                if (total <= t->width || !widest || *widest <= WRAP_WIDTH_MIN)
                        return;
                (*widest)--;
        }
}

static int wrap(Table *t, struct libscols_iter *iter) {
        assert(t->width > 0);
        scols_reset_iter(iter, SCOLS_ITER_FORWARD);
        for (TableLine *line; (line = next_line(t, iter));)
                for (size_t i = 0; i < t->n_columns; i++) {
                        if (t->columns[i].kind != TABLE_WRAP)
                                continue;
                        char *text = format_wrap(text_of(line, i), t->widths[i], (char) LINE_END);
                        if (!text || scols_line_refer_data(line, i, text) < 0)
                                return error_origin(-ENOMEM);
                }
        return 0;
}

int table_print(Table *t) {
        assert(t);
        if (t->width > 0) {
                struct libscols_iter *iter = scols_new_iter(SCOLS_ITER_FORWARD);
                if (!iter)
                        return error_origin(-ENOMEM);
                measure(t, iter);
                fit(t);
                int r = wrap(t, iter);
                scols_free_iter(iter);
                if (r < 0)
                        return r;
        }
        int r = scols_print_table(t->table);
        return r < 0 ? r : 0;
}
