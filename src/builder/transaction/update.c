/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of it. Our record of what is ours on the helper is written before the first write there, as an
 * intent, and again behind the last: so a file of ours is never taken for a stranger's, whatever happens
 * in between. The fingerprint is taken before anything is read and recorded only at the very end. */

#include "builder/transaction/update.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/carry.h"
#include "builder/transaction/helperplan.h"
#include "builder/transaction/look.h"
#include "builder/transaction/publish.h"
#include "builder/transaction/transfer.h"
#include "helper/privatemount.h"
#include "tree/contain.h"

typedef struct Update {
        const Updater *u;
        const Helper *helper;
        int stamps; /* the directory of the helpers' stamps */
        char *stamp_name;
        Stamp *stamp;        /* what is recorded in the end */
        HelperRecord record; /* of the last build */
        HelperSet wanted;
        HelperSet entries, left;
        HelperView *views;
        PrivateMount mount;
        HelperPlan *plan;
        char **directories; /* strv: to be made */
        char **ours;        /* strv: could not be removed or finished; ours all the same */
        UpdateResult *result;
        char **reterr;
} Update;

static void update_done(Update *u) {
        closep(&u->stamps);
        free(u->stamp_name);
        (void) stamp_free(u->stamp);
        helper_record_done(&u->record);
        helper_set_done(&u->wanted);
        helper_set_done(&u->entries);
        helper_set_done(&u->left);
        free(u->views);
        privatemount_done(&u->mount);
        (void) helper_plan_free(u->plan);
        (void) strv_free(u->directories);
        (void) strv_free(u->ours);
}

static LogFields fields_of(const Update *u) {
        return (LogFields){.volume = u->u->context->root->name, .helper = u->helper->device};
}

/* ---- what is known ---- */

/* No stamp, one that is not understood, or one of another file system: nothing on the helper is ours. */
static int read_record(Update *u) {
        _cleanup_(stamp_freep) Stamp *old = NULL;
        int r = contain_open_nolinks(u->u->context->root->state_fd, "/helpers", O_RDONLY | O_DIRECTORY, 0,
                                     &u->stamps);

        if (r >= 0)
                r = stamp_name(u->helper->partuuid, NULL, &u->stamp_name);
        if (r < 0)
                return failure_errno(u->reterr, r, "cannot open the stamps");
        r = stamp_read(u->stamps, u->stamp_name, NULL, &old);
        if (r >= 0)
                r = helper_record_read(old, &u->record);
        if (r == -ENOMEM)
                return r;
        if (!streq_ptr(u->record.filesystem, u->helper->fs_uuid))
                helper_record_done(&u->record);
        return free_and_strdup(&u->record.filesystem, u->helper->fs_uuid) < 0 ? error_origin(-ENOMEM) : 0;
}

static int gather(Update *u) {
        _cleanup_free_ char *missing = NULL, *why = NULL;
        Carry carry = {
                .context = u->u->context,
                .helper = u->helper,
                .record = &u->record,
                .read_all = u->u->force,
                .interrupt = u->u->interrupt,
        };
        int r = freshness_stamp_helper(u->u->context, u->helper, &u->stamp, &missing);

        if (missing)
                return reason_describe_error(missing, r, &why) < 0 ? error_origin(-ENOMEM)
                                                                   : failure(u->reterr, r, "%s", why);
        if (r < 0)
                return r;
        r = carry_gather(&carry, &u->wanted, u->reterr);
        if (r >= 0)
                r = helper_set_name(&u->wanted, &u->record.carried, u->reterr);
        return r < 0 ? r : helper_plan_date(&u->wanted, &u->record, u->u->boot_id);
}

/* ---- what is there ---- */

static int add_directory(char ***seen, const char *path, bool *ret_new) {
        _cleanup_free_ char *directory = strndup(path, (size_t) (strrchr(path, '/') - path));

        if (!directory)
                return error_origin(-ENOMEM);
        *ret_new = !strv_contains(*seen, directory);
        return *ret_new ? strv_push(seen, TAKE_PTR(directory)) : 0;
}

