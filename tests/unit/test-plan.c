/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a manifest means on a given volume: instances, their order, and what only shows on the volume. */

/* tests: manifest/plan.c manifest/plan-make.c manifest/plan-instances.c */
/* tests: manifest/plan-order.c manifest/planner.c manifest/machineid.c */

#include "fixture.h"

#include "base/log.h"
#include "interpose.h"
#include "manifest/machineid.h"
#include "manifest/plan.h"

/* What reading the directory `m` ends with, and what errno is after each name: libc may leave anything there.
 */
static int listing_error, errno_after_name;
static ino_t listing_of;

struct dirent *readdir(DIR *d) {
        struct dirent *e = REAL(readdir)(d);
        struct stat st;
        if (fstat(dirfd(d), &st) < 0 || st.st_ino != listing_of)
                return e;
        if (e && errno_after_name > 0)
                errno = errno_after_name;
        else if (!e && listing_error > 0)
                errno = listing_error;
        return e;
}

#define PLACE "/etc/bootkeep/bootcaches.xml"
#define ID "0123456789abcdef0123456789abcdef"
#define CACHE(name, each, in, out)                                                                           \
        "<cache name='" name "' builder='b' " each "><source path='" in "'/><output path='" out              \
        "'/></cache>\n"
#define COPY(role, each, from, to) "<copy role='" role "' " each " from='" from "' to='" to "'/>\n"
#define MODULES "each='/usr/lib/modules/*'"

/* A plan with everything that it points into. */
typedef struct Case {
        Manifest *manifest;
        DefinitionSet *builders;
        Plan *plan;
        char *why;
        char *log;
} Case;

static void case_done(Case *c) {
        if (c->plan)
                plan_free(c->plan);
        manifest_free(c->manifest);
        definition_set_free(c->builders);
        free(c->why);
        free(c->log);
}

#define _cleanup_case_ _cleanup_(case_done)

/* Plans the manifest CONTENT on the volume S, where a builder `b` is defined. */
static int plan(const Scratch *s, const char *content, const Arm *arm, Case *c) {
        _cleanup_strv_free_ char **dirs = NULL;
        _cleanup_free_ char *text = NULL;
        scratch_write(s, "builders/b.conf", "[Builder]\nExec=/bin/b\n");
        assert_int_equal(strv_push(&dirs, outer_path(s, "builders")), 0);
        assert_int_equal(definition_set_load(dirs, &c->builders, NULL), 0);
        assert_int_equal(strprintf(&text, "<bootcaches version='1'>\n%s</bootcaches>", content), 0);
        if (manifest_parse(PLACE, text, strlen(text), &c->manifest, &c->why) < 0)
                fail_msg("%s", c->why);
        Capture capture = capture_begin();
        int r = plan_new(&(Walk){s->fd, arm}, c->manifest, c->builders, &c->plan, &c->why);
        c->log = capture_end(&capture);
        return r;
}

static void plans(const Scratch *s, const char *content, Case *c) {
        int r = plan(s, content, NULL, c);
        if (r != 0)
                fail_msg("gave %i: %s", r, strempty(c->why));
        assert_null(c->why);
}

static void refuses(const Scratch *s, const char *content, const char *reason) {
        _cleanup_case_ Case c = {};
        assert_int_equal(plan(s, content, NULL, &c), -EBADMSG);
        assert_null(c.plan);
        if (!startswith(c.why, PLACE ":") || !strstr(c.why, reason))
                fail_msg("\"%s\" is not in: %s", reason, c.why);
}

/* The caches of the plan are EXPECTED, "name instance, name instance". */
static void has_caches(const Case *c, const char *expected) {
        _cleanup_free_ char *all = strdup("");
        for (size_t i = 0; i < c->plan->n_caches; i++) {
                const PlanCache *x = &c->plan->caches[i];
                _cleanup_free_ char *before = TAKE_PTR(all);
                assert_string_equal(x->definition->name, "b");
                assert_int_equal(strprintf(&all, "%s%s%s%s%s", before, *before ? ", " : "", x->cache->name,
                                           x->instance ? " " : "", strempty(x->instance)),
                                 0);
        }
        assert_string_equal(all, expected);
}

static void has_copies(const Case *c, const char *expected) {
        _cleanup_free_ char *all = strdup("");
        for (size_t i = 0; i < c->plan->n_copies; i++) {
                const PlanCopy *x = &c->plan->copies[i];
                _cleanup_free_ char *before = TAKE_PTR(all), *to = NULL;
                assert_int_equal(plan_path(c->plan, x->copy->to, x->instance, &to), 0);
                assert_int_equal(strprintf(&all, "%s%s%s", before, *before ? ", " : "", to), 0);
        }
        assert_string_equal(all, expected);
}

static void instances_are_what_matches_sorted(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "usr/lib/modules/6.1.0-9/x", "");
        scratch_write(s, "usr/lib/modules/6.1.0-10/x", "");
        scratch_write(s, "usr/lib/modules/5.10/x", "");
        scratch_write(s, "usr/lib/modules/.hidden/x", "");
        plans(s,
              CACHE("plain", "", "/s", "/o") CACHE("a", MODULES, "/usr/lib/modules/%i/k", "/o-%i")
                      CACHE("six", "each='/usr/lib/modules/6.?.[0]-*'", "/s", "/six-%i"),
              &c);
        has_caches(&c, "plain, a 5.10, a 6.1.0-10, a 6.1.0-9, six 6.1.0-10, six 6.1.0-9");
        assert_null(c.plan->machine_id);
        assert_string_equal(c.log, "");
}

