/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Builder definitions: all or nothing, the most important folder first, and the command lines made from
 * them. */

/* tests: manifest/definition.c manifest/definition-set.c manifest/definition-command.c */

#include "fixture.h"

#include "base/log.h"
#include "interpose.h"
#include "manifest/definition.h"

/* What was written to a stream is lost when it is closed. */
static bool closing_fails;

int fclose(FILE *f) {
        int r = REAL(fclose)(f);
        return closing_fails ? EOF : r;
}

/* The definitions in the folders /etc and /usr of S; the log in *RET_LOG. */
static DefinitionSet *load(const Scratch *s, unsigned *ret_problems, char **ret_log) {
        _cleanup_strv_free_ char **dirs = NULL;
        DefinitionSet *set = NULL;
        assert_int_equal(strv_push(&dirs, outer_path(s, "etc")), 0);
        assert_int_equal(strv_push(&dirs, outer_path(s, "usr")), 0);
        Capture c = capture_begin();
        int r = definition_set_load(dirs, &set, ret_problems);
        *ret_log = capture_end(&c);
        assert_int_equal(r, 0);
        return set;
}

/* TEXT as the definition `x` is ignored, with WORDS in the log. */
static void left_out(const Scratch *s, const char *text, const char *words) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        scratch_write(s, "etc/x.conf", text);
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        if (definition_set_find(set, "x") || set->n != 0)
                fail_msg("accepted: %s", text);
        if (!strstr(log, words))
                fail_msg("\"%s\" is not in the log: %s", words, log);
        assert_true(problems > 0);
}

static DefinitionSet *good(const Scratch *s, const char *text) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 1;
        scratch_write(s, "etc/x.conf", text);
        DefinitionSet *set = load(s, &problems, &log);
        assert_string_equal(log, "");
        assert_int_equal(problems, 0);
        assert_non_null(definition_set_find(set, "x"));
        return set;
}

static void a_definition_is_read_in_full(void **state) {
        const Scratch *s = *state;
        _cleanup_(definition_set_freep) DefinitionSet *set =
                good(s, "[Builder]\nDescription=initramfs by x\nExec=/usr/bin/x --kver \"%i\" %o # always\n"
                        "Root=host    # on the host\nTimeoutSec=2min\nQuick=yes\nRunningSystemOnly=yes\n"
                        "Learn=lookups\nLearnIgnore=/var/cache/* \"/a b\" *.pyc\n");
        const Definition *b = definition_set_find(set, "x");
        assert_string_equal(b->name, "x");
        assert_non_null(strstr(b->file, "/etc/x.conf"));
        assert_string_equal(b->description, "initramfs by x");
        assert_int_equal(strv_length(b->exec), 4);
        assert_string_equal(b->exec[2], "%i");
        assert_int_equal(b->root, DEFINITION_HOST);
        assert_int_equal(b->timeout_usec, 120 * USEC_PER_SEC);
        assert_true(b->quick);
        assert_true(b->running_system_only);
        assert_int_equal(b->learn, LEARN_LOOKUPS);
        assert_int_equal(strv_length(b->learn_ignore), 3);
        assert_string_equal(b->learn_ignore[1], "/a b");
        assert_string_equal(b->learn_ignore[2], "*.pyc");
}

static void missing_keys_have_defaults(void **state) {
        _cleanup_(definition_set_freep) DefinitionSet *set = good(*state, "[Builder]\nExec=/bin/true\n");
        const Definition *b = definition_set_find(set, "x");
        assert_int_equal(b->root, DEFINITION_CHROOT);
        assert_int_equal(b->timeout_usec, 600 * USEC_PER_SEC);
        assert_int_equal(b->learn, LEARN_OPENS);
        assert_null(b->learn_ignore);
        assert_false(b->running_system_only);
}

