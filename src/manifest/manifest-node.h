/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads one element of a manifest according to a table of its attributes and of the elements that it may
 * contain. */

#include <libxml/tree.h>

#include "manifest/manifest.h"
#include "manifest/refusal.h"

/* What every step of reading needs. */
typedef struct Reader {
        Manifest *manifest;
        char **reterr;
} Reader;

#define reader_refuse(reader, line, ...)                                                                     \
        refusal((reader)->reterr, (reader)->manifest->path, (line), __VA_ARGS__)

/* PARSE is one of manifest-value.h; OFFSET is where it stores the value in the object of the element. */
typedef struct NodeAttribute {
        const char *name;
        bool required;
        size_t offset;
        int (*parse)(const char *value, void *field, const char **rewhy);
} NodeAttribute;

/* PARENT is the object of the element that contains NODE. */
typedef struct NodeChild {
        const char *name;
        int (*read)(const Reader *reader, const xmlNode *node, void *parent);
} NodeChild;

typedef struct NodeShape {
        const NodeAttribute *attributes;
        size_t n_attributes;
        const NodeChild *children;
        size_t n_children;
} NodeShape;

unsigned node_line(const xmlNode *node);
const char *node_name(const xmlNode *node);

/* Reads the attributes of NODE into OBJECT, then its children. -EBADMSG: refused, with the reason;
 * -ENOMEM. */
int node_read(const Reader *reader, const xmlNode *node, const NodeShape *shape, void *object);
