/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <ctype.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/escape.h"
#include "base/parse.h"

static struct {
        const char *identifier;
        int max_level;
        bool journal; /* through its socket */
        bool stream;  /* through stderr, where lines begin with their level */
        bool colors;
} logger = {.identifier = "bootkeep", .max_level = LOG_INFO};

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static int level_from_string(const char *s) {
        if (s && isdigit((unsigned char) s[0]) && !s[1] && s[0] <= '7')
                return s[0] - '0';
        for (int i = 0; s && i < (int) ELEMENTSOF(level_names); i++)
                if (streq(s, level_names[i]))
                        return i;
        return LOG_INFO;
}

/* Is stderr the stream that systemd connected to the journal? */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat st;
        uint64_t device, inode;
        return stream && parse_digits(&stream, 10, &device) >= 0 && *stream == ':' &&
               parse_u64(stream + 1, &inode) >= 0 && fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device &&
               st.st_ino == inode;
}

bool log_colors(FILE *f) {
        assert(f);
        const char *e = getenv("SYSTEMD_COLORS");
        if (e)
                return !streq(e, "0") && !streq(e, "no") && !streq(e, "false");
        return !getenv("NO_COLOR") && isatty(fileno(f)) && !streq(strempty(getenv("TERM")), "dumb");
}

void log_setup(const char *identifier) {
        assert(identifier);
        logger.identifier = identifier;
        logger.max_level = level_from_string(getenv("BOOTKEEP_LOG_LEVEL"));
        logger.journal = stderr_is_journal();
        logger.colors = log_colors(stderr);
}

void log_stay_on_stderr(void) {
        logger.stream = logger.journal;
        logger.journal = false;
}

int log_max_level(void) {
        return logger.max_level;
}

int log_set_max_level(int level) {
        assert(level >= LOG_EMERG && level <= LOG_DEBUG);
        int before = logger.max_level;
        logger.max_level = level;
        return before;
}

static void send_to_journal(int level, const LogFields *f, const char *text) {
        struct {
                const char *name, *value;
        } fields[] = {
                {"MESSAGE=", text},
                {"SYSLOG_IDENTIFIER=", logger.identifier},
                {"MESSAGE_ID=", f->message_id},
                {"BOOTKEEP_VOLUME=", f->volume},
                {"BOOTKEEP_PATH=", f->path},
                {"BOOTKEEP_CACHE=", f->cache},
                {"BOOTKEEP_INSTANCE=", f->instance},
                {"BOOTKEEP_HELPER=", f->helper},
        };
        struct iovec iov[ELEMENTSOF(fields) + 2];
        char *owned[ELEMENTSOF(fields) + 2];
        int n = 0;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].value && strprintf(&owned[n], "%s%s", fields[i].name, fields[i].value) >= 0)
                        n++;
        if (strprintf(&owned[n], "PRIORITY=%i", level) >= 0)
                n++;
        if (f->error != 0 && strprintf(&owned[n], "ERRNO=%i", abs(f->error)) >= 0)
                n++;
        for (int i = 0; i < n; i++)
                iov[i] = (struct iovec){.iov_base = owned[i], .iov_len = strlen(owned[i])};
        (void) sd_journal_sendv(iov, n);
        for (int i = 0; i < n; i++)
                free(owned[i]);
}

static void send_to_stderr(int level, const LogFields *f, const char *text) {
        static const char *const color[] = {
                [LOG_EMERG] = "\033[1;31m",
                [LOG_ALERT] = "\033[1;31m",
                [LOG_CRIT] = "\033[1;31m",
                [LOG_ERR] = "\033[1;31m",
                [LOG_WARNING] = "\033[33m",
                [LOG_NOTICE] = "\033[1m",
                [LOG_INFO] = "",
                [LOG_DEBUG] = "\033[2m",
        };
        const char *on = logger.colors ? color[level] : "", *off = logger.colors && *on ? "\033[0m" : "";
        _cleanup_free_ char *line = NULL, *volume = escape_print(strempty(f->volume));
        char prefix[] = "<0>";
        prefix[1] = (char) (prefix[1] + level);
        if (strprintf(&line, "%s%s%s: %s%s%s%s\n", logger.stream ? prefix : "", on, logger.identifier,
                      strempty(volume), f->volume ? ": " : "", text, off) < 0)
                return;
        /* one write: lines of several processes do not mix */
        (void) write_all(STDERR_FILENO, line, strlen(line));
}

/* Control characters would let a hostile name forge lines or drive the terminal, and journalctl(1) shows only
 * the size of a message that contains any, or is not UTF-8. */
static void send_text(int level, const LogFields *fields, const char *message) {
        assert(level >= LOG_EMERG && level <= LOG_DEBUG && message);
        static const LogFields none;
        _cleanup_free_ char *text = escape_print(message);
        if (!text)
                return;
        if (!fields)
                fields = &none;
        if (logger.journal)
                send_to_journal(level, fields, text);
        else
                send_to_stderr(level, fields, text);
}

void log_send(int level, const LogFields *fields, const char *format, ...) {
        assert(level >= LOG_EMERG && level <= LOG_DEBUG && format);
        if (level > logger.max_level)
                return;
        int saved = errno;
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        if (text)
                send_text(level, fields, text);
        errno = saved;
}

int log_send_errno(int level, const LogFields *fields, int r, const char *format, ...) {
        assert(level >= LOG_EMERG && level <= LOG_DEBUG && format);
        if (r > 0)
                r = -r;
        if (level > logger.max_level)
                return r;
        int saved = errno;
        _cleanup_free_ char *text = NULL, *whole = NULL;
        va_list ap;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        if (text && strprintf(&whole, "%s: %s", text, strerror(-r)) >= 0) {
                LogFields with = fields ? *fields : (LogFields){};
                with.error = r;
                send_text(level, &with, whole);
        }
        errno = saved;
        return r;
}
