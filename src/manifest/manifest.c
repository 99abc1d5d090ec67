/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the tree of a manifest into plain structures by tables of elements and attributes. The schema would
 * refuse the same documents, but its texts do not say what was expected; so the tables look first, and the
 * schema, the published contract, has the last word. It refuses to know the volume: whether a path exists,
 * what a pattern matches and whether a builder is defined is for plan.c. */

#include "manifest/manifest.h"

#include <assert.h>

#include "base/error.h"
#include "manifest/manifest-xml.h"
#include "manifest/order.h"
#include "manifest/refusal.h"
#include "manifest/template.h"

static const char *const copy_roles[_ROLE_MAX] = {
        [ROLE_REQUIRED] = "required",
        [ROLE_ENTRY] = "entry",
        [ROLE_BOOTER] = "booter",
        [ROLE_MISC] = "misc",
};

static const char *const helper_types[_HELPER_TYPE_MAX] = {
        [HELPER_ESP] = "esp",
        [HELPER_XBOOTLDR] = "xbootldr",
};

const char *copy_role_to_string(CopyRole role) {
        return role >= 0 && role < _ROLE_MAX ? copy_roles[role] : NULL;
}

CopyRole copy_role_from_string(const char *s) {
        for (CopyRole i = 0; i < _ROLE_MAX; i++)
                if (streq(s, copy_roles[i]))
                        return i;
        return _ROLE_INVALID;
}

const char *helper_type_to_string(HelperType type) {
        return type >= 0 && type < _HELPER_TYPE_MAX ? helper_types[type] : NULL;
}

HelperType helper_type_from_string(const char *s) {
        for (HelperType i = 0; i < _HELPER_TYPE_MAX; i++)
                if (streq(s, helper_types[i]))
                        return i;
        return _HELPER_TYPE_INVALID;
}

static void cache_done(ManifestCache *c) {
        free(c->name);
        free(c->each);
        free(c->builder);
        for (size_t i = 0; i < c->n_sources; i++)
                free(c->sources[i].path);
        free(c->sources);
        strv_free(c->outputs);
}

static void copy_done(ManifestCopy *c) {
        free(c->each);
        free(c->from);
        free(c->to);
}

Manifest *manifest_free(Manifest *m) {
        if (!m)
                return NULL;
        free(m->path);
        for (size_t i = 0; i < m->n_caches; i++)
                cache_done(&m->caches[i]);
        free(m->caches);
        for (size_t i = 0; i < m->n_copies; i++)
                copy_done(&m->copies[i]);
        free(m->copies);
        free(m);
        return NULL;
}

/* What every step of the reading needs. */
typedef struct Reader {
        Manifest *manifest;
        char **reterr;
} Reader;

#define refuse(r, line, ...) refusal((r)->reterr, (r)->manifest->path, (line), __VA_ARGS__)

static unsigned line_of(const xmlNode *node) {
        long n = xmlGetLineNo(node);
        return n > 0 ? (unsigned) n : 1;
}

static const char *name_of(const xmlNode *node) {
        return (const char *) node->name;
}

/* Values. Each parser takes what it accepts into FIELD, or returns -EINVAL and says what is wrong. */

typedef int (*ValueParser)(const char *value, void *field, const char **rewhy);

static int take_string(const char *value, void *field) {
        char *copy = strdup(value);
        if (!copy)
                return error_origin(-ENOMEM);
        char **s = field;
        free(*s);
        *s = copy;
        return 0;
}

static int parse_version(const char *value, void *field, const char **rewhy) {
        *rewhy = "expected 1";
        return streq(value, "1") ? 0 : error_origin(-EINVAL);
}

static int parse_name(const char *value, void *field, const char **rewhy) {
        size_t n = strlen(value);
        *rewhy = "a name is 1 to 64 of A-Z a-z 0-9 . _ -, the first neither . nor -";
        if (n < 1 || n > MANIFEST_NAME_MAX || value[0] == '.' || value[0] == '-')
                return error_origin(-EINVAL);
        if (strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != n)
                return error_origin(-EINVAL);
        return take_string(value, field);
}

static int parse_path(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        return *rewhy ? error_origin(-EINVAL) : take_string(value, field);
}

static int parse_output(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        return *rewhy ? error_origin(-EINVAL) : strv_extend(field, value);
}

static int parse_each(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        if (!*rewhy && template_uses(value, 'i'))
                *rewhy = "%i stands for what it matches and cannot be in it";
        if (!*rewhy && value + strcspn(value, "*?[") < strrchr(value, '/'))
                *rewhy = "only the last part can be a pattern";
        return *rewhy ? error_origin(-EINVAL) : take_string(value, field);
}