static int sweep_beside(Update *u, const char *path, char ***seen) {
        bool new;
        int r = add_directory(seen, path, &new);

        if (r >= 0 && new)
                r = publish_sweep(u->mount.root, path);
        return r < 0 ? failure_errno(u->reterr, r, "%s", path) : 0;
}

static int sweep_set(Update *u, const HelperSet *s, char ***seen) {
        for (size_t i = 0; i < s->n; i++) {
                int r = sweep_beside(u, s->items[i].path, seen);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What an interrupted build had staged must not count as used space, also where it was for files that nobody
 * wants any more: those the record of its intent calls ours. */
static int sweep(Update *u) {
        _cleanup_strv_free_ char **seen = NULL;
        int r = sweep_set(u, &u->record.carried, &seen);

        for (char **s = u->record.ours; r >= 0 && s && *s; s++)
                r = sweep_beside(u, *s, &seen);
        return r < 0 ? r : sweep_set(u, &u->wanted, &seen);
}

static int find_missing_directories(Update *u) {
        for (size_t i = 0; i < u->wanted.n; i++) {
                const char *path = u->wanted.items[i].path;
                int r = u->views[i].standing == STANDING_ABSENT || u->views[i].blocked
                                ? publish_missing_directories(u->mount.root, path, &u->directories)
                                : 0;
                if (r < 0)
                        return failure_errno(u->reterr, r, "%s", path);
        }
        return 0;
}

static int look(Update *u) {
        int r = look_at_files(u->mount.root, &u->wanted, &u->record, u->u->force, u->u->interrupt, &u->views,
                              u->reterr);

        if (r >= 0)
                r = look_at_entries(u->mount.root, &u->record, &u->entries);
        if (r >= 0)
                r = look_at_previous(u->mount.root, &u->record);
        if (r >= 0)
                r = look_at_left(u->mount.root, &u->wanted, &u->record, &u->left);
        return r < 0 ? r : find_missing_directories(u);
}

static int make_plan(Update *u) {
        HelperPlanInput in = {
                .wanted = &u->wanted,
                .views = u->views,
                .record = &u->record,
                .entries = &u->entries,
                .left = &u->left,
                .boot_id = u->u->boot_id,
                .cmdline = u->u->cmdline,
                .running = u->u->running,
                .force = u->u->force,
                .n_directories = (unsigned) strv_length(u->directories),
        };
        int r = look_at_space(u->mount.root, &in.block_size, &in.available);

        if (r < 0)
                return failure_errno(u->reterr, r, "cannot determine its free space");
        r = helper_plan_claim(&u->wanted, u->views, &u->record);
        if (r < 0)
                return r;
        return helper_plan_new(&in, &u->plan, u->reterr);
}

/* ---- records ---- */

/* A stranger's file is not ours before it is replaced. */
static int add_steps(char ***v, const HelperPlan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                const HelperStep *s = &plan->steps[i];
                if ((!s->foreign && strv_extend(v, s->file->path) < 0) ||
                    (s->beside && strv_extend(v, s->beside) < 0))
                        return error_origin(-ENOMEM);
        }
        return 0;
}

/* Backwards: an entry comes before what it names, and what is ours is removed from the end. */
static int add_set(char ***v, const HelperSet *s) {
        for (size_t i = s->n; i > 0; i--)
                if (strv_extend(v, s->items[i - 1].path) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

static int add_all(char ***v, char *const *more) {
        for (; more && *more; more++)
                if (strv_extend(v, *more) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

static int write_record(Update *u, const HelperRecord *record, Stamp *stamp) {
        int r = helper_record_add(record, stamp);

        if (r >= 0)
                r = stamp_write(u->stamps, u->stamp_name, stamp);
        return r < 0 ? failure_errno(u->reterr, r, "cannot write its stamp") : 0;
}

/* Old and new names are ours from here on, and what is kept is kept; without a fingerprint the helper is
 * stale. */
static int write_intent(Update *u) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        _cleanup_strv_free_ char **ours = NULL, **made = NULL;
        HelperRecord intent = u->record; /* borrows */

        if (!stamp || add_set(&ours, &u->record.previous) < 0 || add_all(&ours, u->record.ours) < 0 ||
            add_steps(&ours, u->plan) < 0 || add_all(&made, u->record.made) < 0 ||
            add_all(&made, u->directories) < 0)
                return error_origin(-ENOMEM);
        intent.previous = u->plan->previous;
        intent.intent = true;
        intent.ours = ours;
        intent.made = made;
        return write_record(u, &intent, stamp);
}

/* Everything is as before: so says the record again, but for the fingerprint. */
static void write_unchanged(Update *u) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        _cleanup_free_ char *unsaid = NULL;
        char **reterr = u->reterr;

        u->reterr = &unsaid; /* if this fails the intent stands, which only costs reading */
        if (stamp)
                (void) write_record(u, &u->record, stamp);
        u->reterr = reterr;
}

/* Directories of ours that are still there. */
static int list_made(Update *u, char ***ret) {
        _cleanup_strv_free_ char **all = NULL, **made = NULL;

        if (add_all(&all, u->record.made) < 0 || add_all(&all, u->directories) < 0)
                return error_origin(-ENOMEM);
        for (char **s = all; s && *s; s++) {
                _cleanup_close_ int fd = -EBADF;
                if (contain_open_nolinks(u->mount.root, *s, O_PATH | O_DIRECTORY, 0, &fd) >= 0 &&
                    !strv_contains(made, *s) && strv_extend(&made, *s) < 0)
                        return error_origin(-ENOMEM);
        }
        *ret = TAKE_PTR(made);
        return 0;
}

static int write_final(Update *u) {
        _cleanup_strv_free_ char **made = NULL;
        HelperRecord final = {.filesystem = u->record.filesystem, .carried = u->wanted, .ours = u->ours};

        if (u->mount.root >= 0 && list_made(u, &made) < 0)
                return error_origin(-ENOMEM);
        if (u->plan)
                final.previous = u->plan->previous;
        final.made = made;
        return write_record(u, &final, u->stamp);
}

/* ---- doing it ---- */

static int remove_file(Update *u, const char *path) {
        int r = publish_remove(u->mount.root, path);

        if (r >= 0) {
                u->result->removed++;
                return 0;
        }
        LogFields fields = fields_of(u);
        fields.path = path;
        (void) log_send_errno(LOG_WARNING, &fields, r, "%s: cannot remove %s", u->helper->device, path);
        return strv_extend(&u->ours, path);
}

static int remove_files(Update *u, char *const *paths) {
        for (; paths && *paths; paths++)
                if (remove_file(u, *paths) < 0)
                        return error_origin(-ENOMEM);
        return 0;
}

/* Inner ones come behind outer ones in the list, so from its end. */
static void remove_directories(Update *u, char *const *directories) {
        for (size_t i = strv_length(directories); i > 0; i--)
                (void) publish_remove_directory(u->mount.root, directories[i - 1]);
}

static int drop_earlier(Update *u) {
        size_t n = strv_length(u->plan->drop);

        if (n == 0)
                return 0;
        log_send(LOG_NOTICE, &(LogFields){.volume = u->u->context->root->name, .helper = u->helper->device},
                 "%s: first removing what is in the way of the new set: %zu %s", u->helper->device, n,
                 n == 1 ? "file" : "files");
        int r = remove_files(u, u->plan->drop);
        if (r >= 0)
                remove_directories(u, u->record.made);
        return r;
}

static void undo(Update *u, Transfer *t) {
        transfer_discard(t);
        remove_directories(u, u->directories);
        write_unchanged(u);
}

static void count(Update *u, const Transfer *t) {
        for (size_t i = 0; i < u->plan->n_steps; i++) {
                const HelperStep *s = &u->plan->steps[i];
                if (t->failed[i] || s->kind == STEP_ADOPT)
                        continue;
                if (s->file->role == ROLE_ENTRY)
                        u->result->switched++;
                else
                        u->result->written++;
        }
}

static bool was_ours(const Update *u, const char *path) {
        for (size_t i = 0; i < u->record.carried.n; i++)
                if (streq(u->record.carried.items[i].path, path))
                        return !u->record.carried.items[i].foreign;
        return strv_contains(u->record.ours, path);
}

static bool has_failed(const Update *u, const Transfer *t, size_t i) {
        const HelperFile *f = &u->wanted.items[i];
        Standing standing = u->views[i].standing;

        if (u->plan->without_misc && f->role == ROLE_MISC)
                return standing == STANDING_ABSENT || standing == STANDING_OTHER;
        for (size_t j = 0; j < u->plan->n_steps; j++)
                if (t->failed[j] && u->plan->steps[j].file == f)
                        return true;
        return false;
}

/* A misc file that could not be written is not carried; what of it may be there is ours, a stranger's is not.
 */
static int give_up_misc(Update *u, const Transfer *t) {
        HelperSet *w = &u->wanted;
        size_t n = 0;

        for (size_t i = 0; i < w->n; i++) {
                HelperFile *f = &w->items[i];
                if (!has_failed(u, t, i)) {
                        w->items[n++] = *f; /* the steps that point here are not looked at again */
                        continue;
                }
                if ((u->views[i].standing == STANDING_ABSENT || was_ours(u, f->path)) &&
                    strv_extend(&u->ours, f->path) < 0)
                        return error_origin(-ENOMEM);
                helper_file_done(f);
        }
        w->n = n;
        return 0;
}

static int transfer(Update *u, Transfer *t) {
        int r = transfer_init(t);

        if (r >= 0)
                r = drop_earlier(u);
        if (r >= 0)
                r = transfer_stage(t, u->reterr);
        if (r < 0) {
                undo(u, t);
                return r;
        }
        r = transfer_switch(t, u->reterr);
        if (r < 0)
                transfer_discard(t);
        count(u, t);
        return r;
}

static int apply(Update *u) {
        _cleanup_(transfer_done) Transfer t = {
                .plan = u->plan,
                .mount = &u->mount,
                .volume = u->u->context->root->fd,
                .interrupt = u->u->interrupt,
                .progress = u->u->progress,
                .fields = fields_of(u),
        };
        int r = write_intent(u);

        if (r < 0)
                return r;
        if (u->u->progress)
                progress_expect(u->u->progress, u->plan->bytes);
        r = transfer(u, &t);
        u->result->bytes = t.bytes;
        if (r >= 0)
                r = give_up_misc(u, &t);
        if (r >= 0)
                r = remove_files(u, u->plan->remove);
        if (r < 0)
                return r;
        remove_directories(u, u->record.made);
        r = publish_flush(u->mount.device);
        return r < 0 ? failure_errno(u->reterr, r, "cannot flush the disk") : 0;
}

static bool nothing_to_do(const Update *u) {
        return u->plan->n_steps == 0 && !u->plan->remove && !u->plan->drop && !u->plan->without_misc;
}

static bool carries_nothing(const Update *u) {
        const HelperRecord *r = &u->record;
        return u->wanted.n == 0 && r->carried.n == 0 && r->previous.n == 0 && !r->ours && !r->made;
}

static int bring_up_to_date(Update *u) {
        int r = read_record(u);

        if (r >= 0)
                r = gather(u);
        if (r < 0)
                return r;
        if (carries_nothing(u))
                return write_final(u);
        r = privatemount_open(u->helper, &u->mount, u->reterr);
        if (r >= 0)
                r = sweep(u);
        if (r >= 0)
                r = look(u);
        if (r >= 0)
                r = make_plan(u);
        if (r >= 0 && u->plan->without_misc)
                log_send(LOG_WARNING,
                         &(LogFields){.helper = u->helper->device, .volume = u->u->context->root->name},
                         "%s: no room for the misc files, leaving them out", u->helper->device);
        if (r >= 0 && !nothing_to_do(u))
                r = apply(u);
        return r < 0 ? r : write_final(u);
}

int update_helper(const Updater *updater, const Helper *helper, UpdateResult *ret, char **reterr) {
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        _cleanup_(update_done) Update u = {
                .u = updater,
                .helper = helper,
                .stamps = -EBADF,
                .mount = PRIVATE_MOUNT_NULL,
                .result = ret,
                .reterr = reterr,
        };
        int r = freshness_of_helper(updater->context, helper, &f);

        *ret = (UpdateResult){};
        if (r < 0)
                return r;
        ret->fresh = f.difference == DIFFERENCE_NONE && !updater->force;
        return ret->fresh ? 0 : bring_up_to_date(&u);
}