static void caches_come_after_what_they_need(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "usr/lib/modules/1/x", "");
        scratch_write(s, "usr/lib/modules/2/x", "");
        plans(s,
              CACHE("uki", MODULES, "/boot/initrd-%i", "/boot/uki-%i.efi")
                      CACHE("initrd", MODULES, "/usr/lib/modules/%i", "/boot/initrd-%i")
                              CACHE("list", "", "/boot", "/var/list")
                                      CACHE("dep", MODULES, "/etc/depmod.d", "/usr/lib/modules/%i/dep")
                                              CACHE("other", "", "/s", "/o"),
              &c);
        has_caches(&c, "dep 1, initrd 1, uki 1, dep 2, initrd 2, uki 2, list, other");
}

#define NAMES(name, cache, out)                                                                              \
        "<cache name='" name "' builder='b'><source path='/etc/" name "'/><source cache='" cache             \
        "'/><output path='" out "'/></cache>\n"

/* The sources of NAME are EXPECTED, "path, path". */
static void has_sources(const Case *c, const char *name, const char *expected) {
        _cleanup_free_ char *all = strdup("");
        const PlanCache *pc = NULL;
        for (size_t i = 0; i < c->plan->n_caches; i++)
                if (streq(c->plan->caches[i].cache->name, name))
                        pc = &c->plan->caches[i];
        assert_non_null(pc);
        for (PlanSource x = {}; plan_next_source(c->plan, pc, &x);) {
                _cleanup_free_ char *before = TAKE_PTR(all), *path = NULL;
                assert_int_equal(plan_path(c->plan, x.template, x.instance, &path), 0);
                assert_int_equal(strprintf(&all, "%s%s%s", before, *before ? ", " : "", path), 0);
        }
        assert_string_equal(all, expected);
}

/* grub.cfg: above or below what it names, it comes after all instances of it. */
static void a_cache_may_name_another_as_its_source(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {}, none = {};
        plans(s, NAMES("menu", "initrd", "/menu") CACHE("initrd", MODULES, "/s/%i", "/boot/%i"), &none);
        has_caches(&none, "menu");
        has_sources(&none, "menu", "/etc/menu");
        scratch_write(s, "usr/lib/modules/1/x", "");
        scratch_write(s, "usr/lib/modules/2/x", "");
        plans(s,
              NAMES("menu", "initrd", "/menu") CACHE("initrd", MODULES, "/dep/%i", "/boot/initrd-%i")
                      CACHE("dep", MODULES, "/s", "/dep/%i") CACHE("other", "", "/s", "/o"),
              &c);
        has_caches(&c, "dep 1, initrd 1, dep 2, initrd 2, menu, other");
        has_sources(&c, "menu", "/etc/menu, /boot/initrd-1, /boot/initrd-2");
        assert_true(plan_names_cache(&c.plan->caches[4], &c.plan->caches[1]));
        assert_true(plan_names_cache(&c.plan->caches[4], &c.plan->caches[3]));
        assert_false(plan_names_cache(&c.plan->caches[4], &c.plan->caches[0]));
        assert_false(plan_names_cache(&c.plan->caches[1], &c.plan->caches[4]));
}

/* Two thousand instances that each read what two thousand others make are four million paths. */
static void naming_a_cache_costs_what_it_makes(void **state) {
        const Scratch *s = *state;
        char name[32];
        for (int i = 0; i < 300; i++) {
                (void) snprintf(name, sizeof(name), "m/%i", i);
                scratch_write(s, name, "");
        }
        refuses(s,
                "<cache name='a' each='/m/*' builder='b'><source cache='b'/><output "
                "path='/a%i'/></cache>" CACHE("b", "each='/m/*'", "/s", "/b%i"),
                ":2: more than 3 MiB of paths in total");
}

static void a_builder_may_be_for_the_running_system_alone(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {}, none = {};
        scratch_write(s, "m/1", "");
        plans(s, CACHE("a", "", "/s", "/o") CACHE("b", "each='/m/*'", "/s", "/o%i"), &c);
        assert_int_equal(plan_check_running(c.plan, c.manifest, &c.why), 0);
        c.builders->items[0].running_system_only = true;
        assert_int_equal(plan_check_running(c.plan, c.manifest, &c.why), -EBADMSG);
        assert_string_equal(c.why, PLACE
                            ":2: builder \"b\" of cache \"a\" looks at the machine that it runs on, and "
                            "this volume is not the running system (RunningSystemOnly=yes)");
        /* without an instance there is nothing to run */
        plans(s, CACHE("b", "each='/none/*'", "/s", "/o%i"), &none);
        none.builders->items[0].running_system_only = true;
        assert_int_equal(plan_check_running(none.plan, none.manifest, &none.why), 0);
}

