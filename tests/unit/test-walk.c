/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests: tree/walk.c tree/way.c tree/subtree.c tree/listing.c tree/place.c */

#include "tree/listing.h"
#include "tree/walk.h"

#include "interpose.h"

/* What somebody else does, or the file system reports, right after the first statx of a name. */
static struct {
        const char *name;
        void (*then)(const Scratch *s);
        const Scratch *scratch;
        int error; /* what the call for NAME returns instead, if not 0 */
} beside;

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *ret) {
        int r = REAL(statx)(dirfd, name, flags, mask, ret);
        if (!beside.name || !streq(name, beside.name))
                return r;
        beside.name = NULL;
        if (beside.then)
                beside.then(beside.scratch);
        if (beside.error > 0) {
                errno = beside.error;
                return -1;
        }
        return r;
}

/* At most this many bytes of a directory are returned by one read. 0: all. */
static size_t listing_piece;
static int listing_error; /* of every read after the first */
static unsigned n_listings;

ssize_t getdents64(int fd, void *buffer, size_t size) {
        if (n_listings++ > 0 && listing_error > 0) {
                errno = listing_error;
                return -1;
        }
        return REAL(getdents64)(fd, buffer, listing_piece > 0 ? MIN(size, listing_piece) : size);
}

/* What the open of a path returns instead, if anything; how many there were. */
static struct {
        const char *path;
        int error;
        unsigned skip; /* this many of them first */
        unsigned n;
} opening;

long syscall(long number, ...) {
        long a[6];
        va_list ap;
        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_openat2) {
                const struct open_how *how = (const struct open_how *) a[2];
                opening.n++;
                if (opening.path && streq((const char *) a[1], opening.path) && how->flags & O_DIRECTORY &&
                    (opening.skip == 0 || opening.skip-- == 0)) {
                        errno = opening.error;
                        return -1;
                }
        }
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int walk_setup(void **state) {
        memset(&beside, 0, sizeof(beside));
        memset(&opening, 0, sizeof(opening));
        listing_piece = 0;
        listing_error = 0;
        n_listings = 0;
        return scratch_setup(state);
}

#define walk_test(f) cmocka_unit_test_setup_teardown(f, walk_setup, scratch_teardown)

/* What a walk visited, one entry per line: "PATH" or "PATH -> TARGET". */
typedef struct Seen {
        char text[8192];
        size_t n;
} Seen;

static int see(const WalkEntry *entry, void *userdata) {
        Seen *seen = userdata;
        size_t used = strlen(seen->text);
        (void) snprintf(seen->text + used, sizeof seen->text - used, "%s%s%s%s\n", entry->path,
                        entry->target ? " -> " : "", strempty(entry->target),
                        entry->broken ? " (broken)" : "");
        assert_int_equal(S_ISLNK(entry->stx->stx_mode), entry->target != NULL);
        seen->n++;
        return 0;
}

static int count(const WalkEntry *entry, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

/* What was armed, one per line: "KIND PATH". */
typedef struct Armed {
        const Scratch *scratch;
        char text[16384];
        void (*before)(const Scratch *s, const char *path); /* what somebody else does at this moment */
} Armed;

static int arm(int fd, ArmKind kind, void *userdata) {
        static const char *const kinds[_ARM_KIND_MAX] = {
                [ARM_ANCESTOR] = "ancestor", [ARM_MISSING] = "missing", [ARM_NODE] = "node",
                [ARM_TREE] = "tree",         [ARM_COVERED] = "covered", [ARM_ABOVE] = "above",
        };
        Armed *a = userdata;
        char link[64], path[4096];
        (void) snprintf(link, sizeof link, "/proc/self/fd/%i", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        assert_true(n > 0);
        path[n] = 0;
        const char *inside = startswith(path, a->scratch->path);
        assert_non_null(inside);
        size_t used = strlen(a->text);
        (void) snprintf(a->text + used, sizeof a->text - used, "%s %s\n", kinds[kind],
                        *inside ? inside : "/");
        if (a->before)
                a->before(a->scratch, inside);
        return 0;
}

static int walk(const Scratch *s, const char *path, Seen *seen, Armed *armed) {
        *seen = (Seen){};
        if (!armed)
                return walk_source(&(Walk){.root = s->fd}, path, &(Visitor){see, seen});
        armed->scratch = s;
        armed->text[0] = 0;
        return walk_source(&(Walk){s->fd, &(Arm){arm, armed}}, path, &(Visitor){see, seen});
}

static void tree_comes_in_byte_order(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "t/b/2", "");
        scratch_write(s, "t/b/1", "");
        scratch_write(s, "t/b-/x", "");
        scratch_write(s, "t/B", "");
        scratch_write(s, "t/new\nline", "");
        assert_int_equal(symlinkat("/nowhere", s->fd, "t/\xff"), 0);
        assert_int_equal(mkfifoat(s->fd, "t/fifo", 0644), 0);
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_string_equal(seen.text, "/t\n/t/B\n/t/b\n/t/b/1\n/t/b/2\n/t/b-\n/t/b-/x\n/t/fifo\n"
                                       "/t/new\nline\n/t/\xff -> /nowhere\n");
}

static void whole_root_is_a_tree_too(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "a/b", "");
        assert_int_equal(walk(s, "/", &seen, NULL), 0);
        assert_string_equal(seen.text, "/\n/a\n/a/b\n");
}

