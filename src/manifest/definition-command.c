/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line made from a builder definition. A specifier is replaced within its word: whatever it
 * stands for, it never splits a word. */

#include "base/error.h"
#include "manifest/definition.h"

static const char *specifier_meaning(char specifier, const DefinitionArguments *a) {
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

static int command_add_word(const char *word, const DefinitionArguments *a, char ***words) {
        char *buffer = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&buffer, &size);
        if (!f)
                return error_origin(-ENOMEM);
        for (const char *s = word; *s; s++) {
                if (*s == '%')
                        (void) fputs(strempty(specifier_meaning(*++s, a)), f);
                else
                        (void) fputc(*s, f);
        }
        if (fclose(f) != 0) { /* all errors end up here */
                free(buffer);
                return error_origin(-ENOMEM);
        }
        return strv_push(words, buffer);
}

int definition_command(const Definition *d, const DefinitionArguments *arguments, char ***ret) {
        assert(d && arguments && ret);
        _cleanup_strv_free_ char **words = NULL;
        for (char **w = d->exec; *w; w++) {
                int r = 0;
                if (streq(*w, "%O"))
                        for (char *const *o = arguments->outputs; r >= 0 && o && *o; o++)
                                r = strv_extend(&words, *o);
                else
                        r = command_add_word(*w, arguments, &words);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(words);
        return 0;
}
