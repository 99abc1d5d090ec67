/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/unitjob.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/buildfolder.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/linereader.h"
#include "daemon/world/unitcall.h"
#include "daemon/world/unitquery.h"

#define UNIT_PREFIX "bootkeep-build@"
#define UNIT_SUFFIX ".service"
/* More than any report has. */
#define UNIT_READS_MAX 1024U

struct UnitJob {
        char *unit, *path;
        int folder, report;
        int output, process; /* inotify: on the report; on the folder */
        bool ended;
        char *refusal;
        bool unreached; /* by the call to start it */
        UnitEnd end;
        UnitCall *call;
        UnitQuery *query; /* NULL: nothing was asked */
        LineReader reader;
};

UnitJob *unitjob_free(UnitJob *u) {
        if (u) {
                unitcall_free(u->call);
                unitquery_free(u->query);
                closep(&u->folder);
                closep(&u->report);
                closep(&u->output);
                closep(&u->process);
                free(u->unit);
                free(u->path);
                free(u->refusal);
        }
        free(u);
        return NULL;
}

/* As systemd-escape(1) does it. */
static int escape_instance(const char *volume, char **ret) {
        char *escaped = malloc(strlen(volume) * 4 + 1), *end = escaped;
        if (!escaped)
                return error_origin(-ENOMEM);
        for (const char *c = volume; *c; c++) {
                bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
                bool plain = letter || (*c >= '0' && *c <= '9') || *c == ':' || *c == '_' ||
                             (*c == '.' && c != volume);
                if (*c == '/')
                        *end++ = '-';
                else if (plain)
                        *end++ = *c;
                else
                        end += sprintf(end, "\\x%02x", (unsigned) (unsigned char) *c);
        }
        *end = 0;
        *ret = escaped;
        return 0;
}

static int name_unit(const char *place, const char *volume, UnitJob **ret) {
        _cleanup_(unitjob_freep) UnitJob *u = calloc(1, sizeof(*u));
        _cleanup_free_ char *instance = NULL;
        if (!u)
                return error_origin(-ENOMEM);
        u->folder = u->report = u->output = u->process = -EBADF;
        int r = escape_instance(volume, &instance);
        if (r >= 0)
                r = strprintf(&u->unit, UNIT_PREFIX "%s" UNIT_SUFFIX, instance);
        if (r >= 0)
                r = strprintf(&u->path, "%s/%s", place, instance);
        if (r < 0)
                return r;
        if (strlen(u->unit) > NAME_MAX)
                return error_origin(-ENAMETOOLONG);
        *ret = TAKE_PTR(u);
        return 0;
}

