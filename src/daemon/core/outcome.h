/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a call of a D-Bus client ends; answer.c has the error and the words of each. */

typedef enum Outcome {
        OUTCOME_DONE,
        OUTCOME_SCANNED, /* DETAIL: the state that the scan found */
        /* the request is not possible */
        OUTCOME_UNKNOWN_FLAGS,  /* DETAIL: which */
        OUTCOME_NO_SUCH_VOLUME, /* SUBJECT: the argument; in all that follow: the name of the volume */
        OUTCOME_NO_UUID,        /* it cannot be enrolled */
        OUTCOME_NOT_ENROLLED,   /* DETAIL: why it is trusted nevertheless, or "" */
        OUTCOME_TRUSTED_ALWAYS, /* it cannot be distrusted */
        OUTCOME_NOT_SAVED,      /* DETAIL: why, as in all that follow */
        OUTCOME_NOT_RELOADED,   /* no SUBJECT */
        OUTCOME_NO_HISTORY,
        OUTCOME_NO_SOURCES,
        OUTCOME_CANNOT_WAIT, /* no SUBJECT */
        OUTCOME_NOT_ROOT,    /* neither SUBJECT nor DETAIL, as is the next */
        OUTCOME_NO_MEMORY,   /* neither SUBJECT nor DETAIL */
        /* locks */
        OUTCOME_LOCKED,         /* DETAIL: by which client */
        OUTCOME_ALREADY_LOCKED, /* by the caller */
        OUTCOME_NOT_LOCKED,
        OUTCOME_NOT_HOLDER,     /* DETAIL: which client is */
        OUTCOME_ALREADY_REBOOT, /* the caller holds or waits for the reboot lock; neither SUBJECT nor DETAIL
                                 */
        OUTCOME_REBOOT_LOCKED,  /* SUBJECT: the client that holds it */
        OUTCOME_REBOOT_BUSY,    /* DETAIL: in what state the volume is */
        OUTCOME_REBOOT_SOON,    /* neither */
        /* what is waited for does not happen */
        OUTCOME_GONE,
        OUTCOME_HUNG,
        OUTCOME_OWED,
        OUTCOME_NO_MANIFEST,
        OUTCOME_REFUSED,
        OUTCOME_UNTRUSTED,
        OUTCOME_BUILD_FAILED,
        OUTCOME_NO_SUCH_COOKIE, /* neither */
        OUTCOME_NOT_BEGUN,      /* nothing is recorded of what somebody else builds */
        OUTCOME_NOT_TAKEN,      /* what somebody else built does not count */
        OUTCOME_BLOCKED,        /* no SUBJECT: nothing can be built */
        _OUTCOME_MAX,
} Outcome;
