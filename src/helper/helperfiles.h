/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a helper: those that it should carry, those that its record says it carries or keeps, and
 * those that were found there. One type for each, so that no field means two things. */

#include "helper/namemap.h"
#include "manifest/manifest.h"
#include "tree/hasher.h"

/* What the helper should carry. Without PATH: as gathered on the volume; with PATH: named. */
typedef struct WantedFile {
        CopyRole role;
        char *to;            /* as in the manifest */
        char *source;        /* on the volume, links resolved */
        char *description;   /* of the source, see fingerprint_describe, when the content was read */
        Fingerprint content; /* for an entry: of TEXT, once it is named */
        uint64_t size;
        char *text; /* of an entry, SIZE bytes: as on the volume; once named: as it should be on the helper */
        char *path; /* the name on the helper: TO, or `TO-XXXXXXXX` from its content */
} WantedFile;

/* What the last build left on the helper, according to its record. */
typedef struct CarriedFile {
        CopyRole role;
        char *path; /* on the helper */
        Fingerprint content;
        uint64_t size;
        char *boot;                      /* ID of the boot during which this content was put there */
        char *to, *source, *description; /* of the WantedFile that it was */
        /* somebody else wrote it: it was found to have the wanted content, and is never removed */
        bool adopted;
} CarriedFile;

/* What is kept for the running boot, in addition to what is carried. */
typedef struct KeptFile {
        CopyRole role;
        char *path;
        Fingerprint content; /* all zero: not known, except from the name */
        uint64_t size;
        char *boot; /* for which boot */
        char *text; /* an entry yet to be written, SIZE bytes; NULL: it is there */
} KeptFile;

/* What was found on the helper. */
typedef struct SeenFile {
        char *path;
        uint64_t size;
        char *text; /* of an entry, SIZE bytes; else NULL */
        char *boot; /* of a carried entry: as in its CarriedFile; else NULL */
} SeenFile;

typedef struct WantedSet {
        WantedFile *items; /* by role, then document order, then path */
        size_t n;
} WantedSet;

typedef struct CarriedSet {
        CarriedFile *items; /* in the order of the WantedSet that it was made from */
        size_t n;
} CarriedSet;

typedef struct KeptSet {
        KeptFile *items;
        size_t n;
} KeptSet;

typedef struct SeenSet {
        SeenFile *items;
        size_t n;
} SeenSet;

void wanted_file_done(WantedFile *f);
void carried_file_done(CarriedFile *f);
void kept_file_done(KeptFile *f);
void seen_file_done(SeenFile *f);

void wanted_set_done(WantedSet *s);
void carried_set_done(CarriedSet *s);
void kept_set_done(KeptSet *s);
void seen_set_done(SeenSet *s);

/* These take over the contents of FILE, even on failure, and leave it empty. -ENOMEM. */
int wanted_set_add(WantedSet *s, WantedFile *file);
int carried_set_add(CarriedSet *s, CarriedFile *file);
int kept_set_add(KeptSet *s, KeptFile *file);
int seen_set_add(SeenSet *s, SeenFile *file);

/* Adds all files of a set to the map M by their name on the helper. -ENOMEM. */
int wanted_set_map(const WantedSet *s, NameMap *m);
int carried_set_map(const CarriedSet *s, NameMap *m);
int kept_set_map(const KeptSet *s, NameMap *m);
int seen_set_map(const SeenSet *s, NameMap *m);

/* Does every file have its name on the helper, and every entry its text? */
bool wanted_set_is_named(const WantedSet *s);
/* Is it as it was gathered: has no file a name on the helper yet? */
bool wanted_set_is_gathered(const WantedSet *s);

/* Is the name on the helper derived from the content, so that nobody else can have written what is there, and
 * different content has a different name? */
bool wanted_file_is_named_by_content(const WantedFile *f);
bool carried_file_is_named_by_content(const CarriedFile *f);

/* Does one of the entries in S name the file PATH? */
bool seen_set_names(const SeenSet *s, const char *path);