static void whatever_is_wrong_leaves_it_out(void **state) {
        static const struct {
                const char *text, *words;
        } bad[] = {
                {"", "x.conf:1: no Exec="},
                {"[Builder]\n", "no Exec="},
                {"[Builder]\nDescription=x\n", "no Exec="},
                {"Exec=/bin/true\n", "no Exec="},
                {"[Builder]\nExec=\n", "x.conf:2: bad value \"\" for Exec=: a command is required"},
                {"[Builder]\n\nExec=true\n",
                 "x.conf:3: bad value \"true\" for Exec=: the command must be an absolute"},
                {"[Builder]\nExec=%r/bin/true\n", "absolute path without specifiers"},
                {"[Builder]\nExec=/bin/%i\n", "absolute path without specifiers"},
                {"[Builder]\nExec=/bin/sh -c \"x\n",
                 "x.conf:2: bad value \"/bin/sh -c \"x\" for Exec=: an unclosed quote"},
                {"[Builder]\nExec=/bin/sh \\q\n", "an unknown escape"},
                {"[Builder]\nExec=/bin/x %z\n", "the specifiers are"},
                {"[Builder]\nExec=/bin/x %m\n", "the specifiers are"}, /* of a manifest, not of a builder */
                {"[Builder]\nExec=/bin/x 100%\n", "the specifiers are"},
                {"[Builder]\nExec=/bin/x --all=%O\n", "%O must be a word of its own"},
                {"[Builder]\nExec=/bin/true\nRoot=jail\n",
                 "x.conf:3: bad value \"jail\" for Root=: expected chroot or host"},
                {"[Builder]\nExec=/bin/true\nTimeoutSec=soon\n",
                 "x.conf:3: bad value \"soon\" for TimeoutSec="},
                {"[Builder]\nExec=/bin/true\nTimeoutSec=0\n", "every build must end"},
                {"[Builder]\nExec=/bin/true\nTimeoutSec=infinity\n", "every build must end"},
                {"[Builder]\nExec=/bin/true\nQuick=rather\n", "x.conf:3: bad value \"rather\" for Quick="},
                {"[Builder]\nExec=/bin/true\nRunningSystemOnly=here\n",
                 "x.conf:3: bad value \"here\" for RunningSystemOnly="},
                {"[Builder]\nExec=/bin/true\nLearn=yes\n",
                 "x.conf:3: bad value \"yes\" for Learn=: expected opens, lookups or no"},
                {"[Builder]\nExec=/bin/true\nLearnIgnore=/a b/c\n", "a pattern of paths begins with / or *"},
                {"[Builder]\nExec=/bin/true\nLearnIgnore=\"/a\n", "an unclosed quote"},
                {"[Builder\nExec=/bin/true\n", "x.conf:1: "},
                {"no ini file at all\n", "x.conf:1: "},
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                left_out(*state, bad[i].text, bad[i].words);
}

static void an_unknown_key_is_only_a_warning(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        scratch_write(s, "etc/x.conf", "[Builder]\nExec=/bin/true\nSmell=cpio\n");
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_non_null(definition_set_find(set, "x"));
        assert_non_null(strstr(log, "x.conf:3: unknown key Smell= in section [Builder]"));
        assert_int_equal(problems, 1);
}

static void one_bad_file_does_not_spoil_the_others(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *log = NULL, *fifo = outer_path(s, "etc/fifo.conf");
        unsigned problems = 0;
        scratch_write(s, "etc/a.conf", "[Builder]\nExec=/bin/a\n");
        scratch_write(s, "etc/a-b.conf", "[Builder]\nExec=/bin/ab\n");
        scratch_write(s, "etc/broken.conf", "[Builder]\nExec=broken\n");
        scratch_write(s, "etc/directory.conf/x", "");
        assert_int_equal(mkfifo(fifo, 0600), 0);
        scratch_write(s, "etc/README", "not a definition");
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_int_equal(set->n, 2);
        assert_string_equal(definition_set_find(set, "a")->exec[0], "/bin/a");
        assert_string_equal(definition_set_find(set, "a-b")->exec[0], "/bin/ab");
        assert_null(definition_set_find(set, "broken"));
        assert_null(definition_set_find(set, "README"));
        assert_int_equal(problems, 3);
}

static void the_first_folder_wins_and_can_mask(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        scratch_write(s, "usr/a.conf", "[Builder]\nExec=/bin/vendor\n");
        scratch_write(s, "usr/b.conf", "[Builder]\nExec=/bin/vendor\n");
        scratch_write(s, "usr/c.conf", "[Builder]\nExec=/bin/vendor\n");
        scratch_write(s, "etc/b.conf", "[Builder]\nExec=/bin/admin\n");
        make_link(s, "etc/c.conf", "/dev/null");
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_string_equal(definition_set_find(set, "a")->exec[0], "/bin/vendor");
        assert_string_equal(definition_set_find(set, "b")->exec[0], "/bin/admin");
        assert_null(definition_set_find(set, "c"));
        assert_int_equal(problems, 0);
}

static void no_folder_means_no_builders(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *log = NULL;
        unsigned problems = 1;
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_int_equal(set->n, 0);
        assert_null(definition_set_find(set, "x"));
        assert_null(definition_set_free(NULL));
        assert_int_equal(problems, 0);
}

static Fingerprint fingerprint_of(const Scratch *s, const char *text) {
        _cleanup_(definition_set_freep) DefinitionSet *set = good(s, text);
        return definition_set_find(set, "x")->fingerprint;
}

static void another_command_is_another_fingerprint(void **state) {
        const Scratch *s = *state;
        Fingerprint a = fingerprint_of(s, "[Builder]\nExec=/bin/x a b\n");
        Fingerprint same = fingerprint_of(
                s,
                "[Builder]\nDescription=d\nExec=/bin/x  \"a\"   b\nTimeoutSec=5\nQuick=yes\nLearn=opens\n");
        Fingerprint other[] = {
                fingerprint_of(s, "[Builder]\nExec=/bin/x a c\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x \"a b\"\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x ab\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x a b\nRoot=host\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x a b\nLearn=lookups\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x a b\nLearn=no\n"),
                fingerprint_of(s, "[Builder]\nExec=/bin/x a b\nLearnIgnore=/x\n"),
        };
        assert_true(fingerprint_equal(&a, &same));
        for (size_t i = 0; i < ELEMENTSOF(other); i++)
                assert_false(fingerprint_equal(&a, &other[i]));
}

/* An update of bootkeep does not make every cache stale. */
static void fingerprint_is_that_of_name_root_and_words(void **state) {
        static const char *const roots[] = {"chroot", "host"};
        for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
                _cleanup_(hasher_freep) Hasher *h = hasher_new();
                _cleanup_free_ char *text = NULL;
                const char *const hashed[] = {"x", roots[i], "/bin/x", "%o"};
                assert_int_equal(strprintf(&text, "[Builder]\nExec=/bin/x %%o\nRoot=%s\n", roots[i]), 0);
                for (size_t k = 0; k < ELEMENTSOF(hashed); k++)
                        hasher_update_string(h, hashed[k]);
                Fingerprint expected = hasher_digest(h), f = fingerprint_of(*state, text);
                assert_true(fingerprint_equal(&f, &expected));
        }
}

