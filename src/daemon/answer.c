/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/answer.h"

#include <assert.h>
#include <inttypes.h>

#include "bootkeep.h"

/* The message: BEFORE subject BETWEEN detail AFTER. */
typedef struct Wording {
        const char *error, *before, *between, *after;
} Wording;

static const Wording wordings[_OUTCOME_MAX] = {
        [OUTCOME_UNKNOWN_FLAGS] = {SD_BUS_ERROR_INVALID_ARGS, "Unknown flags ", "", ""},
        [OUTCOME_NO_SUCH_VOLUME] = {BOOTKEEP_ERROR_NO_SUCH_VOLUME, "No such volume: ", "", ""},
        [OUTCOME_NO_UUID] = {SD_BUS_ERROR_INVALID_ARGS, "",
                             " has no file-system UUID that udev knows, so it cannot be enrolled", ""},
        [OUTCOME_NOT_ENROLLED] = {SD_BUS_ERROR_INVALID_ARGS, "", " is not enrolled", ""},
        [OUTCOME_TRUSTED_ALWAYS] = {SD_BUS_ERROR_INVALID_ARGS, "", " is trusted by RunningSystem=", ""},
        [OUTCOME_NOT_SAVED] = {SD_BUS_ERROR_FAILED, "Failed to save the enrolment of ", ": ", ""},
        [OUTCOME_NOT_RELOADED] = {SD_BUS_ERROR_FAILED, "Failed to read the configuration: ", "", ""},
        [OUTCOME_NO_HISTORY] = {SD_BUS_ERROR_FAILED, "Failed to read the history of ", ": ", ""},
        [OUTCOME_NO_SOURCES] = {SD_BUS_ERROR_FAILED, "Failed to list the sources of ", ": ", ""},
        [OUTCOME_CANNOT_WAIT] = {SD_BUS_ERROR_FAILED, "Failed to wait: ", "", ""},
        [OUTCOME_NOT_ROOT] = {SD_BUS_ERROR_ACCESS_DENIED, "LastChance is for root only", "", ""},
        [OUTCOME_NO_MEMORY] = {SD_BUS_ERROR_NO_MEMORY, "Out of memory", "", ""},
        [OUTCOME_LOCKED] = {BOOTKEEP_ERROR_BUSY, "", " is locked by ", ""},
        [OUTCOME_ALREADY_LOCKED] = {BOOTKEEP_ERROR_ALREADY_LOCKED, "You already hold the lock of ",
                                    ", or are waiting for it", ""},
        [OUTCOME_NOT_LOCKED] = {BOOTKEEP_ERROR_NOT_LOCKED, "", " is not locked", ""},
        [OUTCOME_NOT_HOLDER] = {BOOTKEEP_ERROR_NOT_HOLDER, "", " is locked by ", ", not by you"},
        [OUTCOME_ALREADY_REBOOT] = {BOOTKEEP_ERROR_ALREADY_LOCKED,
                                    "You already hold the reboot lock, or are waiting for it", "", ""},
        [OUTCOME_REBOOT_LOCKED] = {BOOTKEEP_ERROR_BUSY, "", " holds the reboot lock", ""},
        [OUTCOME_REBOOT_BUSY] = {BOOTKEEP_ERROR_BUSY, "", " is ", ""},
        [OUTCOME_REBOOT_SOON] = {BOOTKEEP_ERROR_REBOOT_IN_PROGRESS, "The system is about to go down", "", ""},
        [OUTCOME_GONE] = {BOOTKEEP_ERROR_NO_SUCH_VOLUME, "", " is gone", ""},
        [OUTCOME_HUNG] = {BOOTKEEP_ERROR_NOT_READY, "", " is not responding", ""},
        [OUTCOME_OWED] = {BOOTKEEP_ERROR_BUSY, "Work is owed on ", ": ", ""},
        [OUTCOME_NO_MANIFEST] = {BOOTKEEP_ERROR_BUILD_FAILED, "", " has no manifest", ""},
        [OUTCOME_REFUSED] = {BOOTKEEP_ERROR_BUILD_FAILED, "The manifest of ", " was refused: ", ""},
        [OUTCOME_UNTRUSTED] = {BOOTKEEP_ERROR_NOT_READY, "", " is not trusted", ""},
        [OUTCOME_BUILD_FAILED] = {BOOTKEEP_ERROR_BUILD_FAILED, "Building ", " failed: ", ""},
        [OUTCOME_NO_SUCH_COOKIE] = {SD_BUS_ERROR_INVALID_ARGS, "Nothing was begun with this cookie", "", ""},
        [OUTCOME_NOT_BEGUN] = {BOOTKEEP_ERROR_NOT_READY, "Nothing is begun on ", ": ", ""},
        [OUTCOME_NOT_TAKEN] = {BOOTKEEP_ERROR_NOT_READY, "Nothing counts as built on ", ": ", ""},
        [OUTCOME_BLOCKED] = {BOOTKEEP_ERROR_NOT_READY, "Nothing is built until this is corrected: ", "", ""},
};

void answer(BusCall *call, Outcome outcome, const char *subject, const char *detail) {
        assert(call);
        assert(outcome < _OUTCOME_MAX);
        const Wording *w = &wordings[outcome];
        if (outcome == OUTCOME_DONE) {
                bus_reply(call);
                return;
        }
        if (outcome == OUTCOME_SCANNED) {
                bus_reply_string(call, detail);
                return;
        }
        assert(w->error);
        bus_reply_error(call, w->error, "%s%s%s%s%s", w->before, strempty(subject), w->between,
                        strempty(detail), w->after);
}

bool answer_refuses_flags(BusCall *call, uint32_t flags, uint32_t known) {
        char text[sizeof("0x") + 8];
        if ((flags & ~known) == 0)
                return false;
        (void) snprintf(text, sizeof(text), "0x%" PRIx32, flags);
        answer(call, OUTCOME_UNKNOWN_FLAGS, NULL, text);
        return true;
}
