/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libeconf decides what is a section, a key and a broken file; the value is then taken from its line as it
 * was written, because libeconf 0.5.1 cuts it at a # within quotes and drops quotes that are first and last
 * (`"/a b" "c"` would lose its outer two). Here a comment begins at a # that is first in the value or behind
 * white space, and not within quotes. Long lines, NUL bytes and what is no regular file never reach libeconf:
 * it would tear the first, lose what follows the second, and wait for a fifo. */

#include "base/conffile.h"

#include <ctype.h>
#include <fcntl.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"

#define FILE_SIZE_MAX (64U * 1024U)
#define LINE_MAX_BYTES 4095U /* libeconf reads 8 KiB at a time */

/* One file while it is read. */
typedef struct Source {
        const char *file;
        int fd;
        char *text;
        char **lines; /* into it */
        size_t n_lines;
        econf_file *econf;
        const ConfItem *items;
        size_t n_items;
        unsigned *problems;
} Source;

static void source_done(Source *s) {
        if (s->fd >= 0)
                close(s->fd);
        free(s->lines);
        free(s->text);
        if (s->econf)
                econf_freeFile(s->econf);
}

static void _printf_(3, 0) warn(const char *file, size_t line, const char *format, va_list ap) {
        _cleanup_free_ char *what = NULL;
        (void) vstrprintf(&what, format, ap);
        if (line > 0)
                log_send(LOG_WARNING, CONF_FIELDS(file), "%s:%zu: %s", file, line, strempty(what));
        else
                log_send(LOG_WARNING, CONF_FIELDS(file), "%s: %s", file, strempty(what));
}

void conffile_warn(const char *file, size_t line, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        warn(file, line, format, ap);
        va_end(ap);
}

static int _printf_(3, 4) broken(Source *s, size_t line, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        warn(s->file, line, format, ap);
        va_end(ap);
        (*s->problems)++;
        return error_origin(-EBADMSG);
}

