/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Manifests, valid, invalid and hostile: what is accepted, what is refused, and with what message. Every
 * document is also checked against the schema alone: schema and program must not contradict each other. */

/* tests: manifest/manifest.c manifest/manifest-parse.c manifest/manifest-node.c */
/* tests: manifest/manifest-value.c manifest/manifest-xml.c manifest/manifest-order.c manifest/refusal.c */

#include "fixture.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>

#include "interpose.h"

#include "manifest/bootcaches-rng.h"
#include "manifest/manifest.h"
#include "manifest/refusal.h"

#define PLACE "/etc/bootkeep/bootcaches.xml"
#define DOCUMENT(content) "<bootcaches version=\"1\">" content "</bootcaches>"
#define CACHE(attributes, content) DOCUMENT("<cache " attributes ">" content "</cache>")
#define SOURCE "<source path=\"/s\"/>"
#define OUTPUT "<output path=\"/o\"/>"
#define COPY(attributes) DOCUMENT("<copy " attributes "/>")
#define NAMED "name=\"a\" builder=\"b\""
#define FROM_TO "from=\"/f\" to=\"/t\""

static const char example[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<bootcaches version=\"1\">\n"
        "  <!-- two caches -->\n"
        "  <cache name=\"modules-dep\" each=\"/usr/lib/modules/*\" builder=\"depmod\">\n"
        "    <source path=\"/usr/lib/modules/%i/kernel\"/>\n"
        "    <output path=\"/usr/lib/modules/%i/modules.dep.bin\"/>\n"
        "  </cache>\n"
        "  <cache name=\"initramfs\" each=\"/usr/lib/modules/*\" builder=\"dracut\">\n"
        "    <source path=\"/usr/lib/modules/%i/modules.dep.bin\"/>\n"
        "    <source path=\"/etc/dracut.conf.d\" optional=\"yes\"/>\n"
        "    <output path=\"/boot/initrd.img-%i\"/>\n"
        "    <output path=\"/boot/%m-100%%-%i\"/>\n"
        "  </cache>\n"
        "  <copy role=\"required\" each=\"/usr/lib/modules/*\" from=\"/boot/vmlinuz-%i\" "
        "to=\"/%m/%i/linux\"/>\n"
        "  <copy role=\"entry\" helper=\"xbootldr\" from=\"/boot/loader/entries\" to=\"/loader/entries\"/>\n"
        "  <copy role=\"booter\" helper=\"esp\" from=\"/usr/lib/b.efi\" to=\"/EFI/BOOT/BOOTX64.EFI\"/>\n"
        "  <copy role=\"misc\" from=\"/boot/splash.bmp\" to=\"/splash.bmp\"/>\n"
        "</bootcaches>";

/* What the schema check returns instead of its own verdict, if not 0; how often it was called. */
#define SCHEMA_ONLY_COMPLAINS 100
static int schema_says;
static unsigned n_asked;

int xmlRelaxNGValidateDoc(xmlRelaxNGValidCtxt *validator, xmlDoc *doc) {
        n_asked++;
        if (schema_says == 0)
                return REAL(xmlRelaxNGValidateDoc)(validator, doc);
        int verdict = schema_says == SCHEMA_ONLY_COMPLAINS ? 0 : schema_says;
        char why[] = "as it is told\n";
        xmlError error = {.message = why, .line = 3};
        if (xmlStructuredError)
                xmlStructuredError(xmlStructuredErrorContext, &error);
        return verdict;
}

static unsigned n_stopped; /* how often a parser was told to read no further */

void xmlStopParser(xmlParserCtxt *parser) {
        n_stopped++;
        REAL(xmlStopParser)(parser);
}

/* The schema's own verdict on a document. */
static bool schema_accepts(const char *text, size_t size) {
        xmlDoc *doc = xmlReadMemory(text, (int) size, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        if (!doc)
                return false;
        xmlRelaxNGParserCtxt *parser =
                xmlRelaxNGNewMemParserCtxt((const char *) bootcaches_rng, sizeof(bootcaches_rng) - 1);
        xmlRelaxNG *schema = xmlRelaxNGParse(parser);
        assert_non_null(schema);
        xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(schema);
        Capture c = capture_begin();
        int r = xmlRelaxNGValidateDoc(validator, doc);
        free(capture_end(&c)); /* libxml2 says why */
        xmlRelaxNGFreeValidCtxt(validator);
        xmlRelaxNGFree(schema);
        xmlRelaxNGFreeParserCtxt(parser);
        xmlFreeDoc(doc);
        return r == 0;
}

static void accepts_bytes(const char *text, size_t size) {
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        int r = manifest_parse(PLACE, text, size, &m, &why);
        if (r != 0)
                fail_msg("%s: %.200s", strempty(why), text);
        assert_non_null(m);
        assert_null(why);
        if (!schema_accepts(text, size))
                fail_msg("the schema refuses: %.200s", text);
}

/* Refused with WORDS in the reason, which begins with the file, and nothing on stderr. */
static void refuses_bytes(const char *text, size_t size, const char *words) {
        Manifest *m = (Manifest *) 0x1;
        _cleanup_free_ char *why = NULL;
        Capture c = capture_begin();
        int r = manifest_parse(PLACE, text, size, &m, &why);
        _cleanup_free_ char *noise = capture_end(&c);
        assert_string_equal(noise, "");
        if (r != -EBADMSG)
                fail_msg("gave %i, not refused: %.200s", r, text);
        assert_ptr_equal(m, (Manifest *) 0x1);
        assert_non_null(why);
        if (!startswith(why, PLACE ":") || !strstr(why, words) || strchr(why, '\n'))
                fail_msg("\"%s\" is not in: %s", words, why);
}

static void accepts(const char *text) {
        accepts_bytes(text, strlen(text));
}

static void refuses(const char *text, const char *words) {
        refuses_bytes(text, strlen(text), words);
}

static void the_example_is_read_in_full(void **state) {
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_parse(PLACE, example, strlen(example), &m, &why), 0);
        assert_string_equal(m->path, PLACE);
        assert_int_equal(m->n_caches, 2);
        assert_int_equal(m->n_copies, 4);

        const ManifestCache *c = &m->caches[1];
        assert_string_equal(c->name, "initramfs");
        assert_string_equal(c->each, "/usr/lib/modules/*");
        assert_string_equal(c->builder, "dracut");
        assert_int_equal(c->line, 8);
        assert_int_equal(c->n_sources, 2);
        assert_string_equal(c->sources[0].path, "/usr/lib/modules/%i/modules.dep.bin");
        assert_false(c->sources[0].optional);
        assert_string_equal(c->sources[1].path, "/etc/dracut.conf.d");
        assert_true(c->sources[1].optional);
        assert_int_equal(c->n_outputs, 2);
        assert_int_equal(strv_length(c->outputs), 2);
        assert_string_equal(c->outputs[1], "/boot/%m-100%%-%i");

        assert_int_equal(m->copies[0].role, ROLE_REQUIRED);
        assert_int_equal(m->copies[0].helper, HELPER_ESP);
        assert_string_equal(m->copies[0].each, "/usr/lib/modules/*");
        assert_string_equal(m->copies[0].from, "/boot/vmlinuz-%i");
        assert_string_equal(m->copies[0].to, "/%m/%i/linux");
        assert_int_equal(m->copies[1].role, ROLE_ENTRY);
        assert_int_equal(m->copies[1].helper, HELPER_XBOOTLDR);
        assert_null(m->copies[1].each);
        assert_int_equal(m->copies[1].line, 15);
        assert_int_equal(m->copies[2].role, ROLE_BOOTER);
        assert_int_equal(m->copies[3].role, ROLE_MISC);
}

static void good_documents_are_accepted_by_both(void **state) {
        accepts(example);
        accepts("\xef\xbb\xbf<?xml version=\"1.0\"?><bootcaches version=\"1\"/>");
        accepts("<?xml version='1.0' encoding='utf-8' standalone='yes'?><bootcaches "
                "version='1'></bootcaches>\n\n");
        accepts("<?xml-model href=\"bootcaches.rng\"?>" DOCUMENT("<!-- nothing -->"));
        accepts(CACHE(NAMED, OUTPUT SOURCE));
        accepts(DOCUMENT("<cache name='menu' builder='b'><source cache='initrd' optional='yes'/>" OUTPUT
                         "</cache><cache name='initrd' builder='b'>" SOURCE "<output path='/i'/></cache>"));
        accepts(CACHE(NAMED, "<source path='/a' optional='no'/>" OUTPUT));
        accepts("<!-- don't count = = = = = = = = = = = = = = = = = = -->" DOCUMENT(""));
        /* the same path of other instances: whether any of them is the same shows on the volume */
        accepts(DOCUMENT("<copy role='misc' each='/e/*' from='/a' to='/%i'/>"
                         "<copy role='misc' each='/f/*' from='/a' to='/%i'/>"));
        accepts(DOCUMENT("<cache name='a' each='/e/*' builder='b'>" SOURCE "<output path='/%i'/></cache>"
                         "<cache name='b' each='/f/*' builder='b'>" SOURCE "<output path='/%i'/></cache>"));
        accepts(CACHE(NAMED, SOURCE "<output path='/a'/><source path='/z'/><output path='/b'/>"));
        accepts(CACHE(
                "name=\"_0123456789.-ABCDEFGHIJKLMNOPQRSTUVWXYZ.abcdefghijklmnopqrstuvwx\" builder=\"9\"",
                SOURCE OUTPUT));
        accepts(CACHE(NAMED " each=\"/a/[0-9]?*\"", SOURCE "<output path=\"/o%i\"/>"));
        accepts(CACHE(NAMED " each=\"/a/%m/*\"", SOURCE "<output path=\"/o%i\"/>"));
        accepts(CACHE(NAMED " each=\"/a/literal\"", SOURCE "<output path=\"/o%i\"/>"));
        accepts(CACHE(NAMED,
                      "<source path='/...'/><source path='/.a/..b/c.'/><source path='/\xc3\xa4 b'/>" OUTPUT));
        accepts(CACHE(NAMED, "<source path='/%%i'/>" OUTPUT)); /* not a specifier */
        accepts(CACHE(NAMED, "<source path='/*?['/>" OUTPUT)); /* not a pattern */
        accepts(COPY("role='misc' helper='esp' from='/a&amp;&lt;&#65;' to='/b'"));
        accepts("<?xml version='1.0'?><!-- encoding='latin1' -->" DOCUMENT(""));
        accepts(DOCUMENT("<?for people?>"));
        accepts(DOCUMENT("<copy role='misc' from='/a' to='/b'/><cache name='x' builder='y'>" SOURCE OUTPUT
                         "</cache><copy role='misc' from='/a' to='/c'/>"));
        accepts(DOCUMENT("<copy role='misc' from='/a' to='/b'> <!-- c --> </copy>"));
}

/* Wrong in form: the schema must reject it as well. */
static void what_is_wrong_in_form_is_refused_by_both(void **state) {
        static const struct {
                const char *text, *words;
        } documents[] = {
                {"<bootcache version=\"1\"/>", ":1: not a manifest"},
                {"<b:bootcaches xmlns:b=\"urn:x\" version=\"1\"/>", "not a manifest"},
                {"<bootcaches xmlns=\"urn:x\" version=\"1\"/>", "not a manifest"},
                {"<bootcaches/>", "<bootcaches> has no version="},
                {"<bootcaches version=\"2\"/>", ":1: unknown version \"2\" in <bootcaches>; expected 1"},
                {"<bootcaches version=\"\"/>", "unknown version \"\""},
                {"<bootcaches version=\" 1\"/>", "unknown version"},
                {"<bootcaches version=\"1\" x=\"1\"/>",
                 "unknown attribute \"x\" in <bootcaches>; expected version"},
                {"<bootcaches version=\"1\" xml:base=\"/\"/>", "unknown attribute \"base\""},
                {"<bootcaches xmlns:x=\"urn:x\" x:version=\"1\"/>",
                 "unknown attribute \"version\" in <bootcaches>; expected version"},
                {DOCUMENT("<copy xmlns:x=\"urn:x\" x:role=\"misc\" role=\"misc\" " FROM_TO "/>"),
                 "unknown attribute \"role\" in <copy>; expected role, helper, each, from or to"},
                {DOCUMENT("\n\n<kache/>"),
                 ":3: unknown element <kache> in <bootcaches>; expected cache or copy"},
                {DOCUMENT("<bootcaches version=\"1\"/>"), "unknown element <bootcaches> in <bootcaches>"},
                {DOCUMENT("<x:copy xmlns:x=\"urn:y\" role=\"misc\" " FROM_TO "/>"), "unknown element <copy>"},
                {DOCUMENT("<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/shadow\"/>"),
                 "unknown element <include>"},
                {DOCUMENT("words"), ":1: text in <bootcaches>"},
                {DOCUMENT("<![CDATA[words]]>"), "text in <bootcaches>"},
                {DOCUMENT("&#65;"), "text in <bootcaches>"},
                {CACHE(NAMED, ""), "cache \"a\" has no <source>"},
                {CACHE(NAMED, SOURCE), "cache \"a\" has no <output>"},
                {CACHE(NAMED, OUTPUT), "cache \"a\" has no <source>"},
                {CACHE("name=\"a\"", SOURCE OUTPUT), "<cache> has no builder="},
                {CACHE("builder=\"a\"", SOURCE OUTPUT), "<cache> has no name="},
                {CACHE(NAMED " exec=\"/bin/sh\"", SOURCE OUTPUT),
                 "unknown attribute \"exec\" in <cache>; expected name, each or builder"},
                {CACHE("name=\"\" builder=\"b\"", SOURCE OUTPUT), "bad name \"\" in <cache>; a name is"},
                {CACHE("name=\".a\" builder=\"b\"", SOURCE OUTPUT), "bad name"},
                {CACHE("name=\"-a\" builder=\"b\"", SOURCE OUTPUT), "bad name"},
                {CACHE("name=\"a/b\" builder=\"b\"", SOURCE OUTPUT), "bad name"},
                {CACHE("name=\"a b\" builder=\"b\"", SOURCE OUTPUT), "bad name"},
                {CACHE("name=\"\xc3\xa4\" builder=\"b\"", SOURCE OUTPUT), "bad name"},
                {CACHE("name=\"a\" builder=\"../b\"", SOURCE OUTPUT), "bad builder"},
                {CACHE("builder=\"b\" "
                       "name=\"12345678901234567890123456789012345678901234567890123456789012345\"",
                       SOURCE OUTPUT),
                 "bad name"},
                {CACHE(NAMED, SOURCE OUTPUT "<copy role=\"misc\" " FROM_TO "/>"),
                 "unknown element <copy> in <cache>; expected source or output"},
                {CACHE(NAMED, SOURCE OUTPUT "text"), "text in <cache>"},
                {CACHE(NAMED, "<source/>" OUTPUT), "<source> has neither path= nor cache="},
                {CACHE(NAMED, "<source optional='yes'/>" OUTPUT), "<source> has neither path= nor cache="},
                {CACHE(NAMED, "\n<source path='/a' cache='b'/>" OUTPUT),
                 ":2: <source> has both path= and cache="},
                {CACHE(NAMED, "<source cache='/a'/>" OUTPUT), "bad cache \"/a\" in <source>; a name is"},
                {CACHE(NAMED, "<source path=\"/a\"><source path=\"/b\"/></source>" OUTPUT),
                 "unknown element <source> in <source>; expected nothing"},
                {CACHE(NAMED, "<source path=\"/a\">x</source>" OUTPUT), "text in <source>"},
                {CACHE(NAMED, "<source path=\"/a\" optional=\"maybe\"/>" OUTPUT),
                 "unknown optional \"maybe\" in <source>; expected yes or no"},
                {CACHE(NAMED, "<source path=\"/a\" each=\"/b/*\"/>" OUTPUT), "unknown attribute \"each\""},
                {CACHE(NAMED, SOURCE "<output path=\"/a\" optional=\"yes\"/>"),
                 "unknown attribute \"optional\""},
                {CACHE(NAMED, "<source path=\"a\"/>" OUTPUT), "a path must begin with /"},
                {CACHE(NAMED, "<source path=\"\"/>" OUTPUT), "a path must begin with /"},
                {CACHE(NAMED, SOURCE "<output path=\"o\"/>"), "a path must begin with /"},
                {CACHE(NAMED " each=\"a*\"", SOURCE "<output path=\"/%i\"/>"), "a path must begin with /"},
                {CACHE(NAMED " each=\"/a/../*\"", SOURCE "<output path=\"/%i\"/>"),
                 "a path must not contain an empty part"},
                {CACHE(NAMED, "<source path=\"/\"/>" OUTPUT), "the root itself"},
                {CACHE(NAMED, SOURCE "<output path=\"/\"/>"), "the root itself"},
                {CACHE(NAMED, "<source path=\"/a/../b\"/>" OUTPUT),
                 "a path must not contain an empty part, \".\" or \"..\""},
                {CACHE(NAMED, "<source path=\"/..\"/>" OUTPUT), "a path must not contain"},
                {CACHE(NAMED, "<source path=\"/a/.\"/>" OUTPUT), "a path must not contain"},
                {CACHE(NAMED, "<source path=\"/a//b\"/>" OUTPUT), "a path must not contain"},
                {CACHE(NAMED, "<source path=\"/a/\"/>" OUTPUT), "a path must not contain"},
                {CACHE(NAMED, "<source path=\"//\"/>" OUTPUT), "a path must not contain"},
                {CACHE(NAMED, "<source path=\"/a&#10;b\"/>" OUTPUT), "must not contain control characters"},
                {CACHE(NAMED, "<source path=\"/a&#9;b\"/>" OUTPUT), "must not contain control characters"},
                {CACHE(NAMED, "<source path=\"/a&#127;\"/>" OUTPUT), "must not contain control characters"},
                {COPY("role=\"foo\" " FROM_TO),
                 ":1: unknown role \"foo\" in <copy>; expected required, entry, booter or misc"},
                {COPY("role=\"\" " FROM_TO), "unknown role \"\""},
                {COPY("role=\"Misc\" " FROM_TO), "unknown role"},
                {COPY(FROM_TO), "<copy> has no role="},
                {COPY("role=\"misc\" from=\"/a\""), "<copy> has no to="},
                {COPY("role=\"misc\" to=\"/a\""), "<copy> has no from="},
                {COPY("role=\"misc\" from=\"/a\" to=\"/\""), "the root itself"},
                {COPY("role=\"misc\" from=\"/\" to=\"/a\""), "the root itself"},
                {COPY("role=\"misc\" from=\"/a\" to=\"/../a\""), "a path must not contain"},
                {COPY("role=\"misc\" helper=\"swap\" " FROM_TO),
                 "unknown helper \"swap\" in <copy>; expected esp or xbootldr"},
                {DOCUMENT("<copy role=\"misc\" " FROM_TO ">x</copy>"), "text in <copy>"},
        };
        for (size_t i = 0; i < ELEMENTSOF(documents); i++) {
                refuses(documents[i].text, documents[i].words);
                if (schema_accepts(documents[i].text, strlen(documents[i].text)))
                        fail_msg("the schema accepts: %s", documents[i].text);
        }
}

/* Wrong in meaning: only the program can tell. */
static void what_is_wrong_in_meaning_is_refused(void **state) {
        static const struct {
                const char *text, *words;
        } documents[] = {
                {CACHE(NAMED, "<source path=\"/%x\"/>" OUTPUT), "the specifiers are %i, %m and %%"},
                {CACHE(NAMED, "<source path=\"/100%\"/>" OUTPUT), "the specifiers are"},
                {CACHE(NAMED, "<source path=\"/%%%\"/>" OUTPUT), "the specifiers are"},
                {CACHE(NAMED, "<source path=\"/%%%i\"/>" OUTPUT),
                 "%i in source \"/%%%i\", but there is no each="},
                {CACHE(NAMED, SOURCE "<output path=\"/%i\"/>"),
                 "%i in output \"/%i\", but there is no each="},
                {CACHE(NAMED " each=\"/a/*\"", SOURCE OUTPUT), "each=, but no %i in output \"/o\""},
                {CACHE(NAMED " each=\"/a/%i\"", SOURCE OUTPUT), "stands for what it matches"},
                {CACHE(NAMED " each=\"/*/%i\"", SOURCE OUTPUT), "stands for what it matches"},
                {CACHE(NAMED " each=\"/*/../a\"", SOURCE OUTPUT), "a path must not contain an empty part"},
                {CACHE(NAMED " each=\"/e/*\"", SOURCE "<output path='/%i'/>" OUTPUT),
                 "no %i in output \"/o\""},
                {CACHE(NAMED, SOURCE "<source path='/%i'/>" OUTPUT),
                 "%i in source \"/%i\", but there is no each="},
                {CACHE(NAMED " each=\"/*/a\"", SOURCE OUTPUT), "only the last part can be a pattern"},
                {CACHE(NAMED " each=\"/[a]/*\"", SOURCE OUTPUT), "only the last part can be a pattern"},
                {CACHE(NAMED " each=\"/a?/*\"", SOURCE OUTPUT), "only the last part can be a pattern"},
                {COPY("role=\"misc\" from=\"/%i\" to=\"/a\""), "%i in from \"/%i\", but there is no each="},
                {COPY("role=\"misc\" from=\"/a\" to=\"/%i\""), "%i in to"},
                {COPY("role=\"misc\" each=\"/a/*\" from=\"/%i\" to=\"/b\""), "each=, but no %i in to \"/b\""},
                {CACHE(NAMED, "<source path=\"/%i\"/>" SOURCE OUTPUT),
                 "%i in source \"/%i\", but there is no each="},
                {CACHE(NAMED, SOURCE "<output path=\"/%i\"/>" OUTPUT),
                 "%i in output \"/%i\", but there is no each="},
                {CACHE(NAMED " each=\"/a/*\"", SOURCE OUTPUT "<output path=\"/%i\"/>"),
                 "each=, but no %i in output \"/o\""},
                {CACHE(NAMED, SOURCE "\n\n<source cache='other'/>" OUTPUT),
                 ":3: there is no cache \"other\""},
                {CACHE(NAMED, "\n<source cache='a'/>" OUTPUT), ":2: cache \"a\" is its own source"},
                {DOCUMENT("<cache " NAMED ">" SOURCE OUTPUT "</cache>\n<cache " NAMED ">" SOURCE
                          "<output path=\"/p\"/></cache>"),
                 ":2: there already is a cache \"a\", in line 1"},
                {DOCUMENT("<copy role=\"misc\" from=\"/a\" to=\"/EFI/x\"/>\n\n<copy role=\"booter\" "
                          "helper=\"xbootldr\" from=\"/b\" to=\"/efi/X\"/>"),
                 ":3: there already is a copy to \"/efi/X\", in line 1"},
                {CACHE(NAMED, SOURCE OUTPUT OUTPUT),
                 "output \"/o\" of cache \"a\" is already an output of \"a\""},
                {DOCUMENT("<cache name=\"x\" builder=\"b\">" SOURCE OUTPUT
                          "</cache><cache name=\"y\" builder=\"b\">" SOURCE OUTPUT "</cache>"),
                 "output \"/o\" of cache \"y\" is already an output of \"x\""},
        };
        for (size_t i = 0; i < ELEMENTSOF(documents); i++)
                refuses(documents[i].text, documents[i].words);
}

static void cycles_that_templates_show_are_refused(void **state) {
#define MAKES(name, each, in, out)                                                                           \
        "<cache name='" name "' builder='b' " each "><source path='" in "'/><output path='" out "'/></"      \
        "cache>"
#define EACH "each='/e/*'"
        refuses(DOCUMENT(MAKES("a", "", "/x", "/x")), "dependency cycle between caches: a -> a");
        refuses(DOCUMENT(MAKES("a", "", "/x", "/x/y")), "dependency cycle between caches: a -> a");
        refuses(DOCUMENT(MAKES("a", "", "/x/y/z", "/x")), "dependency cycle between caches: a -> a");
        refuses(DOCUMENT(MAKES("a", "", "/1", "/2") MAKES("b", "", "/2", "/3") "\n" MAKES(
                        "c", "", "/3/x", "/4") MAKES("d", "", "/4", "/3/y/z") MAKES("e", "", "/4", "/1/x")),
                "dependency cycle between caches: a -> b -> c -> e -> a");
        refuses(DOCUMENT("<cache name='a' builder='b'><source cache='c'/><output path='/a'/></cache>\n"
                         "<cache name='b' builder='b'><source cache='a'/><output path='/b'/></cache>\n"
                         "<cache name='c' each='/e/*' builder='b'><source path='/b'/>"
                         "<output path='/c%i'/></cache>"),
                ":1: dependency cycle between caches: a -> b -> c -> a");
        refuses(DOCUMENT(MAKES("a", EACH, "/x%i", "/y%i") MAKES("b", EACH, "/y%i", "/x%i")), "a -> b -> a");
        refuses(DOCUMENT(MAKES("a", EACH, "/d", "/d/%i")), "a -> a");
        /* an instance of another pattern, or a name with the same beginning, is not the same */
        accepts(DOCUMENT(MAKES("a", EACH, "/x%i", "/y%i") MAKES("b", "each='/f/*'", "/y%i", "/x%i")));
        accepts(DOCUMENT(MAKES("a", "", "/x", "/xy") MAKES("b", "", "/xy/z", "/xyz")));
        accepts(DOCUMENT(MAKES("b", EACH, "/y%i", "/z%i") MAKES("a", EACH, "/x%i", "/y%i")));
        /* two that share a source, and one after both */
        accepts(DOCUMENT(MAKES("a", "", "/x", "/1") MAKES(
                "b", "", "/x",
                "/2") "<cache name='c' builder='b'><source path='/1'/><source path='/2'/><output "
                      "path='/3'/></cache>"));
}

static void optional_is_what_it_says(void **state) {
        static const char text[] = CACHE(
                NAMED, "<source path='/a' optional='no'/><source path='/b' optional='yes'/>" SOURCE OUTPUT);
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_parse(PLACE, text, strlen(text), &m, &why), 0);
        assert_false(m->caches[0].sources[0].optional);
        assert_true(m->caches[0].sources[1].optional);
        assert_false(m->caches[0].sources[2].optional);
}