static int parse_role(const char *value, void *field, const char **rewhy) {
        CopyRole role = copy_role_from_string(value);
        *rewhy = "expected required, entry, booter or misc";
        if (role < 0)
                return error_origin(-EINVAL);
        *(CopyRole *) field = role;
        return 0;
}

static int parse_helper(const char *value, void *field, const char **rewhy) {
        HelperType type = helper_type_from_string(value);
        *rewhy = "expected esp or xbootldr";
        if (type < 0)
                return error_origin(-EINVAL);
        *(HelperType *) field = type;
        return 0;
}

static int parse_yes_no(const char *value, void *field, const char **rewhy) {
        *rewhy = "expected yes or no";
        if (!streq(value, "yes") && !streq(value, "no"))
                return error_origin(-EINVAL);
        *(bool *) field = streq(value, "yes");
        return 0;
}

/* Attributes and elements, by tables. */

typedef struct Attribute {
        const char *name;
        bool required;
        size_t offset;
        ValueParser parse;
} Attribute;

typedef struct Element {
        const char *name;
        int (*read)(const Reader *r, const xmlNode *node, void *parent);
} Element;

/* "A, B or C" of the first members of an array of structures of SIZE bytes. */
static void join_names(const void *items, size_t n, size_t size, char *buffer, size_t room) {
        size_t used = 0;
        buffer[0] = 0;
        for (size_t i = 0; i < n && used < room; i++) {
                const char *name = *(const char *const *) ((const char *) items + i * size);
                int k = snprintf(buffer + used, room - used, "%s%s",
                                 i == 0      ? ""
                                 : i + 1 < n ? ", "
                                             : " or ",
                                 name);
                used += k > 0 ? (size_t) k : 0;
        }
}

static const Attribute *find_attribute(const Attribute *table, size_t n, const xmlAttr *a) {
        for (size_t i = 0; i < n && !a->ns; i++)
                if (streq((const char *) a->name, table[i].name))
                        return &table[i];
        return NULL;
}

static int read_value(const Reader *r, const xmlNode *node, const Attribute *a, const char *value,
                      void *object) {
        const char *why = NULL;
        int k = a->parse(value, (char *) object + a->offset, &why);
        if (k != -EINVAL)
                return k;
        return refuse(r, line_of(node), "%s %s \"%.100s\" in <%s>; %s",
                      startswith(why, "expected") ? "unknown" : "bad", a->name, value, name_of(node), why);
}

static int read_attributes(const Reader *r, const xmlNode *node, const Attribute *table, size_t n,
                           void *object) {
        for (const xmlAttr *x = node->properties; x; x = x->next) {
                const Attribute *a = find_attribute(table, n, x);
                if (!a) {
                        char expected[128];
                        join_names(table, n, sizeof(*table), expected, sizeof(expected));
                        return refuse(r, line_of(node), "unknown attribute \"%.100s\" in <%s>; expected %s",
                                      (const char *) x->name, name_of(node), expected);
                }
                xmlChar *value = xmlNodeGetContent((const xmlNode *) x);
                if (!value)
                        return error_origin(-ENOMEM);
                int k = read_value(r, node, a, (const char *) value, object);
                xmlFree(value);
                if (k < 0)
                        return k;
        }
        for (size_t i = 0; i < n; i++)
                if (table[i].required && !xmlHasNsProp(node, (const xmlChar *) table[i].name, NULL))
                        return refuse(r, line_of(node), "<%s> has no %s=", name_of(node), table[i].name);
        return 0;
}

static int read_child(const Reader *r, const xmlNode *child, const Element *table, size_t n, void *object) {
        for (size_t i = 0; i < n && !child->ns; i++)
                if (streq(name_of(child), table[i].name))
                        return table[i].read(r, child, object);
        char expected[128] = "nothing";
        if (n > 0)
                join_names(table, n, sizeof(*table), expected, sizeof(expected));
        return refuse(r, line_of(child), "unknown element <%.100s> in <%s>; expected %s", name_of(child),
                      name_of(child->parent), expected);
}

static int read_children(const Reader *r, const xmlNode *node, const Element *table, size_t n, void *object) {
        for (const xmlNode *child = node->children; child; child = child->next) {
                int k = 0;
                if (child->type == XML_ELEMENT_NODE)
                        k = read_child(r, child, table, n, object);
                else if (child->type != XML_COMMENT_NODE && child->type != XML_PI_NODE &&
                         !xmlIsBlankNode(child))
                        k = refuse(r, line_of(node), "text in <%s>", name_of(node));
                if (k < 0)
                        return k;
        }
        return 0;
}

