/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In this order: which set was booted; whether its files are still those; whether a newer kernel was added.
 * What the boot loader told comes first, since a name that is derived from content cannot be wrong; without
 * it what counts is the boot during which a file was put there. Files that somebody else wrote may have been
 * there for long. */

#include "freshness/booted.h"

#include <ctype.h>

#include "base/error.h"
#include "base/path.h"
#include "helper/started.h"

void boot_facts_done(BootFacts *facts) {
        free(facts->boot_id);
        free(facts->release);
        free(facts->started);
        free(facts->entry);
        free(facts->partuuid);
        *facts = BOOT_FACTS_NULL;
}

void booted_helpers_done(BootedHelpers *helpers) {
        helper_record_done(&helpers->record);
        free(helpers->instances);
        *helpers = (BootedHelpers){};
}

void booted_done(Booted *booted) {
        free(booted->text);
        *booted = BOOTED_NULL;
}

typedef struct Judgement {
        const BootFacts *facts;
        const CarriedSet *carried;
        const KeptSet *kept;
        const char *const *instances;
        const char *booted; /* the instance; NULL: the manifest has no instances */
        bool booters;       /* the set is nothing but what the firmware starts */
} Judgement;

static bool is_entry_started(const Judgement *j, CopyRole role, const char *path) {
        return role == ROLE_ENTRY && j->facts->entry && strcasecmp(path_last(path), j->facts->entry) == 0;
}

/* Did the boot loader start this file, or another one in its place? */
static bool tells_of(const Judgement *j, const CarriedFile *f) {
        size_t size;
        if (is_entry_started(j, f->role, f->path))
                return true;
        return carried_file_is_named_by_content(f) &&
               (started_names(j->facts->started, f->path) ||
                started_other(j->facts->started, f->to, f->path, &size));
}

/* Its entry, if that is told, else one of its files. */
static const KeptFile *find_kept_started(const Judgement *j) {
        const KeptFile *found = NULL;
        for (size_t i = 0; i < j->kept->n; i++) {
                const KeptFile *f = &j->kept->items[i];
                if (is_entry_started(j, f->role, f->path))
                        return f;
                if (!found && f->role == ROLE_REQUIRED && started_names(j->facts->started, f->path))
                        found = f;
        }
        return found;
}

/* Which set the boot loader told of, or that of the kernel that runs. False: none of them is known to be it.
 */
static bool find_booted_instance(Judgement *j) {
        bool has_instances = false, has_release = false;
        for (size_t i = 0; i < j->carried->n; i++) {
                j->booted = j->instances[i];
                if (j->booted && tells_of(j, &j->carried->items[i]))
                        return true;
                has_instances = has_instances || j->booted;
                has_release = has_release || streq_ptr(j->booted, j->facts->release);
        }
        j->booted = has_instances ? j->facts->release : NULL;
        return has_release || (!has_instances && j->carried->n > 0);
}

static bool is_of_booted_set(const Judgement *j, size_t i) {
        return !j->instances[i] || streq_ptr(j->instances[i], j->booted);
}

static bool is_bootable(CopyRole role) {
        return role == ROLE_REQUIRED || role == ROLE_ENTRY;
}

/* A unified kernel image is both. */
static bool has_only_booters(const Judgement *j) {
        for (size_t i = 0; i < j->carried->n; i++)
                if (is_of_booted_set(j, i) && is_bootable(j->carried->items[i].role))
                        return false;
        return true;
}

static bool is_put_there_since(const Judgement *j, const CarriedFile *f) {
        return !f->adopted && streq(f->boot, j->facts->boot_id);
}

static const char *booted_label(const Judgement *j) {
        return isempty(j->booted) ? j->facts->release : j->booted;
}

static int judge_replaced(const Judgement *j, const CarriedFile *f, Booted *ret) {
        booted_done(ret);
        ret->state = BOOTED_REPLACED;
        return strprintf(&ret->text, "%s was booted, and its %s has been replaced since", booted_label(j),
                         f->to);
}

/* The name of what was started instead of F has SIZE bytes at OTHER. */
static int judge_other(const Judgement *j, const CarriedFile *f, const char *other, size_t size,
                       Booted *ret) {
        if (streq(f->boot, j->facts->boot_id))
                return judge_replaced(j, f, ret);
        if (ret->state != BOOTED_CURRENT)
                return 0;
        ret->state = BOOTED_PREVIOUS;
        return strprintf(&ret->text, "%s was booted from %.*s, though %s is there", booted_label(j),
                         (int) size, other, f->path);
}

