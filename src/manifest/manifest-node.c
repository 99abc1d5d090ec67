/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Anything that the table does not name is refused, and the message lists what it does name. */

#include "manifest/manifest-node.h"

#include "base/error.h"

unsigned node_line(const xmlNode *node) {
        long n = xmlGetLineNo(node);
        return n > 0 ? (unsigned) n : 1;
}

const char *node_name(const xmlNode *node) {
        return (const char *) node->name;
}

/* Appends the name I of N to "A, B or C" in BUFFER. */
static void append_name(char *buffer, size_t room, const char *name, size_t i, size_t n) {
        const char *between = i == 0 ? "" : i + 1 < n ? ", " : " or ";
        size_t used = strlen(buffer);
        (void) snprintf(buffer + used, room - used, "%s%s", between, name);
}

static int node_refuse_attribute(const Reader *reader, const xmlNode *node, const NodeShape *shape,
                                 const xmlAttr *attribute) {
        char expected[128] = "";
        for (size_t i = 0; i < shape->n_attributes; i++)
                append_name(expected, sizeof(expected), shape->attributes[i].name, i, shape->n_attributes);
        return reader_refuse(reader, node_line(node), "unknown attribute \"%.100s\" in <%s>; expected %s",
                             (const char *) attribute->name, node_name(node), expected);
}

static int node_refuse_child(const Reader *reader, const xmlNode *child, const NodeShape *shape) {
        char expected[128] = "";
        for (size_t i = 0; i < shape->n_children; i++)
                append_name(expected, sizeof(expected), shape->children[i].name, i, shape->n_children);
        return reader_refuse(reader, node_line(child), "unknown element <%.100s> in <%s>; expected %s",
                             node_name(child), node_name(child->parent), *expected ? expected : "nothing");
}

static const NodeAttribute *shape_attribute(const NodeShape *shape, const xmlAttr *attribute) {
        for (size_t i = 0; i < shape->n_attributes && !attribute->ns; i++)
                if (streq((const char *) attribute->name, shape->attributes[i].name))
                        return &shape->attributes[i];
        return NULL;
}

static int node_read_attribute(const Reader *reader, const xmlNode *node, const NodeAttribute *attribute,
                               const char *value, void *object) {
        const char *why = NULL;
        int r = attribute->parse(value, (char *) object + attribute->offset, &why);
        if (r != -EINVAL)
                return r;
        return reader_refuse(reader, node_line(node), "%s %s \"%.100s\" in <%s>; %s",
                             startswith(why, "expected") ? "unknown" : "bad", attribute->name, value,
                             node_name(node), why);
}

static int node_read_attributes(const Reader *reader, const xmlNode *node, const NodeShape *shape,
                                void *object) {
        for (const xmlAttr *x = node->properties; x; x = x->next) {
                const NodeAttribute *attribute = shape_attribute(shape, x);
                if (!attribute)
                        return node_refuse_attribute(reader, node, shape, x);
                xmlChar *value = xmlNodeGetContent((const xmlNode *) x);
                if (!value)
                        return error_origin(-ENOMEM);
                int r = node_read_attribute(reader, node, attribute, (const char *) value, object);
                xmlFree(value);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < shape->n_attributes; i++) {
                const NodeAttribute *a = &shape->attributes[i];
                if (a->required && !xmlHasNsProp(node, (const xmlChar *) a->name, NULL))
                        return reader_refuse(reader, node_line(node), "<%s> has no %s=", node_name(node),
                                             a->name);
        }
        return 0;
}

static int node_read_child(const Reader *reader, const xmlNode *child, const NodeShape *shape, void *object) {
        for (size_t i = 0; i < shape->n_children && !child->ns; i++)
                if (streq(node_name(child), shape->children[i].name))
                        return shape->children[i].read(reader, child, object);
        return node_refuse_child(reader, child, shape);
}

/* Is it only for people: a comment, or white space between elements? */
static bool is_for_people(const xmlNode *node) {
        return node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE || xmlIsBlankNode(node);
}

static int node_read_children(const Reader *reader, const xmlNode *node, const NodeShape *shape,
                              void *object) {
        int r = 0;
        for (const xmlNode *child = node->children; r >= 0 && child; child = child->next)
                if (child->type == XML_ELEMENT_NODE)
                        r = node_read_child(reader, child, shape, object);
                else if (!is_for_people(child))
                        r = reader_refuse(reader, node_line(node), "text in <%s>", node_name(node));
        return r;
}

int node_read(const Reader *reader, const xmlNode *node, const NodeShape *shape, void *object) {
        assert(reader && node && node->type == XML_ELEMENT_NODE && shape && object);
        int r = node_read_attributes(reader, node, shape, object);
        return r < 0 ? r : node_read_children(reader, node, shape, object);
}
