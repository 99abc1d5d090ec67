/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of it. Our record of what is ours on the helper is written before the first write there, as an
 * intent, and again after the last: so a file of ours is never taken for a stranger's, whatever happens
 * in between. The fingerprint is taken before anything is read and recorded only at the very end. */

#include "builder/transaction/update.h"

#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/carry.h"
#include "builder/transaction/decision.h"
#include "builder/transaction/directories.h"
#include "builder/transaction/naming.h"
#include "builder/transaction/nextrecord.h"
#include "builder/transaction/publish.h"
#include "builder/transaction/recorder.h"
#include "builder/transaction/transfer.h"
#include "helper/privatemount.h"

typedef struct Update {
        const Updater *updater;
        const Helper *helper;
        Recorder recorder;
        Stamp *stamp;        /* what is recorded at the end */
        HelperRecord record; /* of the last build */
        Claim claim;         /* of RECORD, once the helper was examined */
        WantedSet wanted;
        SeenSet entries, left;
        HelperView *views;
        PrivateMount mount;
        HelperPlan *plan;
        char **directories;    /* strv: to be created */
        StrvBuilder unremoved; /* should have been removed and still exists */
        bool *failed;          /* for each wanted file */
        bool switched;         /* the switch has begun */
        UpdateResult *result;
        char **reterr;
} Update;

static void update_done(Update *u) {
        recorder_done(&u->recorder);
        (void) stamp_free(u->stamp);
        claim_done(&u->claim);
        helper_record_done(&u->record);
        wanted_set_done(&u->wanted);
        seen_set_done(&u->entries);
        seen_set_done(&u->left);
        free(u->views);
        privatemount_done(&u->mount);
        (void) helper_plan_free(u->plan);
        (void) strv_free(u->directories);
        strv_builder_done(&u->unremoved);
        free(u->failed);
}

static LogFields update_fields(const Update *u) {
        return (LogFields){.volume = u->updater->context->root->name, .helper = u->helper->device};
}

/* ---- what is known, and what is wanted ---- */

static int read_record(Update *u) {
        int r = recorder_open(&u->recorder, u->updater->context->root->state_fd, u->helper, u->reterr);
        return r < 0 ? r : recorder_read(&u->recorder, u->helper, &u->record, u->reterr);
}

static int gather_wanted(Update *u) {
        const FreshnessContext *c = u->updater->context;
        _cleanup_free_ char *missing = NULL, *why = NULL;
        const Carry carry = {
                .context = c,
                .helper = u->helper,
                .record = &u->record,
                .read_all = u->updater->force,
                .interrupt = u->updater->interrupt,
        };
        int r = freshness_stamp_helper(c, u->helper, &u->stamp, &missing);
        if (missing)
                return reason_describe_error(missing, r, &why) < 0 ? error_origin(-ENOMEM)
                                                                   : failure(u->reterr, r, "%s", why);
        if (r >= 0)
                r = carry_gather(&carry, &u->wanted, u->reterr);
        return r < 0 ? r : naming_apply(&u->wanted, &u->record.carried, u->reterr);
}

/* ---- what is there, and what is to be done ---- */

/* What is gone is no longer ours: or failures in a row, each with another set, would let the record grow. */
static int forget_gone(Update *u) {
        _cleanup_(strv_builder_done) StrvBuilder files = {}, directories = {};
        _cleanup_strv_free_ char **ours = NULL, **made = NULL;
        int r = directories_standing(u->mount.root, u->record.made, &directories);
        for (size_t i = 0; r >= 0 && i < u->left.n; i++)
                r = strv_builder_extend(&files, u->left.items[i].path);
        if (r >= 0)
                r = strv_builder_finish(&files, &ours);
        if (r >= 0)
                r = strv_builder_finish(&directories, &made);
        if (r < 0)
                return r;
        (void) strv_free(u->record.ours);
        (void) strv_free(u->record.made);
        u->record.ours = TAKE_PTR(ours);
        u->record.made = TAKE_PTR(made);
        return 0;
}

static int look_at_helper(Update *u) {
        const Look look = {
                .root = u->mount.root,
                .record = &u->record,
                .read_all = u->updater->force,
                .interrupt = u->updater->interrupt,
                .progress = u->updater->progress,
        };
        int r = look_at_wanted(&look, &u->wanted, &u->views, u->reterr);
        if (r >= 0)
                r = look_at_entries(&look, &u->entries);
        if (r >= 0)
                r = look_at_kept(look.root, &u->record);
        if (r >= 0)
                r = look_at_ours(&look, &u->wanted, &u->left);
        if (r >= 0)
                r = forget_gone(u);
        if (r >= 0)
                r = directories_missing(look.root, &u->wanted, u->views, &u->directories, u->reterr);
        return r < 0 ? r : claim_init(&u->claim, &u->record);
}

