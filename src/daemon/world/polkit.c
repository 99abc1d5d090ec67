/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/world/polkit.h"

#include <sys/queue.h>

#include "base/error.h"

#define ACTION "org.bootkeep1.manage"
/* A person may need this long to find the password. */
#define ANSWER_USEC (5 * 60 * USEC_PER_SEC)

typedef struct Question {
        Polkit *polkit;
        sd_bus_message *call;
        sd_bus_slot *slot;
        PolkitAnswer answer;
        TAILQ_ENTRY(Question) all;
} Question;

/* They are kept here and not in their slots: a slot belongs to the bus, and the call in it would keep the bus
 * alive. */
struct Polkit {
        TAILQ_HEAD(QuestionList, Question) questions;
};

int polkit_new(Polkit **ret) {
        Polkit *p = calloc(1, sizeof(*p));
        if (!p)
                return error_origin(-ENOMEM);
        TAILQ_INIT(&p->questions);
        *ret = p;
        return 0;
}

static void question_free(Question *q) {
        TAILQ_REMOVE(&q->polkit->questions, q, all);
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->call);
        free(q);
}

void polkit_clear(Polkit *p) {
        while (!TAILQ_EMPTY(&p->questions))
                question_free(TAILQ_FIRST(&p->questions));
}

Polkit *polkit_free(Polkit *p) {
        if (p)
                polkit_clear(p);
        free(p);
        return NULL;
}

static int on_polkit_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Question *q = userdata;
        int authorised = 0, challenge;
        if (!sd_bus_message_is_method_error(m, NULL) &&
            (sd_bus_message_enter_container(m, 'r', "bba{ss}") < 0 ||
             sd_bus_message_read(m, "bb", &authorised, &challenge) < 0))
                authorised = 0;
        q->answer.answer(q->answer.userdata, q->call, authorised);
        question_free(q);
        return 1;
}

static int question_send(Question *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = sd_bus_message_get_bus(q->call);
        bool interactive = sd_bus_message_get_allow_interactive_authorization(q->call) > 0;
        int r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(q->call), ACTION);
        if (r >= 0) /* no details; may it ask a person; not to be cancelled */
                r = sd_bus_message_append(m, "a{ss}us", 0, interactive ? 1U : 0U, "");
        return r < 0 ? r : sd_bus_call_async(bus, &q->slot, m, on_polkit_answer, q, ANSWER_USEC);
}

int polkit_ask(Polkit *p, sd_bus_message *call, PolkitAnswer answer) {
        assert(p && call && answer.answer);
        Question *q = calloc(1, sizeof(*q));
        if (!q)
                return error_origin(-ENOMEM);
        *q = (Question){.polkit = p, .call = sd_bus_message_ref(call), .answer = answer};
        TAILQ_INSERT_TAIL(&p->questions, q, all);
        int r = question_send(q);
        if (r < 0)
                question_free(q);
        return r;
}