static void another_name_is_another_fingerprint(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "etc/y.conf", "[Builder]\nExec=/bin/x\n");
        _cleanup_(definition_set_freep) DefinitionSet *set = good(s, "[Builder]\nExec=/bin/x\n");
        assert_false(fingerprint_equal(&definition_set_find(set, "x")->fingerprint,
                                       &definition_set_find(set, "y")->fingerprint));
}

/* /etc, /run, /usr/local/lib, /usr/lib: in a root of our own, so that nothing of the machine counts. */
static void etc_comes_before_run_before_usr_local_before_usr(void **state) {
        Scratch *s = *state;
        static const char *const folders[] = {"etc", "run", "usr/local/lib", "usr/lib"};
        DefinitionSet *set = NULL;
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                for (size_t k = 0; k <= i; k++) { /* the first in one folder, the last in all */
                        _cleanup_free_ char *name = NULL, *text = NULL;
                        assert_int_equal(strprintf(&name, "%s/bootkeep/builders.d/%zu.conf", folders[i], k),
                                         0);
                        assert_int_equal(strprintf(&text, "[Builder]\nExec=/%zu\n", i), 0);
                        scratch_write(s, name, text);
                }
        _cleanup_free_ char *proc = outer_path(s, "proc");
        scratch_unshare(s);
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdir(proc, 0755), 0);
        assert_int_equal(mount("proc", proc, "proc", 0, NULL), 0);
        assert_int_equal(chroot(s->path), 0);
        int r = definition_set_load(NULL, &set, NULL);
        assert_true(fchdir(root) >= 0 && chroot(".") >= 0);
        assert_int_equal(umount2(proc, MNT_DETACH), 0);
        assert_int_equal(r, 0);
        assert_int_equal(set->n, ELEMENTSOF(folders));
        static const char *const expected[] = {"/0", "/1", "/2", "/3"};
        for (size_t i = 0; i < set->n; i++)
                assert_string_equal(set->items[i].exec[0], expected[i]);
        definition_set_free(set);
}

