/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/transaction/recorder.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/failure.h"
#include "freshness/recordlines.h"
#include "tree/contain.h"

void recorder_done(Recorder *recorder) {
        closep(&recorder->stamps);
        free(recorder->name);
        *recorder = RECORDER_NULL;
}

int recorder_open(Recorder *recorder, int state, const Helper *helper, char **reterr) {
        assert(recorder->stamps < 0 && !recorder->name);
        int r = contain_open_nolinks(state, "/helpers", O_RDONLY | O_DIRECTORY, 0, &recorder->stamps);
        if (r >= 0)
                r = stamp_name(helper->partuuid, NULL, &recorder->name);
        return r < 0 ? failure_errno(reterr, r, "cannot open the stamps") : 0;
}

/* There is no usable stamp. */
static bool is_no_record(int r) {
        return r == -ENOENT || r == -EBADMSG;
}

int recorder_read(const Recorder *recorder, const Helper *helper, HelperRecord *ret, char **reterr) {
        assert(recorder->stamps >= 0 && recorder->name && helper && ret);
        _cleanup_(stamp_freep) Stamp *stamp = NULL;
        _cleanup_(helper_record_done) HelperRecord record = HELPER_RECORD_NULL;
        int r = stamp_read(recorder->stamps, recorder->name, NULL, &stamp);
        if (r >= 0)
                r = record_lines_read(stamp, &record);
        if (r < 0 && !is_no_record(r))
                return failure_errno(reterr, r, "cannot read its stamp");
        if (!streq_ptr(record.filesystem, helper->fs_uuid))
                helper_record_done(&record);
        if (free_and_strdup(&record.filesystem, helper->fs_uuid) < 0)
                return error_origin(-ENOMEM);
        *ret = record;
        record = HELPER_RECORD_NULL;
        return 0;
}

int recorder_write(const Recorder *recorder, const HelperRecord *record, Stamp *stamp, char **reterr) {
        assert(recorder->stamps >= 0 && recorder->name && record && stamp);
        int r = record_lines_add(record, stamp);
        if (r >= 0)
                r = stamp_write(recorder->stamps, recorder->name, stamp);
        if (r == -EFBIG)
                return failure(reterr, r, "has too many files: their record would be larger than %u MiB",
                               STAMP_SIZE_MAX / 1024 / 1024);
        return r < 0 ? failure_errno(reterr, r, "cannot write its stamp") : 0;
}
