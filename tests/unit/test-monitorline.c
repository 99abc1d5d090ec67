/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What `bootkeepctl monitor` prints about changes, and that it prints nothing about what did not change. */

#include "ctl/monitorline.h"

#include "fixture.h"

typedef struct Printed {
        Capture capture;
        int saved;
} Printed;

static Printed printed_begin(void) {
        (void) fflush(stdout);
        Printed p = {.capture = capture_begin(), .saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
        assert_true(dup2(STDERR_FILENO, STDOUT_FILENO) >= 0);
        return p;
}

/* All lines that were flushed, without the time that each begins with; in JSON "N" is in its place. */
static char *printed_end(Printed *p) {
        static const char moment[] = "2026-08-22 10:11:12", key[] = "{\"time\":";
        assert_true(dup2(p->saved, STDOUT_FILENO) >= 0);
        close(p->saved);
        _cleanup_free_ char *text = capture_end(&p->capture);
        char *shown = calloc(1, strlen(text) + 1), *to = shown;
        assert_non_null(shown);
        for (const char *line = text; *line;) {
                size_t n = strcspn(line, "\n") + 1;
                const char *rest = startswith(line, key);
                if (rest) {
                        assert_true(*rest >= '1' && *rest <= '9');
                        to = stpcpy(to, "{\"time\":N");
                        rest += strspn(rest, "0123456789");
                } else {
                        assert_true(line[4] == '-' && line[13] == ':');
                        rest = line + strlen(moment);
                }
                to = mempcpy(to, rest, n - (size_t) (rest - line));
                line += n;
        }
        return shown;
}

static VolumeInfo *volume(void) {
        VolumeInfo *v = volume_info_new("/x");
        assert_non_null(v);
        const struct {
                char **field;
                const char *value;
        } fields[] = {{&v->name, "sda2"},
                      {&v->state, "fresh"},
                      {&v->mount_point, "/"},
                      {&v->fs_type, "ext4"},
                      {&v->device, "/dev/sda2"}};
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                assert_true(free_and_strdup(fields[i].field, fields[i].value) >= 0);
        v->trusted = true;
        return v;
}

static void set(char **field, const char *value) {
        assert_true(free_and_strdup(field, value) >= 0);
}

static void add_cache(VolumeInfo *v, const char *name, const char *instance, const char *reason) {
        assert_int_equal(grow(v->caches, v->n_caches), 0);
        v->caches[v->n_caches++] = (VolumeInfoCache){.name = strdup(name),
                                                     .instance = strdup(instance),
                                                     .reason = strdup(strempty(reason)),
                                                     .fresh = !reason};
}

static void add_helper(VolumeInfo *v, const char *device, const char *type, const char *reason) {
        assert_int_equal(grow(v->helpers, v->n_helpers), 0);
        v->helpers[v->n_helpers++] = (VolumeInfoHelper){.device = strdup(device),
                                                        .type = strdup(type),
                                                        .partuuid = strdup(""),
                                                        .reason = strdup(strempty(reason)),
                                                        .fresh = !reason};
}

static const Ctl plain = {.json = JSON_OFF}, colored = {.json = JSON_OFF, .colors = true},
                 json = {.json = JSON_SHORT};

static void changes(const Ctl *ctl, const VolumeInfo *before, const VolumeInfo *now, const char *expected) {
        Printed p = printed_begin();
        monitor_line_changes(ctl, before, now);
        _cleanup_free_ char *text = printed_end(&p);
        assert_string_equal(text, expected);
}

static void unchanged_items_print_nothing(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume();
        add_cache(v, "initramfs", "6.1", "changed");
        add_cache(v, "depmod", "", NULL);
        add_helper(v, "sda1", "esp", "gone");
        changes(&plain, v, v, "");
        changes(&json, v, v, "");
        _cleanup_(volume_info_freep) VolumeInfo *other = volume_info_copy(v);
        set(&other->mount_point, "/mnt");
        other->failures = 3;
        other->busy = true;
        changes(&plain, v, other, "");
}

static void a_new_state_is_printed_with_its_reason(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        set(&now->state, "stale");
        set(&now->reason, "held");
        changes(&plain, before, now, "  sda2  stale: held\n");
        changes(&plain, now, before, "  sda2  fresh\n");
        changes(&colored, before, now, "  sda2  \033[33mstale\033[0m: held\n");
        changes(&json, before, now,
                "{\"time\":N,\"event\":\"state\",\"volume\":\"sda2\",\"state\":\"stale\",\"reason\":\"held\","
                "\"before\":\"fresh\"}\n");
        set(&before->state, "stale");
        changes(&plain, before, now, "  sda2  stale: held\n"); /* a different reason is news, too */
}

static void a_change_of_trust_is_printed(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        now->trusted = false;
        changes(&plain, before, now, "  sda2  no longer trusted\n");
        changes(&plain, now, before, "  sda2  trusted\n");
        changes(&plain, NULL, now, "");
        changes(&json, before, now,
                "{\"time\":N,\"event\":\"trust\",\"volume\":\"sda2\",\"trusted\":false}\n");
        changes(&json, now, before,
                "{\"time\":N,\"event\":\"trust\",\"volume\":\"sda2\",\"trusted\":true}\n");
}

static void the_holder_of_the_lock_is_printed(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        set(&now->lock_holder, ":1.7");
        now->lock_holder_pid = 42;
        changes(&plain, before, now, "  sda2  locked by PID 42 (:1.7)\n");
        changes(&plain, now, before, "  sda2  unlocked\n");
        changes(&plain, NULL, now, "  sda2  locked by PID 42 (:1.7)\n");
        changes(&json, now, before,
                "{\"time\":N,\"event\":\"lock\",\"volume\":\"sda2\",\"lock_holder\":\"\",\"lock_holder_pid\":"
                "0}\n");
        changes(&json, before, now,
                "{\"time\":N,\"event\":\"lock\",\"volume\":\"sda2\",\"lock_holder\":\":1.7\",\"lock_holder_"
                "pid\":42}\n");
}

static void a_reason_of_what_is_fresh_is_not_news(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        add_cache(before, "initramfs", "6.1", "old");
        add_cache(now, "initramfs", "6.1", "new");
        before->caches[0].fresh = now->caches[0].fresh = true;
        changes(&plain, before, now, "");
        now->caches[0].fresh = false;
        changes(&plain, before, now, "  sda2  stale cache initramfs 6.1: new\n");
        changes(&plain, now, before, "  sda2  fresh cache initramfs 6.1\n");
        set(&now->caches[0].reason, "");
        changes(&plain, before, now, "  sda2  stale cache initramfs 6.1\n");
}

static void an_item_is_known_by_all_of_its_name(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        add_cache(before, "a", "1", "x");
        add_cache(now, "a", "2", "x");
        add_cache(now, "b", "1", "x");
        add_helper(now, "a", "1", "x");
        changes(&plain, before, now,
                "  sda2  stale cache a 2: x\n"
                "  sda2  stale cache b 1: x\n"
                "  sda2  stale helper a 1: x\n");
}

static void caches_and_helpers_are_printed_when_they_change(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        add_cache(before, "initramfs", "6.1", NULL);
        add_cache(before, "initramfs", "6.2", "changed");
        add_cache(before, "depmod", "", "old");
        add_helper(before, "sda1", "esp", "old");
        add_cache(now, "initramfs", "6.2", NULL);
        add_cache(now, "initramfs", "6.1", "gone");
        add_cache(now, "depmod", "", "new");
        add_cache(now, "entry", "", NULL); /* something new and fresh is not news */
        add_cache(now, "uki", "", "never");
        add_helper(now, "sda1", "xbootldr", NULL);
        add_helper(now, "sda1", "esp", NULL);
        changes(&plain, before, now,
                "  sda2  fresh cache initramfs 6.2\n"
                "  sda2  stale cache initramfs 6.1: gone\n"
                "  sda2  stale cache depmod: new\n"
                "  sda2  stale cache uki: never\n"
                "  sda2  fresh helper sda1 esp\n");
        changes(&plain, NULL, before,
                "  sda2  stale cache initramfs 6.2: changed\n"
                "  sda2  stale cache depmod: old\n"
                "  sda2  stale helper sda1 esp: old\n");
        changes(&json, NULL, before,
                "{\"time\":N,\"event\":\"cache\",\"volume\":\"sda2\",\"name\":\"initramfs\",\"instance\":\"6."
                "2\",\"fresh\":false,"
                "\"reason\":\"changed\"}\n"
                "{\"time\":N,\"event\":\"cache\",\"volume\":\"sda2\",\"name\":\"depmod\",\"instance\":\"\","
                "\"fresh\":false,"
                "\"reason\":\"old\"}\n"
                "{\"time\":N,\"event\":\"helper\",\"volume\":\"sda2\",\"device\":\"sda1\",\"type\":\"esp\","
                "\"fresh\":false,"
                "\"reason\":\"old\"}\n");
}

static void says(const Ctl *ctl, void (*line)(const Ctl *ctl, const VolumeInfo *v), const VolumeInfo *v,
                 const char *expected) {
        Printed p = printed_begin();
        line(ctl, v);
        _cleanup_free_ char *text = printed_end(&p);
        assert_string_equal(text, expected);
}

static void volumes_come_and_go(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume();
        v->progress_done = 1024;
        v->progress_of = 2048;
        add_cache(v, "initramfs", "6.1", "changed");
        says(&plain, monitor_line_appeared, v, "  sda2  appeared on / (ext4)\n");
        says(&plain, monitor_line_gone, v, "  sda2  gone\n");
        says(&plain, monitor_line_present, v, "  sda2  fresh\n  sda2  stale cache initramfs 6.1: changed\n");
        says(&plain, monitor_line_progress, v, "  sda2  copied 1.0 KiB of 2.0 KiB\n");
        says(&json, monitor_line_appeared, v,
             "{\"time\":N,\"event\":\"appeared\",\"volume\":\"sda2\",\"state\":\"fresh\",\"mount_point\":\"/"
             "\","
             "\"device\":\"/dev/sda2\",\"file_system_type\":\"ext4\"}\n");
        says(&json, monitor_line_present, v,
             "{\"time\":N,\"event\":\"present\",\"volume\":\"sda2\",\"state\":\"fresh\",\"reason\":\"\"}\n"
             "{\"time\":N,\"event\":\"cache\",\"volume\":\"sda2\",\"name\":\"initramfs\",\"instance\":\"6."
             "1\","
             "\"fresh\":false,\"reason\":\"changed\"}\n");
        says(&json, monitor_line_gone, v, "{\"time\":N,\"event\":\"gone\",\"volume\":\"sda2\"}\n");
        says(&json, monitor_line_progress, v,
             "{\"time\":N,\"event\":\"progress\",\"volume\":\"sda2\",\"done\":1024,\"of\":2048}\n");
}

static void builds_and_the_daemon(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume();
        v->last_build_start = 1000000;
        v->last_build_end = 4200000;
        Printed p = printed_begin();
        monitor_line_build(&plain, v, 0, "ok");
        monitor_line_build(&plain, v, 1, "no room");
        v->last_build_end = 5;
        monitor_line_build(&plain, v, 1, "");
        monitor_line_daemon(&plain, true);
        monitor_line_daemon(&plain, false);
        monitor_line_daemon(&json, true);
        monitor_line_daemon(&json, false);
        monitor_line_build(&json, v, -3, "no room");
        v->last_build_end = 1000001;
        monitor_line_build(&json, v, 0, "");
        _cleanup_free_ char *text = printed_end(&p);
        assert_string_equal(text, "  sda2  built in 3.2 s\n"
                                  "  sda2  build failed in 3.2 s: no room\n"
                                  "  sda2  build failed in 0 ms\n"
                                  "  bootkeepd  running\n"
                                  "  bootkeepd  not running\n"
                                  "{\"time\":N,\"event\":\"daemon\",\"running\":true}\n"
                                  "{\"time\":N,\"event\":\"daemon\",\"running\":false}\n"
                                  "{\"time\":N,\"event\":\"build\",\"volume\":\"sda2\",\"status\":-3,"
                                  "\"summary\":\"no room\",\"duration\":0}\n"
                                  "{\"time\":N,\"event\":\"build\",\"volume\":\"sda2\",\"status\":0,"
                                  "\"summary\":\"\",\"duration\":1}\n");
}

static void good_and_bad_words_are_coloured(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *before = volume(), *now = volume();
        now->trusted = false;
        set(&now->lock_holder, ":1.7");
        set(&now->state, "of a later version");
        add_cache(before, "a", "", "x");
        add_cache(now, "a", "", NULL);
        add_helper(now, "sda1", "esp", "x");
        Printed p = printed_begin();
        monitor_line_daemon(&colored, true);
        monitor_line_daemon(&colored, false);
        monitor_line_appeared(&colored, before);
        monitor_line_progress(&colored, before);
        monitor_line_build(&colored, before, 0, "");
        monitor_line_build(&colored, before, 1, "");
        monitor_line_changes(&colored, before, now);
        monitor_line_changes(&colored, now, before);
        monitor_line_gone(&colored, before);
        _cleanup_free_ char *text = printed_end(&p);
        assert_string_equal(text, "  bootkeepd  \033[32mrunning\033[0m\n"
                                  "  bootkeepd  \033[1;31mnot running\033[0m\n"
                                  "  sda2  appeared on / (ext4)\n"
                                  "  sda2  copied 0 B of 0 B\n"
                                  "  sda2  \033[32mbuilt\033[0m in 0 ms\n"
                                  "  sda2  \033[1;31mbuild failed\033[0m in 0 ms\n"
                                  "  sda2  of a later version\n"
                                  "  sda2  no longer trusted\n"
                                  "  sda2  \033[33mlocked\033[0m by PID 0 (:1.7)\n"
                                  "  sda2  \033[32mfresh\033[0m cache a\n"
                                  "  sda2  \033[33mstale\033[0m helper sda1 esp: x\n"
                                  "  sda2  \033[32mfresh\033[0m\n"
                                  "  sda2  trusted\n"
                                  "  sda2  unlocked\n"
                                  "  sda2  \033[33mstale\033[0m cache a: x\n"
                                  "  sda2  \033[2mgone\033[0m\n");
}

static void control_characters_do_not_reach_the_terminal(void **state) {
        _cleanup_(volume_info_freep) VolumeInfo *v = volume();
        set(&v->name, "a\033b");
        set(&v->mount_point, "/\033[2J");
        says(&plain, monitor_line_appeared, v, "  a\\x1bb  appeared on /\\x1b[2J (ext4)\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(unchanged_items_print_nothing),
                cmocka_unit_test(a_new_state_is_printed_with_its_reason),
                cmocka_unit_test(a_change_of_trust_is_printed),
                cmocka_unit_test(the_holder_of_the_lock_is_printed),
                cmocka_unit_test(a_reason_of_what_is_fresh_is_not_news),
                cmocka_unit_test(an_item_is_known_by_all_of_its_name),
                cmocka_unit_test(caches_and_helpers_are_printed_when_they_change),
                cmocka_unit_test(volumes_come_and_go),
                cmocka_unit_test(builds_and_the_daemon),
                cmocka_unit_test(good_and_bad_words_are_coloured),
                cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
