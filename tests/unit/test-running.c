/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/running.h"

#include "children.h"

/* One child, and what its handlers received. */
typedef struct World {
        sd_event *event;
        Running running;
        char *problem;
        unsigned outputs, ends;
        bool reads; /* while it runs */
        bool end_first;
        int last_read, status;
} World;

static int on_output(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        World *w = userdata;
        w->outputs++;
        w->last_read = running_read(&w->running);
        return 0;
}

static int on_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        World *w = userdata;
        w->ends++;
        w->end_first = w->outputs == 0;
        w->status = running_conclude(&w->running, "the-program", &w->problem);
        w->running.exit = sd_event_source_disable_unref(w->running.exit);
        return 0;
}

static void listen_to(World *w, const char *script) {
        const RunningHandlers handlers = {on_output, on_end, w};
        assert_true(running_listen(&w->running, w->event, sh(script), &handlers) >= 0);
}

static World *world_new(const char *script) {
        World *w = calloc(1, sizeof(*w));
        assert_non_null(w);
        assert_true(sd_event_new(&w->event) >= 0);
        listen_to(w, script);
        return w;
}

static void world_free(World **w) {
        running_done(&(*w)->running);
        sd_event_unref((*w)->event);
        free((*w)->problem);
        free(*w);
}
#define _world_ _cleanup_(world_free)

/* Runs SCRIPT to its end; returns what it was concluded to be. */
static int conclude(const char *script, char **ret_problem) {
        _world_ World *w = world_new(script);
        run_until(w->event, w->ends > 0);
        assert_no_children();
        *ret_problem = TAKE_PTR(w->problem);
        return w->status;
}

static void end_of_each_kind_says_why(void **state) {
        static const struct {
                const char *script;
                int status;
                const char *problem;
        } ends[] = {
                {"echo RESULT fresh", 0, NULL},
                {"exit 1", 1, "the-program exited with status 1"},
                {"exit 128", 128, "the-program exited with status 128"},
                {"kill -KILL $$", 128 + SIGKILL, "the-program was terminated by signal 9 (Killed)"},
                {"kill -HUP $$", 128 + SIGHUP, "the-program was terminated by signal 1 (Hangup)"},
                {"echo REASON no room", 0, "no room"},
                {"echo REASON no room; exit 3", 3, "no room"},
                {"echo REASON no room; kill -KILL $$", 128 + SIGKILL, "no room"},
                {"echo nonsense", -EBADMSG, "the-program: Bad message"},
                {"echo nonsense; exit 3", -EBADMSG, "the-program: Bad message"},
                {"echo REASON no room; echo nonsense", -EBADMSG, "no room"},
                {"echo nonsense; kill -KILL $$", -EBADMSG, "the-program: Bad message"},
                {"head -c 70000 /dev/zero | tr '\\0' x; echo", -EBADMSG, "the-program: Bad message"},
        };
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                _cleanup_free_ char *problem = NULL;
                assert_int_equal(conclude(ends[i].script, &problem), ends[i].status);
                assert_string_equal(strempty(problem), strempty(ends[i].problem));
        }
}

static void output_is_read_while_it_runs_and_its_end_is_known(void **state) {
        _world_ World *w = world_new("echo MANIFEST /a; exec >&-; exec sleep 1000");
        run_until(w->event, w->last_read != 0);
        assert_int_equal(w->last_read, 1);
        assert_null(w->running.output); /* or it would wake us without end */
        assert_int_equal(w->ends, 0);
        assert_string_equal(w->running.report->manifest, "/a");
        assert_int_equal(job_kill(w->running.job, SIGKILL), 0);
        run_until(w->event, w->ends > 0);
        assert_int_equal(w->status, 128 + SIGKILL);
}

static void what_was_printed_so_far_is_known_while_it_runs(void **state) {
        _world_ World *w = world_new("echo MANIFEST /a; exec sleep 1000");
        run_until(w->event, w->outputs > 0);
        assert_int_equal(w->last_read, 0);
        assert_non_null(w->running.output);
        assert_string_equal(w->running.report->manifest, "/a");
        assert_false(w->running.garbled);
        assert_int_equal(job_kill(w->running.job, SIGKILL), 0);
        run_until(w->event, w->ends > 0);
}