static bool is_null_device(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* 1: open; 0: /dev/null, an empty file. */
static int source_open(Source *s) {
        struct stat st;
        s->fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (s->fd < 0)
                return error_origin(-errno);
        if (fstat(s->fd, &st) < 0)
                return error_origin(-errno);
        if (is_null_device(&st))
                return 0;
        if (!S_ISREG(st.st_mode))
                return broken(s, 0, "not a regular file");
        if (st.st_size > FILE_SIZE_MAX)
                return broken(s, 0, "larger than %u KiB", FILE_SIZE_MAX / 1024);
        return 1;
}

static int source_read_text(Source *s, size_t *ret_size) {
        size_t n = 0;
        s->text = malloc(FILE_SIZE_MAX + 1);
        if (!s->text)
                return error_origin(-ENOMEM);
        while (n < FILE_SIZE_MAX) {
                ssize_t k = pread(s->fd, s->text + n, FILE_SIZE_MAX - n, (off_t) n);
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

static int source_read_lines(Source *s) {
        size_t size = 0;
        int r = source_read_text(s, &size);
        if (r < 0)
                return r;
        char *end = s->text + size;
        for (char *p = s->text; p < end; p++) {
                if (grow(s->lines, s->n_lines) < 0)
                        return error_origin(-ENOMEM);
                s->lines[s->n_lines++] = p;
                size_t n = strcspn(p, "\n");
                if (!p[n] && p + n < end)
                        return broken(s, s->n_lines, "contains a NUL byte");
                if (n > LINE_MAX_BYTES)
                        return broken(s, s->n_lines, "longer than %u bytes", LINE_MAX_BYTES);
                p += n;
                *p = 0;
        }
        return 0;
}

static int source_parse(Source *s) {
        char path[sizeof "/proc/self/fd/" + 3 * sizeof(int)];
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", s->fd);
        econf_err e = econf_readFile(&s->econf, path, "=", "#");
        if (e == ECONF_SUCCESS)
                return 0;
        if (e == ECONF_NOMEM)
                return error_origin(-ENOMEM);
        _cleanup_free_ char *where = NULL;
        uint64_t line = 0;
        econf_errLocation(&where, &line);
        return broken(s, line, "%s", econf_errString(e));
}

/* Cuts white space at both ends, in place. */
static char *trim(char *s) {
        s += strspn(s, " \t\r");
        for (size_t n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]); n--)
                s[n - 1] = 0;
        return s;
}

static void cut_comment(char *s) {
        char quote = 0;
        for (char *p = s; *p; p++) {
                if (*p == '\\' && p[1])
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

/* The value of KEY as it stands in its line. -EINVAL: the line is not what libeconf took it for. */
static int value_of_line(const Source *s, size_t line, const char *key, char **ret) {
        if (line < 1 || line > s->n_lines)
                return error_origin(-EINVAL);
        _cleanup_free_ char *copy = strdup(s->lines[line - 1]);
        if (!copy)
                return error_origin(-ENOMEM);
        char *equals = strchr(copy, '=');
        if (!equals)
                return error_origin(-EINVAL);
        *equals = 0;
        if (!streq(trim(copy), key))
                return error_origin(-EINVAL);
        char *value = trim(equals + 1);
        cut_comment(value);
        char *result = strdup(trim(value));
        if (!result)
                return error_origin(-ENOMEM);
        *ret = result;
        return 0;
}

static const ConfItem *find_item(const Source *s, const char *section, const char *key) {
        for (size_t i = 0; i < s->n_items; i++)
                if (streq(s->items[i].section, strempty(section)) && streq(s->items[i].key, key))
                        return &s->items[i];
        return NULL;
}

/* Does LINE give KEY? */
static bool line_gives(const char *line, const char *key) {
        line += strspn(line, " \t");
        const char *rest = startswith(line, key);
        return rest && rest[strspn(rest, " \t")] == '=';
}

static bool line_opens(const char *line, const char *section) {
        const char *bracket = startswith(line + strspn(line, " \t"), "[");
        const char *rest = bracket ? startswith(bracket, section) : NULL;
        return rest && *rest == ']';
}

/* libeconf takes the first of several and keeps silent. LINE is its number, so the next has that as index. */
static void warn_repeated(Source *s, const char *section, const char *key, size_t line) {
        bool inside = true;
        for (size_t i = line; section && i < s->n_lines; i++) {
                const char *text = s->lines[i];
                if (text[strspn(text, " \t")] == '[')
                        inside = line_opens(text, section);
                else if (inside && line_gives(text, key))
                        (void) broken(s, i + 1, "%s= is set more than once, using the first", key);
        }
}

/* Problems with one key are warnings: the others still count. */
static int source_apply(Source *s, const char *section, const char *key, size_t line, size_t n_values) {
        const ConfItem *item = find_item(s, section, key);
        if (!item)
                return section ? broken(s, line, "unknown key %s= in section [%s], ignoring", key, section)
                               : broken(s, line, "%s= outside of any section, ignoring", key);
        if (n_values > 1)
                return broken(s, line, "%s= spans several lines, which is not supported, ignoring", key);
        warn_repeated(s, section, key, line);
        _cleanup_free_ char *value = NULL;
        int r = value_of_line(s, line, key, &value);
        if (r == -EINVAL)
                return broken(s, line, "%s without \"=\", ignoring", key);
        if (r < 0)
                return r;
        const char *why = "cannot be parsed";
        r = item->parse(value, item->data, &why);
        if (r == -EINVAL)
                return broken(s, line, "bad value \"%s\" for %s=: %s, ignoring", value, key, why);
        return r;
}

static int source_apply_key(Source *s, const char *section, const char *key) {
        econf_ext_value *x = NULL;
        econf_err e = econf_getExtValue(s->econf, section, key, &x);
        if (e == ECONF_NOMEM)
                return error_origin(-ENOMEM);
        if (e == ECONF_NOKEY)
                return 0;
        if (e != ECONF_SUCCESS)
                return broken(s, 0, "%s=: %s, ignoring", key, econf_errString(e));
        int r = source_apply(s, section, key, x->line_number, strv_length(x->values));
        econf_freeExtValue(x);
        return r;
}

static bool contains(char *const *v, size_t n, const char *s) {
        for (size_t i = 0; i < n; i++)
                if (streq(v[i], s))
                        return true;
        return false;
}

/* Adds what may be a key in LINE and is not in *KEYS: libeconf knows whether it is one. */
static int add_key(const char *line, char ***keys) {
        _cleanup_free_ char *copy = strndup(line, strcspn(line, "="));
        if (!copy)
                return error_origin(-ENOMEM);
        const char *key = trim(copy);
        return !*key || strv_contains(*keys, key) ? 0 : strv_extend(keys, key);
}

/* Lists the keys of SECTION (NULL: those before any). libeconf's own list leaves out a key that has the name
 * of the one before it, also where that one is in another section. */
static int list_keys(const Source *s, const char *section, char ***keys) {
        bool inside = !section;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < s->n_lines; i++) {
                const char *text = s->lines[i];
                if (text[strspn(text, " \t")] == '[')
                        inside = section && line_opens(text, section);
                else if (inside)
                        r = add_key(text, keys);
        }
        return r;
}

static int source_apply_section(Source *s, const char *section) {
        _cleanup_strv_free_ char **keys = NULL;
        int r = list_keys(s, section, &keys);
        for (char **key = keys; r != -ENOMEM && key && *key; key++)
                r = source_apply_key(s, section, *key);
        return r == -EBADMSG ? 0 : r;
}

static int source_apply_all(Source *s) {
        char **sections = NULL;
        size_t n = 0;
        int r = source_apply_section(s, NULL);
        econf_err e = econf_getGroups(s->econf, &n, &sections);
        if (e == ECONF_NOMEM)
                return error_origin(-ENOMEM);
        for (size_t i = 0; r >= 0 && e == ECONF_SUCCESS && i < n; i++)
                if (!contains(sections, i, sections[i]))
                        r = source_apply_section(s, sections[i]);
        econf_freeArray(sections);
        return r;
}

static bool section_is_known(const Source *s, const char *line) {
        for (size_t i = 0; i < s->n_items; i++)
                if (line_opens(line, s->items[i].section))
                        return true;
        return false;
}

/* Is there nothing but comments behind LINE, a number, until the next section? */
static bool section_is_empty(const Source *s, size_t line) {
        for (size_t i = line; i < s->n_lines; i++) {
                const char *text = s->lines[i] + strspn(s->lines[i], " \t\r");
                if (*text && *text != '#')
                        return *text == '[';
        }
        return true;
}

/* What libeconf passes over in silence. An unknown section that has keys is told of with these. */
static void warn_passed_over(Source *s) {
        for (size_t i = 0; i < s->n_lines; i++) {
                const char *text = s->lines[i] + strspn(s->lines[i], " \t");
                if (*text == '=')
                        (void) broken(s, i + 1, "\"=\" without a key, ignoring");
                else if (*text == '[' && !section_is_known(s, text) && section_is_empty(s, i + 1))
                        (void) broken(s, i + 1, "unknown section %.*s, ignoring",
                                      (int) strcspn(text, "]") + 1, text);
        }
}

int conffile_read(const char *file, const ConfItem *items, size_t n_items, unsigned *problems) {
        _cleanup_(source_done) Source s = {
                .file = file, .fd = -EBADF, .items = items, .n_items = n_items, .problems = problems};
        int r = source_open(&s);
        if (r <= 0)
                return r;
        r = source_read_lines(&s);
        if (r >= 0)
                r = source_parse(&s);
        if (r < 0)
                return r;
        warn_passed_over(&s);
        return source_apply_all(&s);
}

/* Which files there are. */

typedef struct Found {
        char *name, *path;
        bool masked;
} Found;

typedef struct FoundList {
        Found *items;
        size_t n;
} FoundList;

static void found_list_done(FoundList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].name);
                free(l->items[i].path);
        }
        free(l->items);
}

