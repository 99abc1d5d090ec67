/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scan/ending.h"

#include <bootkeep.h>
#include <inttypes.h>

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/report.h"

static const char *const results[] = {
        [BOOTKEEP_SCAN_FRESH] = "fresh",      [BOOTKEEP_SCAN_STALE] = "stale",
        [BOOTKEEP_SCAN_NO_MANIFEST] = "none", [BOOTKEEP_SCAN_REFUSED] = "refused",
        [BOOTKEEP_SCAN_ERROR] = "error",
};

static uint64_t watches_max(void) {
        uint64_t n = 0;
        (void) parse_file_u64("/proc/sys/fs/inotify/max_user_watches", &n);
        return n;
}

/* Each watch that could not be added is one more than the limit. */
static int describe_missing_watches(const Watcher *w, char **ret) {
        uint64_t max = watches_max();
        assert(w->n_armed < w->n_watches);
        return strprintf(
                ret,
                "%u of %u inotify watches could not be added: fs.inotify.max_user_watches is %" PRIu64
                " for all programs of this user together, at least %" PRIu64 " are needed",
                w->n_watches - w->n_armed, w->n_watches, max, max + w->n_watches - w->n_armed);
}

/* Reports it if not everything could be armed, even if there is no memory to say why. */
static void print_unwatched(const Watcher *w) {
        const char *why = "a mount covers a place that should be watched";
        _cleanup_free_ char *text = NULL;
        if (w->inotify_fd < 0 || (w->n_armed == w->n_watches && !w->covered))
                return;
        if (w->n_armed < w->n_watches)
                why = describe_missing_watches(w, &text) < 0 ? strerror(ENOMEM) : text;
        (void) report_print(stdout, "UNWATCHED", why, NULL);
}

/* If the scan failed, it makes no difference that a record cannot be written. */
int ending_say(const Ending *e, int status, const char *reason) {
        const LogFields fields = {.volume = e->volume};
        char watches[3 * sizeof(unsigned) + 1];
        assert(status >= 0 && (size_t) status < ELEMENTSOF(results) && results[status]);
        (void) snprintf(watches, sizeof(watches), "%u", e->watcher->n_watches);
        (void) report_print(stdout, "WATCHES", watches, NULL);
        print_unwatched(e->watcher);
        if (reason && !e->quiet)
                log_send(LOG_ERR, &fields, "%s", reason);
        if (reason)
                (void) report_print(stdout, "REASON", reason, NULL);
        return report_print(stdout, "RESULT", results[status], NULL) < 0 ? BOOTKEEP_SCAN_ERROR : status;
}

int ending_say_error(const Ending *e, const char *format, ...) {
        assert(e && e->watcher && format);
        _cleanup_free_ char *reason = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&reason, format, ap);
        va_end(ap);
        return ending_say(e, BOOTKEEP_SCAN_ERROR, reason ? reason : strerror(ENOMEM));
}

int ending_say_stopped(const Ending *e, int r, const char *what) {
        _cleanup_free_ char *reason = NULL;
        assert(r < 0);
        if (r != -E2BIG)
                return ending_say_error(e, "%s: %s", what, strerror(-r));
        if (strprintf(&reason, "%s: it names more than %u directories to watch",
                      e->manifest ? e->manifest : what, WATCHER_DIRECTORIES_MAX) < 0)
                return ending_say_error(e, "%s", strerror(ENOMEM));
        return ending_say(e, BOOTKEEP_SCAN_REFUSED, reason);
}

int ending_say_refused(const Ending *e, int r, const char *reason) {
        assert(r < 0);
        if (r == -EBADMSG)
                return ending_say(e, BOOTKEEP_SCAN_REFUSED, reason ? reason : "Failed to parse the manifest");
        if (reason && r != -E2BIG)
                return ending_say_error(e, "%s", reason);
        return ending_say_stopped(e, r, "Failed to read the manifest");
}