static void links_on_the_way_are_given_and_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "usr/lib/modules/6/a.ko", "");
        scratch_write(s, "etc/x", "");
        assert_int_equal(symlinkat("usr/lib", s->fd, "lib"), 0);
        assert_int_equal(symlinkat("/lib/../lib/modules/./6/", s->fd, "etc/current"), 0);
        assert_int_equal(walk(s, "/etc/current/a.ko", &seen, &armed), 0);
        assert_string_equal(seen.text, "/etc/current -> /lib/../lib/modules/./6/\n/lib -> usr/lib\n"
                                       "/usr/lib/modules/6/a.ko\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/current\nnode /lib\n"
                                        "ancestor /usr\nancestor /usr/lib\nancestor /usr/lib\n"
                                        "ancestor /usr/lib/modules\n"
                                        "ancestor /usr/lib/modules/6\nnode /usr/lib/modules/6/a.ko\n");
}

static void directories_of_a_tree_are_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "t/sub/file", "");
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ntree /t\nnode /t/shared\ntree /t/sub\n");
        assert_int_equal(seen.n, 4);
}

static void what_is_missing_is_armed_where_it_would_appear(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "etc/file", "");
        assert_int_equal(walk(s, "/etc/a/b", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n");
        assert_int_equal(walk(s, "/etc/file/b", &seen, &armed), -ENOTDIR);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/file\n");
        assert_int_equal(symlinkat("../gone", s->fd, "etc/dangling"), 0);
        assert_int_equal(walk(s, "/etc/dangling", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nnode /etc/dangling\nmissing /\n");
        assert_string_equal(seen.text, "/etc/dangling -> ../gone (broken)\n");
}

static void the_link_by_which_a_way_ends_is_told(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "srv/file", "");
        static const struct {
                const char *a, *b, *path;
                int r;
                const char *seen;
        } ways[] = {
                /* the path itself continues to something missing, after a good link */
                {"srv", NULL, "/a/gone", -ENOENT, "/a -> srv\n"},
                {"srv/", NULL, "/a/gone", -ENOENT, "/a -> srv/\n"},
                {"srv", NULL, "/a/file/x", -ENOTDIR, "/a -> srv\n"},
                {"/srv/gone", NULL, "/a", -ENOENT, "/a -> /srv/gone (broken)\n"},
                {"/srv/gone", NULL, "/a/x", -ENOENT, "/a -> /srv/gone (broken)\n"},
                {"gone/", NULL, "/a/x", -ENOENT, "/a -> gone/ (broken)\n"},
                {"srv/file/x", NULL, "/a", -ENOTDIR, "/a -> srv/file/x (broken)\n"},
                {"srv/file", NULL, "/a/x", -ENOTDIR, "/a -> srv/file (broken)\n"},
                {"a", NULL, "/a", -ELOOP, NULL},
                /* of two, the one whose target was not used up */
                {"b/gone", "srv", "/a", -ENOENT, "/a -> b/gone (broken)\n/b -> srv\n"},
                {"b/x", "gone", "/a", -ENOENT, "/a -> b/x\n/b -> gone (broken)\n"},
                {"b", "srv", "/a/x", -ENOENT, "/a -> b\n/b -> srv\n"},
                {"b/file", "srv", "/a", 0, "/a -> b/file\n/b -> srv\n/srv/file\n"},
        };
        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                Armed armed = {};
                assert_int_equal(symlinkat(ways[i].a, s->fd, "a"), 0);
                if (ways[i].b)
                        assert_int_equal(symlinkat(ways[i].b, s->fd, "b"), 0);
                for (unsigned watched = 0; watched < 2; watched++) {
                        assert_int_equal(walk(s, ways[i].path, &seen, watched ? &armed : NULL), ways[i].r);
                        if (ways[i].seen)
                                assert_string_equal(seen.text, ways[i].seen);
                        else
                                assert_int_equal(seen.n, 40);
                }
                assert_int_equal(unlinkat(s->fd, "a", 0), 0);
                (void) unlinkat(s->fd, "b", 0);
        }
}

static int stop_at_link(const WalkEntry *entry, void *userdata) {
        return entry->target ? 7 : 0;
}

static void a_link_can_end_the_walk(void **state) {
        const Scratch *s = *state;
        const Walk w = {.root = s->fd};
        char *path = NULL;
        int fd = -1;
        scratch_write(s, "file", "");
        assert_int_equal(symlinkat("file", s->fd, "link"), 0);
        assert_int_equal(symlinkat("gone", s->fd, "dangling"), 0);
        assert_int_equal(walk_source(&w, "/link", &(Visitor){stop_at_link, NULL}), 7);
        assert_int_equal(walk_resolve(&w, "/link", &(Visitor){stop_at_link, NULL}, &fd, &path), 7);
        assert_int_equal(walk_resolve(&w, "/dangling", &(Visitor){stop_at_link, NULL}, &fd, &path), 7);
        assert_int_equal(walk_resolve(&w, "/dangling", NULL, &fd, &path), -ENOENT);
        assert_int_equal(walk_resolve(&w, "relative", NULL, &fd, &path), -EINVAL);
        assert_null(path);
        assert_int_equal(fd, -1);
}

/* That a link leads in a loop is a result like any other: it is examined again once it is armed. */
static void unloop(const Scratch *s, const char *path) {
        if (!streq(path, "/loop") || faccessat(s->fd, "old", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "loop", s->fd, "old"), 0);
        scratch_write(s, "loop", "");
}

static void a_circle_that_is_mended_before_its_arming_is_seen(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = unloop};
        Seen seen;
        assert_int_equal(symlinkat("loop", s->fd, "loop"), 0);
        assert_int_equal(walk(s, "/loop", &seen, &armed), 0);
        assert_string_equal(seen.text, "/loop\n");
}