static int open_unit_folder(UnitJob *u) {
        u->folder = open(u->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (u->folder < 0)
                return error_origin(-errno);
        u->report = openat(u->folder, BUILDFOLDER_REPORT, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return u->report < 0 ? error_origin(-errno) : 0;
}

/* Armed first: what ended before shows by itself, because it is touched. A build that ends closes its report,
 * whatever ended it. */
static int watch_unit_folder(UnitJob *u) {
        _cleanup_free_ char *report = NULL;
        int r = strprintf(&report, "%s/" BUILDFOLDER_REPORT, u->path);
        if (r < 0)
                return r;
        u->output = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        u->process = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (u->output < 0 || u->process < 0 || inotify_add_watch(u->output, report, IN_MODIFY) < 0 ||
            inotify_add_watch(u->process, u->path, IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE) < 0)
                return error_origin(-errno);
        (void) utimensat(u->folder, BUILDFOLDER_END, NULL, 0);
        return 0;
}

static void remove_unit_folder(const UnitJob *u) {
        static const char *const files[] = {BUILDFOLDER_ARGUMENTS, BUILDFOLDER_REPORT, BUILDFOLDER_END,
                                            BUILDFOLDER_BUILDERS};
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void) unlinkat(u->folder, files[i], 0);
        (void) rmdir(u->path);
}

/* Nothing of an earlier build is left in it. */
static int make_unit_folder(UnitJob *u, const char *place, char *const *argv) {
        if ((mkdir(place, 0700) < 0 && errno != EEXIST) || (mkdir(u->path, 0700) < 0 && errno != EEXIST))
                return error_origin(-errno);
        u->folder = open(u->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (u->folder < 0)
                return error_origin(-errno);
        (void) unlinkat(u->folder, BUILDFOLDER_END, 0);
        int r = buildfolder_write(u->folder, BUILDFOLDER_REPORT, "", 0);
        if (r >= 0)
                r = buildfolder_write_arguments(u->folder, argv);
        closep(&u->folder);
        u->folder = -EBADF;
        return r;
}

static bool is_running_there(UnitJob *u) {
        bool runs = open_unit_folder(u) >= 0 && buildfolder_claimed_by(u->report) != 0;
        closep(&u->folder);
        closep(&u->report);
        u->folder = u->report = -EBADF;
        return runs;
}

int unitjob_new(const char *place, const char *volume, char *const *argv, UnitJob **ret) {
        assert(place && volume && argv && ret);
        _cleanup_(unitjob_freep) UnitJob *u = NULL;
        int r = name_unit(place, volume, &u);
        if (r < 0)
                return r;
        if (is_running_there(u))
                return error_origin(-EBUSY);
        r = make_unit_folder(u, place, argv);
        if (r >= 0)
                r = open_unit_folder(u);
        if (r >= 0)
                r = watch_unit_folder(u);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(u);
        return 0;
}

int unitjob_find(const char *place, const char *volume, UnitJob **ret) {
        assert(place && volume && ret);
        _cleanup_(unitjob_freep) UnitJob *u = NULL;
        int r = name_unit(place, volume, &u);
        if (r >= 0)
                r = open_unit_folder(u);
        if (r < 0)
                return r;
        if (unitjob_has_ended(u) ? !u->end.began : unitjob_is_lost(u)) {
                remove_unit_folder(u); /* as if it had never been */
                return error_origin(-ENOENT);
        }
        r = watch_unit_folder(u);
        if (r < 0)
                return r;
        (void) futimens(u->folder, NULL); /* it may have gone before it was watched */
        *ret = TAKE_PTR(u);
        return 0;
}

/* The descriptor becomes readable as if it had ended. */
static void on_unit_refused(void *userdata, const char *why, bool unreached) {
        UnitJob *u = userdata;
        if (buildfolder_claimed_by(u->report) != 0)
                return; /* the answer was lost, not the call */
        (void) free_and_strdup(&u->refusal, why);
        u->unreached = unreached;
        u->ended = true;
        (void) unlinkat(u->folder, BUILDFOLDER_ARGUMENTS, 0); /* it would have nothing to do */
        (void) futimens(u->folder, NULL);
}

int unitjob_start(UnitJob *u, sd_bus *bus) {
        return bus ? unitcall_start(bus, u->unit, on_unit_refused, u, &u->call) : error_origin(-ENOTCONN);
}

int unitjob_get_process_fd(const UnitJob *u) {
        return u->process;
}

int unitjob_get_output_fd(const UnitJob *u) {
        return u->output;
}

/* What happens after this makes it readable again. */
static void drain_events(int inotify) {
        _Alignas(struct inotify_event) char buffer[16 * 1024];
        while (read(inotify, buffer, sizeof(buffer)) > 0)
                ;
}

int unitjob_read(UnitJob *u, void (*line)(const char *line, void *userdata), void *userdata) {
        drain_events(u->output);
        int r = linereader_read(&u->reader, u->report, UNIT_READS_MAX, line, userdata);
        if (r < 0)
                return r;
        u->reader.cut = u->reader.cut || r == 0; /* without end */
        return r > 0 ? 0 : error_origin(-EFBIG);
}

bool unitjob_was_cut(const UnitJob *u) {
        return u->reader.cut;
}

static void take_unit_end(UnitJob *u, const char *line) {
        _cleanup_strv_free_ char **words = NULL;
        if (split_words(line, &words) < 0 || strv_length(words) != 3)
                u->end = unitend_of("", "", "");
        else
                u->end = unitend_of(words[0], words[1], words[2]);
        u->ended = true;
        if (!u->end.began && u->end.status == BUILDFOLDER_STATUS_NO_UNIT)
                (void) strprintf(&u->refusal, "%s could not start the unit of its builders, as its log says",
                                 u->unit);
        else if (!u->end.began)
                (void) strprintf(&u->refusal, "systemd could not run %s (result %s, status %s)", u->unit,
                                 strv_length(words) == 3 ? words[0] : "?",
                                 strv_length(words) == 3 ? words[2] : "?");
}

bool unitjob_has_ended(UnitJob *u) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        drain_events(u->process);
        if (u->ended)
                return true;
        int r = buildfolder_read(u->folder, BUILDFOLDER_END, &line, &size);
        if (r == -ENOENT || r == -ENOMEM)
                return false;
        if (r >= 0)
                line[strcspn(line, "\n")] = 0;
        take_unit_end(u, r >= 0 ? line : "");
        return true;
}

bool unitjob_is_lost(const UnitJob *u) {
        return buildfolder_claimed_by(u->report) == 0;
}

const char *unitjob_get_refusal(const UnitJob *u) {
        return u->ended && (u->refusal || !u->end.began) ? strempty(u->refusal) : NULL;
}

bool unitjob_was_unreached(const UnitJob *u) {
        return u->unreached;
}

static const UnitEnd lost = {.status = 128 + SIGKILL, .why = "ended, and nobody said how", .began = true};

/* As systemd knows it, which may be nothing: it was loaded anew. The descriptor becomes readable. */
static void on_unit_end_told(void *userdata, UnitEnd end) {
        UnitJob *u = userdata;
        if (!unitjob_is_lost(u))
                return;
        u->end = end.began ? end : lost;
        u->ended = true;
        (void) futimens(u->folder, NULL);
}

int unitjob_inquire(UnitJob *u, sd_bus *bus) {
        if (u->ended || u->query || !unitjob_is_lost(u))
                return 0;
        return bus ? unitquery_start(bus, u->unit, on_unit_end_told, u, &u->query) : error_origin(-ENOTCONN);
}

UnitEnd unitjob_conclude(UnitJob *u) {
        remove_unit_folder(u);
        return u->ended ? u->end : lost;
}

/* The process is the one meant if it still has its claim once we hold it. */
int unitjob_kill(const UnitJob *u, int signal) {
        pid_t pid = buildfolder_claimed_by(u->report);
        (void) unlinkat(u->folder, BUILDFOLDER_ARGUMENTS, 0);
        if (pid <= 0)
                return error_origin(-ESRCH);
        _cleanup_close_ int fd = pidfd_open(pid, 0);
        if (fd < 0)
                return error_origin(-errno);
        if (buildfolder_claimed_by(u->report) != pid)
                return error_origin(-ESRCH);
        return pidfd_send_signal(fd, signal, NULL, 0) < 0 ? error_origin(-errno) : 0;
}

pid_t unitjob_get_pid(const UnitJob *u) {
        return buildfolder_claimed_by(u->report);
}

uint64_t unitjob_get_start(const UnitJob *u) {
        struct stat st;
        if (fstatat(u->folder, BUILDFOLDER_ARGUMENTS, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return realtime_usec();
        return (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC + (uint64_t) st.st_mtim.tv_nsec / 1000;
}
