/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl trust` and `distrust`: the administrator decides whose manifests are acted upon. */

#include "base/escape.h"
#include "ctl/client.h"

static int trust_call(Ctl *ctl, const char *volume, const char *method, const char *said) {
        assert(ctl && ctl->bus && volume);
        _cleanup_free_ char *argument = client_volume_argument(volume), *name = escape_print(volume);
        if (!argument || !name)
                return client_complain_errno(-ENOMEM);
        int r = client_call(&(const ClientCall){ctl, method, volume}, NULL, "s", argument);
        if (r == EXIT_SUCCESS && !ctl->quiet)
                (void) printf("%s %s\n", name, said);
        return r;
}

int verb_trust(Ctl *ctl, char *const *volumes) {
        return trust_call(ctl, volumes[0], "Trust", "is trusted: from now on it is kept up to date.");
}

int verb_distrust(Ctl *ctl, char *const *volumes) {
        return trust_call(ctl, volumes[0], "Distrust",
                          "is no longer trusted: it is still watched, but nothing is built there.");
}