static bool found_list_has(const FoundList *l, const char *name) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].name, name))
                        return true;
        return false;
}

static int found_list_add(FoundList *l, const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        if (grow(l->items, l->n) < 0 || strprintf(&path, "%s/%s", directory, name) < 0)
                return error_origin(-ENOMEM);
        char *copy = strdup(name);
        if (!copy)
                return error_origin(-ENOMEM);
        bool masked = stat(path, &st) >= 0 && is_null_device(&st);
        l->items[l->n++] = (Found){.name = copy, .path = TAKE_PTR(path), .masked = masked};
        return 0;
}

static bool has_suffix(const char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);
        return n > k && name[0] != '.' && streq(name + n - k, suffix);
}

/* Adds what DIRECTORY has and more important ones had not. */
static int found_list_add_directory(FoundList *l, const char *directory, const char *suffix) {
        _cleanup_closedir_ DIR *d = opendir(directory);
        if (!d)
                return errno == ENOENT || errno == ENOTDIR ? 0 : error_origin(-errno);
        for (;;) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        return error_origin(-errno);
                if (!has_suffix(e->d_name, suffix) || found_list_has(l, e->d_name))
                        continue;
                int r = found_list_add(l, directory, e->d_name);
                if (r < 0)
                        return r;
        }
}

static int compare_found(const void *a, const void *b) {
        return strcmp(((const Found *) a)->name, ((const Found *) b)->name);
}

/* Appends the paths in order of names to *V. */
static int found_list_finish(FoundList *l, char ***v) {
        if (l->n > 0)
                qsort(l->items, l->n, sizeof(*l->items), compare_found);
        for (size_t i = 0; i < l->n; i++) {
                int r = l->items[i].masked ? 0 : strv_extend(v, l->items[i].path);
                if (r < 0)
                        return r;
        }
        return 0;
}

int conffile_list_directory(char *const *dirs, const char *suffix, char ***ret) {
        _cleanup_(found_list_done) FoundList found = {};
        _cleanup_strv_free_ char **v = NULL;
        int r = 0;
        for (char *const *d = dirs; r >= 0 && d && *d; d++)
                r = found_list_add_directory(&found, *d, suffix);
        if (r >= 0)
                r = found_list_finish(&found, &v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

static int list_main(char *const *dirs, const char *name, char ***v) {
        for (char *const *d = dirs; d && *d; d++) {
                _cleanup_free_ char *path = NULL;
                struct stat st;
                if (strprintf(&path, "%s/%s", *d, name) < 0)
                        return error_origin(-ENOMEM);
                if (stat(path, &st) >= 0)
                        return is_null_device(&st) ? 0 : strv_push(v, TAKE_PTR(path));
                if (errno != ENOENT && errno != ENOTDIR)
                        return error_origin(-errno);
        }
        return 0;
}

int conffile_list(char *const *dirs, const char *name, char ***ret) {
        _cleanup_(found_list_done) FoundList found = {};
        _cleanup_strv_free_ char **v = NULL;
        int r = list_main(dirs, name, &v);
        for (char *const *d = dirs; r >= 0 && d && *d; d++) {
                _cleanup_free_ char *dropins = NULL;
                if (strprintf(&dropins, "%s/%s.d", *d, name) < 0)
                        return error_origin(-ENOMEM);
                r = found_list_add_directory(&found, dropins, ".conf");
        }
        if (r >= 0)
                r = found_list_finish(&found, &v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}