static void above_an_empty_directory_its_removal_is_armed(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        assert_int_equal(mkdirat(s->fd, "etc", 0755), 0);
        assert_int_equal(walk(s, "/etc", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nabove /\ntree /etc\n");
        assert_int_equal(walk(s, "/etc/a", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\nabove /\n");
        scratch_write(s, "etc/file", "");
        assert_int_equal(walk(s, "/etc/a", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n");
}

static void links_cannot_lead_out(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "etc/passwd", "");
        assert_int_equal(symlinkat("../../../../../../../etc/passwd", s->fd, "up"), 0);
        assert_int_equal(walk(s, "/up", &seen, NULL), 0);
        assert_string_equal(seen.text, "/up -> ../../../../../../../etc/passwd\n/etc/passwd\n");
        assert_int_equal(symlinkat("/proc/self/root/etc/passwd", s->fd, "magic"), 0);
        assert_int_equal(walk(s, "/magic", &seen, NULL), -ENOENT);
}

static void links_in_a_circle_end(void **state) {
        const Scratch *s = *state;
        Seen seen;
        assert_int_equal(symlinkat("b", s->fd, "a"), 0);
        assert_int_equal(symlinkat("a", s->fd, "b"), 0);
        assert_int_equal(walk(s, "/a", &seen, NULL), -ELOOP);
        assert_int_equal(symlinkat("self/self", s->fd, "self"), 0);
        assert_int_equal(walk(s, "/self", &seen, NULL), -ELOOP);
}

static void forty_links_are_followed_and_no_more(void **state) {
        const Scratch *s = *state;
        char name[16], target[16];
        Seen seen;
        scratch_write(s, "l0", "");
        for (int i = 1; i <= 41; i++) {
                (void) snprintf(name, sizeof name, "l%i", i);
                (void) snprintf(target, sizeof target, "l%i", i - 1);
                assert_int_equal(symlinkat(target, s->fd, name), 0);
        }
        assert_int_equal(walk(s, "/l40", &seen, NULL), 0);
        assert_int_equal(seen.n, 41);
        assert_int_equal(walk(s, "/l41", &seen, NULL), -ELOOP);
}

static void resolve_gives_what_a_path_leads_to(void **state) {
        const Scratch *s = *state;
        struct stat st;
        char *path = NULL;
        int fd = -1;
        scratch_write(s, "boot/initrd-1", "12345");
        assert_int_equal(symlinkat("initrd-1", s->fd, "boot/initrd"), 0);
        assert_int_equal(walk_resolve(&(Walk){.root = s->fd}, "/boot/initrd", NULL, &fd, &path), 0);
        assert_string_equal(path, "/boot/initrd-1");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 5);
        assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
        free(path);
        close(fd);
        assert_int_equal(walk_resolve(&(Walk){.root = s->fd}, "/", NULL, &fd, &path), 0);
        assert_string_equal(path, "/");
        free(path);
        close(fd);
}

/* a directory swapped for another between its opening and its arming */
static void swap_once(const Scratch *s, const char *path) {
        if (!streq(path, "/way") || faccessat(s->fd, "old", F_OK, 0) >= 0)
                return;
        assert_int_equal(renameat(s->fd, "way", s->fd, "old"), 0);
        scratch_write(s, "way/new", "");
}

static void way_that_changes_is_walked_again(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = swap_once};
        Seen seen;
        scratch_write(s, "way/old", "");
        assert_int_equal(walk(s, "/way", &seen, &armed), 0);
        assert_string_equal(seen.text, "/way\n/way/new\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /way\nancestor /\nancestor /way\ntree /way\n");
}

static void swap_always(const Scratch *s, const char *path) {
        static unsigned n;
        char old[32];
        if (!streq(path, "/way"))
                return;
        (void) snprintf(old, sizeof old, "old%u", n++);
        assert_int_equal(renameat(s->fd, "way", s->fd, old), 0);
        assert_int_equal(mkdirat(s->fd, "way", 0755), 0);
}

static void way_that_never_keeps_still_is_given_up(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = swap_always};
        Seen seen;
        assert_int_equal(mkdirat(s->fd, "way", 0755), 0);
        assert_int_equal(walk(s, "/way", &seen, &armed), -EAGAIN);
        assert_int_equal(seen.n, 0);
}

/* after it was looked up, before its absence is armed */
static void appear(const Scratch *s, const char *path) {
        static unsigned n;
        if (streq(path, "/etc") && ++n == 2)
                scratch_write(s, "etc/late", "");
}

static void what_appears_before_the_arming_is_seen(void **state) {
        const Scratch *s = *state;
        Armed armed = {.before = appear};
        Seen seen;
        assert_int_equal(mkdirat(s->fd, "etc", 0755), 0);
        assert_int_equal(walk(s, "/etc/late", &seen, &armed), 0);
        assert_string_equal(seen.text, "/etc/late\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /etc\nmissing /etc\n"
                                        "ancestor /\nancestor /etc\nnode /etc/late\n");
}

static int remove_siblings(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        if (streq(entry->path, "/t/a")) {
                assert_int_equal(unlinkat(s->fd, "t/b", 0), 0);
                assert_int_equal(unlinkat(s->fd, "t/c", AT_REMOVEDIR), 0);
                assert_int_equal(symlinkat("/etc", s->fd, "t/c"), 0);
        }
        if (streq(entry->path, "/t/d/e/f"))
                assert_int_equal(renameat(s->fd, "t/d/e", s->fd, "moved"), 0);
        assert_null(strstr(entry->path, "/t/b"));
        return 0;
}

static void what_vanishes_meanwhile_is_skipped(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/b", "");
        assert_int_equal(mkdirat(s->fd, "t/c", 0755), 0);
        scratch_write(s, "t/d/e/f/g", "");
        scratch_write(s, "t/d/e/h", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){remove_siblings, (void *) s}),
                         0);
}

