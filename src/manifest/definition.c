/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One builder definition, from its file. It is honoured only if it belongs to root, and as a whole or not at
 * all: half a command would build half a boot. */

#include "manifest/definition.h"

#include "base/conffile.h"
#include "base/error.h"
#include "base/log.h"
#include "base/path.h"
#include "base/words.h"
#include "manifest/ownership.h"

#define TIMEOUT_DEFAULT_USEC (600 * USEC_PER_SEC)

void definition_done(Definition *d) {
        assert(d);
        free(d->name);
        free(d->file);
        free(d->description);
        strv_free(d->exec);
        strv_free(d->learn_ignore);
        *d = (Definition){};
}

/* ---- what a builder learns ---- */

static const char *const learn_names[] = {
        [LEARN_OPENS] = "opens",
        [LEARN_LOOKUPS] = "lookups",
        [LEARN_NO] = "no",
};

const char *definition_learn_to_string(DefinitionLearn learn) {
        assert((size_t) learn < ELEMENTSOF(learn_names));
        return learn_names[learn];
}

int definition_learn_from_string(const char *s, DefinitionLearn *ret) {
        for (size_t i = 0; i < ELEMENTSOF(learn_names); i++)
                if (streq(s, learn_names[i])) {
                        *ret = (DefinitionLearn) i;
                        return 0;
                }
        return error_origin(-EINVAL);
}

/* ---- reading ---- */

/* A definition while it is being read. Unknown keys are warnings; a bad value of a known one makes the whole
 * definition invalid. */
typedef struct Draft {
        Definition definition;
        bool bad;
} Draft;

static void draft_done(Draft *d) {
        definition_done(&d->definition);
}