/* Nothing of it is read, not even what is wrong with it. */
static void parser_stops_at_a_doctype(void **state) {
        n_stopped = 0;
        refuses("<!DOCTYPE b [<!ENTITY broken ]>" DOCUMENT(""), ":1: a DOCTYPE is not allowed");
        assert_int_equal(n_stopped, 1);
}

/* Later ones mostly follow from it. */
static void first_parser_error_is_reported(void **state) {
        refuses("<bootcaches version=\"1\">\n<copy>\n</bootcaches>", ":3: Opening and ending tag mismatch");
        refuses("<bootcaches a b c", ":1: Specification mandates value for attribute a");
}

/* What libxml2 complains about later is none of ours. */
static void error_handler_is_removed_after_parsing(void **state) {
        accepts(DOCUMENT(""));
        assert_null(xmlStructuredError);
        refuses("<", ":1: ");
        assert_null(xmlStructuredError);
}

static void hostile_xml_is_refused(void **state) {
        static const struct {
                const char *text, *words;
        } documents[] = {
                {"", "the file is empty"},
                {" \n", ""},
                {"<?xml version=\"1.0\"?>", ""},
                {"<!DOCTYPE bootcaches>" DOCUMENT(""), ":1: a DOCTYPE is not allowed"},
                {"\n<!DOCTYPE bootcaches SYSTEM \"http://localhost/x.dtd\">" DOCUMENT(""),
                 ":2: a DOCTYPE is not allowed"},
                {"<!DOCTYPE bootcaches PUBLIC \"-//X//Y\" \"file:///etc/passwd\">" DOCUMENT(""), "DOCTYPE"},
                {"<!DOCTYPE b [<!ENTITY x \"y\">]>" DOCUMENT("&x;"), "DOCTYPE"},
                {"<!DOCTYPE b [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" DOCUMENT("&x;"), "DOCTYPE"},
                {"<!DOCTYPE b [<!ENTITY % x SYSTEM \"http://localhost/\"> %x;]>" DOCUMENT(""), "DOCTYPE"},
                {"<!DOCTYPE b [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c "
                 "\"&b;&b;&b;&b;\">]>"
                 "<bootcaches version=\"&c;\"/>",
                 "DOCTYPE"},
                {"<!DOCTYPE b [<!ATTLIST bootcaches version CDATA \"1\">]><bootcaches/>", "DOCTYPE"},
                {DOCUMENT("&x;"), ":1: "},
                {"<bootcaches version=\"&x;\"/>", ":1: "},
                {DOCUMENT("</copy>"), ":1: "},
                {DOCUMENT("") DOCUMENT(""), ":1: "},
                {DOCUMENT("") "x", ":1: "},
                {"<bootcaches version=\"1\" version=\"1\"/>", ":1: "},
                {"<bootcaches version=1/>", ":1: "},
                {"<b:bootcaches version=\"1\"/>", ":1: "}, /* prefix never declared */
                {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" DOCUMENT(""),
                 "the encoding must be UTF-8"},
                {"<?xml version='1.0' encoding = 'UTF-7'?>" DOCUMENT(""), "the encoding must be UTF-8"},
                {"<?xml version=\"1.0\" encoding=\"UTF-16\"?>" DOCUMENT(""), "the encoding must be UTF-8"},
                {"<?xml version='1.0' encoding='UTF-80'?>" DOCUMENT(""), "the encoding must be UTF-8"},
                {"<?xml version='1.0' encoding=\"UTF-80\"?>" DOCUMENT(""), "the encoding must be UTF-8"},
                {"<?xml version=\"9.9\"?>" DOCUMENT(""), ""},
                {"<!-- \xff -->" DOCUMENT(""), "xml: not UTF-8"},
                {"<bootcaches a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1/>",
                 ":1: more than 16 attributes in one element"},
                {"<!-- \xc3 -->" DOCUMENT(""), "not UTF-8"},
                {"<!-- \xed\xa0\x80 -->" DOCUMENT(""), ""}, /* half a surrogate pair */
                {"<!-- \x01 -->" DOCUMENT(""), ":1: "},
                {DOCUMENT("&#0;"), ":1: "},
                {DOCUMENT("&#1;"), ":1: "},
                {"\xff\xfe<\0b\0", "not UTF-8"},
        };
        for (size_t i = 0; i < ELEMENTSOF(documents); i++)
                refuses(documents[i].text, documents[i].words);
        static const char utf16[] = "<\0b\0o\0o\0t\0c\0a\0c\0h\0e\0s\0/\0>\0";
        refuses_bytes(utf16, sizeof(utf16) - 1, "NUL");
        static const char nul[] = "<bootcaches version=\"1\"/>\0";
        refuses_bytes(nul, sizeof(nul) - 1, "NUL");
}