static int make_plan(Update *u) {
        const Updater *updater = u->updater;
        HelperPlanInput in = {
                .wanted = &u->wanted,
                .views = u->views,
                .record = &u->record,
                .claim = &u->claim,
                .entries = &u->entries,
                .left = &u->left,
                .boot_id = updater->boot_id,
                .cmdline = updater->cmdline,
                .running = updater->running,
                .force = updater->force,
                .n_directories = (unsigned) strv_length(u->directories),
        };
        int r = look_at_space(u->mount.root, &in.block_size, &in.available);
        if (r < 0)
                return failure_errno(u->reterr, r, "cannot determine its free space");
        r = decision_make(&in, &u->plan, u->reterr);
        if (r >= 0 && u->plan->without_misc) {
                LogFields fields = update_fields(u);
                log_send(LOG_WARNING, &fields, "%s: no room for the misc files, leaving them out",
                         u->helper->device);
        }
        return r;
}

/* ---- records ---- */

static int write_intent(Update *u) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        _cleanup_(helper_record_done) HelperRecord intent = HELPER_RECORD_NULL;
        if (!stamp)
                return error_origin(-ENOMEM);
        int r = next_record_intent(&u->record, u->plan, u->directories, &intent);
        return r < 0 ? r : recorder_write(&u->recorder, &intent, stamp, u->reterr);
}

/* Everything is as before, so the record is written again as it was, except for the fingerprint. If it cannot
 * be written, the intent stays, which only costs reading. */
static void write_unchanged(Update *u) {
        _cleanup_(stamp_freep) Stamp *stamp = stamp_new();
        if (stamp)
                (void) recorder_write(&u->recorder, &u->record, stamp, NULL);
}

static int list_made(Update *u, char ***ret) {
        _cleanup_(strv_builder_done) StrvBuilder made = {};
        int r = directories_standing(u->mount.root, u->record.made, &made);
        if (r >= 0)
                r = directories_standing(u->mount.root, u->directories, &made);
        return r < 0 ? r : strv_builder_finish(&made, ret);
}

static int write_final(Update *u) {
        static const KeptSet nothing = {};
        _cleanup_(helper_record_done) HelperRecord final = HELPER_RECORD_NULL;
        _cleanup_strv_free_ char **made = NULL, **unremoved = NULL;
        int r = u->mount.root >= 0 ? list_made(u, &made) : 0;
        if (r >= 0)
                r = strv_builder_finish(&u->unremoved, &unremoved);
        if (r < 0)
                return r;
        const Outcome outcome = {
                .wanted = &u->wanted,
                .views = u->views,
                .old = &u->record,
                .claim = &u->claim,
                .kept = u->plan ? &u->plan->kept : &nothing,
                .failed = u->failed,
                .unremoved = unremoved,
                .made = made,
                .boot_id = u->updater->boot_id,
        };
        r = next_record_final(&outcome, &final);
        return r < 0 ? r : recorder_write(&u->recorder, &final, u->stamp, u->reterr);
}

/* ---- doing it ---- */

static int remove_file(Update *u, const char *path) {
        int r = publish_remove(u->mount.root, path);
        if (r >= 0) {
                u->result->removed++;
                return 0;
        }
        LogFields fields = update_fields(u);
        fields.path = path;
        (void) log_send_errno(LOG_WARNING, &fields, r, "%s: cannot remove %s", u->helper->device, path);
        return strv_builder_extend(&u->unremoved, path);
}

static int remove_files(Update *u, char *const *paths) {
        for (; paths && *paths; paths++) {
                if (remove_file(u, *paths) < 0)
                        return error_origin(-ENOMEM);
                if (u->updater->progress)
                        progress_beat(u->updater->progress);
        }
        return 0;
}

static int remove_dropped(Update *u) {
        size_t n = strv_length(u->plan->drop);
        LogFields fields = update_fields(u);
        if (n == 0)
                return 0;
        log_send(LOG_NOTICE, &fields, "%s: first removing what is in the way of the new set: %zu %s",
                 u->helper->device, n, n == 1 ? "file" : "files");
        int r = remove_files(u, u->plan->drop);
        if (r >= 0)
                directories_remove(u->mount.root, u->record.made);
        return r;
}

/* A failure before the switch leaves the helper unchanged. */
static void undo_staging(Update *u, Transfer *t) {
        transfer_discard(t);
        directories_remove(u->mount.root, u->directories);
        write_unchanged(u);
}