/* What is learned gives way to the manifest, and to itself. */
static void what_was_learned_is_preferred_where_it_can_be(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        plans(s, CACHE("menu", "", "/m", "/menu") CACHE("a", "", "/s", "/a") CACHE("b", "", "/a", "/b"), &c);
        has_caches(&c, "menu, a, b");
        assert_int_equal(plan_prefer(c.plan, c.manifest, NULL, 0), 0);
        has_caches(&c, "menu, a, b");
        assert_int_equal(plan_prefer(c.plan, c.manifest, (PlanEdge[]){{1, 0}}, 1), 0);
        has_caches(&c, "a, menu, b");
        assert_int_equal(plan_prefer(c.plan, c.manifest, (PlanEdge[]){{2, 1}}, 1), 0);
        has_caches(&c, "a, b, menu");
        /* b depends on a */
        assert_int_equal(plan_prefer(c.plan, c.manifest, (PlanEdge[]){{1, 0}, {2, 0}}, 2), 0);
        has_caches(&c, "menu, a, b");
        /* each on the other */
        assert_int_equal(plan_prefer(c.plan, c.manifest, (PlanEdge[]){{0, 1}, {1, 0}, {0, 2}, {2, 0}}, 4), 0);
        assert_int_equal(c.plan->n_caches, 3);
}

static void copies_come_by_role_then_as_written(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "usr/lib/modules/1/x", "");
        scratch_write(s, "usr/lib/modules/2/x", "");
        plans(s,
              COPY("misc", "", "/f", "/misc") COPY("entry", MODULES, "/f", "/e%i")
                      COPY("booter", "", "/f", "/booter") COPY("required", MODULES, "/f", "/r%i")
                              COPY("required", "", "/f", "/first"),
              &c);
        has_copies(&c, "/r1, /r2, /first, /e1, /e2, /booter, /misc");
}

static void a_missing_directory_matches_nothing(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", MODULES, "/s", "/o%i") COPY("misc", MODULES, "/f", "/t%i"), &c);
        assert_int_equal(c.plan->n_caches, 0);
        assert_int_equal(c.plan->n_copies, 0);
        _cleanup_case_ Case file = {};
        scratch_write(s, "usr/lib/modules", "a file");
        plans(s, CACHE("a", MODULES, "/s", "/o%i"), &file);
        assert_int_equal(file.plan->n_caches, 0);
}

static void an_empty_manifest_is_an_empty_plan(void **state) {
        _cleanup_case_ Case c = {};
        plans(*state, "", &c);
        assert_int_equal(c.plan->n_caches + c.plan->n_copies, 0);
}

static void pattern_may_match_names_in_the_root(void **state) {
        _cleanup_case_ Case c = {};
        scratch_write(*state, "kernel-1", "");
        plans(*state, CACHE("a", "each='/kernel-*'", "/s", "/o%i"), &c);
        has_caches(&c, "a kernel-1");
}

static void directory_that_cannot_be_listed_is_an_error(void **state) {
        _cleanup_case_ Case failed = {}, c = {};
        struct stat st;
        scratch_write(*state, "m/1", "");
        assert_int_equal(fstatat(((const Scratch *) *state)->fd, "m", &st, 0), 0);
        listing_of = st.st_ino;
        listing_error = EIO;
        int r = plan(*state, CACHE("a", "each='/m/*'", "/s", "/o%i"), NULL, &failed);
        listing_error = 0;
        assert_int_equal(r, -EIO);
        assert_string_equal(failed.why, PLACE ":2: cannot read /m/*: Input/output error");
        errno_after_name = EIO; /* which is no error */
        r = plan(*state, CACHE("a", "each='/m/*'", "/s", "/o%i"), NULL, &c);
        errno_after_name = 0;
        listing_of = 0;
        assert_int_equal(r, 0);
        has_caches(&c, "a 1");
}

static void dangerous_names_are_left_out_and_reported(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "usr/lib/modules/good %o\\\"/x", "");
        scratch_write(s, "usr/lib/modules/-rf/x", "");
        plans(s, CACHE("a", MODULES, "/s", "/o%i"), &c);
        assert_non_null(strstr(c.log, "ignoring 1 name matching /usr/lib/modules/* (leading"));
        case_done(&c);
        scratch_write(s, "usr/lib/modules/new\nline/x", "");
        scratch_write(s, "usr/lib/modules/esc\033[31m/x", "");
        plans(s, CACHE("a", MODULES, "/s", "/o%i"), &c);
        has_caches(&c, "a good %o\\\"");
        assert_non_null(strstr(c.log, "ignoring 3 names matching /usr/lib/modules/*"));
}

static void links_to_the_directory_stay_in_the_volume(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "usr/lib/modules/1/x", "");
        make_link(s, "lib", "/usr/lib");
        plans(s, CACHE("a", "each='/lib/modules/*'", "/s", "/o%i"), &c);
        has_caches(&c, "a 1");
        make_link(s, "proc", "../../../../../../proc");
        refuses(s, CACHE("a", "each='/proc/[0-9]*'", "/s", "/o%i"),
                ":2: cannot read /proc: too many symbolic links in its path");
}

