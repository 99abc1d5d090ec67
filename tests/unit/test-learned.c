/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: freshness/learned.c freshness/learnedcheck.c freshness/sight.c tree/folders.c tree/names.c */

#include "freshness/learnedcheck.h"
#include "tree/folders.h"

#include "learnedworld.h"

static const char *const everything[] = {
        "read /etc/crypttab",
        "read /usr/share/tool/hook",
        "list /usr/share/tool",
        "list /empty",
        "link /etc/link",
        "look /usr/share/seen",
        "miss /etc/none",
        "miss /gone/below/none",
        "list /",
        "list /boot",
        NULL,
};

static World *learned_world(const Scratch *s) {
        World *w = world_new(s);
        scratch_write(s, "v/etc/crypttab", "one");
        scratch_write(s, "v/etc/other", "one");
        scratch_write(s, "v/usr/share/tool/hook", "hook");
        scratch_write(s, "v/usr/share/seen", "seen");
        scratch_write(s, "v/boot/grub", "");
        shell("cd %s/v && mkdir empty && ln -s crypttab etc/link && ln -s hook usr/share/tool/link && rm out",
              s->path);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<output path=\"/boot/out\"/></cache></bootcaches>");
        scratch_write(s, "v/boot/out", "built");
        world_build(w);
        world_learn(w, everything);
        return w;
}