/* While a folder in it is being read, a directory is replaced by another: its remaining names are gone,
 * although the other has something of that name, too. */
static int swap_above(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        if (streq(entry->path, "/t/a/b/c")) {
                assert_int_equal(renameat(s->fd, "t/a", s->fd, "moved"), 0);
                scratch_write(s, "t/a/z", "of the other");
        }
        assert_string_not_equal(entry->path, "/t/a/z");
        return 0;
}

static void another_directory_in_its_place_is_not_read_on(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a/b/c", "");
        scratch_write(s, "t/a/z", "");
        scratch_write(s, "t/y", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){swap_above, (void *) s}), 0);
}

static void file_for_link(const Scratch *s) {
        assert_int_equal(unlinkat(s->fd, "t/link", 0), 0);
        scratch_write(s, "t/link", "");
}

/* After a name was examined, something else takes its place; what is read of it then is skipped. */
static void what_becomes_something_else_is_skipped(void **state) {
        const Scratch *s = *state;
        Seen seen;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(symlinkat("a", s->fd, "t/link"), 0);
        beside = (__typeof__(beside)){"link", file_for_link, s, 0};
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_string_equal(seen.text, "/t\n/t/a\n/t/z\n");
        static const int gone[] = {ENOENT, ENOTDIR, ELOOP, EINVAL, ESTALE}, wrong[] = {EIO, EACCES, ENOMEM};
        for (size_t i = 0; i < ELEMENTSOF(gone); i++) {
                beside = (__typeof__(beside)){"link", NULL, s, gone[i]};
                assert_int_equal(walk(s, "/t", &seen, NULL), 0);
                assert_string_equal(seen.text, "/t\n/t/a\n/t/z\n");
        }
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                beside = (__typeof__(beside)){"link", NULL, s, wrong[i]};
                assert_int_equal(walk(s, "/t", &seen, NULL), -wrong[i]);
        }
}

static void remove_shared(const Scratch *s) {
        assert_int_equal(unlinkat(s->fd, "t/shared", 0), 0);
}

static void a_shared_file_that_goes_before_its_arming_is_skipped(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "t/shared", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        beside = (__typeof__(beside)){"shared", remove_shared, s, 0};
        assert_int_equal(walk(s, "/t", &seen, &armed), 0);
        assert_string_equal(seen.text, "/t\n/t/z\n");
}

/* A file with several links is examined once more after it is armed. */
static void grow_shared(const Scratch *s, const char *path) {
        if (streq(path, "/t/shared"))
                scratch_write(s, "t/shared", "grown");
}