/* REPEAT N times between HEAD and TAIL. */
static char *repeated(const char *head, const char *repeat, size_t n, const char *tail) {
        char *buffer = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&buffer, &size);
        assert_non_null(f);
        (void) fputs(head, f);
        for (size_t i = 0; i < n; i++)
                for (const char *s = repeat; *s; s++) /* `#` stands for the number */
                        (void) (*s == '#' ? fprintf(f, "%zu", i) : fputc(*s, f));
        (void) fputs(tail, f);
        assert_int_equal(fclose(f), 0);
        return buffer;
}

static void size_and_depth_have_limits(void **state) {
        size_t room = MANIFEST_SIZE_MAX - strlen(DOCUMENT("<!---->"));
        _cleanup_free_ char *full = repeated("<bootcaches version=\"1\"><!--", "x", room, "--></bootcaches>");
        assert_int_equal(strlen(full), MANIFEST_SIZE_MAX);
        accepts(full);
        _cleanup_free_ char *over =
                repeated("<bootcaches version=\"1\"><!--", "x", room + 1, "--></bootcaches>");
        refuses(over, ": larger than 64 KiB");

        _cleanup_free_ char *deep = repeated("<bootcaches version=\"1\">", "<copy>", 5000, "</copy>");
        refuses(deep, ":1: ");
        _cleanup_free_ char *nested = repeated("<bootcaches version=\"1\">", "<copy>", 200, "");
        _cleanup_free_ char *closed = repeated(nested, "</copy>", 200, "</bootcaches>");
        refuses(closed, ":1: ");
        _cleanup_free_ char *attributes = repeated("<bootcaches version=\"1\"", " a#=\"\"", 6000, "/>");
        assert_true(strlen(attributes) <= MANIFEST_SIZE_MAX);
        refuses(attributes, ":1: more than 16 attributes in one element");
        refuses("<?xml version='1.0'?>\n<bootcaches\n\n a='>' b=\"'\" c='' d='' e='' f='' g='' h='' i='' "
                "j='' k='' l='' "
                "m='' n='' o='' p='' q=''/>",
                ":2: more than 16 attributes in one element");
        refuses("<bootcaches a='>' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' n='' o='' "
                "p=''/>",
                ":1: unknown attribute \"a\"");
        accepts("<?a b='=================>?><bootcaches version='1'><!--'=================> "
                "--></bootcaches>");
        refuses("<bootcaches version='1'><![CDATA[=================>]]></bootcaches>",
                "text in <bootcaches>");
        refuses("<bootcaches a='", ":1: ");
        refuses("<!--", ":1: ");
        _cleanup_free_ char *long_name =
                repeated("<bootcaches version=\"1\"><", "n", 40000, "/></bootcaches>");
        refuses(long_name, ":1: unknown element");
        _cleanup_free_ char *long_value = repeated("<bootcaches version=\"", "1", 60000, "\"/>");
        refuses(long_value, ":1: unknown version");
        _cleanup_free_ char *lines = repeated("", "\n", 60000, "<x/>");
        refuses(lines, ":60001: not a manifest");
}

