/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/launch.h"

#include <inttypes.h>

#include "base/error.h"

static int append_place(const LaunchOptions *o, char ***argv, const char *mount_point) {
        int r = 0;
        if (o->builders)
                r = strv_extendf(argv, "--builders=%s", o->builders);
        if (r >= 0)
                r = strv_extendf(argv, "--trust-ctime=%s", o->trust_ctime ? "yes" : "no");
        if (r >= 0)
                r = strv_extend(argv, "--");
        if (r >= 0)
                r = strv_extend(argv, mount_point);
        return r;
}

static int append_mount(const LaunchOptions *o, char ***argv, const char *mount_point, uint64_t mount_id) {
        int r = strv_extendf(argv, "--mount-id=%" PRIu64, mount_id);
        return r < 0 ? r : append_place(o, argv, mount_point);
}

static int add_paths(char ***argv, const char *option, char *const *paths) {
        int r = 0;
        for (; r >= 0 && paths && *paths; paths++)
                r = strv_extendf(argv, "--%s=%s", option, *paths);
        return r;
}

/* There is one scan of a mount at a time, and beside it whoever inquires. */
static int append_uncover(const LaunchOptions *o, char ***argv, const LaunchBuild *scan) {
        const char *runtime = strempty(o->runtime);
        return scan->inquiry > 0
                       ? strv_extendf(argv, "--uncover=%s/stamps-%" PRIu64 "-%u", runtime, scan->mount_id,
                                      scan->inquiry)
                       : strv_extendf(argv, "--uncover=%s/stamps-%" PRIu64, runtime, scan->mount_id);
}

static int append_scanned_mount(const LaunchOptions *o, char ***argv, const LaunchBuild *scan) {
        if (!o->apart)
                return append_mount(o, argv, scan->mount_point, scan->mount_id);
        int r = strv_extendf(argv, "--volume=%s", scan->volume);
        return r < 0 ? r : append_place(o, argv, scan->mount_point);
}

int launch_scan(const LaunchOptions *o, const LaunchBuild *scan, int inotify_fd, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-scan", o->libexec);
        if (r >= 0 && inotify_fd >= 0)
                r = strv_extendf(&argv, "--inotify-fd=%i", JOB_INHERITED_FD);
        if (r >= 0)
                r = strv_extend(&argv, "--quiet"); /* we log what it reports */
        if (r >= 0)
                r = add_paths(&argv, "hold-locked", o->hold_locked);
        if (r >= 0)
                r = add_paths(&argv, "hold-exists", o->hold_exists);
        if (r >= 0 && o->runtime)
                r = append_uncover(o, &argv, scan);
        if (r >= 0)
                r = append_scanned_mount(o, &argv, scan);
        return r < 0 ? r : job_start(argv, inotify_fd, ret);
}

int launch_sources(const LaunchOptions *o, const LaunchBuild *scan, const char *cache, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-scan", o->libexec);
        if (r >= 0)
                r = strv_extendf(&argv, "--sources=%s", cache);
        if (r >= 0)
                r = strv_extend(&argv, "--quiet");
        if (r >= 0 && o->runtime)
                r = append_uncover(o, &argv, scan);
        if (r >= 0)
                r = append_scanned_mount(o, &argv, scan);
        return r < 0 ? r : job_start(argv, -EBADF, ret);
}

static int add_build_options(const LaunchOptions *o, const LaunchBuild *build, char ***argv) {
        int r = build->force ? strv_extend(argv, "--force") : 0;
        if (r >= 0)
                r = strv_extend(argv, "--no-wait"); /* others need its slot meanwhile */
        return r < 0 ? r : append_mount(o, argv, build->mount_point, build->mount_id);
}

int launch_build(const LaunchOptions *o, const LaunchBuild *build, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-build", o->libexec);
        if (r >= 0)
                r = add_build_options(o, build, &argv);
        return r < 0 ? r : job_start(argv, -EBADF, ret);
}

static int add_opening_options(const LaunchOptions *o, const LaunchBuild *build, char ***argv) {
        int r = append_uncover(o, argv, build);
        return r < 0 ? r : append_mount(o, argv, build->mount_point, build->mount_id);
}

int launch_opening(const LaunchOptions *o, const LaunchBuild *build, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-build", o->libexec);
        if (r >= 0)
                r = add_opening_options(o, build, &argv);
        return r < 0 ? r : job_start(argv, -EBADF, ret);
}

static int add_handover_options(const LaunchOptions *o, const LaunchHandover *handover, char ***argv) {
        int r = strv_extendf(argv, "--%s=%s", handover->begin ? "begin" : "done", handover->file);
        if (r >= 0 && handover->cache)
                r = strv_extendf(argv, "--cache=%s", handover->cache);
        if (r >= 0 && handover->instance)
                r = strv_extendf(argv, "--instance=%s", handover->instance);
        return r < 0 ? r : append_mount(o, argv, handover->mount_point, handover->mount_id);
}

int launch_handover(const LaunchOptions *o, const LaunchHandover *handover, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-build", o->libexec);
        if (r >= 0)
                r = add_handover_options(o, handover, &argv);
        return r < 0 ? r : job_start(argv, -EBADF, ret);
}

int launch_handover_in_unit(const LaunchOptions *o, const LaunchHandover *handover, UnitJob **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        _cleanup_free_ char *name = NULL;
        if (!o->units)
                return error_origin(-EOPNOTSUPP);
        int r = strprintf(&name, "%s:handover%u", handover->volume, handover->number);
        if (r >= 0)
                r = add_handover_options(o, handover, &argv);
        return r < 0 ? r : unitjob_new(o->units, name, argv, ret);
}

int launch_opening_in_unit(const LaunchOptions *o, const LaunchBuild *build, UnitJob **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        _cleanup_free_ char *name = NULL;
        if (!o->units)
                return error_origin(-EOPNOTSUPP);
        /* a name of its own: it is not to be adopted as a build */
        int r = build->inquiry > 0 ? strprintf(&name, "%s:stamps%u", build->volume, build->inquiry)
                                   : strprintf(&name, "%s:stamps", build->volume);
        if (r >= 0)
                r = add_opening_options(o, build, &argv);
        return r < 0 ? r : unitjob_new(o->units, name, argv, ret);
}

int launch_build_in_unit(const LaunchOptions *o, const LaunchBuild *build, UnitJob **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        if (!o->units)
                return error_origin(-EOPNOTSUPP);
        int r = add_build_options(o, build, &argv);
        return r < 0 ? r : unitjob_new(o->units, build->volume, argv, ret);
}

int launch_find_build(const LaunchOptions *o, const char *volume, UnitJob **ret) {
        return o->units ? unitjob_find(o->units, volume, ret) : error_origin(-EOPNOTSUPP);
}

int launch_check_builders(const LaunchOptions *o, Job **ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r = strv_extendf(&argv, "%s/bootkeep-scan", o->libexec);
        if (r >= 0)
                r = strv_extend(&argv, "--check-builders");
        if (r >= 0 && o->builders)
                r = strv_extendf(&argv, "--builders=%s", o->builders);
        return r < 0 ? r : job_start(argv, -EBADF, ret);
}