static int judge_file(const Judgement *j, const CarriedFile *f, Booted *ret) {
        size_t size;
        bool of_set = is_bootable(f->role) || (j->booters && f->role == ROLE_BOOTER);
        if (!of_set)
                return 0;
        if (carried_file_is_named_by_content(f)) {
                if (started_names(j->facts->started, f->path))
                        return 0;
                const char *other = started_other(j->facts->started, f->to, f->path, &size);
                if (other)
                        return judge_other(j, f, other, size, ret);
        }
        return is_put_there_since(j, f) ? judge_replaced(j, f, ret) : 0;
}

static int judge_files(Judgement *j, Booted *ret) {
        int r = 0;
        j->booters = has_only_booters(j);
        for (size_t i = 0; r >= 0 && i < j->carried->n && ret->state != BOOTED_REPLACED; i++)
                if (is_of_booted_set(j, i))
                        r = judge_file(j, &j->carried->items[i], ret);
        return r;
}

#define VERSION_MAX 64

/* The number that INSTANCE begins with: what follows it (`-amd64`, `-rt`) is a kind of kernel, not an order.
 */
static void cut_version(const char *instance, char ret[static VERSION_MAX]) {
        size_t n = MIN(strspn(instance, "0123456789.-_"), VERSION_MAX - 1U);
        while (n > 0 && !isdigit((unsigned char) instance[n - 1]))
                n--;
        memcpy(ret, instance, n);
        ret[n] = 0;
}

static bool is_newer_version(const char *a, const char *b) {
        char x[VERSION_MAX], y[VERSION_MAX];
        cut_version(a, x);
        cut_version(b, y);
        return *x && *y && strverscmp(x, y) > 0;
}

/* Adds every instance of which a required file was there before this boot. */
static int map_old_instances(const Judgement *j, NameMap *old) {
        for (size_t i = 0; i < j->carried->n; i++) {
                const CarriedFile *f = &j->carried->items[i];
                if (f->role != ROLE_REQUIRED || isempty(j->instances[i]) || is_put_there_since(j, f))
                        continue;
                if (name_map_put(old, j->instances[i], j->instances[i]) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static int judge_newer(const Judgement *j, Booted *ret) {
        _cleanup_(name_map_done) NameMap old = NAME_MAP_EXACT;
        if (isempty(j->booted))
                return 0;
        int r = map_old_instances(j, &old);
        for (size_t i = 0; r >= 0 && i < j->carried->n; i++) {
                const char *instance = j->instances[i];
                if (j->carried->items[i].role != ROLE_REQUIRED || isempty(instance) ||
                    name_map_get(&old, instance) || !is_newer_version(instance, j->booted))
                        continue;
                ret->state = BOOTED_REPLACED;
                return strprintf(&ret->text, "%s was booted, and %s has been added since", booted_label(j),
                                 instance);
        }
        return r;
}

/* What was booted is kept for this boot. Who chose the entry of a kept set would get the newer one by another
 * boot only if it were chosen. */
static int judge_kept(const Judgement *j, const KeptFile *kept, Booted *ret) {
        bool chosen = kept->role == ROLE_ENTRY || !streq(kept->boot, j->facts->boot_id);
        ret->state = chosen ? BOOTED_PREVIOUS : BOOTED_REPLACED;
        return strprintf(&ret->text, "%s was booted, and is only kept for this boot", kept->path);
}

static int judge_unknown(const Judgement *j, Booted *ret) {
        ret->state = BOOTED_UNKNOWN;
        return strprintf(&ret->text, "%s runs, and is not known to be carried", j->facts->release);
}

int booted_judge(const BootFacts *facts, const BootedHelpers *helpers, Booted *ret) {
        assert(facts && facts->boot_id && facts->release && facts->started && helpers && ret);
        _cleanup_(booted_done) Booted booted = {.state = BOOTED_CURRENT};
        Judgement j = {
                .facts = facts,
                .carried = &helpers->record.carried,
                .kept = &helpers->record.kept,
                .instances = helpers->instances,
        };
        const KeptFile *kept = find_kept_started(&j);
        bool known = find_booted_instance(&j);
        int r = known ? judge_files(&j, &booted) : 0;
        if (r >= 0 && booted.state == BOOTED_CURRENT)
                r = kept    ? judge_kept(&j, kept, &booted)
                    : known ? judge_newer(&j, &booted)
                            : judge_unknown(&j, &booted);
        if (r < 0)
                return r;
        *ret = booted;
        booted = BOOTED_NULL;
        return 0;
}
