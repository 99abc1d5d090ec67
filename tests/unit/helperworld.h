/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One helper between two builds, and concise sets of files, for the tests of what is decided about them. */

#include "scratch.h"

#include "builder/transaction/decision.h"
#include "builder/transaction/naming.h"
#include "builder/transaction/nextrecord.h"
#include "helper/entry.h"
#include "tree/fingerprint.h"

#define BOOT_NOW "22222222-2222-2222-2222-222222222222"
#define BOOT_BEFORE "11111111-1111-1111-1111-111111111111"
#define BOOT_LATER "33333333-3333-3333-3333-333333333333"

static inline Fingerprint content(const char *text) {
        Hasher *h = hasher_new();
        assert_non_null(h);
        hasher_update(h, text, strlen(text));
        Fingerprint f = hasher_digest(h);
        (void) hasher_free(h);
        return f;
}

static inline char *copy(const char *s) {
        char *c = strdup(s);
        assert_non_null(c);
        return c;
}

/* A wanted file with the content TEXT; for an entry its text. */
static inline void want(WantedSet *s, CopyRole role, const char *to, const char *text) {
        WantedFile f = {
                .role = role,
                .to = copy(to),
                .source = copy(to),
                .description = copy("d"),
                .content = content(text),
                .size = strlen(text),
                .text = role == ROLE_ENTRY ? copy(text) : NULL,
        };
        assert_int_equal(wanted_set_add(s, &f), 0);
}

/* A kernel with its entry, and the booter. */
static inline void want_kernel(WantedSet *s, const char *version, const char *build) {
        char to[64], entry[64], text[128], data[128];
        (void) snprintf(to, sizeof(to), "/m/%s/linux", version);
        (void) snprintf(data, sizeof(data), "kernel %s of %s", version, build);
        want(s, ROLE_REQUIRED, to, data);
        (void) snprintf(entry, sizeof(entry), "/loader/entries/%s.conf", version);
        (void) snprintf(text, sizeof(text), "version %s\nlinux %s\n", version, to);
        want(s, ROLE_ENTRY, entry, text);
}

static inline const WantedFile *wanted_to(const WantedSet *s, const char *to) {
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->items[i].to, to))
                        return &s->items[i];
        fail_msg("%s is not in the set", to);
        return NULL;
}

/* The record says that the file TO is carried under the name PATH. */
static inline CarriedFile *carry(CarriedSet *s, CopyRole role, const char *to, const char *path,
                                 const char *text) {
        CarriedFile f = {
                .role = role,
                .path = copy(path),
                .content = content(text),
                .size = strlen(text),
                .boot = copy(BOOT_BEFORE),
                .to = copy(to),
                .source = copy(to),
                .description = copy("d"),
        };
        assert_int_equal(carried_set_add(s, &f), 0);
        return &s->items[s->n - 1];
}

static inline KeptFile *keep(KeptSet *s, CopyRole role, const char *path, const char *boot) {
        KeptFile f = {.role = role, .path = copy(path), .content = content(path), .size = 4096};
        f.boot = copy(boot);
        assert_int_equal(kept_set_add(s, &f), 0);
        return &s->items[s->n - 1];
}

static inline void see(SeenSet *s, const char *path, const char *text) {
        SeenFile f = {.path = copy(path), .size = text ? strlen(text) : 4096};
        f.text = text ? copy(text) : NULL;
        assert_int_equal(seen_set_add(s, &f), 0);
}

typedef struct World {
        WantedSet wanted;
        SeenSet entries, left;
        HelperRecord record;
        Claim claim;
        HelperView views[32];
        HelperPlanInput in;
        HelperPlan *plan;
        char *reason;
} World;

static inline int world_setup(void **state) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        w->in = (HelperPlanInput){
                .wanted = &w->wanted,
                .views = w->views,
                .record = &w->record,
                .claim = &w->claim,
                .entries = &w->entries,
                .left = &w->left,
                .boot_id = BOOT_NOW,
                .cmdline = "",
                .block_size = 4096,
                .available = 1024 * 1024,
        };
        *state = w;
        return 0;
}

static inline int world_teardown(void **state) {
        World *w = *state;
        (void) helper_plan_free(w->plan);
        wanted_set_done(&w->wanted);
        seen_set_done(&w->entries);
        seen_set_done(&w->left);
        claim_done(&w->claim);
        helper_record_done(&w->record);
        free(w->reason);
        free(w);
        return 0;
}