static void a_pattern_of_hidden_names_matches_neither_the_directory_nor_its_parent(void **state) {
        const Scratch *s = *state;
        static const char *const patterns[] = {".*", ".?*", ".[!a]*"};
        scratch_write(s, "m/.one/x", "");
        scratch_write(s, "m/.../x", "");
        scratch_write(s, "m/two/x", "");
        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                _cleanup_case_ Case c = {};
                _cleanup_free_ char *text = NULL;
                assert_int_equal(
                        strprintf(&text, CACHE("a", "each='/m/%s'", "/m/%%i", "/o/%%i"), patterns[i]), 0);
                plans(s, text, &c);
                has_caches(&c, "a ..., a .one");
        }
        _cleanup_case_ Case none = {};
        plans(s, CACHE("a", "each='/m/.[.]'", "/s", "/o%i") CACHE("b", "each='/m/.?'", "/s", "/p%i"), &none);
        has_caches(&none, "");
}

/* A machine ID is needed wherever %m is used. */
static void every_use_of_the_machine_id_is_seen(void **state) {
        const Scratch *s = *state;
        static const char two[] = "<cache name='a' builder='b'><source path='/s'/><source path='/%m'/>"
                                  "<output path='/o'/></cache>";
        static const char two_outputs[] = "<cache name='a' builder='b'><source path='/s'/><output path='/o'/>"
                                          "<output path='/%m'/></cache>";
        static const char *const uses[] = {
                CACHE("a", "each='/%m/*'", "/s", "/o%i"),
                CACHE("a", "", "/%m", "/o"),
                CACHE("a", "", "/s", "/%m"),
                two,
                two_outputs,
                COPY("misc", "each='/%m/*'", "/s", "/%i"),
                COPY("misc", "", "/%m", "/t"),
                COPY("misc", "", "/s", "/%m"),
        };
        for (size_t i = 0; i < ELEMENTSOF(uses); i++)
                refuses(s, uses[i], ":2: %m is used, but /etc/machine-id contains no machine ID");
}

static void a_machine_id_is_given_or_none(void **state) {
        const Scratch *s = *state;
        char *id = (char *) 0x1;
        assert_int_equal(machine_id_read(&(Walk){.root = s->fd}, &id), 0);
        assert_null(id);
        scratch_write(s, "etc/machine-id", ID);
        assert_int_equal(machine_id_read(&(Walk){.root = s->fd}, &id), 0);
        assert_string_equal(id, ID);
        free(id);
}

static int refuse_arm(int fd, ArmKind kind, void *userdata) {
        return kind == *(ArmKind *) userdata ? -ENOSPC : 0;
}

static void no_watch_left_is_an_error_not_a_refusal(void **state) {
        const Scratch *s = *state;
        ArmKind kinds[] = {ARM_TREE, ARM_ANCESTOR};
        scratch_write(s, "m/x", "");
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_case_ Case cache = {}, copy = {};
                const Arm arm = {refuse_arm, &kinds[i]};
                assert_int_equal(plan(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), &arm, &cache), -ENOSPC);
                assert_int_equal(plan(s, COPY("misc", "each='/m/*'", "/s", "/o%i"), &arm, &copy), -ENOSPC);
        }
}

/* The first of two caches needs an output of the second, in a folder that the second writes. */
static void the_first_may_need_the_second(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "", "/d/x", "/y") CACHE("b", "", "/s", "/d"), &c);
        has_caches(&c, "b, a");
}

static void a_pattern_has_a_limit_when_expanded(void **state) {
        const Scratch *s = *state;
        _cleanup_free_ char *text = NULL;
        char deep[4081] = "";
        scratch_write(s, "etc/machine-id", ID "\n");
        for (size_t i = 0; i + 2 < sizeof(deep); i += 2)
                memcpy(deep + i, "/d", 3);
        assert_int_equal(strprintf(&text, CACHE("a", "each='/%%m%s/*'", "/s", "/o%%i"), deep), 0);
        refuses(s, text, ":2: cannot read ");
}

/* Nothing in a pattern changes the meaning of what follows. */
static void a_backslash_is_an_ordinary_character(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "m/\\a1", "");
        scratch_write(s, "m/a1", "");
        scratch_write(s, "m/*1", "");
        plans(s, CACHE("a", "each='/m/\\a*'", "/s", "/o%i") CACHE("b", "each='/m/\\*'", "/s", "/p%i"), &c);
        has_caches(&c, "a \\a1, b \\a1");
}

static void only_names_without_control_characters_are_instances(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        static const char *const names[] = {"m/\x7f", "m/x\x7fy", "m/\x1f", "m/x\n", "m/-x",
                                            "m/ ",    "m/~",      "m/x-",   "m/\x80"};
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                scratch_write(s, names[i], "");
        plans(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), &c);
        has_caches(&c, "a  , a x-, a ~, a \x80");
        assert_non_null(strstr(c.log, "ignoring 5 names matching /m/*"));
}