static void numbers_have_limits(void **state) {
        static const char open[] = "<bootcaches version='1'>", close[] = "</bootcaches>";
        static const char cache[] =
                "<cache name='c#' builder='b'><source path='/s'/><output path='/o#'/></cache>";
        static const char copy[] = "<copy role='misc' from='/s' to='/t#'/>";
        _cleanup_free_ char *caches = repeated(open, cache, 64, close),
                            *more_caches = repeated(open, cache, 65, close);
        accepts(caches);
        refuses(more_caches, "more than 64 caches");
        _cleanup_free_ char *copies = repeated(open, copy, 256, close),
                            *more_copies = repeated(open, copy, 257, close);
        accepts(copies);
        refuses(more_copies, "more than 256 copies");

        static const char begin[] = "<bootcaches version='1'><cache name='c' builder='b'><output path='/o'/>";
        static const char end[] = "<source path='/s'/></cache></bootcaches>",
                          source[] = "<source path='/s#'/>";
        _cleanup_free_ char *sources = repeated(begin, source, 63, end),
                            *more_sources = repeated(begin, source, 64, end);
        accepts(sources);
        refuses(more_sources, "more than 64 sources");
        static const char output[] = "<output path='/o#'/>";
        _cleanup_free_ char *outputs = repeated(begin, output, 63, end),
                            *more_outputs = repeated(begin, output, 64, end);
        accepts(outputs);
        refuses(more_outputs, "more than 64 outputs");

        _cleanup_free_ char *path = repeated("<bootcaches version='1'><copy role='misc' from='/", "p", 4094,
                                             "' to='/t'/></bootcaches>");
        accepts(path);
        _cleanup_free_ char *longer = repeated("<bootcaches version='1'><copy role='misc' from='/", "p", 4095,
                                               "' to='/t'/></bootcaches>");
        refuses(longer, "a path must not be longer than 4095 bytes");
        _cleanup_free_ char *wide = repeated("<bootcaches version='1'><copy role='misc' from='/", "\xc3\xa4",
                                             2048, "' to='/t'/></bootcaches>");
        refuses(wide, "a path must not be longer than 4095 bytes");
}

