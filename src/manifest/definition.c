/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What commands the host is willing to run for a manifest. A definition is taken whole or not at all: half a
 * command would build half a boot. It refuses to look at volumes and to run anything. */

#include "manifest/definition.h"

#include "base/conffile.h"
#include "base/error.h"
#include "base/log.h"
#include "base/words.h"

#define TIMEOUT_DEFAULT_USEC (600 * USEC_PER_SEC)

static const char *const standard_dirs[] = {
        "/etc/bootkeep/builders.d",
        "/run/bootkeep/builders.d",
        "/usr/local/lib/bootkeep/builders.d",
        "/usr/lib/bootkeep/builders.d",
        NULL,
};

static void definition_done(Definition *b) {
        free(b->name);
        free(b->file);
        free(b->description);
        strv_free(b->exec);
}

DefinitionSet *definition_set_free(DefinitionSet *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n; i++)
                definition_done(&s->items[i]);
        free(s->items);
        free(s);
        return NULL;
}

/* A definition while it is read. Unknown keys are warnings; a known one that is wrong spoils it. */
typedef struct Draft {
        Definition definition;
        bool bad;
} Draft;

static void draft_done(Draft *d) {
        definition_done(&d->definition);
}

static int parse_description(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        return conf_parse_string(value, &d->definition.description, reterr);
}

static const char *specifier_problem(const char *word) {
        for (const char *s = word; (s = strchr(s, '%')); s += 2) {
                if (!s[1] || !strchr("oOsir%", s[1]))
                        return "the specifiers are %o, %O, %s, %i, %r and %%";
                if (s[1] == 'O' && !streq(word, "%O"))
                        return "%O must be a word of its own";
        }
        return NULL;
}

static const char *exec_problem(char *const *words) {
        if (!words)
                return "a command is required";
        if (words[0][0] != '/' || strchr(words[0], '%'))
                return "the command must be an absolute path without specifiers";
        for (char *const *w = words; *w; w++) {
                const char *problem = specifier_problem(*w);
                if (problem)
                        return problem;
        }
        return NULL;
}

static int parse_exec(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        _cleanup_strv_free_ char **words = NULL;
        int r = words_split(value, &words, reterr);
        if (r >= 0 && (*reterr = exec_problem(words)))
                r = -EINVAL;
        if (r < 0) {
                d->bad = true;
                return r;
        }
        strv_free(d->definition.exec);
        d->definition.exec = TAKE_PTR(words);
        return 0;
}

static int parse_root(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        if (streq(value, "chroot"))
                d->definition.root = DEFINITION_CHROOT;
        else if (streq(value, "host"))
                d->definition.root = DEFINITION_HOST;
        else {
                *reterr = "expected chroot or host";
                d->bad = true;
                return error_origin(-EINVAL);
        }
        return 0;
}

static int parse_timeout(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        uint64_t usec = 0;
        int r = conf_parse_sec(value, &usec, reterr);
        if (r >= 0 && (usec == 0 || usec == USEC_INFINITY)) {
                *reterr = "every build must end some time";
                r = -EINVAL;
        }
        if (r < 0)
                d->bad = true;
        else
                d->definition.timeout_usec = usec;
        return r;
}

/* `dracut` of `/usr/lib/bootkeep/builders.d/dracut.conf` */
static char *name_of_file(const char *file) {
        const char *slash = strrchr(file, '/');
        const char *name = slash ? slash + 1 : file;
        return strndup(name, strlen(name) - strlen(".conf"));
}

static int take_fingerprint(Definition *b) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        if (!h)
                return error_origin(-ENOMEM);
        hasher_update_string(h, b->name);
        hasher_update_string(h, b->root == DEFINITION_HOST ? "host" : "chroot");
        for (char **w = b->exec; w && *w; w++)
                hasher_update_string(h, *w);
        b->fingerprint = hasher_digest(h);
        return 0;
}