static int draft_parse_description(const char *value, void *data, const char **reterr) {
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

static int draft_parse_exec(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        _cleanup_strv_free_ char **words = NULL;
        int r = words_split(value, &words, reterr);
        if (r >= 0 && (*reterr = exec_problem(words)))
                r = -EINVAL;
        if (r < 0) {
                d->bad = true;
                return r;
        }
        assert(!d->definition.exec); /* each key is applied once */
        d->definition.exec = TAKE_PTR(words);
        return 0;
}

static int draft_parse_root(const char *value, void *data, const char **reterr) {
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

static int draft_parse_timeout(const char *value, void *data, const char **reterr) {
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

static int draft_parse_bool(Draft *d, const char *value, bool *field, const char **reterr) {
        int r = conf_parse_bool(value, field, reterr);
        if (r < 0)
                d->bad = true;
        return r;
}

static int draft_parse_quick(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        return draft_parse_bool(d, value, &d->definition.quick, reterr);
}

static int draft_parse_running_system_only(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        return draft_parse_bool(d, value, &d->definition.running_system_only, reterr);
}

static int draft_parse_learn(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        int r = definition_learn_from_string(value, &d->definition.learn);
        if (r < 0) {
                *reterr = "expected opens, lookups or no";
                d->bad = true;
        }
        return r;
}

static bool is_pattern_of_paths(const char *word) {
        return *word == '/' || *word == '*';
}

static int draft_parse_learn_ignore(const char *value, void *data, const char **reterr) {
        Draft *d = data;
        _cleanup_strv_free_ char **words = NULL;
        int r = words_split(value, &words, reterr);
        for (char **w = words; r >= 0 && w && *w; w++)
                if (!is_pattern_of_paths(*w)) {
                        *reterr = "a pattern of paths begins with / or *";
                        r = -EINVAL;
                }
        if (r < 0) {
                d->bad = true;
                return r;
        }
        d->definition.learn_ignore = TAKE_PTR(words);
        return 0;
}

/* `dracut` of `/usr/lib/bootkeep/builders.d/dracut.conf` */
static char *file_definition_name(const char *file) {
        assert(strlen(file) > strlen(".conf"));
        const char *name = path_last(file);
        return strndup(name, strlen(name) - strlen(".conf"));
}

static int definition_take_fingerprint(Definition *d) {
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        if (!h)
                return error_origin(-ENOMEM);
        hasher_update_string(h, d->name);
        hasher_update_string(h, d->root == DEFINITION_HOST ? "host" : "chroot");
        for (char **w = d->exec; *w; w++)
                hasher_update_string(h, *w);
        /* only what is not as it always was: else all that was built before there was a choice were stale */
        if (d->learn != LEARN_OPENS)
                hasher_update_string(h, definition_learn_to_string(d->learn));
        for (char **w = d->learn_ignore; w && *w; w++)
                hasher_update_string(h, *w);
        d->fingerprint = hasher_digest(h);
        return 0;
}

static int draft_start(Draft *d, const char *file) {
        d->definition.timeout_usec = TIMEOUT_DEFAULT_USEC;
        d->definition.file = strdup(file);
        d->definition.name = file_definition_name(file);
        return d->definition.file && d->definition.name ? 0 : error_origin(-ENOMEM);
}

/* FILE could not be accessed, because of R. Only running out of memory is an error of ours. */
static int draft_unreadable(const Draft *d, int r, unsigned *problems) {
        const char *file = d->definition.file;
        if (r == -ENOMEM)
                return r;
        (void) log_send_errno(LOG_WARNING, CONF_FIELDS(file), r, "Failed to read %s, ignoring", file);
        (*problems)++;
        return 0;
}

/* May the file be honoured? 1: yes; 0: no, logged why; -ENOMEM. */
static int draft_check_ownership(const Draft *d, unsigned *problems) {
        _cleanup_free_ char *problem = NULL;
        int r = ownership_check_host_file(d->definition.file, &problem);
        if (r < 0)
                return draft_unreadable(d, r, problems);
        if (!problem)
                return 1;
        conffile_warn(d->definition.file, 0, "%s: ignoring builder \"%s\"", problem, d->definition.name);
        (*problems)++;
        return 0;
}

/* 1: it could be read, whatever it contains; 0: it could not, logged why; -ENOMEM. */
static int draft_read(Draft *d, unsigned *problems) {
        const ConfItem items[] = {
                {"Builder", "Description", draft_parse_description, d},
                {"Builder", "Exec", draft_parse_exec, d},
                {"Builder", "Root", draft_parse_root, d},
                {"Builder", "TimeoutSec", draft_parse_timeout, d},
                {"Builder", "Quick", draft_parse_quick, d},
                {"Builder", "RunningSystemOnly", draft_parse_running_system_only, d},
                {"Builder", "Learn", draft_parse_learn, d},
                {"Builder", "LearnIgnore", draft_parse_learn_ignore, d},
        };
        int r = conffile_read(d->definition.file, items, ELEMENTSOF(items), problems, NULL);
        if (r == -EBADMSG) /* logged already */
                return 0;
        return r < 0 ? draft_unreadable(d, r, problems) : 1;
}

/* Is it complete? If not, logs that. */
static bool draft_is_whole(const Draft *d, unsigned *problems) {
        const char *file = d->definition.file;
        if (!d->definition.exec && !d->bad) {
                conffile_warn(file, 1, "no Exec= in section [Builder]");
                (*problems)++;
        }
        if (d->definition.exec && !d->bad)
                return true;
        conffile_warn(file, 0, "ignoring builder \"%s\"", d->definition.name);
        return false;
}

int definition_read(const char *file, Definition *ret, unsigned *problems) {
        assert(file && ret && problems);
        _cleanup_(draft_done) Draft d = {};
        int r = draft_start(&d, file);
        if (r >= 0)
                r = draft_check_ownership(&d, problems);
        if (r > 0)
                r = draft_read(&d, problems);
        if (r <= 0 || !draft_is_whole(&d, problems))
                return MIN(r, 0);
        r = definition_take_fingerprint(&d.definition);
        if (r < 0)
                return r;
        *ret = d.definition;
        d.definition = (Definition){};
        return 1;
}