static void no_truncated_manifest_is_accepted(void **state) {
        for (size_t n = 0; n < strlen(example); n++) {
                Manifest *m = NULL;
                _cleanup_free_ char *why = NULL;
                if (manifest_parse(PLACE, example, n, &m, &why) != -EBADMSG)
                        fail_msg("the first %zu bytes were not refused", n);
                assert_non_null(why);
        }
}

static void any_changed_byte_is_survived(void **state) {
        static const char put[] = {0, '<', '>', '"', '&', '/', '%', ' ', '\n', '\x80', '\xff'};
        for (size_t i = 0; i < strlen(example); i++)
                for (size_t k = 0; k < sizeof(put); k++) {
                        _cleanup_(manifest_freep) Manifest *m = NULL;
                        _cleanup_free_ char *why = NULL, *copy = strdup(example);
                        assert_non_null(copy);
                        copy[i] = put[k];
                        int r = manifest_parse(PLACE, copy, sizeof(example) - 1, &m, &why);
                        assert_true(r == 0 ? m && !why : r == -EBADMSG && !m && why);
                }
}

static void quoted_strangers_cannot_forge_lines(void **state) {
        _cleanup_free_ char *why = NULL;
        Manifest *m = NULL;
        static const char text[] = DOCUMENT("<copy role=\"a&#10;RESULT fresh\" " FROM_TO "/>");
        assert_int_equal(manifest_parse(PLACE, text, strlen(text), &m, &why), -EBADMSG);
        assert_null(strchr(why, '\n'));
        assert_non_null(strstr(why, "unknown role"));
}