/* It has nothing to do with the manifest, and no watch reports that it went away: try again. */
static void a_mount_in_the_way_is_an_error_not_a_refusal(void **state) {
        Scratch *s = *state;
        scratch_write(s, "m/x", "");
        scratch_write(s, "etc/machine-id", ID "\n");
        scratch_unshare(s);
        _cleanup_free_ char *m = outer_path(s, "m"), *etc = outer_path(s, "etc");
        assert_int_equal(mount("none", m, "tmpfs", 0, NULL), 0);
        assert_int_equal(mount("none", etc, "tmpfs", 0, NULL), 0);
        _cleanup_case_ Case each = {}, id = {}, copy = {};
        int r = plan(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), NULL, &each);
        int r2 = plan(s, COPY("misc", "", "/s", "/%m"), NULL, &id);
        int r3 = plan(s, COPY("misc", "each='/m/*'", "/s", "/%i"), NULL, &copy);
        assert_int_equal(umount2(m, MNT_DETACH), 0);
        assert_int_equal(umount2(etc, MNT_DETACH), 0);
        assert_int_equal(r, -EXDEV);
        assert_string_equal(each.why, PLACE ":2: cannot read /m: its path leaves the volume");
        assert_int_equal(r3, -EXDEV);
        assert_int_equal(r2, -EXDEV);
        assert_string_equal(id.why, PLACE ":2: cannot read /etc/machine-id: its path leaves the volume");
}

static void our_own_state_cannot_be_named(void **state) {
        const Scratch *s = *state;
        static const char own[] = "is bootkeep's own and cannot be a source, an output or a copy";
        _cleanup_case_ Case c = {};
        scratch_write(s, "m/bootkeep/x", "");
        refuses(s, CACHE("a", "", "/var/lib/bootkeep", "/o"), own);
        refuses(s, CACHE("a", "", "/s", "/var/lib/bootkeep/caches/a.stamp"), own);
        refuses(s, "\n" COPY("misc", "", "/var/lib/bootkeep/helpers", "/t"),
                ":3: \"/var/lib/bootkeep/helpers\" is");
        refuses(s, CACHE("a", "each='/m/*'", "/var/lib/%i/x", "/o%i"), own);
        plans(s,
              CACHE("a", "", "/var/lib", "/o") CACHE("b", "", "/s", "/var/bootkeeper")
                      COPY("misc", "", "/var", "/var/lib/bootkeep/it-is-on-the-helper"),
              &c);
}

static void machine_ids(void **state) {
        const Scratch *s = *state;
        static const char *const bad[] = {"",
                                          "uninitialized\n",
                                          "0123\n",
                                          "00000000000000000000000000000000\n",
                                          ID "0\n",
                                          ID "g",
                                          ID " ",
                                          ID "\n\n",
                                          ID "\n" ID "\n",
                                          "0123456789ABCDEF0123456789ABCDEF\n",
                                          "0123456789abcdef0123456789abcd..\n"};
        static const char copy[] = COPY("misc", "", "/f", "/x") COPY("entry", "", "/%m", "/%m/%%m");
        refuses(s, copy, ":3: %m is used, but /etc/machine-id contains no machine ID");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                scratch_write(s, "etc/machine-id", bad[i]);
                refuses(s, copy, "contains no machine ID");
        }
        _cleanup_case_ Case c = {}, unused = {};
        scratch_write(s, "etc/machine-id", ID "\n");
        plans(s, copy, &c);
        assert_string_equal(c.plan->machine_id, ID);
        has_copies(&c, "/" ID "/%m, /x");
        plans(s, COPY("misc", "", "/%%m", "/x"), &unused);
        assert_null(unused.plan->machine_id);
        assert_int_equal(unlinkat(s->fd, "etc/machine-id", 0), 0);
        scratch_write(s, "etc/machine-id/directory", "");
        refuses(s, copy, "contains no machine ID");
        assert_int_equal(unlinkat(s->fd, "etc/machine-id/directory", 0), 0);
        assert_int_equal(unlinkat(s->fd, "etc/machine-id", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(s->fd, "etc", AT_REMOVEDIR), 0);
        scratch_write(s, "etc", "a file");
        refuses(s, copy, "contains no machine ID");
        assert_int_equal(unlinkat(s->fd, "etc", 0), 0);
        make_link(s, "etc/machine-id", "machine-id");
        refuses(s, copy, ":3: cannot read /etc/machine-id: too many symbolic links in its path");
}

static void the_machine_id_can_be_in_a_pattern(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        scratch_write(s, "etc/machine-id", ID);
        scratch_write(s, "boot/" ID "/6.1/linux", "");
        plans(s, COPY("required", "each='/boot/%m/*'", "/boot/%m/%i/linux", "/%m/%i/linux"), &c);
        has_copies(&c, "/" ID "/6.1/linux");
}

static void unknown_builders_are_refused(void **state) {
        refuses(*state, "\n<cache name='x' builder='nobody'><source path='/s'/><output path='/o'/></cache>",
                ":3: unknown builder \"nobody\" of cache \"x\"");
        refuses(*state,
                "<cache name='x' builder='c' each='/none/*'><source path='/s'/><output path='/o%i'/></cache>",
                "unknown builder \"c\"");
}