static int read_source(const Reader *r, const xmlNode *node, void *parent) {
        static const Attribute attributes[] = {
                {"path", true, offsetof(ManifestSource, path), parse_path},
                {"optional", false, offsetof(ManifestSource, optional), parse_yes_no},
        };
        ManifestCache *c = parent;
        if (c->n_sources >= MANIFEST_PATHS_MAX)
                return refuse(r, line_of(node), "more than %u sources in one cache", MANIFEST_PATHS_MAX);
        if (grow(c->sources, c->n_sources) < 0)
                return error_origin(-ENOMEM);
        ManifestSource *s = &c->sources[c->n_sources++];
        *s = (ManifestSource){};
        int k = read_attributes(r, node, attributes, ELEMENTSOF(attributes), s);
        return k < 0 ? k : read_children(r, node, NULL, 0, NULL);
}

static int read_output(const Reader *r, const xmlNode *node, void *parent) {
        static const Attribute attributes[] = {
                {"path", true, offsetof(ManifestCache, outputs), parse_output},
        };
        ManifestCache *c = parent;
        if (c->n_outputs >= MANIFEST_PATHS_MAX)
                return refuse(r, line_of(node), "more than %u outputs in one cache", MANIFEST_PATHS_MAX);
        int k = read_attributes(r, node, attributes, ELEMENTSOF(attributes), c);
        if (k < 0)
                return k;
        c->n_outputs++;
        return read_children(r, node, NULL, 0, NULL);
}

/* %i means something only with each=; what is written for each instance must differ between them. */
static int check_instance(const Reader *r, unsigned line, const char *each, const char *what,
                          const char *path, bool needed) {
        bool uses = template_uses(path, 'i');
        if (uses && !each)
                return refuse(r, line, "%%i in %s \"%.100s\", but there is no each=", what, path);
        if (!uses && each && needed)
                return refuse(r, line, "each=, but no %%i in %s \"%.100s\"", what, path);
        return 0;
}

static int check_cache(const Reader *r, const ManifestCache *c) {
        if (c->n_sources == 0)
                return refuse(r, c->line, "cache \"%s\" has no <source>", c->name);
        if (c->n_outputs == 0)
                return refuse(r, c->line, "cache \"%s\" has no <output>", c->name);
        int k = 0;
        for (size_t i = 0; k >= 0 && i < c->n_sources; i++)
                k = check_instance(r, c->line, c->each, "source", c->sources[i].path, false);
        for (size_t i = 0; k >= 0 && i < c->n_outputs; i++)
                k = check_instance(r, c->line, c->each, "output", c->outputs[i], true);
        if (k < 0)
                return k;
        for (const ManifestCache *other = r->manifest->caches; other < c; other++)
                if (streq(other->name, c->name))
                        return refuse(r, c->line, "there already is a cache \"%s\", in line %u", c->name,
                                      other->line);
        return 0;
}

static int read_cache(const Reader *r, const xmlNode *node, void *parent) {
        static const Attribute attributes[] = {
                {"name", true, offsetof(ManifestCache, name), parse_name},
                {"each", false, offsetof(ManifestCache, each), parse_each},
                {"builder", true, offsetof(ManifestCache, builder), parse_name},
        };
        static const Element elements[] = {
                {"source", read_source},
                {"output", read_output},
        };
        Manifest *m = parent;
        if (m->n_caches >= MANIFEST_CACHES_MAX)
                return refuse(r, line_of(node), "more than %u caches", MANIFEST_CACHES_MAX);
        if (grow(m->caches, m->n_caches) < 0)
                return error_origin(-ENOMEM);
        ManifestCache *c = &m->caches[m->n_caches++];
        *c = (ManifestCache){.line = line_of(node)};
        int k = read_attributes(r, node, attributes, ELEMENTSOF(attributes), c);
        if (k >= 0)
                k = read_children(r, node, elements, ELEMENTSOF(elements), c);
        return k < 0 ? k : check_cache(r, c);
}

static int check_copy(const Reader *r, const ManifestCopy *c) {
        int k = check_instance(r, c->line, c->each, "from", c->from, false);
        if (k >= 0)
                k = check_instance(r, c->line, c->each, "to", c->to, true);
        if (k < 0)
                return k;
        /* an XBOOTLDR's copies may come to the ESP, and FAT does not know case */
        for (const ManifestCopy *other = r->manifest->copies; other < c; other++)
                if (streq_ptr(other->each, c->each) && strcasecmp(other->to, c->to) == 0)
                        return refuse(r, c->line, "there already is a copy to \"%.100s\", in line %u", c->to,
                                      other->line);
        return 0;
}