static void refusals_name_file_line_and_reason(void **state) {
        char *why = NULL;
        assert_int_equal(refusal(&why, "/f", 0, "bad %s", "x\ny"), -EBADMSG);
        assert_string_equal(why, "/f: bad x\\x0ay");
        free(why);
        assert_int_equal(refusal(&why, "/f", 1, "bad"), -EBADMSG);
        assert_string_equal(why, "/f:1: bad");
        free(why);
        assert_int_equal(refusal(&why, "/f", 7, "%s", ""), -EBADMSG);
        assert_string_equal(why, "/f:7: ");
        free(why);
        char n[10][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
        char *names[11] = {};
        static const char *const circles[] = {
                "a -> a",
                "a -> b -> a",
                "a -> b -> c -> a",
                NULL,
                NULL,
                NULL,
                NULL,
                "a -> b -> c -> d -> e -> f -> g -> h -> a",
                "a -> b -> c -> d -> e -> f -> g -> h -> i -> and so on",
                "a -> b -> c -> d -> e -> f -> g -> h -> i -> and so on",
        };
        for (size_t i = 0; i < ELEMENTSOF(circles); i++) {
                _cleanup_free_ char *expected = NULL;
                names[i] = n[i];
                assert_int_equal(refusal_of_cycle(&why, "/f", 2, names), -EBADMSG);
                assert_int_equal(strprintf(&expected, "/f:2: dependency cycle between caches: %s",
                                           strempty(circles[i])),
                                 0);
                if (circles[i])
                        assert_string_equal(why, expected);
                free(why);
        }
        assert_string_equal(refusal_of_way(-EXDEV), "its path leaves the volume");
        assert_string_equal(refusal_of_way(-ELOOP), "too many symbolic links in its path");
        assert_string_equal(refusal_of_way(-ENAMETOOLONG), "a name or symbolic link in its path is too long");
        static const int others[] = {0, -ENOENT, -EIO, -ENOMEM, -EAGAIN, 1};
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_null(refusal_of_way(others[i]));
}

static void a_cycle_is_reported_completely(void **state) {
        static const char text[] =
                DOCUMENT("\n<cache name='a' builder='b'><source path='/1'/><output path='/2'/></cache>"
                         "\n<cache name='b' builder='b'><source path='/2'/><output path='/1'/></cache>");
        Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;
        assert_int_equal(manifest_parse(PLACE, text, strlen(text), &m, &why), -EBADMSG);
        assert_string_equal(why, PLACE ":2: dependency cycle between caches: a -> b -> a");
        /* by the second source and the second output, each below a folder of the other */
        refuses(DOCUMENT("<cache name='a' builder='b'><source path='/s'/><source path='/in'/>"
                         "<output path='/o'/><output path='/d/x'/></cache>"
                         "<cache name='b' builder='b'><source path='/d'/><output path='/in/x'/></cache>"),
                "a -> b -> a");
}

/* What the tables accept is accepted only if the published schema accepts it, too. */
static void the_schema_has_the_last_word(void **state) {
        static const char text[] = DOCUMENT("");
        Manifest *m = NULL;
        char *why = NULL;
        n_asked = 0;
        accepts(text);
        assert_int_equal(n_asked, 2); /* once by the program, once by this test */
        static const int sayings[] = {1, SCHEMA_ONLY_COMPLAINS};
        for (size_t i = 0; i < ELEMENTSOF(sayings); i++) {
                schema_says = sayings[i];
                int r = manifest_parse(PLACE, text, strlen(text), &m, &why);
                schema_says = 0;
                assert_int_equal(r, -EBADMSG);
                assert_null(m);
                assert_string_equal(why, PLACE ":3: as it is told");
                free(why);
        }
}

static void roles_and_helpers_have_names(void **state) {
        static const char *const roles[] = {"required", "entry", "booter", "misc"};
        for (size_t i = 0; i < ELEMENTSOF(roles); i++)
                assert_string_equal(copy_role_to_string((CopyRole) i), roles[i]);
        assert_string_equal(helper_type_to_string(HELPER_ESP), "esp");
        assert_string_equal(helper_type_to_string(HELPER_XBOOTLDR), "xbootldr");
        assert_null(copy_role_to_string(_ROLE_INVALID));
        assert_null(helper_type_to_string(_HELPER_TYPE_MAX));
        for (CopyRole role = 0; role < _ROLE_MAX; role++)
                assert_int_equal(copy_role_from_string(copy_role_to_string(role)), role);
        for (HelperType type = 0; type < _HELPER_TYPE_MAX; type++)
                assert_int_equal(helper_type_from_string(helper_type_to_string(type)), type);
        assert_true(copy_role_from_string("x") < 0);
        assert_true(copy_role_from_string("esp") < 0);
        assert_true(helper_type_from_string("ESP") < 0);
        assert_null(copy_role_to_string(_ROLE_MAX));
        assert_null(helper_type_to_string(_HELPER_TYPE_INVALID));
}

/* The seeds of the fuzzer are checked, too: `good-…` is accepted, everything else refused. */
static void the_corpus_is_judged_by_its_file_names(void **state) {
        const char *source = getenv("TESTS_SOURCE");
        if (!source)
                skip();
        _cleanup_free_ char *folder = NULL;
        assert_int_equal(strprintf(&folder, "%s/fuzz/corpus/manifest", source), 0);
        _cleanup_closedir_ DIR *d = opendir(folder);
        assert_non_null(d);
        size_t n = 0;
        for (const struct dirent *e; (e = readdir(d));) {
                static char text[MANIFEST_SIZE_MAX + 2];
                if (e->d_name[0] == '.')
                        continue;
                _cleanup_close_ int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
                ssize_t size = read(fd, text, sizeof(text));
                assert_true(size >= 0);
                if (startswith(e->d_name, "good-"))
                        accepts_bytes(text, (size_t) size);
                else
                        refuses_bytes(text, (size_t) size, "");
                n++;
        }
        assert_true(n >= 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(refusals_name_file_line_and_reason),
                cmocka_unit_test(a_cycle_is_reported_completely),
                cmocka_unit_test(the_example_is_read_in_full),
                cmocka_unit_test(good_documents_are_accepted_by_both),
                cmocka_unit_test(what_is_wrong_in_form_is_refused_by_both),
                cmocka_unit_test(what_is_wrong_in_meaning_is_refused),
                cmocka_unit_test(cycles_that_templates_show_are_refused),
                cmocka_unit_test(optional_is_what_it_says),
                cmocka_unit_test(parser_stops_at_a_doctype),
                cmocka_unit_test(first_parser_error_is_reported),
                cmocka_unit_test(error_handler_is_removed_after_parsing),
                cmocka_unit_test(hostile_xml_is_refused),
                cmocka_unit_test(size_and_depth_have_limits),
                cmocka_unit_test(numbers_have_limits),
                cmocka_unit_test(no_truncated_manifest_is_accepted),
                cmocka_unit_test(any_changed_byte_is_survived),
                cmocka_unit_test(quoted_strangers_cannot_forge_lines),
                cmocka_unit_test(the_schema_has_the_last_word),
                cmocka_unit_test(roles_and_helpers_have_names),
                cmocka_unit_test(the_corpus_is_judged_by_its_file_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