static void patterns_that_overlap_are_refused(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "usr/lib/modules/1/x", "");
        scratch_write(s, "m/1/x", "");
        refuses(s, CACHE("a", MODULES, "/s", "/o%i") CACHE("b", "each='/m/*'", "/s", "/o%i"),
                ":3: output /o1 of b 1 is also an output of a 1");
        refuses(s, CACHE("a", MODULES, "/s", "/o%i") CACHE("b", "", "/s", "/o1"),
                "output /o1 of b  is also an output of a 1");
        refuses(s, COPY("misc", MODULES, "/f", "/T%i") COPY("misc", "each='/m/*'", "/f", "/t%i"), "line 2");
        scratch_write(s, "usr/lib/modules/A/x", "");
        scratch_write(s, "usr/lib/modules/a/x", "");
        refuses(s, COPY("misc", MODULES, "/f", "/t%i"), "/ta on the helper would be written for a and for A");
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", MODULES, "/s", "/o%i"), &c); /* a volume knows case */
}

static void cycles_between_instances_are_refused(void **state) {
        const Scratch *s = *state;
        scratch_write(s, "usr/lib/modules/1/x", "");
        scratch_write(s, "m/1/x", "");
        scratch_write(s, "m/2/x", "");
        refuses(s, CACHE("a", MODULES, "/x%i", "/y%i") CACHE("b", "each='/m/*'", "/y%i", "/x%i"),
                ":2: dependency cycle between caches: a 1 -> b 1 -> a 1");
        /* an output that is a source of another instance is not a cycle by itself */
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "each='/m/*'", "/x%i", "/y%i"), &c);
}

static void too_many_instances_are_refused(void **state) {
        const Scratch *s = *state;
        char name[32];
        assert_int_equal(mkdirat(s->fd, "m", 0755), 0);
        for (unsigned i = 0; i < MANIFEST_INSTANCES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "m/%u", i);
                assert_int_equal(mknodat(s->fd, name, S_IFREG | 0644, 0), 0);
        }
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), &c);
        assert_int_equal(c.plan->n_caches, MANIFEST_INSTANCES_MAX);
        refuses(s, CACHE("a", "each='/m/*'", "/s", "/o%i") CACHE("b", "", "/s", "/p"),
                ":3: more than 4096 instances");
        refuses(s, CACHE("a", "each='/m/*'", "/s", "/o%i") COPY("misc", "each='/m/*'", "/f", "/t%i"),
                "more than 4096 instances");
        assert_int_equal(mknodat(s->fd, "m/one-more", S_IFREG | 0644, 0), 0);
        refuses(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), "more than 4096 instances");
        _cleanup_case_ Case of_one = {};
        assert_int_equal(plan(s, CACHE("a", "each='/m/*'", "/s", "/o%i"), NULL, &of_one), -EBADMSG);
        assert_string_equal(of_one.why, PLACE ":2: more than 4096 instances");
}

/* Creates N matches of /m with names of SIZE bytes. */
static void make_matches(const Scratch *s, unsigned n, int size) {
        char name[300];
        assert_int_equal(mkdirat(s->fd, "m", 0755), 0);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(name, sizeof(name), "m/%0*u", size, i);
                assert_int_equal(mknodat(s->fd, name, S_IFREG | 0644, 0), 0);
        }
}

/* 64 sources and 64 outputs, the sources ever deeper. */
static char *worst_cache(void) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        assert_non_null(f);
        (void) fputs("<cache name='a' builder='b' each='/m/*'>", f);
        for (unsigned i = 0; i < MANIFEST_PATHS_MAX; i++) {
                (void) fprintf(f, "<output path='/o/%u-%%i'/><source path='/%%i", i);
                for (unsigned k = 0; k < i; k++)
                        (void) fputs("/a/b/c", f);
                (void) fprintf(f, "/%u'/>", i);
        }
        (void) fputs("</cache>", f);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void all_paths_together_are_limited(void **state) {
        const Scratch *s = *state;
        make_matches(s, 32, 200);
        _cleanup_free_ char *text = worst_cache();
        _cleanup_case_ Case c = {};
        plans(s, text, &c);
        assert_int_equal(c.plan->n_caches, 32);
        shell("cd %s/m && for i in $(seq 200); do : >more-than-there-is-room-for-$i; done", s->path);
        refuses(s, text, ":2: more than 3 MiB of paths in total");
}

/* 2,048 instances of a cache and of a copy are the maximum; one more is refused. */
static void copies_and_caches_share_one_limit(void **state) {
        const Scratch *s = *state;
        make_matches(s, MANIFEST_INSTANCES_MAX / 2, 4);
        _cleanup_case_ Case c = {};
        static const char full[] =
                CACHE("a", "each='/m/*'", "/s", "/o%i") COPY("misc", "each='/m/*'", "/f", "/t%i");
        plans(s, full, &c);
        assert_int_equal(c.plan->n_caches, MANIFEST_INSTANCES_MAX / 2);
        assert_int_equal(c.plan->n_copies, MANIFEST_INSTANCES_MAX / 2);
        _cleanup_free_ char *copy = NULL, *cache = NULL;
        assert_int_equal(strprintf(&copy, "%s%s", full, COPY("misc", "", "/f", "/one")), 0);
        refuses(s, copy, ":4: more than 4096 instances in total");
        assert_int_equal(strprintf(&cache, "%s%s", full, CACHE("b", "", "/s", "/one")), 0);
        refuses(s, cache, ":3: more than 4096 instances in total"); /* caches come first */
}

