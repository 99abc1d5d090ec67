/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/volumeinfo.h"

#include <stddef.h>

#include "base/error.h"

/* The plain properties: one table for reading and for --json. */
static const struct {
        const char *property, *key;
        char type;
        size_t offset;
} plain[] = {
#define PLAIN(property, key, type, member)                                                                   \
        { property, key, type, offsetof(VolumeInfo, member) }
        PLAIN("Name", "name", 's', name),
        PLAIN("Device", "device", 's', device),
        PLAIN("MountPoint", "mount_point", 's', mount_point),
        PLAIN("FileSystemType", "file_system_type", 's', fs_type),
        PLAIN("UUID", "uuid", 's', uuid),
        PLAIN("Manifest", "manifest", 's', manifest),
        PLAIN("State", "state", 's', state),
        PLAIN("StateReason", "state_reason", 's', reason),
        PLAIN("Busy", "busy", 'b', busy),
        PLAIN("Trusted", "trusted", 'b', trusted),
        PLAIN("LockHolder", "lock_holder", 's', lock_holder),
        PLAIN("LockHolderPID", "lock_holder_pid", 'u', lock_holder_pid),
        PLAIN("LockWaiters", "lock_waiters", 'u', lock_waiters),
        PLAIN("Failures", "failures", 'u', failures),
        PLAIN("Attempts", "attempts", 'u', attempts),
        PLAIN("LastFailure", "last_failure", 's', last_failure),
        PLAIN("LastBuildStart", "last_build_start", 't', last_build_start),
        PLAIN("LastBuildEnd", "last_build_end", 't', last_build_end),
        PLAIN("LastBuildStatus", "last_build_status", 'i', last_build_status),
#undef PLAIN
};

static size_t plain_size(char type) {
        return type == 'b' ? sizeof(bool) : type == 't' ? sizeof(uint64_t) : sizeof(uint32_t);
}

static void *member_of(const VolumeInfo *v, size_t i) {
        assert(i < ELEMENTSOF(plain));
        return (char *) v + plain[i].offset;
}

static void clear_learned(VolumeInfo *v) {
        for (size_t i = 0; i < v->n_learned; i++) {
                free(v->learned[i].cache);
                free(v->learned[i].text);
        }
        free(v->learned);
        v->learned = NULL;
        v->n_learned = 0;
}

static void clear_caches(VolumeInfo *v) {
        assert(v->caches || v->n_caches == 0);
        for (size_t i = 0; i < v->n_caches; i++) {
                free(v->caches[i].name);
                free(v->caches[i].instance);
                free(v->caches[i].reason);
        }
        free(v->caches);
        v->caches = NULL;
        v->n_caches = 0;
}

static void clear_helpers(VolumeInfo *v) {
        assert(v->helpers || v->n_helpers == 0);
        for (size_t i = 0; i < v->n_helpers; i++) {
                free(v->helpers[i].device);
                free(v->helpers[i].type);
                free(v->helpers[i].partuuid);
                free(v->helpers[i].reason);
        }
        free(v->helpers);
        v->helpers = NULL;
        v->n_helpers = 0;
}

VolumeInfo *volume_info_free(VolumeInfo *v) {
        if (!v)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (plain[i].type == 's')
                        free(*(char **) member_of(v, i));
        clear_caches(v);
        clear_learned(v);
        clear_helpers(v);
        free(v->object);
        free(v);
        return NULL;
}

VolumeInfo *volume_info_new(const char *object) {
        assert(object);
        _cleanup_(volume_info_freep) VolumeInfo *v = calloc(1, sizeof(*v));
        if (!v)
                return NULL;
        v->object = strdup(object);
        if (!v->object)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
                if (plain[i].type != 's')
                        continue;
                char *empty = strdup("");
                if (!empty)
                        return NULL;
                *(char **) member_of(v, i) = empty;
        }
        return TAKE_PTR(v);
}

static int read_plain(VolumeInfo *v, size_t i, sd_bus_message *m) {
        const char type[] = {plain[i].type, '\0'};
        void *member = member_of(v, i);
        union {
                const char *s;
                int b;
        } value;
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, type);
        if (r < 0)
                return r;
        if (plain[i].type == 's') {
                r = sd_bus_message_read_basic(m, 's', &value.s);
                if (r >= 0)
                        r = free_and_strdup(member, value.s);
        } else if (plain[i].type == 'b') {
                r = sd_bus_message_read_basic(m, 'b', &value.b);
                if (r >= 0)
                        *(bool *) member = value.b;
        } else
                r = sd_bus_message_read_basic(m, plain[i].type, member);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int add_cache(VolumeInfo *v, const char *name, const char *instance, bool fresh, const char *reason) {
        assert(v && name && instance && reason);
        if (grow(v->caches, v->n_caches) < 0)
                return error_origin(-ENOMEM);
        VolumeInfoCache *c = v->caches + v->n_caches++;
        *c = (VolumeInfoCache){strdup(name), strdup(instance), strdup(reason), fresh};
        return c->name && c->instance && c->reason ? 0 : error_origin(-ENOMEM);
}