static void makes(const Definition *b, const DefinitionArguments *a, const char *expected) {
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *joined = strdup("");
        assert_int_equal(definition_command(b, a, &words), 0);
        for (char **w = words; *w; w++) {
                _cleanup_free_ char *before = TAKE_PTR(joined);
                assert_int_equal(strprintf(&joined, "%s[%s]", before, *w), 0);
        }
        assert_string_equal(joined, expected);
}

static void specifiers_become_words_never_more(void **state) {
        _cleanup_(definition_set_freep) DefinitionSet *set =
                good(*state, "[Builder]\nExec=/bin/x %i %o %O end --in=%s --root=%r %%i %i%i \"\"\n");
        const Definition *b = definition_set_find(set, "x");
        char source[] = "/s p", second[] = "/s2", one[] = "/o 1", two[] = "/o%i";
        char *const sources[] = {source, second, NULL}, *const outputs[] = {one, two, NULL};
        const DefinitionArguments all = {
                .instance = "6.1 x", .root = "/", .sources = sources, .outputs = outputs};
        makes(b, &all, "[/bin/x][6.1 x][/o 1][/o 1][/o%i][end][--in=/s p][--root=/][%i][6.1 x6.1 x][]");
        const DefinitionArguments none = {};
        makes(b, &none, "[/bin/x][][][end][--in=][--root=][%i][][]");
}

static void failed_write_of_a_word_is_out_of_memory(void **state) {
        _cleanup_(definition_set_freep) DefinitionSet *set = good(*state, "[Builder]\nExec=/bin/true\n");
        char **words = NULL;
        closing_fails = true;
        int r = definition_command(definition_set_find(set, "x"), &(DefinitionArguments){}, &words);
        closing_fails = false;
        assert_int_equal(r, -ENOMEM);
        assert_null(words);
}

/* FILE in the folder etc is ignored, because not only root can write it, with WORDS in the log; the vendor's
 * does not take its place. */
static void not_believed(const Scratch *s, const char *words) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_null(definition_set_find(set, "x"));
        assert_int_equal(problems, 1);
        if (!strstr(log, words) || !strstr(log, "/etc/x.conf: ") || !strstr(log, "ignoring builder \"x\""))
                fail_msg("\"%s\" is not in the log: %s", words, log);
}

static void believed(const Scratch *s) {
        _cleanup_free_ char *log = NULL;
        unsigned problems = 1;
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_string_equal(log, "");
        assert_non_null(definition_set_find(set, "x"));
        assert_int_equal(problems, 0);
}

static void only_files_that_only_root_may_change_are_believed(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "usr/x.conf", "[Builder]\nExec=/bin/vendor\n");
        scratch_write(s, "etc/x.conf", "[Builder]\nExec=/bin/true\n");
        believed(s);
        assert_int_equal(fchmodat(s->fd, "etc/x.conf", 0664, 0), 0);
        not_believed(s, "writable by users other than root");
        assert_int_equal(fchmodat(s->fd, "etc/x.conf", 0646, 0), 0);
        not_believed(s, "writable by users other than root");
        assert_int_equal(fchmodat(s->fd, "etc/x.conf", 0644, 0), 0);
        assert_int_equal(fchmodat(s->fd, "etc", 0757, 0), 0);
        not_believed(s, "/etc is writable by users other than root");
        assert_int_equal(fchmodat(s->fd, "etc", 0755, 0), 0);
        believed(s);
        if (fchownat(s->fd, "etc/x.conf", 1, 0, 0) < 0)
                skip();
        not_believed(s, "not owned by root");
        assert_int_equal(unlinkat(s->fd, "etc/x.conf", 0), 0);
        assert_int_equal(mkfifoat(s->fd, "etc/x.conf", 0644), 0); /* a plain open would wait here */
        not_believed(s, "not a regular file");
        assert_int_equal(unlinkat(s->fd, "etc/x.conf", 0), 0);
        make_link(s, "etc/x.conf", "/dev/null"); /* still masks */
        _cleanup_free_ char *log = NULL;
        unsigned problems = 1;
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_null(definition_set_find(set, "x"));
        assert_string_equal(log, "");
        assert_int_equal(problems, 0);
}

