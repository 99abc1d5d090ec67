/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Staging may fail at any file and only has to be undone; the switch is short and is completed even when we
 * are told to stop: a machine that waits for us boots either set, but the new one is wanted. */

#include "builder/transaction/transfer.h"

#include "base/error.h"
#include "base/failure.h"
#include "builder/transaction/carry.h"
#include "builder/transaction/publish.h"

int transfer_init(Transfer *t) {
        assert(t->plan && t->mount && !t->staged);
        size_t n = t->plan->n_steps + 1;
        t->staged = calloc(n, sizeof(*t->staged));
        t->beside = calloc(n, sizeof(*t->beside));
        t->failed = calloc(n, sizeof(*t->failed));
        return t->staged && t->beside && t->failed ? 0 : error_origin(-ENOMEM);
}

void transfer_done(Transfer *t) {
        /* what was staged has been renamed or discarded */
        for (size_t i = t->staged && t->beside ? t->plan->n_steps : 0; i > 0; i--)
                assert(!t->staged[i - 1] && !t->beside[i - 1]);
        free(t->staged);
        free(t->beside);
        free(t->failed);
        *t = (Transfer){};
}

static int on_copied(uint64_t bytes, void *userdata) {
        Transfer *t = userdata;
        t->bytes += bytes;
        if (t->progress)
                progress_add(t->progress, bytes);
        return interrupt_check(t->interrupt) ? error_origin(-EINTR) : 0;
}

static int stage_file(Transfer *t, const HelperStep *s, char **ret_temporary, char **reterr) {
        const PublishWatcher watcher = {.copied = on_copied, .userdata = t};
        _cleanup_close_ int source = -EBADF;
        Fingerprint content;
        int r = carry_open(t->volume, s->source, &source);
        if (r < 0 && r != -EAGAIN)
                return failure_errno(reterr, r, "%s", s->source);
        if (r >= 0)
                r = publish_stage_file(t->mount->root, s->path, &(PublishSource){source, &watcher}, &content,
                                       ret_temporary);
        if (r < 0 && r != -EAGAIN)
                return failure_errno(reterr, r, "cannot write %s", s->path);
        if (r < 0 || !fingerprint_equal(&content, &s->content))
                return failure(reterr, -EAGAIN, "%s changed while it was copied", s->source);
        return 0;
}

static int stage_text(Transfer *t, const HelperStep *s, const char *path, char **ret_temporary,
                      char **reterr) {
        int r = publish_stage_text(t->mount->root, path, s->text, s->size, ret_temporary);
        return r < 0 ? failure_errno(reterr, r, "cannot write %s", path) : on_copied(s->size, t);
}

static int stage_step(Transfer *t, size_t i, char **reterr) {
        const HelperStep *s = &t->plan->steps[i];
        int r;
        switch (s->kind) {
        case STEP_ADOPT:
        case STEP_OVERWRITE:
                return 0;
        case STEP_RENAME:
                return s->text ? stage_text(t, s, s->path, &t->staged[i], reterr)
                               : stage_file(t, s, &t->staged[i], reterr);
        case STEP_BESIDE:
                r = stage_text(t, s, s->beside, &t->beside[i], reterr);
                return r < 0 ? r : stage_text(t, s, s->path, &t->staged[i], reterr);
        }
        assert(false);
        return error_origin(-EINVAL);
}

static void discard_temporary(Transfer *t, char **temporary) {
        if (!*temporary)
                return;
        (void) publish_remove(t->mount->root, *temporary);
        free(*temporary);
        *temporary = NULL;
}

/* The failure of a misc file is logged and has no other effect. */
static int forgive_misc(Transfer *t, size_t i, int r, char **reterr) {
        const HelperStep *s = &t->plan->steps[i];
        if (s->role != ROLE_MISC || r == -EINTR || r == -ENOMEM)
                return r;
        discard_temporary(t, &t->staged[i]);
        t->failed[i] = true;
        LogFields fields = t->fields;
        fields.path = s->path;
        log_send(LOG_WARNING, &fields, "%s: %s: left out", t->fields.helper,
                 *reterr ? *reterr : strerror(-r));
        free(*reterr);
        *reterr = NULL;
        return 0;
}

int transfer_stage(Transfer *t, char **reterr) {
        assert(t->staged && t->beside && t->failed);
        for (size_t i = 0; i < t->plan->n_steps; i++) {
                int r = interrupt_check(t->interrupt) ? error_origin(-EINTR) : stage_step(t, i, reterr);
                if (r < 0)
                        r = forgive_misc(t, i, r, reterr);
                if (r < 0)
                        return r;
        }
        return interrupt_check(t->interrupt) ? error_origin(-EINTR) : 0;
}

static int rename_staged(Transfer *t, char **temporary, const char *path) {
        assert(*temporary);
        int r = publish_rename(t->mount->root, *temporary, path);
        if (r < 0)
                return r;
        free(*temporary);
        *temporary = NULL;
        return 0;
}

/* The new entry exists under both names before the old one is removed. */
static int switch_beside(Transfer *t, size_t i) {
        const HelperStep *s = &t->plan->steps[i];
        int r = rename_staged(t, &t->beside[i], s->beside);
        if (r >= 0)
                r = rename_staged(t, &t->staged[i], s->path);
        return r < 0 ? r : publish_remove(t->mount->root, s->beside);
}

static int switch_step(Transfer *t, size_t i) {
        const HelperStep *s = &t->plan->steps[i];
        switch (s->kind) {
        case STEP_ADOPT:
                return publish_adopt(t->mount->root, s->path);
        case STEP_OVERWRITE:
                return publish_overwrite(t->mount->root, s->path, s->text);
        case STEP_RENAME:
                return rename_staged(t, &t->staged[i], s->path);
        case STEP_BESIDE:
                return switch_beside(t, i);
        }
        assert(false);
        return error_origin(-EINVAL);
}

static void log_foreign(const Transfer *t, const HelperStep *s) {
        LogFields fields = t->fields;
        if (!s->foreign)
                return;
        fields.path = s->path;
        log_send(LOG_NOTICE, &fields, "%s: %s was not written by bootkeep: replaced", t->fields.helper,
                 s->path);
}

/* A file that must keep its name depends on the disk's cache until that is flushed: no other write before
 * that. */
static bool wants_flush(const HelperStep *s) {
        return s->kind == STEP_RENAME && s->wanted && !wanted_file_is_named_by_content(s->wanted) &&
               (s->role == ROLE_REQUIRED || s->role == ROLE_BOOTER);
}

int transfer_switch(Transfer *t, char **reterr) {
        assert(t->staged && t->beside && t->failed);
        for (size_t i = 0; i < t->plan->n_steps; i++) {
                const HelperStep *s = &t->plan->steps[i];
                if (t->failed[i])
                        continue;
                int r = switch_step(t, i);
                if (r >= 0 && wants_flush(s))
                        r = publish_flush(t->mount->device);
                if (r < 0) {
                        (void) failure_errno(reterr, r, "cannot switch %s", s->path);
                        r = forgive_misc(t, i, r, reterr);
                        if (r < 0)
                                return r;
                        continue;
                }
                log_foreign(t, s);
        }
        return 0;
}

void transfer_discard(Transfer *t) {
        for (size_t i = 0; t->staged && t->beside && i < t->plan->n_steps; i++) {
                discard_temporary(t, &t->staged[i]);
                discard_temporary(t, &t->beside[i]);
        }
}