/* 4,096 instances of one source and one output: 2 * (3 + N + 32 + 8) bytes each. */
static void long_names_have_room(void **state) {
        const Scratch *s = *state;
        make_matches(s, MANIFEST_INSTANCES_MAX, 255);
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "each='/m/*'", "/s/%i", "/o/%i"), &c);
        assert_int_equal(c.plan->n_caches, MANIFEST_INSTANCES_MAX);
        refuses(s, CACHE("a", "each='/m/*'", "/s/%i/%i", "/o/%i"), ":2: more than 3 MiB");
        refuses(s, COPY("misc", "each='/m/*'", "/f", "/%i/%i/%i"), ":2: more than 3 MiB");
        refuses(s,
                "<cache name='a' builder='b' each='/m/*'><source path='/s/%i'/><output path='/o/%i'/>"
                "<output path='/p/%i'/></cache>",
                ":2: more than 3 MiB");
}

/* 4,096 instances whose paths are 768 bytes each are exactly 3 MiB. */
static void exactly_three_mib_of_paths_are_allowed(void **state) {
        char long_name[172];
        memset(long_name, 'n', sizeof(long_name));
        long_name[sizeof(long_name) - 1] = 0;
        make_matches(*state, MANIFEST_INSTANCES_MAX, 255);
        _cleanup_free_ char *full = NULL, *over = NULL, *copies = NULL;
        _cleanup_case_ Case c = {}, copy = {};
        assert_int_equal(strprintf(&full, CACHE("a", "each='/m/*'", "/%s/%%i", "/o/%%i"), long_name), 0);
        plans(*state, full, &c);
        assert_int_equal(strprintf(&over, CACHE("a", "each='/m/*'", "/%sn/%%i", "/o/%%i"), long_name), 0);
        refuses(*state, over, ":2: more than 3 MiB");
        assert_int_equal(strprintf(&copies, COPY("misc", "each='/m/*'", "/%s/%%i", "/t/%%i"), long_name), 0);
        plans(*state, copies, &copy);
        refuses(*state, COPY("misc", "each='/m/*'", "/%i/%i/%i", "/%i"), ":2: more than 3 MiB");
}

/* A name of 5 bytes costs 64 + 5 * 4 steps with a pattern of 4, "." and ".." as much: 4 million are exactly
 * reached. */
static void exactly_four_million_steps_are_allowed(void **state) {
        const Scratch *s = *state;
        _cleanup_case_ Case c = {};
        make_matches(s, 47616, 5);
        scratch_write(s, "m/thirteenbytes", "");
        static const char text[] = CACHE("a", "each='/m/no?e'", "/s", "/o%i");
        plans(s, text, &c);
        assert_int_equal(c.plan->n_caches, 0);
        shell("mv %s/m/thirteenbytes %s/m/fourteen-bytes", s->path, s->path);
        refuses(s, text, ":2: matching names");
}

static void looking_for_matches_is_limited(void **state) {
        const Scratch *s = *state;
        make_matches(s, 1000, 200);
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "each='/m/*1*2*3x'", "/s", "/o%i"), &c);
        refuses(s, CACHE("a", "each='/m/*1*2*3*4*5*6*7*8*9*1*2x'", "/s", "/o%i"), ":2: matching names");
        _cleanup_free_ char *bracket = NULL;
        assert_true(asprintf(&bracket, CACHE("a", "each='/m/*[%02000u]x'", "/s", "/o%%i"), 0) >= 0);
        refuses(s, bracket, ":2: matching names");
        shell("cd %s/m && seq -f 'b%%0199.0f' 3100 | xargs touch", s->path);
        refuses(s, CACHE("a", "each='/m/*****'", "/s", "/o%i"),
                ":2: matching names"); /* although each matches */
}

typedef struct Counts {
        unsigned by_kind[_ARM_KIND_MAX];
} Counts;

static int count_arm(int fd, ArmKind kind, void *userdata) {
        ((Counts *) userdata)->by_kind[kind]++;
        return 0;
}

static void directories_of_patterns_are_armed_once(void **state) {
        const Scratch *s = *state;
        Counts counts = {};
        const Arm arm = {.arm = count_arm, .userdata = &counts};
        static const char text[] = CACHE("a", MODULES, "/s", "/o%i") CACHE("b", MODULES, "/s", "/p%i")
                COPY("misc", MODULES, "/f", "/%m%i");
        _cleanup_case_ Case missing = {}, present = {};
        scratch_write(s, "etc/machine-id", ID);
        assert_int_equal(plan(s, text, &arm, &missing), 0);
        assert_int_equal(counts.by_kind[ARM_MISSING], 1); /* `usr` could appear */
        assert_int_equal(counts.by_kind[ARM_TREE], 0);
        assert_int_equal(counts.by_kind[ARM_NODE], 1); /* the machine id */
        counts = (Counts){};
        scratch_write(s, "usr/lib/modules/1/x", "");
        assert_int_equal(plan(s, text, &arm, &present), 0);
        assert_int_equal(counts.by_kind[ARM_MISSING], 0);
        assert_int_equal(counts.by_kind[ARM_TREE], 1);
}

