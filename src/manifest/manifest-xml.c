/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The guard between a stranger's bytes and libxml2: refuses everything that a manifest does not need before
 * libxml2 can act on it: big files, elements with many attributes (its check for duplicates is quadratic),
 * encodings other than UTF-8, and any DOCTYPE, so that there are no entities at all. Anything that libxml2
 * itself complains about, even a warning, is a refusal, too, and never reaches stderr. */

#include "manifest/manifest-xml.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlerror.h>

#include "base/error.h"
#include "manifest/bootcaches-rng.h"
#include "manifest/manifest.h"
#include "manifest/refusal.h"

#define ATTRIBUTES_MAX 16U

/* The first complaint of libxml2. Later ones are mostly consequences of it. */
typedef struct Complaint {
        const char *path;
        char *text;
        bool oom;
} Complaint;

static void complaint_note(Complaint *c, int line, const char *text) {
        if (c->text || c->oom)
                return;
        int n = (int) strcspn(text, "\n"); /* libxml2 ends its messages with one */
        c->oom = refusal(&c->text, c->path, line > 0 ? (unsigned) line : 0, "%.*s", n, text) == -ENOMEM;
}

static void complaint_on_error(void *userdata, xmlErrorPtr error) {
        Complaint *c = userdata;
        if (error->code == XML_ERR_NO_MEMORY)
                c->oom = true;
        complaint_note(c, error->line, error->message ? error->message : "not understood");
}

static void complaint_on_doctype(void *userdata, const xmlChar *name, const xmlChar *external_id,
                                 const xmlChar *system_id) {
        xmlParserCtxt *parser = userdata;
        complaint_note(parser->_private, parser->input ? parser->input->line : 0, "a DOCTYPE is not allowed");
        xmlStopParser(parser);
}

static int complaint_result(Complaint *c, char **reterr) {
        if (c->oom || !c->text) {
                free(c->text);
                return error_origin(-ENOMEM);
        }
        *reterr = c->text;
        return error_origin(-EBADMSG);
}

/* Does the XML declaration name an encoding other than UTF-8? The parser uses UTF-8 whatever it says; this is
 * for the message to the author. */
static bool names_other_encoding(const char *text) {
        const char *s = startswith(text, "\xef\xbb\xbf");
        s = startswith(s ? s : text, "<?xml");
        const char *end = s ? strstr(s, "?>") : NULL;
        s = s ? strstr(s, "encoding") : NULL;
        if (!s || !end || s > end)
                return false;
        s += strlen("encoding");
        s += strspn(s, " \t\r\n=");
        return strncasecmp(s, "\"UTF-8\"", 7) != 0 && strncasecmp(s, "'UTF-8'", 7) != 0;
}

/* The tag, comment or the like that begins at S: where it ends, and how many = are outside of its quotes.
 * Anything that is not XML is misread here, but libxml2 stops at the same place. */
static const char *skip_markup(const char *s, unsigned *ret_equals) {
        static const struct {
                const char *begin, *end;
        } others[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};
        *ret_equals = 0;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (startswith(s, others[i].begin)) {
                        const char *end = strstr(s + strlen(others[i].begin), others[i].end);
                        return end ? end : s + strlen(s);
                }
        while (*(s += strcspn(s, "=>\"'")) && *s != '>') {
                *ret_equals += *s == '=';
                if (*s != '=')
                        s = strchrnul(s + 1, *s); /* to the other quote */
                s += *s != 0;
        }
        return s;
}

static int check_attributes(const char *path, const char *s, char **reterr) {
        unsigned line = 1, equals = 0;
        while (*s) {
                const char *start = s;
                s = *s == '<' ? skip_markup(s, &equals) : strchrnul(s, '<');
                if (equals > ATTRIBUTES_MAX)
                        return refusal(reterr, path, line, "more than %u attributes in one element",
                                       ATTRIBUTES_MAX);
                for (; start < s; start++)
                        line += *start == '\n';
        }
        return 0;
}

static int check_bytes(const char *path, const char *text, size_t size, char **reterr) {
        if (size == 0)
                return refusal(reterr, path, 0, "the file is empty");
        if (size > MANIFEST_SIZE_MAX)
                return refusal(reterr, path, 0, "larger than 64 KiB");
        if (memchr(text, 0, size))
                return refusal(reterr, path, 0, "contains NUL bytes (it must be UTF-8)");
        _cleanup_free_ char *s = strndup(text, size);
        if (!s)
                return error_origin(-ENOMEM);
        if (!xmlCheckUTF8((const unsigned char *) s))
                return refusal(reterr, path, 0, "not UTF-8");
        if (names_other_encoding(s))
                return refusal(reterr, path, 0, "the encoding must be UTF-8");
        return check_attributes(path, s, reterr);
}

int manifest_xml_parse(const char *path, const char *text, size_t size, xmlDoc **ret, char **reterr) {
        assert(path && ret && reterr);
        int r = check_bytes(path, text, size, reterr);
        if (r < 0)
                return r;
        xmlParserCtxt *parser = xmlNewParserCtxt();
        if (!parser)
                return error_origin(-ENOMEM);
        Complaint complaint = {.path = path};
        parser->_private = &complaint;
        parser->sax->internalSubset = complaint_on_doctype;
        xmlSetStructuredErrorFunc(&complaint, complaint_on_error);
        xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int) size, NULL, "UTF-8",
                                        XML_PARSE_NONET | XML_PARSE_NOCDATA);
        xmlSetStructuredErrorFunc(NULL, NULL);
        xmlFreeParserCtxt(parser);
        if (complaint.text || complaint.oom || !doc) {
                xmlFreeDoc(doc);
                return complaint_result(&complaint, reterr);
        }
        *ret = doc;
        return 0;
}

/* The schema is compiled in and known to be valid (a test checks that), so only memory can run out here. */
static xmlRelaxNG *schema_new(void) {
        xmlRelaxNGParserCtxt *parser =
                xmlRelaxNGNewMemParserCtxt((const char *) bootcaches_rng, sizeof(bootcaches_rng) - 1);
        if (!parser)
                return NULL;
        xmlRelaxNG *schema = xmlRelaxNGParse(parser);
        xmlRelaxNGFreeParserCtxt(parser);
        return schema;
}

int manifest_xml_validate(const char *path, xmlDoc *doc, char **reterr) {
        assert(path && doc && reterr);
        Complaint complaint = {.path = path};
        xmlSetStructuredErrorFunc(&complaint, complaint_on_error);
        xmlRelaxNG *schema = schema_new();
        xmlRelaxNGValidCtxt *validator = schema ? xmlRelaxNGNewValidCtxt(schema) : NULL;
        int r = validator ? xmlRelaxNGValidateDoc(validator, doc) : -1;
        xmlRelaxNGFreeValidCtxt(validator);
        xmlRelaxNGFree(schema);
        xmlSetStructuredErrorFunc(NULL, NULL);
        if (r == 0 && !complaint.text && !complaint.oom)
                return 0;
        return complaint_result(&complaint, reterr);
}
