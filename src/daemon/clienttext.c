/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/clienttext.h"

#include <inttypes.h>

#include "base/escape.h"
#include "base/utf8.h"

/* ":1.7 (PID 1234)" */
static char *name_client(const Peer *peer) {
        char *name = NULL;
        if (peer->pid == 0)
                return strdup(peer->name);
        (void) strprintf(&name, "%s (PID %" PRIdMAX ")", peer->name, (intmax_t) peer->pid);
        return name;
}

/* As much of S as may be kept, in whole characters. */
static size_t bounded_length(const char *s) {
        size_t length = 0, n;
        uint32_t c;
        while (s[length]) {
                n = MAX(utf8_decode(s + length, &c), (size_t) 1);
                if (length + n > CLIENTTEXT_MAX)
                        break;
                length += n;
        }
        return length;
}

static char *quote(const char *said) {
        size_t length = bounded_length(said);
        _cleanup_free_ char *cut = strndup(said, length), *printable = cut ? escape_print(cut) : NULL;
        char *quoted = NULL;
        if (printable)
                (void) strprintf(&quoted, " and said: %s%s", printable, said[length] ? "…" : "");
        return quoted;
}

char *clienttext_released(const Peer *peer, int status, const char *said) {
        assert(peer);
        _cleanup_free_ char *client = name_client(peer), *words = isempty(said) ? strdup("") : quote(said);
        char *text = NULL;
        if (client && words)
                (void) strprintf(&text, "%s released its lock with status %i%s", client, status, words);
        return text;
}

char *clienttext_vanished(const Peer *peer) {
        assert(peer);
        _cleanup_free_ char *client = name_client(peer);
        char *text = NULL;
        if (client)
                (void) strprintf(&text, "%s vanished and lost its lock", client);
        return text;
}

char *clienttext_late(const Peer *peer) {
        assert(peer);
        _cleanup_free_ char *client = name_client(peer);
        char *text = NULL;
        if (client)
                (void) strprintf(&text, "%s still held its lock when the system went down, and lost it",
                                 client);
        return text;
}
