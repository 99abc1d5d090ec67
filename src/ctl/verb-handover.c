/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl begin` and `done`: for the hooks around somebody else's builder. What goes wrong is said, but
 * is no failure: what is not handed over is built as usual. */

#include <inttypes.h>

#include "base/log.h"
#include "base/parse.h"
#include "ctl/client.h"

int verb_begin(Ctl *ctl, char *const *arguments) {
        assert(ctl && ctl->bus && arguments);
        const char *volume = "/", *cache = "", *instance = "";
        const char **words[] = {&volume, &cache, &instance};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t cookie = 0;
        for (size_t i = 0; i < ELEMENTSOF(words) && arguments[i]; i++)
                *words[i] = arguments[i];
        _cleanup_free_ char *name = client_volume_argument(volume);
        if (!name)
                return client_complain_errno(-ENOMEM);
        int r = client_call(&(const ClientCall){ctl, "Begin", volume}, &reply, "sss", name, cache, instance);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_read(reply, "t", &cookie);
        if (r < 0)
                return client_complain_errno(r);
        (void) printf("%" PRIu64 "\n", cookie);
        return EXIT_SUCCESS;
}

int verb_done(Ctl *ctl, char *const *arguments) {
        assert(ctl && ctl->bus && arguments[0]);
        uint64_t cookie = 0, status = 0;
        if (isempty(arguments[0]))
                return EXIT_SUCCESS; /* nothing was begun: that was said then */
        if (parse_u64_max(arguments[0], UINT64_MAX, &cookie) < 0) {
                log_error("done: expected the cookie that \"begin\" printed");
                return BOOTKEEP_CTL_USAGE;
        }
        if (arguments[1] && parse_u64_max(arguments[1], INT32_MAX, &status) < 0) {
                log_error("done: expected the exit status of the builder");
                return BOOTKEEP_CTL_USAGE;
        }
        return client_call(&(const ClientCall){ctl, "Done", NULL}, NULL, "ti", cookie, (int32_t) status);
}