static void after_a_line_that_is_no_record_nothing_counts(void **state) {
        _world_ World *w = world_new("echo MANIFEST /a; echo nonsense; echo MANIFEST /b; exec sleep 1000");
        run_until(w->event, w->running.garbled);
        assert_string_equal(w->running.report->manifest, "/a");
        assert_int_equal(job_kill(w->running.job, SIGKILL), 0);
        run_until(w->event, w->ends > 0);
        assert_int_equal(w->status, -EBADMSG);
}

static void line_that_is_too_long_is_known_at_once(void **state) {
        _world_ World *w = world_new("head -c 70000 /dev/zero; exec sleep 1000");
        run_until(w->event, w->running.garbled);
        assert_int_equal(job_kill(w->running.job, SIGKILL), 0);
        run_until(w->event, w->ends > 0);
}

/* As many as 2^20, and no more. */
static void lines_have_a_limit(void **state) {
        for (unsigned more = 0; more <= 1; more++) {
                _world_ World *w =
                        world_new(more ? "echo MANIFEST /a; echo MANIFEST /b" : "echo MANIFEST /a");
                w->running.lines = (1U << 20) - 1;
                run_until(w->event, w->ends > 0);
                assert_int_equal(w->status, more ? -EBADMSG : 0);
                assert_string_equal(w->running.report->manifest, "/a");
        }
}

/* One that prints without end must hold up neither its own end nor the others. */
static void end_comes_before_what_is_left_to_read(void **state) {
        _world_ World *w = world_new("echo MANIFEST /a");
        int64_t output = 0, end = 0;
        await_readable(job_get_process_fd(w->running.job));
        await_readable(job_get_output_fd(w->running.job));
        assert_true(sd_event_source_get_priority(w->running.output, &output) >= 0);
        assert_true(sd_event_source_get_priority(w->running.exit, &end) >= 0);
        assert_int_equal(output, SD_EVENT_PRIORITY_IDLE + 10);
        assert_int_equal(end, SD_EVENT_PRIORITY_NORMAL + 10);
        run_until(w->event, w->ends > 0);
        assert_true(w->end_first);
        assert_string_equal(w->running.report->manifest, "/a");
        assert_int_equal(w->status, 0);
}

static void after_one_child_there_is_room_for_another(void **state) {
        _world_ World *w = world_new("echo nonsense");
        run_until(w->event, w->ends > 0);
        running_done(&w->running);
        assert_null(w->running.job);
        assert_null(w->running.output);
        assert_null(w->running.exit);
        assert_null(w->running.report);
        assert_int_equal(w->running.lines, 0);
        assert_false(w->running.garbled);
        listen_to(w, "echo MANIFEST /b");
        run_until(w->event, w->ends > 1);
        assert_int_equal(w->status, 0);
        assert_string_equal(w->running.report->manifest, "/b");
        running_done(&w->running);
        running_done(&w->running); /* nothing is left to be done */
}

static void a_child_that_cannot_be_listened_to_is_killed(void **state) {
        const RunningHandlers handlers = {on_output, on_end, NULL};
        Running running = {};
        sd_event *event = NULL;
        Job *j = sh("exec sleep 1000");
        int end = fcntl(job_get_process_fd(j), F_DUPFD_CLOEXEC, 3), before = job_get_output_fd(j);
        assert_true(sd_event_new(&event) >= 0);
        /* a file that cannot be polled in the place of its output */
        int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0 && dup3(file, before, O_CLOEXEC) >= 0);
        close(file);
        assert_int_equal(running_listen(&running, event, j, &handlers), -EPERM);
        assert_null(running.job);
        assert_null(running.output);
        assert_null(running.report);
        await_readable(end);
        close(end);
        sd_event_unref(event);
        assert_true(waitpid(-1, NULL, 0) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(end_of_each_kind_says_why),
                cmocka_unit_test(output_is_read_while_it_runs_and_its_end_is_known),
                cmocka_unit_test(what_was_printed_so_far_is_known_while_it_runs),
                cmocka_unit_test(after_a_line_that_is_no_record_nothing_counts),
                cmocka_unit_test(line_that_is_too_long_is_known_at_once),
                cmocka_unit_test(lines_have_a_limit),
                cmocka_unit_test(end_comes_before_what_is_left_to_read),
                cmocka_unit_test(after_one_child_there_is_room_for_another),
                cmocka_unit_test(a_child_that_cannot_be_listened_to_is_killed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