static void count_steps(Update *u, const Transfer *t) {
        for (size_t i = 0; i < u->plan->n_steps; i++) {
                const HelperStep *s = &u->plan->steps[i];
                if (t->failed[i] || s->kind == STEP_ADOPT)
                        continue;
                if (s->role == ROLE_ENTRY)
                        u->result->switched++;
                else
                        u->result->written++;
        }
}

/* Misc files that could not be written, or for which there was no room. */
static int note_failed(Update *u, const Transfer *t) {
        assert(!u->failed);
        u->failed = calloc(u->wanted.n + 1, sizeof(*u->failed));
        if (!u->failed)
                return error_origin(-ENOMEM);
        for (size_t i = 0; i < u->wanted.n; i++)
                u->failed[i] = u->plan->without_misc && u->wanted.items[i].role == ROLE_MISC &&
                               !helper_view_is_equal(&u->views[i]);
        for (size_t i = 0; i < u->plan->n_steps; i++)
                if (t->failed[i]) {
                        assert(u->plan->steps[i].wanted);
                        u->failed[u->plan->steps[i].wanted - u->wanted.items] = true;
                }
        return 0;
}

static int transfer_files(Update *u, Transfer *t) {
        int r = transfer_init(t);
        if (r >= 0)
                r = remove_dropped(u);
        if (r >= 0)
                r = transfer_stage(t, u->reterr);
        if (r < 0) {
                undo_staging(u, t);
                return r;
        }
        between_tell(u->updater->between, true);
        u->switched = true;
        r = transfer_switch(t, u->reterr);
        if (r < 0) {
                transfer_discard(t);
                return r;
        }
        count_steps(u, t);
        return note_failed(u, t);
}

/* What was written is durable once the disk is flushed. */
static int transfer_and_flush(Update *u, Transfer *t) {
        int r = transfer_files(u, t);
        u->result->bytes = t->bytes;
        if (r >= 0)
                r = remove_files(u, u->plan->remove);
        if (r < 0)
                return r;
        directories_remove(u->mount.root, u->record.made);
        r = publish_flush(u->mount.device);
        return r < 0 ? failure_errno(u->reterr, r, "cannot flush the disk") : 0;
}

static int apply_plan(Update *u) {
        _cleanup_(transfer_done) Transfer t = {
                .plan = u->plan,
                .mount = &u->mount,
                .volume = u->updater->context->root->fd,
                .interrupt = u->updater->interrupt,
                .progress = u->updater->progress,
                .fields = update_fields(u),
        };
        int r = write_intent(u);
        if (r < 0)
                return r;
        if (u->updater->progress)
                progress_expect(u->updater->progress, u->plan->bytes);
        r = transfer_and_flush(u, &t);
        if (u->switched)
                between_tell(u->updater->between, false);
        return r;
}

static bool carries_nothing(const Update *u) {
        const HelperRecord *record = &u->record;
        return u->wanted.n == 0 && record->carried.n == 0 && record->kept.n == 0 && !record->ours &&
               !record->made;
}

static int bring_up_to_date(Update *u) {
        int r = read_record(u);
        if (r >= 0)
                r = gather_wanted(u);
        if (r < 0)
                return r;
        if (carries_nothing(u))
                return write_final(u);
        r = privatemount_open(u->helper, &u->mount, u->reterr);
        if (r >= 0)
                r = directories_sweep(u->mount.root, &u->record, &u->wanted, u->updater->progress, u->reterr);
        if (r >= 0)
                r = look_at_helper(u);
        if (r >= 0)
                r = make_plan(u);
        if (r >= 0 && !helper_plan_is_empty(u->plan))
                r = apply_plan(u);
        return r < 0 ? r : write_final(u);
}

int update_helper(const Updater *updater, const Helper *helper, UpdateResult *ret, char **reterr) {
        assert(updater->context && updater->boot_id && updater->cmdline && ret);
        _cleanup_(freshness_done) Freshness f = FRESHNESS_NULL;
        _cleanup_(update_done) Update u = {
                .updater = updater,
                .helper = helper,
                .recorder = RECORDER_NULL,
                .mount = PRIVATE_MOUNT_NULL,
                .result = ret,
                .reterr = reterr,
        };
        *ret = (UpdateResult){};
        int r = freshness_of_helper(updater->context, helper, &f);
        if (r < 0)
                return r;
        ret->fresh = f.difference == DIFFERENCE_NONE && !updater->force;
        return ret->fresh ? 0 : bring_up_to_date(&u);
}
