/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manifest as XML: parses bytes into a document tree, and validates the tree against the schema. */

#include <libxml/tree.h>

#include "base/util.h"

static inline void xml_doc_freep(xmlDoc **doc) {
        if (*doc)
                xmlFreeDoc(*doc);
}

/* PATH is the name used in messages. 0; -EBADMSG: refused, *RETERR "PATH[:LINE]: …"; -ENOMEM. */
int manifest_xml_parse(const char *path, const char *text, size_t size, xmlDoc **ret, char **reterr);
int manifest_xml_validate(const char *path, xmlDoc *doc, char **reterr);
