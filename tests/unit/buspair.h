/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a bus with no daemon in between: calls made on one arrive at the other, and the replies are
 * kept in order of arrival. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#include "base/util.h"

#define CALLS_MAX 32

typedef struct BusPair BusPair;

typedef struct ExpectedReply {
        BusPair *pair;
        size_t number;
} ExpectedReply;

struct BusPair {
        sd_bus *client, *service;
        sd_bus_message *calls[CALLS_MAX]; /* as they arrived */
        size_t n_calls;
        ExpectedReply expected[CALLS_MAX];
        char *replies[CALLS_MAX]; /* "2: the words of the reply to the third call" */
        size_t n_replies, n_read;
};

static int on_call_arrived(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusPair *p = userdata;
        assert_true(p->n_calls < CALLS_MAX);
        p->calls[p->n_calls++] = sd_bus_message_ref(m);
        return 1;
}

/* Its error, its string, or its strings. */
static char *words_of_reply(sd_bus_message *m) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *signature = sd_bus_message_get_signature(m, true), *one = "done";
        _cleanup_strv_free_ char **all = NULL;
        char *text = NULL;
        if (streq(signature, "as"))
                assert_true(sd_bus_message_read_strv(m, &all) >= 0);
        else if (!e && streq(signature, "s"))
                assert_true(sd_bus_message_read(m, "s", &one) > 0);
        assert_int_equal(e     ? strprintf(&text, "%s: %s", e->name, e->message)
                         : all ? strprintf(&text, "%zu names, %s first", strv_length(all), all[0])
                               : strprintf(&text, "%s", one),
                         0);
        return text;
}

static int on_reply_arrived(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const ExpectedReply *expected = userdata;
        BusPair *p = expected->pair;
        _cleanup_free_ char *words = words_of_reply(m);
        assert_int_equal(strprintf(&p->replies[p->n_replies], "%zu: %s", expected->number, words), 0);
        p->n_replies++;
        return 1;
}

/* Moves all messages that are under way. */
static inline void bus_pair_process(BusPair *p) {
        for (int idle = 0; idle < 2;) {
                int r = sd_bus_process(p->client, NULL), q = sd_bus_process(p->service, NULL);
                assert_true(r >= 0 && q >= 0);
                idle = r > 0 || q > 0 ? 0 : idle + 1;
        }
}

static inline void bus_pair_init(BusPair *p) {
        int fds[2];
        *p = (BusPair){};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        assert_true(sd_bus_new(&p->service) >= 0 && sd_bus_new(&p->client) >= 0);
        assert_true(sd_bus_set_fd(p->service, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_set_server(p->service, true, SD_ID128_NULL) >= 0);
        assert_true(sd_bus_set_fd(p->client, fds[1], fds[1]) >= 0);
        assert_true(sd_bus_start(p->service) >= 0 && sd_bus_start(p->client) >= 0);
        assert_true(sd_bus_add_filter(p->service, NULL, on_call_arrived, p) >= 0);
        while (sd_bus_is_ready(p->client) <= 0 || sd_bus_is_ready(p->service) <= 0)
                bus_pair_process(p);
}

static inline void bus_pair_done(BusPair *p) {
        for (size_t i = 0; i < p->n_calls; i++)
                sd_bus_message_unref(p->calls[i]);
        for (size_t i = 0; i < p->n_replies; i++)
                free(p->replies[i]);
        sd_bus_close_unref(p->client);
        sd_bus_close_unref(p->service);
}

/* Makes another call; it is borrowed. */
static inline sd_bus_message *bus_pair_call(BusPair *p) {
        size_t number = p->n_calls;
        assert_true(number < CALLS_MAX);
        p->expected[number] = (ExpectedReply){p, number};
        assert_true(sd_bus_call_method_async(p->client, NULL, NULL, "/", "org.example", "Call",
                                             on_reply_arrived, &p->expected[number], "") >= 0);
        bus_pair_process(p);
        assert_int_equal(p->n_calls, number + 1);
        return p->calls[number];
}

/* The next reply; borrowed. */
static inline const char *bus_pair_reply(BusPair *p) {
        bus_pair_process(p);
        return p->n_read < p->n_replies ? p->replies[p->n_read++] : "none";
}
