/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strangers write manifests: whatever the bytes, the parser returns a manifest or a reason. */

#include "manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(manifest_freep) Manifest *m = NULL;
        _cleanup_free_ char *why = NULL;

        if (size > MANIFEST_SIZE_MAX + 1)
                return 0;
        int r = manifest_parse("fuzz.xml", (const char *) data, size, &m, &why);
        if (r == 0 ? !m || why : r != -EBADMSG || m || !why || strchr(why, '\n'))
                abort();
        return 0;
}