static int size_of_shared(const WalkEntry *entry, void *userdata) {
        if (streq(entry->path, "/t/shared"))
                *(uint64_t *) userdata = entry->stx->stx_size;
        return 0;
}

static void a_shared_file_is_looked_at_after_its_arming(void **state) {
        const Scratch *s = *state;
        Armed armed = {.scratch = s, .before = grow_shared};
        uint64_t size = 0;
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){arm, &armed}}, "/t", &(Visitor){size_of_shared, &size}), 0);
        assert_int_equal(size, 5);
}

static int refuse_node(int fd, ArmKind kind, void *userdata) {
        struct stat st;
        return kind == ARM_NODE && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) ? -ENOSPC : 0;
}

static void a_shared_file_that_cannot_be_armed_ends_the_walk(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        scratch_write(s, "t/shared", "");
        assert_int_equal(linkat(s->fd, "t/shared", s->fd, "elsewhere", 0), 0);
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){refuse_node, NULL}}, "/t", &(Visitor){count, &n}),
                         -ENOSPC);
}

/* A directory taken whole is examined after it is armed as such. */
static int open_up(int fd, ArmKind kind, void *userdata) {
        const Scratch *s = userdata;
        if (kind == ARM_TREE)
                assert_int_equal(fchmodat(s->fd, "t", 0711, 0), 0);
        return 0;
}

static int mode_of_first(const WalkEntry *entry, void *userdata) {
        *(mode_t *) userdata = entry->stx->stx_mode;
        return 1;
}

static void a_tree_is_looked_at_after_its_arming(void **state) {
        const Scratch *s = *state;
        mode_t mode = 0;
        assert_int_equal(mkdirat(s->fd, "t", 0755), 0);
        assert_int_equal(walk_source(&(Walk){s->fd, &(Arm){open_up, (void *) s}}, "/t",
                                     &(Visitor){mode_of_first, &mode}),
                         1);
        assert_int_equal(mode, S_IFDIR | 0711);
}

static int stop_at_directory(const WalkEntry *entry, void *userdata) {
        (*(unsigned *) userdata)++;
        return streq(entry->path, "/t/b") ? 42 : 0;
}

static void a_directory_can_end_the_walk(void **state) {
        const Scratch *s = *state;
        unsigned n = 0;
        scratch_write(s, "t/b/c", "");
        scratch_write(s, "t/d", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){stop_at_directory, &n}), 42);
        assert_int_equal(n, 2);
}

static void a_name_has_255_bytes_at_most(void **state) {
        const Scratch *s = *state;
        char path[300], inside[310];
        Seen seen;
        memset(path, 'n', sizeof(path));
        path[0] = '/';
        path[256] = 0;
        scratch_write(s, path + 1, "");
        assert_int_equal(walk(s, path, &seen, NULL), 0);
        assert_int_equal(seen.n, 1);
        (void) snprintf(inside, sizeof(inside), "t%s/x", path);
        scratch_write(s, inside, "");
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_int_equal(seen.n, 3);
        path[256] = 'n';
        path[257] = 0;
        assert_int_equal(walk(s, path, &seen, NULL), -ENAMETOOLONG);
}

static void want_of_descriptors_ends_the_walk(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        static const int errors[] = {EMFILE, ENFILE, ENOMEM};
        assert_int_equal(mkdirat(s->fd, "empty", 0755), 0);
        scratch_write(s, "t/z", "");
        scratch_write(s, "t/b/c", "");
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                opening.error = errors[i];
                opening.path = "b"; /* in a tree */
                assert_int_equal(walk(s, "/t", &seen, NULL), -errors[i]);
                opening.path = "."; /* the root, to begin at */
                assert_int_equal(walk(s, "/t", &seen, NULL), -errors[i]);
        }
        opening.path = ".";
        opening.skip = 1; /* the root */
        opening.error = EMFILE;
        assert_int_equal(walk(s, "/t", &seen, NULL), -EMFILE);
        opening.skip = 1;
        assert_int_equal(walk(s, "/empty", &seen, &armed), -EMFILE); /* is it empty? */
        opening.skip = 0;
        opening.path = "t";
        opening.error = EIO;
        assert_int_equal(walk(s, "/t", &seen, NULL), -EIO); /* back in it, after b */
        opening.path = ".";
        opening.error = EACCES; /* it was there a moment ago */
        assert_int_equal(walk(s, "/t", &seen, &armed), -EAGAIN);
        opening.path = "b";
        assert_int_equal(walk(s, "/t", &seen, NULL), -EACCES);
        opening.path = NULL;
}

static void what_nobody_watches_is_gone_to_once(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        scratch_write(s, "a/b", "");
        assert_int_equal(walk(s, "/a/b", &seen, NULL), 0);
        assert_int_equal(opening.n, 3); /* the root, a, b */
        opening.n = 0;
        assert_int_equal(walk(s, "/a/b", &seen, &armed), 0);
        assert_int_equal(opening.n, 6);
        opening.n = 0;
        assert_int_equal(walk(s, "/a/c", &seen, NULL), -ENOENT);
        assert_int_equal(opening.n, 3);
}

