/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* umount.bootkeep: what umount(8) runs for a mount with the option helper=bootkeep. It unmounts when
 * bootkeepd has nothing left to do there, and refuses if the daemon does. Everything else is up to libmount,
 * as if there were no helper. It must never exit with success while the mount exists: libmount would forget
 * its options. */

#include <getopt.h> /* optind */
#include <libmount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/options.h"
#include "umount/prepare.h"

typedef struct UmountOptions {
        const char *target;
        const char *namespace; /* NULL: ours */
        bool force, lazy, no_mtab, read_only, verbose;
} UmountOptions;

DEFINE_CLEANUP(struct libmnt_context *, mnt_free_context);

static int umount_parse_options(int argc, char **argv, UmountOptions *o) {
        const Option options[] = {
                {NULL, NULL, "Force, see umount(8)", option_set, &o->force, 'f'},
                {NULL, NULL, "Detach now, clean up later", option_set, &o->lazy, 'l'},
                {NULL, NULL, "Do not update the user-space mount table", option_set, &o->no_mtab, 'n'},
                {NULL, NULL, "Remount read-only if unmounting fails", option_set, &o->read_only, 'r'},
                {NULL, NULL, "Report what is done", option_set, &o->verbose, 'v'},
                {NULL, "NAMESPACE", "Unmount in this mount namespace", option_string, &o->namespace, 'N'},
                /* of the file system; we are not the helper for a type */
                {NULL, "TYPE", "Ignored", option_ignore, NULL, 't'},
        };
        static const OptionsHelp help = {
                .program = "umount.bootkeep",
                .synopsis = "DIRECTORY|DEVICE",
                .purpose = "Run by umount(8) for mounts with the option helper=bootkeep: has bootkeepd\n"
                           "complete the work owed on the volume, then unmounts it.",
                .footer = "See the umount.bootkeep(8) man page for details.",
                .version_letter = 'V',
        };
        int r = options_parse(argc, argv, options, ELEMENTSOF(options), &help);
        if (r <= 0)
                return r;
        if (optind + 1 != argc) {
                log_error("Expected exactly one directory or device, see --help");
                return error_origin(-EINVAL);
        }
        assert(!o->target);
        o->target = argv[optind];
        return 1;
}

/* Paths mean other things in another mount namespace, and the daemon lives in only one. umount(8) names ours,
 * too, if told to. */
static bool in_other_namespace(const UmountOptions *o) {
        struct stat a, b;
        return o->namespace && (stat(o->namespace, &a) < 0 || stat("/proc/self/ns/mnt", &b) < 0 ||
                                a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

static int context_configure(struct libmnt_context *c, const UmountOptions *o) {
        assert(c && o->target);
        int r = mnt_context_disable_helpers(c, true); /* or we would be run again */
        if (r == 0)
                r = mnt_context_enable_force(c, o->force);
        if (r == 0)
                r = mnt_context_enable_lazy(c, o->lazy);
        if (r == 0)
                r = mnt_context_disable_mtab(c, o->no_mtab);
        if (r == 0)
                r = mnt_context_enable_rdonly_umount(c, o->read_only);
        if (r == 0)
                r = mnt_context_enable_verbose(c, o->verbose);
        if (r == 0 && o->namespace)
                r = mnt_context_set_target_ns(c, o->namespace);
        return r == 0 ? mnt_context_set_target(c, o->target) : r;
}

static int umount_target(const UmountOptions *o, const char *printable) {
        _cleanup_(mnt_free_contextp) struct libmnt_context *c = mnt_new_context();
        char text[BUFSIZ] = "";
        int r = c ? context_configure(c, o) : error_origin(-ENOMEM);
        if (r != 0) {
                (void) log_errno(r < 0 ? r : -r, "%s", printable);
                return MNT_EX_SYSERR;
        }
        r = mnt_context_umount(c);
        int status = mnt_context_get_excode(c, r, text, sizeof(text));
        if (*text)
                log_error("%s: %s", printable, text);
        else if (o->verbose && status == MNT_EX_SUCCESS)
                (void) printf("%s unmounted\n", printable);
        return status;
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *why = NULL;
        UmountOptions o = {};
        log_setup("umount.bootkeep");
        int r = umount_parse_options(argc, argv, &o);
        if (r <= 0)
                return r < 0 ? MNT_EX_USAGE : MNT_EX_SUCCESS;
        _cleanup_free_ char *printable = escape_print(o.target);
        if (!printable) {
                (void) log_oom();
                return MNT_EX_SYSERR;
        }
        /* umount(8) passes an absolute path without links; a user may not */
        _cleanup_free_ char *real = realpath(o.target, NULL);
        if (!in_other_namespace(&o) && prepare_volume(real ? real : o.target, &why) < 0) {
                log_error("%s stays mounted: %s (use umount -i to unmount it anyway)", printable,
                          strempty(why));
                return MNT_EX_FAIL;
        }
        return umount_target(&o, printable);
}
