/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of values that settings have: the conf_parse_ functions of conffile.h. They know neither file nor
 * key, and leave the target alone if they cannot parse the value. */

#include <ctype.h>

#include "base/conffile.h"
#include "base/error.h"
#include "base/parse.h"
#include "base/words.h"

int conf_parse_bool(const char *value, void *data, const char **reterr) {
        assert(value && data && reterr);
        static const struct {
                const char *word;
                bool value;
        } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                     {"no", false}, {"false", false}, {"off", false}, {"0", false}};
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(value, words[i].word) == 0) {
                        *(bool *) data = words[i].value;
                        return 0;
                }
        *reterr = "expected yes or no";
        return error_origin(-EINVAL);
}

/* In microseconds. */
static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        {"us", 1},
        {"usec", 1},
        {"µs", 1}, /* the micro sign, */
        {"μs", 1}, /* and the Greek letter */
        {"ms", USEC_PER_MSEC},
        {"msec", USEC_PER_MSEC},
        {"", USEC_PER_SEC},
        {"s", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"seconds", USEC_PER_SEC},
        {"m", 60 * USEC_PER_SEC},
        {"min", 60 * USEC_PER_SEC},
        {"minute", 60 * USEC_PER_SEC},
        {"minutes", 60 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"hr", 3600 * USEC_PER_SEC},
        {"hour", 3600 * USEC_PER_SEC},
        {"hours", 3600 * USEC_PER_SEC},
        {"d", 86400 * USEC_PER_SEC},
        {"day", 86400 * USEC_PER_SEC},
        {"days", 86400 * USEC_PER_SEC},
        {"w", 7 * 86400 * USEC_PER_SEC},
        {"week", 7 * 86400 * USEC_PER_SEC},
        {"weeks", 7 * 86400 * USEC_PER_SEC},
        {"M", 2629800 * USEC_PER_SEC},
        {"month", 2629800 * USEC_PER_SEC},
        {"months", 2629800 * USEC_PER_SEC},
        {"y", 31557600 * USEC_PER_SEC},
        {"year", 31557600 * USEC_PER_SEC},
        {"years", 31557600 * USEC_PER_SEC},
};

/* Length of the unit of N letters at S, 0: unknown. */
static uint64_t unit_usec(const char *s, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
                        return units[i].usec;
        return 0;
}

/* FRACTION / SCALE of UNIT, where multiplying them first could overflow. */
static uint64_t part_of(uint64_t unit, uint64_t fraction, uint64_t scale) {
        return unit / scale * fraction + unit % scale * fraction / scale;
}

/* Removes one number with its unit from *S and adds it to *SUM. */
static bool take_span(const char **s, uint64_t *sum) {
        const char *p = *s;
        uint64_t whole = 0, fraction = 0, scale = 1, all;
        bool digits;
        int r = parse_digits(&p, 10, &whole);
        if (r == -ERANGE)
                return false;
        digits = r >= 0;
        if (*p == '.')
                for (p++; isdigit((unsigned char) *p); p++, digits = true)
                        if (scale < USEC_PER_SEC) {
                                fraction = fraction * 10 + (uint64_t) (*p - '0');
                                scale *= 10;
                        }
        digits = digits && *p != '.';
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t.0123456789");
        uint64_t unit = unit_usec(p, n);
        if (!digits || unit == 0 || __builtin_mul_overflow(whole, unit, &all) ||
            __builtin_add_overflow(all, part_of(unit, fraction, scale), &all) ||
            __builtin_add_overflow(*sum, all, sum) || *sum == USEC_INFINITY)
                return false;
        *s = p + n;
        *s += strspn(*s, " \t");
        return true;
}

int conf_parse_sec(const char *value, void *data, const char **reterr) {
        assert(value && data && reterr);
        uint64_t sum = 0;
        const char *p = value + strspn(value, " \t");
        if (streq(p, "infinity")) {
                *(uint64_t *) data = USEC_INFINITY;
                return 0;
        }
        bool good = *p;
        while (good && *p)
                good = take_span(&p, &sum);
        if (!good) {
                *reterr = "expected a time span such as 5, 500ms or 1min 30s";
                return error_origin(-EINVAL);
        }
        *(uint64_t *) data = sum;
        return 0;
}

int conf_parse_unsigned(const char *value, void *data, const char **reterr) {
        assert(value && data && reterr);
        unsigned n;
        if (parse_unsigned(value, &n) < 0 || n == 0) {
                *reterr = "expected a number of at least 1";
                return error_origin(-EINVAL);
        }
        *(unsigned *) data = n;
        return 0;
}

int conf_parse_paths(const char *value, void *data, const char **reterr) {
        assert(value && data && reterr);
        _cleanup_strv_free_ char **paths = NULL;
        int r = words_split(value, &paths, reterr);
        if (r < 0)
                return r;
        for (char **p = paths; p && *p; p++)
                if ((*p)[0] != '/') {
                        *reterr = "expected absolute paths";
                        return error_origin(-EINVAL);
                }
        strv_free(*(char ***) data);
        *(char ***) data = TAKE_PTR(paths);
        return 0;
}

int conf_parse_string(const char *value, void *data, const char **reterr) {
        assert(value && data);
        int r = free_and_strdup(data, value);
        return r < 0 ? r : 0;
}