/* Reads a variant that contains an array of TYPE, "a(…)". READ_ITEM returns 1 if it has read one, 0 at the
 * end. */
static int read_array(VolumeInfo *v, sd_bus_message *m, const char *type,
                      int (*read_item)(VolumeInfo *v, sd_bus_message *m)) {
        assert(type[0] == SD_BUS_TYPE_ARRAY);
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, type);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, type + 1);
        if (r < 0)
                return r;
        do
                r = read_item(v, m);
        while (r > 0);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_cache(VolumeInfo *v, sd_bus_message *m) {
        const char *name, *instance, *reason;
        int fresh;
        int r = sd_bus_message_read(m, "(ssbs)", &name, &instance, &fresh, &reason);
        if (r <= 0)
                return r;
        r = add_cache(v, name, instance, fresh, reason);
        return r < 0 ? r : 1;
}

static int read_caches(VolumeInfo *v, sd_bus_message *m) {
        clear_caches(v);
        return read_array(v, m, "a(ssbs)", read_cache);
}

static int add_learned(VolumeInfo *v, const char *cache, const char *text) {
        if (grow(v->learned, v->n_learned) < 0)
                return error_origin(-ENOMEM);
        VolumeInfoLearned *l = v->learned + v->n_learned++;
        *l = (VolumeInfoLearned){strdup(cache), strdup(text)};
        return l->cache && l->text ? 0 : error_origin(-ENOMEM);
}

static int read_learned_cache(VolumeInfo *v, sd_bus_message *m) {
        const char *cache, *text;
        int r = sd_bus_message_read(m, "(ss)", &cache, &text);
        if (r <= 0)
                return r;
        r = add_learned(v, cache, text);
        return r < 0 ? r : 1;
}

static int read_learned(VolumeInfo *v, sd_bus_message *m) {
        clear_learned(v);
        return read_array(v, m, "a(ss)", read_learned_cache);
}

static int add_helper(VolumeInfo *v, const char *const s[static 4], bool fresh) {
        assert(v && s[0] && s[1] && s[2] && s[3]);
        if (grow(v->helpers, v->n_helpers) < 0)
                return error_origin(-ENOMEM);
        VolumeInfoHelper *h = v->helpers + v->n_helpers++;
        *h = (VolumeInfoHelper){strdup(s[0]), strdup(s[1]), strdup(s[2]), strdup(s[3]), fresh};
        return h->device && h->type && h->partuuid && h->reason ? 0 : error_origin(-ENOMEM);
}

static int read_helper(VolumeInfo *v, sd_bus_message *m) {
        const char *s[4]; /* device, type, partuuid, reason */
        int fresh;
        int r = sd_bus_message_read(m, "(sssbs)", &s[0], &s[1], &s[2], &fresh, &s[3]);
        if (r <= 0)
                return r;
        r = add_helper(v, s, fresh);
        return r < 0 ? r : 1;
}

static int read_helpers(VolumeInfo *v, sd_bus_message *m) {
        clear_helpers(v);
        return read_array(v, m, "a(sssbs)", read_helper);
}

static int read_progress(VolumeInfo *v, sd_bus_message *m) {
        return sd_bus_message_read(m, "v", "(tt)", &v->progress_done, &v->progress_of);
}

static const struct {
        const char *property, *type;
        int (*read)(VolumeInfo *v, sd_bus_message *m);
} nested[] = {
        {"Caches", "a(ssbs)", read_caches},
        {"Learned", "a(ss)", read_learned},
        {"Helpers", "a(sssbs)", read_helpers},
        {"Progress", "(tt)", read_progress},
};

static int read_property(VolumeInfo *v, sd_bus_message *m) {
        const char *property, *type;
        int r = sd_bus_message_read_basic(m, 's', &property);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (streq(property, plain[i].property) && type[0] == plain[i].type && !type[1])
                        return read_plain(v, i, m);
        for (size_t i = 0; i < ELEMENTSOF(nested); i++)
                if (streq(property, nested[i].property) && streq(type, nested[i].type))
                        return nested[i].read(v, m);
        return sd_bus_message_skip(m, "v");
}

int volume_info_read(VolumeInfo *v, sd_bus_message *m) {
        assert(v && m);
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = read_property(v, m);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int copy_items(const VolumeInfo *from, VolumeInfo *to) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < from->n_caches; i++) {
                const VolumeInfoCache *c = from->caches + i;
                r = add_cache(to, c->name, c->instance, c->fresh, c->reason);
        }
        for (size_t i = 0; r >= 0 && i < from->n_learned; i++)
                r = add_learned(to, from->learned[i].cache, from->learned[i].text);
        for (size_t i = 0; r >= 0 && i < from->n_helpers; i++) {
                const VolumeInfoHelper *h = from->helpers + i;
                const char *const s[4] = {h->device, h->type, h->partuuid, h->reason};
                r = add_helper(to, s, h->fresh);
        }
        return r;
}

