/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fingerprints. The description of a file contains exactly what counts for its fingerprint, since the
 * fingerprint is computed from the description: so any difference that is found can be explained. */

#include "tree/fingerprint.h"

#include "base/error.h"
#include "base/parse.h"

#define CONTENT_BUFFER (1024U * 1024U)

/* The fields of a description, in order. */
typedef enum Field {
        FIELD_MODE,
        FIELD_UID,
        FIELD_GID,
        FIELD_SIZE,
        FIELD_MTIME,
        FIELD_INODE,
        FIELD_CTIME,
        _FIELD_MAX,
} Field;

#define FIELD_SEPARATOR ':'
#define DESCRIPTION_MAX 192U /* seven numbers of 64 bits, two of 32 bits and what is between them */

/* N in BASE, in DIGITS digits at least. By hand, because this is done for every file, and snprintf(3) takes
 * longer than all the rest. */
static char *put_number(char *p, uint64_t n, unsigned base, size_t digits) {
        char text[24]; /* of 64 bits in octal at most 22 digits */
        assert(base >= 8 && base <= 10 && digits <= 9);
        size_t at = sizeof(text);
        do {
                text[--at] = (char) ('0' + n % base);
                n /= base;
        } while (n > 0 || sizeof(text) - at < digits);
        return mempcpy(p, text + at, sizeof(text) - at);
}

static char *put_field(char *p, uint64_t n, unsigned base) {
        p = put_number(p, n, base, 1);
        *p++ = FIELD_SEPARATOR;
        return p;
}

static char *put_time(char *p, const struct statx_timestamp *t) {
        if (t->tv_sec < 0)
                *p++ = '-';
        p = put_number(p, t->tv_sec < 0 ? -(uint64_t) t->tv_sec : (uint64_t) t->tv_sec, 10, 1);
        *p++ = '.';
        return put_number(p, t->tv_nsec, 10, 9);
}

/* Returns its length without the NUL. */
static size_t entry_describe(const WalkEntry *entry, bool trust_ctime, char buffer[static DESCRIPTION_MAX]) {
        const struct statx *s = entry->stx;
        char *p = put_field(buffer, s->stx_mode, 8);
        p = put_field(p, s->stx_uid, 10);
        p = put_field(p, s->stx_gid, 10);
        if (S_ISDIR(s->stx_mode))
                p = stpcpy(p, "-:-:-:-");
        else {
                p = put_field(p, s->stx_size, 10);
                p = put_time(p, &s->stx_mtime);
                *p++ = FIELD_SEPARATOR;
                p = put_field(p, s->stx_ino, 10);
                p = trust_ctime ? put_time(p, &s->stx_ctime) : stpcpy(p, "-");
        }
        *p = 0;
        assert(p < buffer + DESCRIPTION_MAX);
        return (size_t) (p - buffer);
}

int fingerprint_describe(const WalkEntry *entry, bool trust_ctime, char **ret) {
        assert(entry && entry->stx && ret);
        char buffer[DESCRIPTION_MAX];
        (void) entry_describe(entry, trust_ctime, buffer);
        char *text = strdup(buffer);
        if (!text)
                return error_origin(-ENOMEM);
        *ret = text;
        return 0;
}

void fingerprint_add(Hasher *h, const WalkEntry *entry, bool trust_ctime) {
        assert(entry && entry->path && entry->stx);
        char buffer[DESCRIPTION_MAX];
        hasher_update_string(h, entry->path);
        hasher_update(h, buffer, entry_describe(entry, trust_ctime, buffer) + 1);
        hasher_update_string(h, strempty(entry->target));
}

typedef struct FieldText {
        const char *start;
        size_t size;
} FieldText;

/* False if S is not a description (of another version, say). */
static bool split_description(const char *s, FieldText fields[static _FIELD_MAX]) {
        for (unsigned i = 0; i < _FIELD_MAX; i++) {
                fields[i] = (FieldText){s, strcspn(s, ":")};
                s += fields[i].size;
                if (*s != (i + 1 < _FIELD_MAX ? FIELD_SEPARATOR : 0))
                        return false;
                s++;
        }
        return true;
}