/* Each mistake is reported once. */
static void a_file_that_is_no_definition_at_all_is_one_problem(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *log = NULL;
        unsigned problems = 0;
        scratch_write(s, "etc/x.conf", "[Builder\nExec=/bin/true\n");
        _cleanup_(definition_set_freep) DefinitionSet *set = load(s, &problems, &log);
        assert_int_equal(set->n, 0);
        assert_int_equal(problems, 1);
        assert_null(strstr(log, "Failed to read"));
}

/* `%%` is one unit: what follows it is not a specifier. */
static void a_percent_sign_may_precede_anything(void **state) {
        _cleanup_(definition_set_freep) DefinitionSet *set =
                good(*state, "[Builder]\nExec=/bin/x %%x %%O- %%%i\n");
        makes(definition_set_find(set, "x"), &(DefinitionArguments){.instance = "1"},
              "[/bin/x][%x][%O-][%1]");
}

static void a_file_that_cannot_be_read_is_one_problem(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *path = outer_path(s, "gone.conf");
        Definition d = {.name = (char *) 0x1};
        unsigned problems = 3;
        Capture c = capture_begin();
        int r = definition_read(path, &d, &problems);
        _cleanup_free_ char *log = capture_end(&c);
        assert_int_equal(r, 0);
        assert_int_equal(problems, 4);
        assert_ptr_equal(d.name, (char *) 0x1);
        assert_non_null(strstr(log, "gone.conf"));
        scratch_write(s, "gone.conf", "[Builder]\nExec=/bin/true\n");
        assert_int_equal(definition_read(path, &d, &problems), 1);
        assert_int_equal(problems, 4);
        assert_string_equal(d.name, "gone");
        definition_done(&d);
        assert_true(!d.name && !d.exec && !d.file);
}

/* The installed definitions, owned by root: those in the source tree may belong to anybody. */
static void our_own_definitions_are_good(void **state) {
        const Scratch *s = *state;
        const char *tests = getenv("TESTS_SOURCE");
        if (!tests)
                skip();
        _cleanup_strv_free_ char **dirs = NULL;
        _cleanup_(definition_set_freep) DefinitionSet *set = NULL;
        unsigned problems = 1;
        shell("cp -r %s/../profiles/builders.d %s/ours && chmod -R go-w %s/ours", tests, s->path, s->path);
        assert_int_equal(strv_push(&dirs, outer_path(s, "ours")), 0);
        assert_int_equal(definition_set_load(dirs, &set, &problems), 0);
        assert_int_equal(problems, 0);
        static const char *const names[] = {"depmod", "dracut", "grub-mkconfig", "initramfs-tools",
                                            "mkinitcpio"};
        assert_int_equal(set->n, ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                assert_non_null(definition_set_find(set, names[i]));
                assert_non_null(definition_set_find(set, names[i])->description);
                assert_int_not_equal(definition_set_find(set, names[i])->learn, LEARN_NO);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(a_percent_sign_may_precede_anything),
                scratch_test(a_file_that_cannot_be_read_is_one_problem),
                scratch_test(a_file_that_is_no_definition_at_all_is_one_problem),
                scratch_test(a_definition_is_read_in_full),
                scratch_test(missing_keys_have_defaults),
                scratch_test(whatever_is_wrong_leaves_it_out),
                scratch_test(an_unknown_key_is_only_a_warning),
                scratch_test(one_bad_file_does_not_spoil_the_others),
                scratch_test(the_first_folder_wins_and_can_mask),
                scratch_test(no_folder_means_no_builders),
                scratch_test(another_command_is_another_fingerprint),
                scratch_test(fingerprint_is_that_of_name_root_and_words),
                scratch_test(another_name_is_another_fingerprint),
                scratch_test(etc_comes_before_run_before_usr_local_before_usr),
                scratch_test(failed_write_of_a_word_is_out_of_memory),
                scratch_test(specifiers_become_words_never_more),
                scratch_test(only_files_that_only_root_may_change_are_believed),
                scratch_test(our_own_definitions_are_good),
        };
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