static void an_empty_root_has_nothing_above(void **state) {
        const Scratch *s = *state;
        Armed armed = {};
        Seen seen;
        assert_int_equal(walk(s, "/", &seen, &armed), 0);
        assert_string_equal(armed.text, "ancestor /\ntree /\n");
        assert_int_equal(walk(s, "/x", &seen, &armed), -ENOENT);
        assert_string_equal(armed.text, "ancestor /\nmissing /\n");
}

/* The steps return 0 and leave nothing half done. */
static void steps_keep_their_promises(void **state) {
        const Scratch *s = *state;
        char *target = NULL;
        static ListingBuffer buffer;
        Listing listing = {};
        assert_int_equal(symlinkat("x", s->fd, "link"), 0);
        assert_int_equal(place_arm(NULL, s->fd, ARM_NODE), 0);
        assert_int_equal(place_read_link(s->fd, "link", &target), 0);
        assert_string_equal(target, "x");
        free(target);
        _cleanup_close_ int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(listing_read(fd, &buffer, &listing), 0);
        assert_int_equal(listing.n_names, 1);
        assert_string_equal(listing.names[0], "link");
        listing_done(&listing);
        assert_true(!listing.text && !listing.names && listing.n_names == 0);
        assert_int_equal(listing_is_empty(s->fd), 0);
        assert_int_equal(unlinkat(s->fd, "link", 0), 0);
        assert_int_equal(listing_is_empty(s->fd), 1);
        opening.path = ".";
        opening.error = EIO;
        assert_int_equal(listing_is_empty(s->fd), -EIO);
        opening.path = NULL;
}

/* A link can lead deeper than a path can express. */
static void a_way_has_4095_bytes_too(void **state) {
        const Scratch *s = *state;
        char name[256], deep[4096] = "", path[300];
        Seen seen;
        memset(name, 'n', sizeof(name));
        name[255] = 0;
        int fd = dup(s->fd);
        for (unsigned i = 0; i < 15; i++) {
                (void) snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "/%s", name);
                assert_int_equal(mkdirat(fd, name, 0755), 0);
                int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                close(fd);
                fd = next;
        }
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        assert_int_equal(mkdirat(fd, name + 1, 0755), 0);
        close(fd);
        assert_int_equal(symlinkat(deep, s->fd, "link"), 0);
        (void) snprintf(path, sizeof(path), "/link/%s", name + 1);
        assert_int_equal(walk(s, path, &seen, NULL), 0);
        (void) snprintf(path, sizeof(path), "/link/%s", name);
        assert_int_equal(walk(s, path, &seen, NULL), -ENAMETOOLONG);
}

static void a_directory_comes_in_pieces(void **state) {
        const Scratch *s = *state;
        Seen seen;
        listing_piece = 64;
        static const char *const names[] = {"t/c", "t/a", "t/d", "t/b", "t/e"};
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                scratch_write(s, names[i], "");
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_string_equal(seen.text, "/t\n/t/a\n/t/b\n/t/c\n/t/d\n/t/e\n");
        assert_true(n_listings > 3);
        n_listings = 0;
        listing_error = ENOENT; /* removed while it is being read */
        assert_int_equal(walk(s, "/t", &seen, NULL), 0);
        assert_true(seen.n >= 1 && seen.n < 6);
        n_listings = 0;
        listing_error = EIO;
        assert_int_equal(walk(s, "/t", &seen, NULL), -EIO);
}

/* between statx and open, a directory is replaced by a link */
static int swap_for_link(const WalkEntry *entry, void *userdata) {
        const Scratch *s = userdata;
        assert_null(strstr(entry->path, "passwd"));
        if (streq(entry->path, "/t/c")) {
                assert_int_equal(unlinkat(s->fd, "t/c", AT_REMOVEDIR), 0);
                assert_int_equal(symlinkat("/etc", s->fd, "t/c"), 0);
        }
        return 0;
}

static void directory_swapped_for_a_link_is_not_entered(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "etc/passwd", "");
        scratch_write(s, "t/x", "");
        assert_int_equal(mkdirat(s->fd, "t/c", 0755), 0);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){swap_for_link, (void *) s}), 0);
}

static int stop(const WalkEntry *entry, void *userdata) {
        return streq(entry->path, "/t/b") ? 42 : 0;
}

static void entry_can_end_the_walk(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "t/a", "");
        scratch_write(s, "t/b", "");
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){stop, NULL}), 42);
}

static int arm_nothing_left(int fd, ArmKind kind, void *userdata) {
        return kind == ARM_TREE ? -ENOSPC : 0;
}

