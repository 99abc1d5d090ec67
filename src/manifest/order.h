/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of many items must come before which, according to the paths that they read (sources) and write
 * (outputs). An item depends on another if one of its sources is equal to, above or below one of the other's
 * outputs.
 *
 * Knows nothing about caches: the manifest uses it with templates, the plan with expanded paths. Paths are
 * kept as 128-bit hashes and dependencies as edges through the path that makes them, so time and memory grow
 * with the number of paths, not with its square. Use: declare all paths, connect all paths again, sort. */

#include "base/util.h"

typedef enum OrderKind {
        ORDER_SOURCE,
        ORDER_OUTPUT,
} OrderKind;

typedef struct Order Order;

int order_new(size_t n_items, Order **ret);
Order *order_free(Order *o);
DEFINE_CLEANUP(Order *, order_free);

/* What an item reads or writes. PATH is absolute; SCOPE (may be NULL) tells apart paths that contain `%i` but
 * refer to different instances. */
typedef struct OrderPath {
        OrderKind kind;
        const char *scope;
        const char *path;
} OrderPath;

/* order_declare: -EEXIST: an output that *RET_OTHER has already declared. Both: -ENOMEM. */
int order_declare(Order *o, size_t item, const OrderPath *path, size_t *ret_other);
int order_connect(Order *o, size_t item, const OrderPath *path);

/* ITEM writes something of GROUP (ORDER_OUTPUT), or reads all that others write of it. -ENOMEM */
int order_join(Order *o, size_t item, OrderKind kind, const char *group);

/* FIRST comes before THEN, whatever they read and write; and no longer does: false: it was not said. -ENOMEM
 */
int order_precede(Order *o, size_t first, size_t then);
bool order_forget(Order *o, size_t first, size_t then);

/* 0: *RET contains all items, each after those it depends on, otherwise lower ones first: 0 comes as early as
 * it can, then 1, and so on, with what they depend on right before them. -ELOOP: there is a cycle; *RET
 * contains the *RET_N members of one, each depending on the one before it, the first on the last. -ENOMEM. */
int order_sort(const Order *o, size_t **ret, size_t *ret_n);