static void paths_have_a_limit_when_expanded(void **state) {
        const Scratch *s = *state;
        char name[256], wide[1024] = "";
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        _cleanup_free_ char *file = NULL, *text = NULL;
        assert_int_equal(strprintf(&file, "m/%s", name), 0);
        scratch_write(s, file, "");
        for (size_t i = 0; i < 17; i++)
                strcat(wide, "/%i");
        assert_int_equal(strprintf(&text, CACHE("a", "each='/m/*'", "%s", "/o%%i"), wide), 0);
        refuses(s, text, "is longer than 4095 bytes for nnn");
        static const char *const elsewhere[] = {
                CACHE("a", "each='/m/*'", "/s", "%s"),
                COPY("misc", "each='/m/*'", "%s", "/t%%i"),
                COPY("misc", "each='/m/*'", "/f", "%s"),
        };
        for (size_t i = 0; i < ELEMENTSOF(elsewhere); i++) {
                _cleanup_free_ char *other = NULL;
                const char *place = strstr(elsewhere[i], "%s");
                int n = (int) (place - elsewhere[i]);
                _cleanup_free_ char *end = NULL;
                assert_int_equal(strprintf(&end, "%s", place + 2), 0);
                char *twice = strstr(end, "%%i"); /* as formatted by strprintf */
                if (twice)
                        memmove(twice, twice + 1, strlen(twice));
                assert_int_equal(strprintf(&other, "%.*s%s%s", n, elsewhere[i], wide, end), 0);
                refuses(s, other, "is longer than 4095 bytes for nnn");
        }
        char *out = NULL;
        _cleanup_case_ Case c = {};
        plans(s, CACHE("a", "each='/m/*'", "/%i", "/o%i"), &c);
        assert_int_equal(plan_path(c.plan, wide, c.plan->caches[0].instance, &out), -ENAMETOOLONG);
        assert_int_equal(plan_path(c.plan, "/%i", NULL, &out), -EINVAL);
        assert_int_equal(plan_path(c.plan, "/%m", "x", &out), -EINVAL);
        assert_int_equal(plan_path(c.plan, "/%i", "..", &out), -EINVAL);
        assert_null(out);
}

static void xbootldr_falls_back_to_the_esp(void **state) {
        ManifestCopy esp = {.helper = HELPER_ESP}, xbootldr = {.helper = HELPER_XBOOTLDR};
        const PlanCopy to_esp = {.copy = &esp}, to_xbootldr = {.copy = &xbootldr};
        assert_true(plan_copy_is_for(&to_esp, HELPER_ESP, true));
        assert_true(plan_copy_is_for(&to_esp, HELPER_ESP, false));
        assert_false(plan_copy_is_for(&to_esp, HELPER_XBOOTLDR, true));
        assert_true(plan_copy_is_for(&to_xbootldr, HELPER_XBOOTLDR, true));
        assert_false(plan_copy_is_for(&to_xbootldr, HELPER_ESP, true));
        assert_true(plan_copy_is_for(&to_xbootldr, HELPER_ESP, false));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(pattern_may_match_names_in_the_root),
                scratch_test(directory_that_cannot_be_listed_is_an_error),
                scratch_test(exactly_three_mib_of_paths_are_allowed),
                scratch_test(exactly_four_million_steps_are_allowed),
                scratch_test(the_first_may_need_the_second),
                scratch_test(a_pattern_has_a_limit_when_expanded),
                scratch_test(every_use_of_the_machine_id_is_seen),
                scratch_test(a_machine_id_is_given_or_none),
                scratch_test(no_watch_left_is_an_error_not_a_refusal),
                scratch_test(a_backslash_is_an_ordinary_character),
                scratch_test(only_names_without_control_characters_are_instances),
                scratch_test(a_mount_in_the_way_is_an_error_not_a_refusal),
                scratch_test(copies_and_caches_share_one_limit),
                scratch_test(instances_are_what_matches_sorted),
                scratch_test(caches_come_after_what_they_need),
                scratch_test(a_cache_may_name_another_as_its_source),
                scratch_test(a_builder_may_be_for_the_running_system_alone),
                scratch_test(what_was_learned_is_preferred_where_it_can_be),
                scratch_test(naming_a_cache_costs_what_it_makes),
                scratch_test(copies_come_by_role_then_as_written),
                scratch_test(a_missing_directory_matches_nothing),
                scratch_test(an_empty_manifest_is_an_empty_plan),
                scratch_test(dangerous_names_are_left_out_and_reported),
                scratch_test(links_to_the_directory_stay_in_the_volume),
                scratch_test(our_own_state_cannot_be_named),
                scratch_test(a_pattern_of_hidden_names_matches_neither_the_directory_nor_its_parent),
                scratch_test(machine_ids),
                scratch_test(the_machine_id_can_be_in_a_pattern),
                scratch_test(unknown_builders_are_refused),
                scratch_test(patterns_that_overlap_are_refused),
                scratch_test(cycles_between_instances_are_refused),
                scratch_test(too_many_instances_are_refused),
                scratch_test(all_paths_together_are_limited),
                scratch_test(long_names_have_room),
                scratch_test(looking_for_matches_is_limited),
                scratch_test(directories_of_patterns_are_armed_once),
                scratch_test(paths_have_a_limit_when_expanded),
                cmocka_unit_test(xbootldr_falls_back_to_the_esp),
        };
        log_setup("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