static inline void world_name(World *w) {
        assert_int_equal(naming_apply(&w->wanted, &w->record.carried, NULL), 0);
}

static inline void world_claim(World *w) {
        claim_done(&w->claim);
        assert_int_equal(claim_init(&w->claim, &w->record), 0);
}

/* Views as from look.h: the same name and content is there. */
static inline void world_look(World *w) {
        for (size_t i = 0; i < w->wanted.n; i++) {
                const WantedFile *f = &w->wanted.items[i];
                w->views[i] = (HelperView){};
                for (size_t j = 0; j < w->record.carried.n; j++) {
                        const CarriedFile *c = &w->record.carried.items[j];
                        if (!streq(c->path, f->path))
                                continue;
                        w->views[i].standing =
                                fingerprint_equal(&c->content, &f->content) ? STANDING_SAME : STANDING_OTHER;
                        w->views[i].sector = c->size == ENTRY_SECTOR;
                }
        }
}

/* With the names and views unchanged. */
static inline int world_decide(World *w) {
        world_claim(w);
        w->plan = helper_plan_free(w->plan);
        free(w->reason);
        w->reason = NULL;
        return decision_make(&w->in, &w->plan, &w->reason);
}

static inline int world_plan(World *w) {
        world_name(w);
        world_look(w);
        return world_decide(w);
}

/* The wanted set is there now, since BOOT (NULL: as found); the next set may be wanted. */
static inline void world_carry_out(World *w, const char *boot) {
        static const KeptSet nothing = {};
        HelperRecord next = HELPER_RECORD_NULL;
        world_claim(w);
        const Outcome outcome = {
                .wanted = &w->wanted,
                .views = w->views,
                .old = &w->record,
                .claim = &w->claim,
                .kept = w->plan ? &w->plan->kept : &nothing,
                .boot_id = w->in.boot_id,
        };
        assert_int_equal(next_record_final(&outcome, &next), 0);
        seen_set_done(&w->entries);
        for (size_t i = 0; i < next.carried.n; i++) {
                CarriedFile *c = &next.carried.items[i];
                assert_true(!boot || free_and_strdup(&c->boot, boot) >= 0);
                if (c->role != ROLE_ENTRY)
                        continue;
                see(&w->entries, c->path, w->wanted.items[i].text);
                w->entries.items[w->entries.n - 1].boot = copy(c->boot);
        }
        w->plan = helper_plan_free(w->plan);
        claim_done(&w->claim);
        helper_record_done(&w->record);
        w->record = next;
        wanted_set_done(&w->wanted);
}

/* A leftover of an interrupted build under this name; TEXT for an entry. */
static inline void world_leave(World *w, const char *path, const char *text) {
        assert_int_equal(strv_extend(&w->record.ours, path), 0);
        see(&w->left, path, text);
}

static inline size_t step_of(const World *w, const char *path) {
        for (size_t i = 0; i < w->plan->n_steps; i++)
                if (streq(w->plan->steps[i].path, path))
                        return i;
        fail_msg("no step for %s", path);
        return 0;
}

static inline const char *path_of(const World *w, const char *to) {
        return wanted_to(&w->wanted, to)->path;
}

static inline bool is_kept(const World *w, const char *path) {
        for (size_t i = 0; i < w->plan->kept.n; i++)
                if (streq(w->plan->kept.items[i].path, path))
                        return true;
        return false;
}

static inline void want_kernel_1(World *w, const char *build) {
        want_kernel(&w->wanted, "1", build);
        want(&w->wanted, ROLE_BOOTER, "/EFI/BOOT/BOOTX64.EFI", "booter");
}

/* Kernel 1 of build A was put there during BOOT; returns its name on the helper. */
static inline char *start_with_kernel(World *w, const char *boot) {
        want_kernel_1(w, "A");
        assert_int_equal(world_plan(w), 0);
        char *linux_a = copy(path_of(w, "/m/1/linux"));
        world_carry_out(w, boot);
        return linux_a;
}

/* V consists of exactly WORDS, which are NULL-terminated. */
static inline void assert_words(char *const *v, const char *const *words) {
        size_t i = 0;
        for (; words[i]; i++) {
                const char *found = v ? v[i] : NULL;
                if (!found) {
                        fail_msg("%s is missing", words[i]);
                        return;
                }
                assert_string_equal(found, words[i]);
        }
        if (v && v[i])
                fail_msg("%s is too much", v[i]);
}
#define assert_list(v, ...) assert_words((v), (const char *const[]){__VA_ARGS__, NULL})

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
