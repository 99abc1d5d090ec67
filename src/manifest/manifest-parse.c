/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the tree of a manifest into plain structures by tables of elements and attributes. The schema would
 * refuse the same documents, but its messages do not say what was expected; so the tables come first, and the
 * schema, the published contract, has the last word. It refuses to know the volume: whether a path exists,
 * what a pattern matches and whether a builder is defined is up to plan-make.c. */

#include "base/error.h"
#include "manifest/manifest-node.h"
#include "manifest/manifest-order.h"
#include "manifest/manifest-value.h"
#include "manifest/manifest-xml.h"
#include "manifest/template.h"

static int source_read(const Reader *reader, const xmlNode *node, void *parent) {
        static const NodeAttribute attributes[] = {
                {"path", false, offsetof(ManifestSource, path), value_parse_path},
                {"cache", false, offsetof(ManifestSource, cache), value_parse_name},
                {"optional", false, offsetof(ManifestSource, optional), value_parse_yes_no},
        };
        static const NodeShape shape = {attributes, ELEMENTSOF(attributes), NULL, 0};
        ManifestCache *c = parent;
        if (c->n_sources >= MANIFEST_PATHS_MAX)
                return reader_refuse(reader, node_line(node), "more than %u sources in one cache",
                                     MANIFEST_PATHS_MAX);
        if (grow(c->sources, c->n_sources) < 0)
                return error_origin(-ENOMEM);
        ManifestSource *s = &c->sources[c->n_sources++];
        *s = (ManifestSource){.line = node_line(node)};
        int r = node_read(reader, node, &shape, s);
        if (r >= 0 && !s->path == !s->cache)
                return reader_refuse(reader, s->line,
                                     "<source> has %s path= %s cache=", s->path ? "both" : "neither",
                                     s->path ? "and" : "nor");
        return r;
}

static int output_read(const Reader *reader, const xmlNode *node, void *parent) {
        static const NodeAttribute attributes[] = {
                {"path", true, offsetof(ManifestCache, outputs), value_parse_output},
        };
        static const NodeShape shape = {attributes, ELEMENTSOF(attributes), NULL, 0};
        ManifestCache *c = parent;
        if (c->n_outputs >= MANIFEST_PATHS_MAX)
                return reader_refuse(reader, node_line(node), "more than %u outputs in one cache",
                                     MANIFEST_PATHS_MAX);
        int r = node_read(reader, node, &shape, c);
        if (r < 0)
                return r;
        c->n_outputs++;
        assert(c->n_outputs == strv_length(c->outputs));
        return 0;
}

/* An attribute or element whose path may contain %i. */
typedef struct InstancePath {
        const char *what; /* for the message */
        const char *path;
        bool written; /* one per instance, so it must differ between them */
} InstancePath;

/* %i is only meaningful with each=. */
static int check_instance(const Reader *reader, unsigned line, const char *each, const InstancePath *p) {
        bool uses = template_uses(p->path, 'i');
        if (uses && !each)
                return reader_refuse(reader, line, "%%i in %s \"%.100s\", but there is no each=", p->what,
                                     p->path);
        if (!uses && each && p->written)
                return reader_refuse(reader, line, "each=, but no %%i in %s \"%.100s\"", p->what, p->path);
        return 0;
}

static int cache_check(const Reader *reader, const ManifestCache *c) {
        if (c->n_sources == 0)
                return reader_refuse(reader, c->line, "cache \"%s\" has no <source>", c->name);
        if (c->n_outputs == 0)
                return reader_refuse(reader, c->line, "cache \"%s\" has no <output>", c->name);
        int r = 0;
        for (size_t i = 0; r >= 0 && i < c->n_sources; i++)
                if (c->sources[i].path)
                        r = check_instance(reader, c->line, c->each,
                                           &(InstancePath){"source", c->sources[i].path, false});
        for (size_t i = 0; r >= 0 && i < c->n_outputs; i++)
                r = check_instance(reader, c->line, c->each, &(InstancePath){"output", c->outputs[i], true});
        if (r < 0)
                return r;
        for (const ManifestCache *other = reader->manifest->caches; other < c; other++)
                if (streq(other->name, c->name))
                        return reader_refuse(reader, c->line, "there already is a cache \"%s\", in line %u",
                                             c->name, other->line);
        return 0;
}

