/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/helperfiles.h"

#include "base/error.h"
#include "helper/entry.h"

void wanted_file_done(WantedFile *f) {
        free(f->to);
        free(f->source);
        free(f->description);
        free(f->text);
        free(f->path);
        *f = (WantedFile){};
}

void carried_file_done(CarriedFile *f) {
        free(f->path);
        free(f->boot);
        free(f->to);
        free(f->source);
        free(f->description);
        *f = (CarriedFile){};
}

void kept_file_done(KeptFile *f) {
        free(f->path);
        free(f->boot);
        free(f->text);
        *f = (KeptFile){};
}

void seen_file_done(SeenFile *f) {
        free(f->path);
        free(f->text);
        free(f->boot);
        *f = (SeenFile){};
}

/* What all kinds of sets have in common. */
#define DEFINE_SET(Set, File, set, file)                                                                     \
        void set##_done(Set *s) {                                                                            \
                for (size_t i = 0; i < s->n; i++)                                                            \
                        file##_done(&s->items[i]);                                                           \
                free(s->items);                                                                              \
                *s = (Set){};                                                                                \
        }                                                                                                    \
                                                                                                             \
        int set##_add(Set *s, File *f) {                                                                     \
                if (grow(s->items, s->n) < 0) {                                                              \
                        file##_done(f);                                                                      \
                        return error_origin(-ENOMEM);                                                        \
                }                                                                                            \
                s->items[s->n++] = *f;                                                                       \
                *f = (File){};                                                                               \
                return 0;                                                                                    \
        }                                                                                                    \
                                                                                                             \
        int set##_map(const Set *s, NameMap *m) {                                                            \
                for (size_t i = 0; i < s->n; i++)                                                            \
                        if (name_map_put(m, s->items[i].path, &s->items[i]) < 0)                             \
                                return error_origin(-ENOMEM);                                                \
                return 0;                                                                                    \
        }                                                                                                    \
        struct swallow_semicolon_##set

DEFINE_SET(WantedSet, WantedFile, wanted_set, wanted_file);
DEFINE_SET(CarriedSet, CarriedFile, carried_set, carried_file);
DEFINE_SET(KeptSet, KeptFile, kept_set, kept_file);
DEFINE_SET(SeenSet, SeenFile, seen_set, seen_file);

bool wanted_set_is_named(const WantedSet *s) {
        for (size_t i = 0; i < s->n; i++)
                if (!s->items[i].path || (s->items[i].role == ROLE_ENTRY) != (s->items[i].text != NULL))
                        return false;
        return true;
}

bool wanted_set_is_gathered(const WantedSet *s) {
        for (size_t i = 0; i < s->n; i++)
                if (!s->items[i].to || s->items[i].path)
                        return false;
        return true;
}

bool wanted_file_is_named_by_content(const WantedFile *f) {
        assert(f->path);
        return f->role == ROLE_REQUIRED && !streq(f->path, f->to);
}

bool carried_file_is_named_by_content(const CarriedFile *f) {
        return f->role == ROLE_REQUIRED && !streq(f->path, f->to);
}

bool seen_set_names(const SeenSet *s, const char *path) {
        for (size_t i = 0; i < s->n; i++)
                if (s->items[i].text && entry_has_word(s->items[i].text, s->items[i].size, path))
                        return true;
        return false;
}