static void each_change_of_what_was_learned_is_named(void **state) {
        static const struct {
                const char *command, *expected;
        } cases[] = {
                {"true", NULL},
                {"echo longer >etc/crypttab", "/etc/crypttab changed (size, mtime, TIME)"},
                {"touch -d 2001-01-01 etc/crypttab", "/etc/crypttab changed (mtime, TIME)"},
                {"chmod 600 usr/share/tool/hook", "/usr/share/tool/hook changed (mode, TIME)"},
                {"cp -p etc/crypttab n && mv n etc/crypttab", "/etc/crypttab changed (replaced, TIME)"},
                {"rm etc/crypttab", "/etc/crypttab is gone (by TIME)"},
                {"rm etc/crypttab && mkdir etc/crypttab", "/etc/crypttab changed (replaced, TIME)"},
                {"rm etc/crypttab && ln -s other etc/crypttab", "/etc/crypttab changed (replaced, TIME)"},
                {"rm -r etc", "/ changed (names, TIME)"}, /* the first */
                {"rm -r usr/share/tool", "/usr/share/tool is gone (by TIME)"},
                {"mv usr/share/tool etc/t && ln -s ../../etc/t usr/share/tool",
                 "/usr/share/tool is gone (by TIME)"},
                {"touch usr/share/tool/new", "/usr/share/tool changed (names, TIME)"},
                {"ln -sfn other usr/share/tool/link", "/usr/share/tool changed (names, TIME)"},
                {"rm usr/share/tool/link && touch usr/share/tool/link",
                 "/usr/share/tool changed (names, TIME)"},
                {"touch empty/x", "/empty changed (names, TIME)"},
                {"rmdir empty && touch empty", "/ changed (names, TIME)"},
                {"ln -sfn other etc/link", "/etc/link changed (target, TIME)"},
                {"rm etc/link && echo x >etc/link", "/etc/link changed (replaced, TIME)"},
                {"echo more >usr/share/seen", "/usr/share/seen changed (size, mtime, TIME)"},
                {"touch etc/none", "/etc/none is new (TIME)"},
                {"mkdir -p gone/below", "/ changed (names, TIME)"},
                {"echo x >src/a && echo more >usr/share/seen", "/src/a changed (size, mtime, TIME)"},
                {"touch etc/unrelated", NULL},
                {"echo more >>etc/other", NULL},
                {"cat etc/crypttab usr/share/tool/* && ls -R / >/dev/null || true", NULL},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World *w = learned_world(s);
                shell("cd %s/v && { %s; } >/dev/null 2>&1", s->path, cases[i].command);
                check_cache(w, cases[i].expected ? cases[i].expected : "up to date");
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

static void names_that_never_count_do_not(void **state) {
        const Scratch *s = *state;
        World *w = world_new(s);
        scratch_write(s, "v/boot/x", "");
        shell("rm %s/v/out", s->path);
        world_plan(w, "<bootcaches version=\"1\"><cache name=\"c\" builder=\"b\"><source path=\"/src\"/>"
                      "<output path=\"/boot/out\"/></cache></bootcaches>");
        scratch_write(s, "v/boot/out", "built");
        world_build(w);
        shell("mv %s/v/boot/out %s/out && mkdir -p %s/v/var/lib", s->path, s->path, s->path);
        world_learn(w, (const char *const[]){"list /boot", "list /var/lib", NULL});
        shell("mv %s/out %s/v/boot/out && touch %s/v/boot/.bootkeep-1 && mkdir %s/v/var/lib/bootkeep",
              s->path, s->path, s->path, s->path);
        check_cache(w, "up to date");
        shell("touch %s/v/boot/y", s->path);
        check_cache(w, "/boot changed (names, TIME)");
        world_free(w);
}

/* Each line alone makes it stale with a clear word, or changes nothing; none leads out or ends the scan. */
static void hostile_lines_are_bounded_and_contained(void **state) {
        static const struct {
                const char *lines, *expected;
        } cases[] = {
                {"read relative 0 -\n", "learned list cannot be read (damaged)"},
                {"read /../../etc/passwd 0 -\n", "learned list cannot be read (damaged)"},
                {"read /a//b 0 -\n", "learned list cannot be read (damaged)"},
                {"read / 0 -\n", "learned list cannot be read (damaged)"},
                {"read /a\n", "learned list cannot be read (damaged)"},
                {"miss /a b c\n", "learned list cannot be read (damaged)"},
                {"miss /a\\x0\n", "learned list cannot be read (damaged)"},
                {"list /var/lib/bootkeep/caches 00\n", "learned list cannot be read (damaged)"},
                {"learned perhaps\n", "learned list cannot be read (damaged)"},
                {"raced /etc/crypttab\n", "/etc/crypttab changed (while it was built)"},
                {"raced /etc/\\x\n", "learned list cannot be read (damaged)"},
                {"read /outside/passwd 0 -\n", "/outside/passwd is gone (by TIME)"},
                {"list /loop/x 00\n", "/loop/x is gone (by TIME)"},
                {"read /out/x 0 -\n", "/out/x is gone"},
                {"read /loop nonsense -\n", "/loop changed (replaced, TIME)"},
                {"list /fifo 00\n", "/fifo is gone (by TIME)"},
                {"read /fifo 1:2 -\n", "/fifo changed (replaced, TIME)"},
                {"link /fifo x\n", "/fifo changed (replaced, TIME)"},
                {"learned no nobody\\x20knows why\nfuture /x y\nskip /a b\n", "up to date"},
                {"learned from 6.1\n", "up to date"},
                {"learned wanted\n", "learned list is missing (another program built it)"},
                {"miss /out/none\nmiss /loop/none\nmiss /fifo/none\n", "up to date"},
        };
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World *w = world_new(s);
                world_build(w);
                shell("cd %s/v && ln -s /etc outside && mkfifo fifo && ln -s loop loop", s->path);
                add_lines(w, cases[i].lines);
                check_cache(w, cases[i].expected);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

/* The list says how it was learned, whatever the order of its lines. */
static void list_is_read_and_found_again(void **state) {
        Stamp *stamp = stamp_new();
        Learned l = LEARNED_NULL;
        assert_int_equal(learned_read(stamp, &l), 0);
        assert_false(l.known || l.complete || l.damaged);
        assert_int_equal(stamp_add(stamp, "learned", "lookups"), 0);
        assert_int_equal(stamp_add(stamp, "read", "/b/z 0 -"), 0);
        assert_int_equal(stamp_add(stamp, "miss", "/b/z"), 0);
        assert_int_equal(stamp_add(stamp, "list", "/b-c 11"), 0);
        assert_int_equal(stamp_add(stamp, "read", "/b/a\\x20b 0 -"), 0);
        assert_int_equal(stamp_add(stamp, "list", "/b 22"), 0);
        assert_int_equal(learned_read(stamp, &l), 0);
        assert_true(l.known && l.complete && !l.damaged && !l.raced && !l.detail);
        assert_string_equal(l.how, "lookups");
        static const char *const order[] = {"/b", "/b/a b", "/b/z", "/b/z", "/b-c"};
        assert_int_equal(l.n_items, ELEMENTSOF(order));
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                assert_string_equal(l.items[i].words[0], order[i]);
        assert_string_equal(learned_find(&l, LEARNED_LIST, "/b")->words[1], "22");
        assert_non_null(learned_find(&l, LEARNED_MISS, "/b/z"));
        assert_null(learned_find(&l, LEARNED_MISS, "/b"));
        assert_null(learned_find(&l, LEARNED_READ, "/b-c"));
        learned_done(&l);
        stamp_free(stamp);
}

static void why_nothing_was_learned_is_kept(void **state) {
        Stamp *stamp = stamp_new();
        Learned l = LEARNED_NULL;
        assert_int_equal(stamp_add(stamp, "learned", "no fanotify:\\x20no such call here"), 0);
        assert_int_equal(learned_read(stamp, &l), 0);
        assert_true(l.known && !l.complete);
        assert_string_equal(l.how, "no");
        assert_string_equal(l.detail, "fanotify: no such call here");
        learned_done(&l);
        stamp_free(stamp);
}

/* Four thousand stamps of 64 KiB: so much is read and no more, and the rest counts by its named sources. */
static void what_there_is_no_room_for_is_left_out_and_counted(void **state) {
        World *w = world_new(*state);
        StampRoom room = STAMP_ROOM_FULL;
        FILE *f = NULL;
        char *lines = NULL;
        size_t size = 0;
        world_build(w);
        f = open_memstream(&lines, &size);
        (void) fputs("learned opens\n", f);
        for (unsigned i = 0; i < 2500; i++)
                (void) fprintf(f, "miss /none/%020u\n", i);
        (void) fputs("miss /src/a\n", f); /* so the whole list makes it stale */
        (void) fclose(f);
        add_lines(w, lines);
        free(lines);
        assert_in_range(size, 64 * 1024, 128 * 1024);
        w->context.room = &room;
        room.heads = 4000 * 1024; /* of their heads alone */
        size_t fitting = room.learned / size;
        for (size_t i = 0; i < fitting + 3; i++)
                check_cache(w, i < fitting ? "/src/a is new (TIME)" : "up to date");
        assert_int_equal(room.learned, 0);
        assert_int_equal(room.n_left_out, 3);
        world_free(w);
}

/* ---- watches ---- */

typedef struct Armed {
        char text[4096];
        const Scratch *s;
        const char *command; /* somebody else, when a place of KIND is armed for the first time */
        ArmKind kind;
} Armed;

static int note_armed(int fd, ArmKind kind, void *userdata) {
        static const char *const names[] = {"ancestor", "missing", "node", "presence",
                                            "tree",     "covered", "above"};
        Armed *a = userdata;
        char link[64], path[4096] = "", line[4200];
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        assert_true(readlink(link, path, sizeof(path) - 1) > 0);
        const char *inside = path + strlen(a->s->path) + 2;
        (void) snprintf(line, sizeof(line), "%s %s\n", names[kind], *inside ? inside : "/");
        if (!strstr(a->text, line))
                (void) snprintf(a->text + strlen(a->text), sizeof(a->text) - strlen(a->text), "%s", line);
        if (a->command && kind == a->kind) {
                shell("cd %s/v && %s", a->s->path, a->command);
                a->command = NULL;
        }
        return 0;
}

static void check_armed(const Armed *a, const char *line) {
        if (!strstr(a->text, line))
                fail_msg("not armed: %s; only:\n%s", line, a->text);
}

static void every_folder_is_armed_once_and_so_is_the_way_to_it(void **state) {
        World *w = learned_world(*state);
        Armed armed = {.s = *state};
        const Arm arm = {note_armed, &armed};
        w->context.arm = &arm;
        shell("ln %s/v/etc/crypttab %s/v/elsewhere", w->s->path, w->s->path);
        Freshness f = FRESHNESS_NULL;
        assert_int_equal(freshness_of_cache(&w->context, &w->plan->caches[0], &f), 0);
        freshness_done(&f);
        static const char *const lines[] = {
                "tree /\n",          "tree /etc\n",     "tree /usr/share/tool\n",
                "tree /usr/share\n", "ancestor /usr\n", "tree /empty\n",
                "above /\n",         "missing /\n",     "node /etc/crypttab\n",
        };
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                check_armed(&armed, lines[i]);
        assert_null(strstr(armed.text, "node /etc/other"));
        world_free(w);
}

/* Whatever happens between the first look and the watch is seen, by the comparison or by the watch. */
static void change_beside_the_watch_is_seen(void **state) {
        static const struct {
                ArmKind kind;
                const char *command, *expected;
        } cases[] = {
                {ARM_TREE, "echo longer >etc/crypttab", "/etc/crypttab changed (size, mtime, TIME)"},
                {ARM_TREE, "mv etc other && mkdir etc && cp -p other/* etc",
                 "/etc/crypttab changed (replaced, TIME)"},
                {ARM_ANCESTOR, "mv usr other && mkdir usr", "/usr/share/tool/hook is gone (by TIME)"},
                {ARM_MISSING, "mkdir -p gone/below && touch gone/below/none",
                 "/gone/below/none is new (TIME)"},
        };
        static const char *const what[] = {"read /etc/crypttab", "read /usr/share/tool/hook",
                                           "miss /gone/below/none", NULL};
        const Scratch *s = *state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World *w = world_new(s);
                const Subject subject = {.context = &w->context, .cache = &w->plan->caches[0]};
                Armed armed = {.s = s, .command = cases[i].command, .kind = cases[i].kind};
                const Arm arm = {note_armed, &armed};
                Freshness f = FRESHNESS_NULL;
                Stamp *head = NULL;
                scratch_write(s, "v/etc/crypttab", "one");
                scratch_write(s, "v/usr/share/tool/hook", "hook");
                world_build(w);
                world_learn(w, what);
                w->context.arm = &arm;
                assert_int_equal(subject_read_head(&subject, &head), 0);
                assert_int_equal(learned_compare(&subject, head, &f), 0);
                check(&f, cases[i].expected);
                assert_null(armed.command);
                stamp_free(head);
                world_free(w);
                shell("rm -r %s/v %s/state", s->path, s->path);
        }
}

static void what_a_mount_hides_counts_as_unchanged(void **state) {
        Scratch *s = *state;
        scratch_unshare(s);
        World *w = learned_world(s);
        Armed armed = {.s = s};
        const Arm arm = {note_armed, &armed};
        w->context.arm = &arm;
        shell("mount -t tmpfs none %s/v/usr && mount --bind %s/v/etc/other %s/v/etc/crypttab", s->path,
              s->path, s->path);
        check_cache(w, "up to date");
        check_armed(&armed, "covered /\n");
        check_armed(&armed, "covered /etc\n");
        shell("umount %s/v/etc/crypttab && umount %s/v/usr", s->path, s->path);
        world_free(w);
}

/* ---- the order of folders ---- */

static void what_is_below_a_folder_comes_next(void **state) {
        static const char *const order[] = {"/", "/a", "/a/b", "/a/b/c", "/a\001", "/a\002", "/a-b", "/ab"};
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (size_t k = 0; k < ELEMENTSOF(order); k++) {
                        int r = folders_compare(order[i], order[k]);
                        assert_true(i < k ? r < 0 : i > k ? r > 0 : r == 0);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(each_change_of_what_was_learned_is_named),
                scratch_test(names_that_never_count_do_not),
                scratch_test(hostile_lines_are_bounded_and_contained),
                scratch_test(list_is_read_and_found_again),
                scratch_test(why_nothing_was_learned_is_kept),
                scratch_test(what_there_is_no_room_for_is_left_out_and_counted),
                scratch_test(every_folder_is_armed_once_and_so_is_the_way_to_it),
                scratch_test(change_beside_the_watch_is_seen),
                scratch_test(what_a_mount_hides_counts_as_unchanged),
                scratch_test(what_is_below_a_folder_comes_next),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