/* 1: good; 0: left out, and said why; -ENOMEM. */
static int draft_read(Draft *d, const char *file, unsigned *problems) {
        const ConfItem items[] = {
                {"Builder", "Description", parse_description, d},
                {"Builder", "Exec", parse_exec, d},
                {"Builder", "Root", parse_root, d},
                {"Builder", "TimeoutSec", parse_timeout, d},
        };
        d->definition.timeout_usec = TIMEOUT_DEFAULT_USEC;
        d->definition.file = strdup(file);
        d->definition.name = name_of_file(file);
        if (!d->definition.file || !d->definition.name)
                return error_origin(-ENOMEM);

        int r = conffile_read(file, items, ELEMENTSOF(items), problems);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -EBADMSG) { /* -EBADMSG is in the log already */
                (void) log_send_errno(LOG_WARNING, CONF_FIELDS(file), r, "Failed to read %s, ignoring", file);
                (*problems)++;
        }
        if (r < 0)
                return 0;
        if (!d->definition.exec && !d->bad) {
                conffile_warn(file, 1, "no Exec= in section [Builder]");
                (*problems)++;
        }
        if (!d->definition.exec || d->bad) {
                conffile_warn(file, 0, "ignoring builder \"%s\"", d->definition.name);
                return 0;
        }
        r = take_fingerprint(&d->definition);
        return r < 0 ? r : 1;
}

static int load_file(DefinitionSet *s, const char *file, unsigned *problems) {
        _cleanup_(draft_done) Draft d = {};
        int r = draft_read(&d, file, problems);
        if (r <= 0)
                return r;
        if (grow(s->items, s->n) < 0)
                return error_origin(-ENOMEM);
        s->items[s->n++] = d.definition;
        d.definition = (Definition){};
        return 0;
}

static int definition_compare(const void *a, const void *b) {
        return strcmp(((const Definition *) a)->name, ((const Definition *) b)->name);
}

int definition_set_load(char *const *dirs, DefinitionSet **ret, unsigned *ret_problems) {
        _cleanup_(definition_set_freep) DefinitionSet *s = calloc(1, sizeof(*s));
        _cleanup_strv_free_ char **files = NULL;
        unsigned problems = 0;
        if (!s)
                return error_origin(-ENOMEM);
        int r = conffile_list_directory(dirs ? dirs : (char *const *) standard_dirs, ".conf", &files);
        if (r < 0)
                return r;
        for (char **f = files; f && *f; f++) {
                r = load_file(s, *f, &problems);
                if (r < 0)
                        return r;
        }
        if (s->n > 0) /* by file name `a-b.conf` would come before `a.conf` */
                qsort(s->items, s->n, sizeof(*s->items), definition_compare);
        if (ret_problems)
                *ret_problems = problems;
        *ret = TAKE_PTR(s);
        return 0;
}

const Definition *definition_set_find(const DefinitionSet *s, const char *name) {
        const Definition key = {.name = (char *) name};
        return s->n > 0 ? bsearch(&key, s->items, s->n, sizeof(*s->items), definition_compare) : NULL;
}

static const char *meaning(char specifier, const DefinitionArguments *a) {
        switch (specifier) {
        case 'o':
                return a->outputs ? a->outputs[0] : NULL;
        case 's':
                return a->sources ? a->sources[0] : NULL;
        case 'i':
                return a->instance;
        case 'r':
                return a->root;
        case '%':
                return "%";
        }
        return NULL;
}

static int expand_word(const char *word, const DefinitionArguments *a, char ***words) {
        char *buffer = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&buffer, &size);
        if (!f)
                return error_origin(-ENOMEM);
        for (const char *s = word; *s; s++) {
                if (*s == '%')
                        (void) fputs(strempty(meaning(*++s, a)), f);
                else
                        (void) fputc(*s, f);
        }
        if (fclose(f) != 0) { /* all errors come together here */
                free(buffer);
                return error_origin(-ENOMEM);
        }
        return strv_push(words, buffer);
}

int definition_command(const Definition *b, const DefinitionArguments *arguments, char ***ret) {
        _cleanup_strv_free_ char **words = NULL;
        for (char **w = b->exec; w && *w; w++) {
                int r = 0;
                if (streq(*w, "%O"))
                        for (char *const *o = arguments->outputs; r >= 0 && o && *o; o++)
                                r = strv_extend(&words, *o);
                else
                        r = expand_word(*w, arguments, &words);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(words);
        return 0;
}
