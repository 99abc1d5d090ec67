/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Knows nothing about the syntax of any boot loader: a file is named by its path, as a whole word. This holds
 * for entries of the Boot Loader Specification and for those of GRUB and extlinux, and needs no parser that
 * could disagree with the one that runs at boot. */

#include "helper/entry.h"

#include "base/error.h"
#include "base/path.h"

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* The end of the run of white space (or of a word) that begins at I. */
static size_t run_end(const char *text, size_t size, size_t i) {
        bool space = is_space(text[i]);
        while (i < size && is_space(text[i]) == space)
                i++;
        return i;
}

static int write_runs(FILE *f, const char *text, size_t size, const EntryNames *names) {
        for (size_t i = 0, end; i < size; i = end) {
                end = run_end(text, size, i);
                const char *other =
                        is_space(text[i]) ? NULL : names->name(text + i, end - i, names->userdata);
                if (other)
                        (void) fputs(other, f);
                else
                        (void) fwrite(text + i, 1, end - i, f);
        }
        return ferror(f) ? error_origin(-ENOMEM) : 0;
}

int entry_rewrite(const char *text, size_t size, const EntryNames *names, char **ret, size_t *ret_size) {
        assert(text && names && names->name);
        assert(ret && ret_size);
        if (size > ENTRY_SIZE_MAX)
                return error_origin(-EFBIG);
        if (memchr(text, 0, size))
                return error_origin(-EINVAL);
        _cleanup_free_ char *made = NULL;
        size_t made_size = 0;
        FILE *f = open_memstream(&made, &made_size);
        if (!f)
                return error_origin(-ENOMEM);
        int r = write_runs(f, text, size, names);
        if (fclose(f) != 0 || r < 0)
                return error_origin(-ENOMEM);
        *ret = TAKE_PTR(made);
        *ret_size = made_size;
        return 0;
}

bool entry_has_word(const char *text, size_t size, const char *word) {
        assert(text || size == 0);
        size_t n = strlen(word);
        for (size_t i = 0, end; i < size; i = end) {
                end = run_end(text, size, i);
                if (end - i == n && memcmp(text + i, word, n) == 0)
                        return true;
        }
        return false;
}

int entry_pad(char **text, size_t *size) {
        assert(text && *text && size);
        if (*size >= ENTRY_SECTOR)
                return 0;
        char *padded = realloc(*text, ENTRY_SECTOR + 1);
        if (!padded)
                return error_origin(-ENOMEM);
        memset(padded + *size, '\n', ENTRY_SECTOR - *size);
        padded[ENTRY_SECTOR] = 0;
        *text = padded;
        *size = ENTRY_SECTOR;
        return 0;
}

int entry_sibling(const char *path, const char *suffix, char **ret) {
        assert(path && path[0] == '/' && suffix && ret);
        const char *name = path_last(path), *dot = strrchr(name, '.');
        if (!dot || dot == name)
                dot = name + strlen(name);
        return strprintf(ret, "%.*s-%s%s", (int) (dot - path), path, suffix, dot);
}
