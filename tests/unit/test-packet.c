/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder/run/packet.h"

#include <sys/socket.h>

#include "fixture.h"

typedef struct Pair {
        int ends[2];
        Packet got;
} Pair;

static int setup(void **state) {
        Pair *p = calloc(1, sizeof(*p));
        assert_non_null(p);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->ends), 0);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        Pair *p = *state;
        closep(&p->ends[0]);
        closep(&p->ends[1]);
        free(p);
        return 0;
}

static void what_is_sent_is_received(void **state) {
        Pair *p = *state;
        const Packet sent = {.kind = PACKET_END, .number = -7, .text = "the reason"};
        assert_int_equal(packet_send(p->ends[0], &sent), 0);
        assert_int_equal(packet_send(p->ends[0], &(Packet){.kind = PACKET_LINE}), 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), 1);
        assert_int_equal(p->got.kind, PACKET_END);
        assert_int_equal(p->got.number, -7);
        assert_string_equal(p->got.text, "the reason");
        assert_int_equal(p->got.n_fds, 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), 1);
        assert_int_equal(p->got.kind, PACKET_LINE);
        assert_int_equal(p->got.number, 0);
        assert_string_equal(p->got.text, "");
}

static void descriptors_go_along(void **state) {
        Pair *p = *state;
        struct stat sent, received;
        const Packet packet = {.kind = PACKET_VOLUME, .fds = {0, p->ends[0], p->ends[1], 0}, .n_fds = 4};
        assert_int_equal(packet_send(p->ends[0], &packet), 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), 1);
        assert_int_equal(p->got.n_fds, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(fstat(packet.fds[i], &sent), 0);
                assert_int_equal(fstat(p->got.fds[i], &received), 0);
                assert_true(sent.st_ino == received.st_ino && sent.st_dev == received.st_dev);
                assert_int_equal(fcntl(p->got.fds[i], F_GETFD), FD_CLOEXEC);
        }
        int first = p->got.fds[0];
        packet_done(&p->got);
        assert_int_equal(fcntl(first, F_GETFD), -1);
        packet_done(&p->got); /* nothing is closed twice */
}

static void text_that_is_too_long_is_cut(void **state) {
        Pair *p = *state;
        Packet packet = {.kind = PACKET_LINE};
        memset(packet.text, 'x', sizeof(packet.text));
        assert_int_equal(packet_send(p->ends[0], &packet), 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), 1);
        assert_int_equal(strlen(p->got.text), PACKET_TEXT_MAX);
}

static void end_and_nothing_yet_are_no_packets(void **state) {
        Pair *p = *state;
        assert_int_equal(fcntl(p->ends[1], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), -EAGAIN);
        closep(&p->ends[0]);
        p->ends[0] = -EBADF;
        assert_int_equal(packet_receive(p->ends[1], &p->got), 0);
        assert_int_equal(packet_send(p->ends[1], &(Packet){.kind = PACKET_LINE}), -EPIPE);
        assert_int_equal(packet_receive(STDIN_FILENO, &p->got), -ENOTSOCK);
}

static void garbage_is_refused(void **state) {
        Pair *p = *state;
        static const char long_one[PACKET_TEXT_MAX + 100];
        assert_int_equal(send(p->ends[0], "12345", 5, 0), 5);
        assert_int_equal(packet_receive(p->ends[1], &p->got), -EBADMSG);
        assert_true(send(p->ends[0], long_one, sizeof(long_one), 0) > 0);
        assert_int_equal(packet_receive(p->ends[1], &p->got), -EBADMSG);
}

int main(void) {
#define packet_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                packet_test(what_is_sent_is_received),     packet_test(descriptors_go_along),
                packet_test(text_that_is_too_long_is_cut), packet_test(end_and_nothing_yet_are_no_packets),
                packet_test(garbage_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