static void failing_arm_ends_the_walk(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        scratch_write(s, "t/a", "");
        assert_int_equal(
                walk_source(&(Walk){s->fd, &(Arm){arm_nothing_left, NULL}}, "/t", &(Visitor){count, &n}),
                -ENOSPC);
}

static void wide_tree_is_walked(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        shell("cd %s && mkdir t && cd t && seq -f 'directory-with-a-long-name-%%g/x' 3000 | xargs mkdir -p",
              s->path);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/t", &(Visitor){count, &n}), 0);
        assert_int_equal(n, 6001);
}

static void deep_tree_is_walked_to_the_length_of_a_path(void **state) {
        const Scratch *s = *state;
        size_t n = 0;
        int fd = dup(s->fd);
        for (int i = 0; i < 2047; i++) { /* "/d" each: 4094 bytes */
                assert_int_equal(mkdirat(fd, "d", 0755), 0);
                int next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(fd);
                fd = next;
        }
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/d", &(Visitor){count, &n}), 0);
        assert_int_equal(n, 2047);
        int file = openat(fd, "e", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
        close(file);
        assert_int_equal(walk_source(&(Walk){.root = s->fd}, "/d", &(Visitor){count, &n}), -ENAMETOOLONG);
        close(fd);
}

static void mounts_are_not_entered(void **state) {
        Scratch *s = *state;
        char source[128], target[128];
        Seen tmpfs, bound;
        Armed armed = {};
        scratch_unshare(s);
        scratch_write(s, "t/mnt/below", "");
        scratch_write(s, "t/z", "");
        scratch_write(s, "foreign/file", "");
        (void) snprintf(source, sizeof(source), "%s/foreign", s->path);
        (void) snprintf(target, sizeof(target), "%s/t/mnt", s->path);
        assert_int_equal(mount("tmpfs", target, "tmpfs", 0, NULL), 0);
        scratch_write(s, "t/mnt/inside", "");
        int r = walk(s, "/t", &tmpfs, NULL);
        int inside = walk(s, "/t/mnt/inside", &bound, &armed);
        Armed link_armed = {};
        Seen linked;
        assert_int_equal(symlinkat("t/mnt/inside", s->fd, "link"), 0);
        int by_link = walk(s, "/link", &linked, &link_armed);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
        assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
        int r2 = walk(s, "/t", &bound, NULL);
        assert_int_equal(umount2(target, MNT_DETACH), 0); /* before anything can fail */
        assert_int_equal(r, 0);
        assert_int_equal(inside, -EXDEV);
        assert_int_equal(by_link, -EXDEV);
        assert_string_equal(linked.text, "/link -> t/mnt/inside (broken)\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ncovered /t\n");
        assert_int_equal(r2, 0);
        assert_string_equal(tmpfs.text, "/t\n/t/mnt\n/t/z\n");
        assert_string_equal(bound.text, "/t\n/t/mnt\n/t/z\n");
}

/* A file mounted over one with several links: the covering one is visited, and not armed. */
static void a_mounted_file_is_given_and_not_armed(void **state) {
        Scratch *s = *state;
        char source[128], target[128];
        Armed armed = {};
        Seen seen;
        scratch_unshare(s);
        scratch_write(s, "foreign", "");
        scratch_write(s, "t/file", "");
        scratch_write(s, "t/z", "");
        assert_int_equal(linkat(s->fd, "foreign", s->fd, "another", 0), 0);
        (void) snprintf(source, sizeof(source), "%s/foreign", s->path);
        (void) snprintf(target, sizeof(target), "%s/t/file", s->path);
        assert_int_equal(mount(source, target, NULL, MS_BIND, NULL), 0);
        int r = walk(s, "/t", &seen, &armed);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
        assert_int_equal(r, 0);
        assert_string_equal(seen.text, "/t\n/t/file\n/t/z\n");
        assert_string_equal(armed.text, "ancestor /\nancestor /t\ntree /t\n");
}

static void a_state_folder_is_ours_to_the_last_letter(void **state) {
        static const char *const own[] = {"/var/lib/bootkeep", "/var/lib/bootkeep/",
                                          "/var/lib/bootkeep/caches/x"};
        static const char *const others[] = {"/var/lib/bootkeeper", "/var/lib/bootkee",     "/var/lib", "/",
                                             "/x/var/lib/bootkeep", "/var/lib/bootkeep.d/x"};
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                assert_true(place_is_own_state(own[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(place_is_own_state(others[i]));
}

static void things_are_told_apart_by_device_and_inode(void **state) {
        const struct statx a = {.stx_dev_major = 1, .stx_dev_minor = 2, .stx_ino = 3};
        const struct statx others[] = {
                {.stx_dev_major = 2, .stx_dev_minor = 2, .stx_ino = 3},
                {.stx_dev_major = 1, .stx_dev_minor = 1, .stx_ino = 3},
                {.stx_dev_major = 1, .stx_dev_minor = 2, .stx_ino = 4},
                {.stx_dev_major = 0, .stx_dev_minor = 3, .stx_ino = 3},
                {.stx_dev_major = 2, .stx_dev_minor = 1, .stx_ino = 3},
        };
        const PlaceIdentity mine = place_identity(&a), again = place_identity(&a);
        assert_true(place_identity_equal(&mine, &again));
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                const PlaceIdentity other = place_identity(&others[i]);
                assert_false(place_identity_equal(&mine, &other));
        }
}

static void a_path_has_room_for_4095_bytes(void **state) {
        static char path[PLACE_PATH_ROOM];
        char name[256];
        size_t length = 0;
        memset(name, 'n', sizeof(name));
        name[255] = 0;
        path[0] = 0;
        for (unsigned i = 0; i < 15; i++)
                assert_int_equal(place_path_append(path, &length, name), 0);
        assert_int_equal(length, 15 * 256);
        assert_int_equal(place_path_append(path, &length, name), -ENAMETOOLONG);
        assert_int_equal(length, 15 * 256);
        assert_int_equal(strlen(path), length);
        assert_int_equal(place_path_append(path, &length, name + 1), 0);
        assert_int_equal(length, 4095);
        assert_int_equal(strlen(path), 4095);
        assert_int_equal(place_path_append(path, &length, "x"), -ENAMETOOLONG);
}

static void our_own_state_is_never_given(void **state) {
        const Scratch *s = *state;
        Seen seen;
        Armed armed = {};
        scratch_write(s, "var/lib/bootkeep/caches/a.stamp", "");
        scratch_write(s, "var/lib/bootkeeper", "");
        assert_int_equal(symlinkat("/var/lib", s->fd, "link"), 0);
        assert_int_equal(walk(s, "/var", &seen, &armed), 0);
        assert_string_equal(seen.text, "/var\n/var/lib\n/var/lib/bootkeeper\n");
        assert_null(strstr(armed.text, "bootkeep\n"));
        assert_int_equal(walk(s, "/link", &seen, NULL), 0);
        assert_string_equal(seen.text, "/link -> /var/lib\n/var/lib\n/var/lib/bootkeeper\n");
        assert_int_equal(walk(s, "/link/bootkeep/caches", &seen, NULL), 0);
        assert_string_equal(seen.text, "/link -> /var/lib\n");
        assert_int_equal(walk(s, "/var/lib/bootkeep", &seen, NULL), 0);
        assert_string_equal(seen.text, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                walk_test(a_way_has_4095_bytes_too),
                walk_test(want_of_descriptors_ends_the_walk),
                walk_test(what_nobody_watches_is_gone_to_once),
                walk_test(an_empty_root_has_nothing_above),
                walk_test(steps_keep_their_promises),
                walk_test(a_shared_file_that_cannot_be_armed_ends_the_walk),
                walk_test(a_tree_is_looked_at_after_its_arming),
                walk_test(a_directory_can_end_the_walk),
                walk_test(a_name_has_255_bytes_at_most),
                walk_test(the_link_by_which_a_way_ends_is_told),
                walk_test(a_link_can_end_the_walk),
                walk_test(a_circle_that_is_mended_before_its_arming_is_seen),
                walk_test(another_directory_in_its_place_is_not_read_on),
                walk_test(what_becomes_something_else_is_skipped),
                walk_test(a_shared_file_that_goes_before_its_arming_is_skipped),
                walk_test(a_shared_file_is_looked_at_after_its_arming),
                walk_test(a_directory_comes_in_pieces),
                walk_test(a_mounted_file_is_given_and_not_armed),
                cmocka_unit_test(a_state_folder_is_ours_to_the_last_letter),
                cmocka_unit_test(things_are_told_apart_by_device_and_inode),
                cmocka_unit_test(a_path_has_room_for_4095_bytes),
                walk_test(our_own_state_is_never_given),
                walk_test(tree_comes_in_byte_order),
                walk_test(whole_root_is_a_tree_too),
                walk_test(links_on_the_way_are_given_and_armed),
                walk_test(directories_of_a_tree_are_armed),
                walk_test(what_is_missing_is_armed_where_it_would_appear),
                walk_test(above_an_empty_directory_its_removal_is_armed),
                walk_test(links_cannot_lead_out),
                walk_test(links_in_a_circle_end),
                walk_test(forty_links_are_followed_and_no_more),
                walk_test(resolve_gives_what_a_path_leads_to),
                walk_test(way_that_changes_is_walked_again),
                walk_test(way_that_never_keeps_still_is_given_up),
                walk_test(what_appears_before_the_arming_is_seen),
                walk_test(what_vanishes_meanwhile_is_skipped),
                walk_test(directory_swapped_for_a_link_is_not_entered),
                walk_test(entry_can_end_the_walk),
                walk_test(failing_arm_ends_the_walk),
                walk_test(wide_tree_is_walked),
                walk_test(deep_tree_is_walked_to_the_length_of_a_path),
                walk_test(mounts_are_not_entered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
