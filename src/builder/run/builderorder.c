/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/builderorder.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/parse.h"
#include "builder/run/sentfile.h"

/* More than the kernel passes to a program. */
#define ORDER_WORDS_MAX (1U << 20)

enum { WORD_NAME, WORD_TIMEOUT, WORD_WHERE, WORD_LEARN, WORD_ARGUMENTS, WORDS_OF_HEAD };

void builderorder_done(BuilderOrder *order) {
        free(order->name);
        order->argv = strv_free(order->argv);
        order->environ = strv_free(order->environ);
        *order = (BuilderOrder){};
}

static void put_words(FILE *f, char *const *words) {
        for (char *const *w = words; w && *w; w++)
                (void) fwrite(*w, 1, strlen(*w) + 1, f);
}

int builderorder_write(const BuilderOrder *order, int *ret_fd) {
        assert(order->name && order->argv && order->argv[0] && ret_fd);
        _cleanup_close_ int fd = memfd_create("builder", MFD_CLOEXEC);
        _cleanup_fclose_ FILE *f = NULL;
        if (fd < 0)
                return error_origin(-errno);
        int r = sentfile_open(fd, "we", &f);
        if (r < 0)
                return r;
        (void) fprintf(f, "%s%c%" PRIu64 "%c%s%c%s%c%zu%c", order->name, 0, order->timeout_usec, 0,
                       order->inside ? "volume" : "host", 0, definition_learn_to_string(order->learn), 0,
                       strv_length(order->argv), 0);
        put_words(f, order->argv);
        put_words(f, order->environ);
        if (fflush(f) != 0 || ferror(f))
                return error_origin(-EIO);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int read_words(int fd, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder words = {};
        _cleanup_free_ char *word = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        size_t room = 0;
        int r = sentfile_open(fd, "re", &f);
        if (r < 0)
                return r;
        rewind(f);
        for (ssize_t size; (size = getdelim(&word, &room, 0, f)) > 0;) {
                if (word[size - 1] != 0 || words.n >= ORDER_WORDS_MAX)
                        return error_origin(-EBADMSG);
                if (strv_builder_extend(&words, word) < 0)
                        return error_origin(-ENOMEM);
        }
        return ferror(f) ? error_origin(-EIO) : strv_builder_finish(&words, ret);
}

/* The first N of WORDS. */
static int copy_words(char **words, size_t n, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder copy = {};
        for (size_t i = 0; i < n; i++)
                if (strv_builder_extend(&copy, words[i]) < 0)
                        return error_origin(-ENOMEM);
        return strv_builder_finish(&copy, ret);
}

static int parse_order(char **words, BuilderOrder *ret) {
        size_t n = strv_length(words);
        uint64_t n_arguments;
        if (n <= WORDS_OF_HEAD || parse_u64(words[WORD_TIMEOUT], &ret->timeout_usec) < 0 ||
            definition_learn_from_string(words[WORD_LEARN], &ret->learn) < 0 ||
            parse_u64_max(words[WORD_ARGUMENTS], n - WORDS_OF_HEAD, &n_arguments) < 0 || n_arguments == 0)
                return error_origin(-EBADMSG);
        char **arguments = words + WORDS_OF_HEAD;
        ret->inside = streq(words[WORD_WHERE], "volume");
        int r = free_and_strdup(&ret->name, words[WORD_NAME]);
        if (r >= 0)
                r = copy_words(arguments, n_arguments, &ret->argv);
        if (r >= 0)
                r = copy_words(arguments + n_arguments, n - WORDS_OF_HEAD - n_arguments, &ret->environ);
        return r < 0 ? r : 0;
}

int builderorder_read(int fd, BuilderOrder *ret) {
        assert(fd >= 0 && ret);
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_(builderorder_done) BuilderOrder order = {};
        int r = read_words(fd, &words);
        if (r >= 0)
                r = parse_order(words, &order);
        if (r < 0)
                return r;
        *ret = order;
        order = (BuilderOrder){};
        return 0;
}
