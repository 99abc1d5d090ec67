/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One configuration file. It is read line by line, and libeconf must agree with what we read: a key counts
 * only if libeconf knows it from just that line. libeconf 0.5.1 alone is not enough: it treats what it does
 * not understand as a continuation of the previous line or as a key without a value, and cuts values at a
 * comment sign within quotes. So every line must be of one of four kinds, anything else is reported, and
 * values are taken from their lines as written.
 *
 * Comments are lines that begin with # or ; as in systemd.syntax(7). Beyond that, a # after white space ends
 * a value, unless it is within quotes; a ; never does.
 *
 * Long lines, NUL bytes, other encodings and anything but regular files never reach libeconf: it would split
 * the first, lose what follows the second, and block on a fifo. */

#include "base/conffile.h"

#include <ctype.h>
#include <fcntl.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/utf8.h"

#define FILE_SIZE_MAX (64U * 1024U)
#define LINE_MAX_BYTES 4095U /* libeconf reads 8 KiB at a time */
#define COMMENT_SIGNS "#;"
#define SPACE " \t\r"

typedef enum LineKind {
        LINE_EMPTY, /* or a comment */
        LINE_SECTION,
        LINE_ASSIGNMENT,
        LINE_OTHER,
} LineKind;

/* One file while it is being read. */
typedef struct Source {
        const char *file;
        int fd;
        char *text;
        char **lines; /* into it */
        size_t n_lines;
        econf_file *econf;
        const ConfItem *items;
        size_t n_items;
        bool *given; /* which of the items the file has set */
        unsigned *problems;
        bool partly;        /* a line does not count */
        size_t partly_line; /* the first of them */
} Source;

static void source_done(Source *s) {
        closep(&s->fd);
        free(s->lines);
        free(s->text);
        free(s->given);
        if (s->econf)
                econf_freeFile(s->econf);
}

static void _printf_(3, 0) warn_at(const char *file, size_t line, const char *format, va_list ap) {
        _cleanup_free_ char *what = NULL;
        (void) vstrprintf(&what, format, ap);
        if (line > 0)
                log_send(LOG_WARNING, CONF_FIELDS(file), "%s:%zu: %s", file, line, strempty(what));
        else
                log_send(LOG_WARNING, CONF_FIELDS(file), "%s: %s", file, strempty(what));
}

void conffile_warn(const char *file, size_t line, const char *format, ...) {
        assert(file && format);
        va_list ap;
        va_start(ap, format);
        warn_at(file, line, format, ap);
        va_end(ap);
}

/* What a mistake costs. */
typedef enum Cost {
        COST_VALUE, /* the content of the line */
        COST_LINE,  /* the line: the file is not read whole */
        COST_FILE,
} Cost;

static int _printf_(4, 5) source_complain(Source *s, Cost cost, size_t line, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        warn_at(s->file, line, format, ap);
        va_end(ap);
        (*s->problems)++;
        if (cost != COST_VALUE && s->partly_line == 0)
                s->partly_line = line;
        s->partly |= cost == COST_LINE;
        return cost == COST_FILE ? error_origin(-EBADMSG) : 0;
}