VolumeInfo *volume_info_copy(const VolumeInfo *v) {
        assert(v);
        _cleanup_(volume_info_freep) VolumeInfo *copy = volume_info_new(v->object);
        if (!copy)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
                void *to = member_of(copy, i);
                const void *from = member_of(v, i);
                if (plain[i].type != 's')
                        memcpy(to, from, plain_size(plain[i].type));
                else if (free_and_strdup(to, *(char *const *) from) < 0)
                        return NULL;
        }
        copy->progress_done = v->progress_done;
        copy->progress_of = v->progress_of;
        return copy_items(v, copy) < 0 ? NULL : TAKE_PTR(copy);
}

size_t volume_info_stale_caches(const VolumeInfo *v) {
        assert(v);
        size_t n = 0;
        for (size_t i = 0; i < v->n_caches; i++)
                n += !v->caches[i].fresh;
        return n;
}

size_t volume_info_stale_helpers(const VolumeInfo *v) {
        assert(v);
        size_t n = 0;
        for (size_t i = 0; i < v->n_helpers; i++)
                n += !v->helpers[i].fresh;
        return n;
}

bool volume_info_is_plain(const VolumeInfo *v) {
        assert(v && v->state);
        return streq(v->state, "plain");
}

static void plain_to_json(const VolumeInfo *v, size_t i, Json *j) {
        const void *member = member_of(v, i);
        switch (plain[i].type) {
        case 's':
                json_string(j, plain[i].key, *(char *const *) member);
                break;
        case 'b':
                json_bool(j, plain[i].key, *(const bool *) member);
                break;
        case 'i':
                json_signed(j, plain[i].key, *(const int32_t *) member);
                break;
        case 'u':
                json_unsigned(j, plain[i].key, *(const uint32_t *) member);
                break;
        case 't':
                json_unsigned(j, plain[i].key, *(const uint64_t *) member);
                break;
        }
}

static void learned_to_json(const VolumeInfo *v, Json *j) {
        json_array_open(j, "learned");
        for (size_t i = 0; i < v->n_learned; i++) {
                json_object_open(j, NULL);
                json_string(j, "cache", v->learned[i].cache);
                json_string(j, "learned", v->learned[i].text);
                json_object_close(j);
        }
        json_array_close(j);
}

static void caches_to_json(const VolumeInfo *v, Json *j) {
        json_array_open(j, "caches");
        for (size_t i = 0; i < v->n_caches; i++) {
                json_object_open(j, NULL);
                json_string(j, "name", v->caches[i].name);
                json_string(j, "instance", v->caches[i].instance);
                json_bool(j, "fresh", v->caches[i].fresh);
                json_string(j, "reason", v->caches[i].reason);
                json_object_close(j);
        }
        json_array_close(j);
}

static void helpers_to_json(const VolumeInfo *v, Json *j) {
        json_array_open(j, "helpers");
        for (size_t i = 0; i < v->n_helpers; i++) {
                json_object_open(j, NULL);
                json_string(j, "device", v->helpers[i].device);
                json_string(j, "type", v->helpers[i].type);
                json_string(j, "partuuid", v->helpers[i].partuuid);
                json_bool(j, "fresh", v->helpers[i].fresh);
                json_string(j, "reason", v->helpers[i].reason);
                json_object_close(j);
        }
        json_array_close(j);
}

void volume_info_items_to_json(const VolumeInfo *v, Json *j) {
        assert(v && j);
        caches_to_json(v, j);
        learned_to_json(v, j);
        helpers_to_json(v, j);
}

void volume_info_to_json(const VolumeInfo *v, Json *j) {
        assert(v && j);
        json_object_open(j, NULL);
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                plain_to_json(v, i, j);
        volume_info_items_to_json(v, j);
        json_object_close(j);
}

VolumeInfoList *volume_info_list_free(VolumeInfoList *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n; i++)
                (void) volume_info_free(l->items[i]);
        free(l->items);
        free(l);
        return NULL;
}

int volume_info_list_add(VolumeInfoList *l, VolumeInfo *v) {
        assert(l);
        _cleanup_(volume_info_freep) VolumeInfo *owned = v;
        if (!owned || grow(l->items, l->n) < 0)
                return error_origin(-ENOMEM);
        l->items[l->n++] = TAKE_PTR(owned);
        return 0;
}

static int volume_info_compare(const void *a, const void *b) {
        const VolumeInfo *x = *(VolumeInfo *const *) a, *y = *(VolumeInfo *const *) b;
        bool p = volume_info_is_plain(x), q = volume_info_is_plain(y);
        if (p != q)
                return p ? 1 : -1;
        return strverscmp(x->name, y->name);
}

void volume_info_list_sort(VolumeInfoList *l) {
        assert(l);
        if (l->n > 0)
                qsort(l->items, l->n, sizeof(*l->items), volume_info_compare);
}