static bool field_differs(const FieldText *a, const FieldText *b) {
        return a->size != b->size || memcmp(a->start, b->start, a->size) != 0;
}

mode_t fingerprint_type(const char *description) {
        uint64_t mode = 0;
        assert(description);
        (void) parse_digits(&description, 8, &mode);
        return (mode_t) (mode & S_IFMT);
}

bool fingerprint_is_like(const char *before, const char *after) {
        FieldText a[_FIELD_MAX], b[_FIELD_MAX];
        assert(before && after);
        if (!split_description(before, a) || !split_description(after, b))
                return false;
        return !field_differs(&a[FIELD_MODE], &b[FIELD_MODE]) &&
               !field_differs(&a[FIELD_UID], &b[FIELD_UID]) && !field_differs(&a[FIELD_GID], &b[FIELD_GID]) &&
               !field_differs(&a[FIELD_SIZE], &b[FIELD_SIZE]);
}

unsigned fingerprint_difference(const char *before, const char *after) {
        static const Change meaning[_FIELD_MAX] = {
                [FIELD_MODE] = CHANGE_MODE,   [FIELD_UID] = CHANGE_OWNER,   [FIELD_GID] = CHANGE_OWNER,
                [FIELD_SIZE] = CHANGE_SIZE,   [FIELD_MTIME] = CHANGE_MTIME, [FIELD_INODE] = CHANGE_REPLACED,
                [FIELD_CTIME] = CHANGE_CTIME,
        };
        FieldText a[_FIELD_MAX], b[_FIELD_MAX];
        unsigned changes = 0;
        assert(before && after);
        if (!split_description(before, a) || !split_description(after, b) ||
            fingerprint_type(before) != fingerprint_type(after))
                return CHANGE_REPLACED;
        for (unsigned i = 0; i < _FIELD_MAX; i++)
                if (field_differs(&a[i], &b[i]))
                        changes |= meaning[i];
        return changes ? changes : CHANGE_REPLACED;
}

int fingerprint_content(int fd, bool (*stop)(void *userdata), void *userdata, Fingerprint *ret,
                        uint64_t *ret_size) {
        assert(fd >= 0 && ret);
        _cleanup_(hasher_freep) Hasher *h = hasher_new();
        _cleanup_free_ char *buffer = malloc(CONTENT_BUFFER);
        if (!h || !buffer)
                return error_origin(-ENOMEM);
        uint64_t size = 0;
        for (;;) {
                if (stop && stop(userdata))
                        return error_origin(-EINTR);
                ssize_t n = pread(fd, buffer, CONTENT_BUFFER, (off_t) size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_origin(-errno);
                if (n == 0)
                        break;
                hasher_update(h, buffer, (size_t) n);
                size += (uint64_t) n;
        }
        *ret = hasher_digest(h);
        if (ret_size)
                *ret_size = size;
        return 0;
}

char *fingerprint_to_hex(const Fingerprint *f, char buffer[static FINGERPRINT_HEX_MAX]) {
        assert(f);
        for (size_t i = 0; i < sizeof(f->bytes); i++)
                (void) snprintf(buffer + 2 * i, 3, "%02x", f->bytes[i]);
        return buffer;
}

int fingerprint_from_hex(const char *s, Fingerprint *ret) {
        assert(s && ret);
        Fingerprint f;
        if (strlen(s) != FINGERPRINT_HEX_MAX - 1)
                return error_origin(-EINVAL);
        for (size_t i = 0; i < sizeof(f.bytes); i++) {
                int high = parse_digit(s[2 * i], 16), low = parse_digit(s[2 * i + 1], 16);
                if (high < 0 || low < 0)
                        return error_origin(-EINVAL);
                f.bytes[i] = (uint8_t) (high << 4 | low);
        }
        *ret = f;
        return 0;
}

bool fingerprint_equal(const Fingerprint *a, const Fingerprint *b) {
        assert(a && b);
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