bool conffile_is_null(const struct stat *st) {
        assert(st);
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* 1: open; 0: /dev/null, an empty file. */
static int source_open(Source *s) {
        struct stat st;
        s->fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (s->fd < 0)
                return errno == ENOENT ? -ENOENT : error_origin(-errno);
        if (fstat(s->fd, &st) < 0)
                return error_origin(-errno);
        if (conffile_is_null(&st))
                return 0;
        if (!S_ISREG(st.st_mode))
                return source_complain(s, COST_FILE, 0, "not a regular file");
        if (st.st_size > FILE_SIZE_MAX)
                return source_complain(s, COST_FILE, 0, "larger than %u KiB", FILE_SIZE_MAX / 1024);
        return 1;
}

static int source_read_text(Source *s, size_t *ret_size) {
        size_t n = 0;
        s->text = malloc(FILE_SIZE_MAX + 1);
        if (!s->text)
                return error_origin(-ENOMEM);
        while (n < FILE_SIZE_MAX) {
                ssize_t k = pread(s->fd, s->text + n, FILE_SIZE_MAX - n, (off_t) n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return error_origin(-errno);
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        s->text[n] = 0;
        *ret_size = n;
        return 0;
}

static int source_split_lines(Source *s, size_t size) {
        char *end = s->text + size;
        for (char *p = s->text; p < end; p++) {
                if (grow(s->lines, s->n_lines) < 0)
                        return error_origin(-ENOMEM);
                s->lines[s->n_lines++] = p;
                size_t n = strcspn(p, "\n");
                if (!p[n] && p + n < end)
                        return source_complain(s, COST_FILE, s->n_lines, "contains a NUL byte");
                if (n > LINE_MAX_BYTES)
                        return source_complain(s, COST_FILE, s->n_lines, "longer than %u bytes",
                                               LINE_MAX_BYTES);
                p += n;
                *p = 0;
        }
        return 0;
}

static const char *skip_space(const char *s) {
        return s + strspn(s, SPACE);
}

/* The bracket that ends the name of the section that LINE begins; NULL: it does not begin one. */
static const char *section_end(const char *line) {
        assert(line);
        const char *end = skip_space(line);
        if (*end != '[')
                return NULL;
        while ((end = strchr(end + 1, ']'))) {
                const char *rest = skip_space(end + 1);
                if (!*rest || strchr(COMMENT_SIGNS, *rest))
                        return end;
        }
        return NULL;
}

static LineKind line_kind(const char *line) {
        const char *text = skip_space(line);
        if (!*text || strchr(COMMENT_SIGNS, *text))
                return LINE_EMPTY;
        if (*text == '[')
                return section_end(line) ? LINE_SECTION : LINE_OTHER;
        return strchr(text, '=') ? LINE_ASSIGNMENT : LINE_OTHER;
}

/* What no editor for such files would write. */
static int source_check_encoding(Source *s) {
        if (s->n_lines > 0 && startswith(s->lines[0], "\xef\xbb\xbf"))
                return source_complain(s, COST_FILE, 1, "begins with a byte order mark");
        for (size_t i = 0; i < s->n_lines; i++)
                if (line_kind(s->lines[i]) != LINE_EMPTY && !utf8_is_valid(s->lines[i]))
                        return source_complain(s, COST_FILE, i + 1, "not UTF-8");
        return 0;
}

static int source_parse(Source *s) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", s->fd);
        econf_err result = econf_readFile(&s->econf, path, "=", COMMENT_SIGNS);
        if (result == ECONF_SUCCESS)
                return 0;
        if (result == ECONF_NOMEM)
                return error_origin(-ENOMEM);
        _cleanup_free_ char *where = NULL;
        uint64_t line = 0;
        econf_errLocation(&where, &line);
        return source_complain(s, COST_FILE, line, "%s", econf_errString(result));
}

/* Cuts white space at both ends, in place. */
static char *trim(char *s) {
        s += strspn(s, SPACE);
        for (size_t n = strlen(s); n > 0 && strchr(SPACE, s[n - 1]); n--)
                s[n - 1] = 0;
        return s;
}

/* Would systemd treat the next line as a part of this value? */
static bool continues(const char *value) {
        size_t n = strlen(value), backslashes = 0;
        while (backslashes < n && value[n - 1 - backslashes] == '\\')
                backslashes++;
        return backslashes % 2 == 1;
}

static void cut_comment(char *s) {
        assert(!continues(s));
        char quote = 0;
        for (char *p = s; *p; p++) {
                if (*p == '\\') /* and another character follows */
                        p++;
                else if (quote)
                        quote = *p == quote ? 0 : quote;
                else if (*p == '#' && (p == s || isspace((unsigned char) p[-1]))) {
                        *p = 0;
                        return;
                } else if (*p == '"' || *p == '\'')
                        quote = *p;
        }
}

/* SECTION is NULL before the first. */
static const ConfItem *source_find_item(const Source *s, const char *section, const char *key) {
        assert(key);
        for (size_t i = 0; section && i < s->n_items; i++)
                if (streq(s->items[i].section, section) && streq(s->items[i].key, key))
                        return &s->items[i];
        return NULL;
}

/* Does libeconf read KEY in LINE, and nothing of it elsewhere? 0 or 1, -ENOMEM. */
static int source_agrees(const Source *s, const char *section, const char *key, size_t line) {
        econf_ext_value *value = NULL;
        econf_err result = econf_getExtValue(s->econf, section, key, &value);
        if (result == ECONF_NOMEM)
                return error_origin(-ENOMEM);
        if (result != ECONF_SUCCESS)
                return 0;
        bool agrees = value->line_number == line && strv_length(value->values) <= 1;
        econf_freeExtValue(value);
        return agrees;
}

static int source_apply(Source *s, const ConfItem *item, size_t line, const char *value) {
        const char *why = "not understood";
        int r = item->parse(value, item->data, &why);
        return r != -EINVAL ? r
                            : source_complain(s, COST_VALUE, line, "bad value \"%s\" for %s=: %s, ignoring",
                                              value, item->key, why);
}

static const ConfItem *source_find_key(const Source *s, const char *key) {
        for (size_t i = 0; i < s->n_items; i++)
                if (!streq(key, "*") && strcasecmp(s->items[i].key, key) == 0)
                        return &s->items[i];
        return NULL;
}

/* KEY, which does not exist in SECTION (NULL: none). */
static int source_refuse_key(Source *s, const char *section, const char *key, size_t line) {
        const ConfItem *meant = source_find_key(s, key), *other = source_find_item(s, section, "*");
        const char *why;
        if (!section)
                return source_complain(s, COST_LINE, line, "%s= outside of any section, ignoring", key);
        if (meant)
                return source_complain(
                        s, COST_LINE, line,
                        "unknown key %s= in section [%s] (%s= in section [%s] is known), ignoring", key,
                        section, meant->key, meant->section);
        int r = other ? other->parse("", other->data, &why) : 0;
        if (r < 0)
                return r;
        return source_complain(s, COST_VALUE, line, "unknown key %s= in section [%s], ignoring", key,
                               section);
}

/* KEY and what follows "=" in TEXT. Problems with one key are warnings: the others still count. */
static int source_apply_key(Source *s, const char *section, const char *key, char *text, size_t line) {
        if (!*key)
                return source_complain(s, COST_LINE, line, "\"=\" without a key, ignoring");
        const ConfItem *item = source_find_item(s, section, key);
        if (!item || streq(key, "*"))
                return source_refuse_key(s, section, key, line);
        bool *given = &s->given[item - s->items];
        if (*given)
                return source_complain(s, COST_LINE, line, "%s= is set more than once, using the first value",
                                       key);
        *given = true;
        int r = source_agrees(s, section, key, line);
        if (r < 0)
                return r;
        char *value = trim(text);
        if (r == 0 || continues(value))
                return source_complain(s, COST_LINE, line,
                                       "%s= spans several lines, which is not supported, ignoring", key);
        cut_comment(value);
        return source_apply(s, item, line, trim(value));
}

static int source_apply_line(Source *s, const char *section, size_t line) {
        _cleanup_free_ char *copy = strdup(s->lines[line - 1]);
        if (!copy)
                return error_origin(-ENOMEM);
        char *equals = strchr(copy, '=');
        *equals = 0;
        return source_apply_key(s, section, trim(copy), equals + 1, line);
}

static int section_name(const char *line, char **ret) {
        assert(section_end(line) && ret);
        const char *start = skip_space(line) + 1, *end = section_end(line);
        char *name = strndup(start, (size_t) (end - start));
        if (!name)
                return error_origin(-ENOMEM);
        free(*ret);
        *ret = name;
        return 0;
}

static bool source_knows_section(const Source *s, const char *name) {
        for (size_t i = 0; i < s->n_items; i++)
                if (streq(s->items[i].section, name))
                        return true;
        return false;
}

/* Is there nothing but comments between LINE and the next section? */
static bool section_is_empty(const Source *s, size_t line) {
        for (size_t i = line; i < s->n_lines; i++) {
                LineKind kind = line_kind(s->lines[i]);
                if (kind != LINE_EMPTY)
                        return kind == LINE_SECTION;
        }
        return true;
}

/* An unknown section that has keys is reported with these. */
static int source_enter_section(Source *s, size_t line, char **section) {
        int r = section_name(s->lines[line - 1], section);
        if (r < 0 || source_knows_section(s, *section) || !section_is_empty(s, line))
                return r;
        return source_complain(s, COST_VALUE, line, "unknown section [%s], ignoring", *section);
}

static int source_apply_lines(Source *s) {
        _cleanup_free_ char *section = NULL;
        int r = 0;
        for (size_t line = 1; r >= 0 && line <= s->n_lines; line++)
                switch (line_kind(s->lines[line - 1])) {
                case LINE_EMPTY:
                        break;
                case LINE_SECTION:
                        r = source_enter_section(s, line, &section);
                        break;
                case LINE_ASSIGNMENT:
                        r = source_apply_line(s, section, line);
                        break;
                case LINE_OTHER:
                        r = source_complain(s, COST_LINE, line, "neither a section nor KEY=VALUE, ignoring");
                        break;
                }
        return r;
}

int conffile_read(const char *file, const ConfItem *items, size_t n_items, unsigned *problems,
                  size_t *ret_line) {
        assert(file && (items || n_items == 0) && problems);
        size_t size = 0;
        _cleanup_(source_done) Source s = {
                .file = file, .fd = -EBADF, .items = items, .n_items = n_items, .problems = problems};
        if (ret_line)
                *ret_line = 0;
        int r = source_open(&s);
        if (r <= 0)
                return r;
        s.given = calloc(n_items + 1, sizeof(*s.given));
        r = s.given ? source_read_text(&s, &size) : error_origin(-ENOMEM);
        if (r >= 0)
                r = source_split_lines(&s, size);
        if (r >= 0)
                r = source_check_encoding(&s);
        if (r >= 0)
                r = source_parse(&s);
        if (r >= 0)
                r = source_apply_lines(&s);
        if (ret_line)
                *ret_line = s.partly_line;
        if (r < 0)
                return r;
        return s.partly ? CONFFILE_PARTLY : 0;
}