static int read_copy(const Reader *r, const xmlNode *node, void *parent) {
        static const Attribute attributes[] = {
                {"role", true, offsetof(ManifestCopy, role), parse_role},
                {"helper", false, offsetof(ManifestCopy, helper), parse_helper},
                {"each", false, offsetof(ManifestCopy, each), parse_each},
                {"from", true, offsetof(ManifestCopy, from), parse_path},
                {"to", true, offsetof(ManifestCopy, to), parse_path},
        };
        Manifest *m = parent;
        if (m->n_copies >= MANIFEST_COPIES_MAX)
                return refuse(r, line_of(node), "more than %u copies", MANIFEST_COPIES_MAX);
        if (grow(m->copies, m->n_copies) < 0)
                return error_origin(-ENOMEM);
        ManifestCopy *c = &m->copies[m->n_copies++];
        *c = (ManifestCopy){.helper = HELPER_ESP, .line = line_of(node)};
        int k = read_attributes(r, node, attributes, ELEMENTSOF(attributes), c);
        if (k >= 0)
                k = read_children(r, node, NULL, 0, NULL);
        return k < 0 ? k : check_copy(r, c);
}

static int read_root(const Reader *r, const xmlNode *root) {
        static const Attribute attributes[] = {
                {"version", true, 0, parse_version},
        };
        static const Element elements[] = {
                {"cache", read_cache},
                {"copy", read_copy},
        };
        if (!root || root->ns || !streq(name_of(root), "bootcaches"))
                return refuse(r, root ? line_of(root) : 1, "not a manifest: expected <bootcaches>");
        int k = read_attributes(r, root, attributes, ELEMENTSOF(attributes), r->manifest);
        return k < 0 ? k : read_children(r, root, elements, ELEMENTSOF(elements), r->manifest);
}

/* The order among the caches as far as templates tell it: with one each=, equal templates are equal paths.
 * What different patterns match together is seen only on the volume. */

static int declare_cache(const Reader *r, Order *o, size_t i) {
        const ManifestCache *c = &r->manifest->caches[i];
        size_t other = 0;
        for (size_t j = 0; j < c->n_outputs; j++) {
                int k = order_declare(o, i, &(OrderPath){ORDER_OUTPUT, c->each, c->outputs[j]}, &other);
                if (k == -EEXIST)
                        return refuse(r, c->line,
                                      "output \"%.100s\" of cache \"%s\" is already an output of \"%s\"",
                                      c->outputs[j], c->name, r->manifest->caches[other].name);
                if (k < 0)
                        return k;
        }
        int k = 0;
        for (size_t j = 0; k >= 0 && j < c->n_sources; j++)
                k = order_declare(o, i, &(OrderPath){ORDER_SOURCE, c->each, c->sources[j].path}, &other);
        return k;
}

static int connect_cache(Order *o, size_t i, const ManifestCache *c) {
        int k = 0;
        for (size_t j = 0; k >= 0 && j < c->n_outputs; j++)
                k = order_connect(o, i, &(OrderPath){ORDER_OUTPUT, c->each, c->outputs[j]});
        for (size_t j = 0; k >= 0 && j < c->n_sources; j++)
                k = order_connect(o, i, &(OrderPath){ORDER_SOURCE, c->each, c->sources[j].path});
        return k;
}

static int refuse_circle(const Reader *r, const size_t *members, size_t n) {
        const ManifestCache *caches = r->manifest->caches;
        assert(caches && members && n > 0);
        _cleanup_free_ char *names = strdup("");
        for (size_t i = 0; names && i <= n; i++) {
                _cleanup_free_ char *before = TAKE_PTR(names);
                (void) strprintf(&names, "%s%s%s", before, i > 0 ? " -> " : "", caches[members[i % n]].name);
        }
        if (!names)
                return error_origin(-ENOMEM);
        return refuse(r, caches[members[0]].line, "dependency cycle between caches: %s", names);
}

static int check_order(const Reader *r) {
        const Manifest *m = r->manifest;
        _cleanup_(order_freep) Order *o = NULL;
        _cleanup_free_ size_t *members = NULL;
        size_t n = 0;
        int k = order_new(m->n_caches, &o);
        for (size_t i = 0; k >= 0 && i < m->n_caches; i++)
                k = declare_cache(r, o, i);
        for (size_t i = 0; k >= 0 && i < m->n_caches; i++)
                k = connect_cache(o, i, &m->caches[i]);
        if (k >= 0)
                k = order_sort(o, &members, &n);
        return k == -ELOOP ? refuse_circle(r, members, n) : k;
}

int manifest_parse(const char *path, const char *text, size_t size, Manifest **ret, char **reterr) {
        _cleanup_(manifest_freep) Manifest *m = calloc(1, sizeof(*m));
        _cleanup_(xml_doc_freep) xmlDoc *doc = NULL;
        if (!m || !(m->path = strdup(path)))
                return error_origin(-ENOMEM);
        Reader reader = {.manifest = m, .reterr = reterr};

        int r = manifest_xml_parse(path, text, size, &doc, reterr);
        if (r >= 0)
                r = read_root(&reader, xmlDocGetRootElement(doc));
        if (r >= 0)
                r = check_order(&reader);
        if (r >= 0)
                r = manifest_xml_validate(path, doc, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}