static int cache_read(const Reader *reader, const xmlNode *node, void *parent) {
        static const NodeAttribute attributes[] = {
                {"name", true, offsetof(ManifestCache, name), value_parse_name},
                {"each", false, offsetof(ManifestCache, each), value_parse_each},
                {"builder", true, offsetof(ManifestCache, builder), value_parse_name},
        };
        static const NodeChild children[] = {
                {"source", source_read},
                {"output", output_read},
        };
        static const NodeShape shape = {attributes, ELEMENTSOF(attributes), children, ELEMENTSOF(children)};
        Manifest *m = parent;
        if (m->n_caches >= MANIFEST_CACHES_MAX)
                return reader_refuse(reader, node_line(node), "more than %u caches", MANIFEST_CACHES_MAX);
        if (grow(m->caches, m->n_caches) < 0)
                return error_origin(-ENOMEM);
        ManifestCache *c = &m->caches[m->n_caches++];
        *c = (ManifestCache){.line = node_line(node)};
        int r = node_read(reader, node, &shape, c);
        return r < 0 ? r : cache_check(reader, c);
}

static int copy_check(const Reader *reader, const ManifestCopy *c) {
        int r = check_instance(reader, c->line, c->each, &(InstancePath){"from", c->from, false});
        if (r >= 0)
                r = check_instance(reader, c->line, c->each, &(InstancePath){"to", c->to, true});
        if (r < 0)
                return r;
        /* copies for an XBOOTLDR may end up on the ESP, and FAT ignores case */
        for (const ManifestCopy *other = reader->manifest->copies; other < c; other++)
                if (streq_ptr(other->each, c->each) && strcasecmp(other->to, c->to) == 0)
                        return reader_refuse(reader, c->line,
                                             "there already is a copy to \"%.100s\", in line %u", c->to,
                                             other->line);
        return 0;
}

static int copy_read(const Reader *reader, const xmlNode *node, void *parent) {
        static const NodeAttribute attributes[] = {
                {"role", true, offsetof(ManifestCopy, role), value_parse_role},
                {"helper", false, offsetof(ManifestCopy, helper), value_parse_helper},
                {"each", false, offsetof(ManifestCopy, each), value_parse_each},
                {"from", true, offsetof(ManifestCopy, from), value_parse_path},
                {"to", true, offsetof(ManifestCopy, to), value_parse_path},
        };
        static const NodeShape shape = {attributes, ELEMENTSOF(attributes), NULL, 0};
        Manifest *m = parent;
        if (m->n_copies >= MANIFEST_COPIES_MAX)
                return reader_refuse(reader, node_line(node), "more than %u copies", MANIFEST_COPIES_MAX);
        if (grow(m->copies, m->n_copies) < 0)
                return error_origin(-ENOMEM);
        ManifestCopy *c = &m->copies[m->n_copies++];
        *c = (ManifestCopy){.helper = HELPER_ESP, .line = node_line(node)};
        int r = node_read(reader, node, &shape, c);
        return r < 0 ? r : copy_check(reader, c);
}

static int bootcaches_read(const Reader *reader, const xmlNode *root) {
        static const NodeAttribute attributes[] = {
                {"version", true, 0, value_parse_version},
        };
        static const NodeChild children[] = {
                {"cache", cache_read},
                {"copy", copy_read},
        };
        static const NodeShape shape = {attributes, ELEMENTSOF(attributes), children, ELEMENTSOF(children)};
        if (!root || root->ns || !streq(node_name(root), "bootcaches"))
                return reader_refuse(reader, root ? node_line(root) : 1,
                                     "not a manifest: expected <bootcaches>");
        return node_read(reader, root, &shape, reader->manifest);
}

int manifest_parse(const char *path, const char *text, size_t size, Manifest **ret, char **reterr) {
        assert(path && (text || size == 0) && ret && reterr);
        _cleanup_(manifest_freep) Manifest *m = calloc(1, sizeof(*m));
        _cleanup_(xml_doc_freep) xmlDoc *doc = NULL;
        if (!m || !(m->path = strdup(path)))
                return error_origin(-ENOMEM);
        const Reader reader = {.manifest = m, .reterr = reterr};
        int r = manifest_xml_parse(path, text, size, &doc, reterr);
        if (r >= 0)
                r = bootcaches_read(&reader, xmlDocGetRootElement(doc));
        if (r >= 0)
                r = manifest_link_sources(m, reterr);
        if (r >= 0)
                r = manifest_check_order(m, reterr);
        if (r >= 0)
                r = manifest_xml_validate(path, doc, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}
