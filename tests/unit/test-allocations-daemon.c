/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/daemon fails in turn, except where a bus or a udevd is needed. */

#include "allocations.h"

#include <poll.h>
#include <signal.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "daemon/clienttext.h"
#include "daemon/launch.h"
#include "daemon/ledger.h"
#include "daemon/orphans.h"
#include "daemon/owedtext.h"
#include "daemon/pending.h"
#include "daemon/roster.h"
#include "daemon/shown.h"
#include "daemon/world/markfiles.h"
#include "daemon/world/mounts.h"
#include "daemon/world/mountset.h"
#include "daemon/world/mounttree.h"
#include "daemon/world/packages.h"
#include "daemon/world/refusal.h"
#include "daemon/world/refusaldropins.h"
#include "daemon/world/settings.h"
#include "daemon/world/trust.h"
#include "disk.h"
#include "unitworld.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

/* record, roster */

static MountEntry entry(uint64_t id) {
        static char device[] = "sda2", node[] = "/dev/sda2", root[] = "/", target[] = "/mnt",
                    fstype[] = "ext4";
        return (MountEntry){.id = id,
                            .devno = makedev(4000, 2),
                            .device = device,
                            .node = node,
                            .root = root,
                            .target = target,
                            .fstype = fstype};
}

static int make_record(void *userdata) {
        Record *r = UNTOUCHED;
        return OUTCOME(record_new(NULL, "sda2", &r), r, record_free);
}

static int fill_record(void *userdata) {
        _cleanup_(record_freep) Record *record = NULL;
        const MountEntry first = entry(7), second = entry(8);
        char **changes = UNTOUCHED;
        int r = record_new(NULL, "sda2", &record);
        if (r >= 0)
                r = record_set_mount(record, &first);
        if (r >= 0)
                r = record_set_mount(record, &second);
        if (r >= 0)
                r = record_set_mount(record, &second);
        return r < 0 ? r : OUTCOME(shown_take_changes(record, NULL, &changes), changes, strv_free);
}

/* In each state, with a report that has something to tell. */
static int describe_record(void *userdata) {
        Record *record = userdata;
        char **changes = UNTOUCHED;
        int r = shown_take_changes(record, NULL, &changes);
        memset(record->shown, 0, sizeof(record->shown));
        free(TAKE_PTR(record->reason));
        return OUTCOME(r, changes, strv_free);
}

static void what_is_shown_of_a_record_is_complete(void **state) {
        Record *record = NULL;
        assert_int_equal(record_new(NULL, "sda2", &record), 0);
        record->report = report_new();
        assert_int_equal(report_parse_line(record->report, "CACHE initramfs 6.1 stale /etc/x gone"), 0);
        record->unread = "bootkeep.conf cannot be read";
        record->volume.scan_runs = true;
        for (VolumeState s = 0; s < _VOLUME_STATE_MAX; s++) {
                record->volume.state = s;
                allocations_fail_in_turn(describe_record, record);
        }
        record_free(record);
}

static int list_busy(void *userdata) {
        char **names = UNTOUCHED;
        return OUTCOME(roster_busy(userdata, &names), names, strv_free);
}

static int add_records(void *userdata) {
        Roster roster = ROSTER_NULL;
        int r = 0;
        for (int i = 0; r >= 0 && i < 5; i++) {
                Record *record = NULL;
                char name[] = {'s', 'd', (char) ('a' + i), 0};
                r = record_new(NULL, name, &record);
                if (r >= 0)
                        r = roster_add(&roster, record);
                if (r < 0 && record)
                        record_free(record);
        }
        roster_done(&roster);
        return r;
}

static void records_are_made_or_the_error_is_returned(void **state) {
        Roster roster = ROSTER_NULL;
        Record *record = NULL;
        allocations_fail_in_turn(make_record, NULL);
        allocations_fail_in_turn(fill_record, NULL);
        allocations_fail_in_turn(add_records, NULL);
        assert_int_equal(record_new(NULL, "sda2", &record), 0);
        record->volume = volume_init(true);
        record->volume.state = VOLUME_STALE;
        assert_int_equal(roster_add(&roster, record), 0);
        allocations_fail_in_turn(list_busy, &roster);
        roster_done(&roster);
}

/* clienttext */

static int describe_release(void *userdata) {
        const Peer peer = {.id = 1, .name = ":1.7", .pid = 1234};
        _cleanup_free_ char *text = clienttext_released(&peer, 1, userdata);
        return text ? 0 : -ENOMEM;
}

static int describe_late(void *userdata) {
        const Peer peer = {.id = 1, .name = ":1.7", .pid = 1234};
        char *text = clienttext_late(&peer);
        free(text);
        return text ? 0 : -ENOMEM;
}

static int describe_loss(void *userdata) {
        const Peer peer = {.id = 1, .name = ":1.7"};
        _cleanup_free_ char *text = clienttext_vanished(&peer);
        return text ? 0 : -ENOMEM;
}

static void client_is_described_in_full_or_not_at_all(void **state) {
        static char said[] = "no room";
        allocations_fail_in_turn(describe_release, said);
        allocations_fail_in_turn(describe_release, NULL);
        allocations_fail_in_turn(describe_loss, NULL);
        allocations_fail_in_turn(describe_late, NULL);
}

/* lock */

static int wait_for_lock(void *userdata) {
        Lock l = {};
        LockRequest requests[3] = {};
        assert_int_equal(lock_ask(&l, NULL, 1, NULL), LOCK_GRANTED);
        int r = 0;
        for (LockClient client = 2; r >= 0 && client < 5; client++)
                r = lock_ask(&l, NULL, client, &requests[client - 2]);
        for (LockRequest *q; (q = lock_first(&l));)
                lock_leave(&l, q);
        return r;
}

static void line_is_left_as_it_was(void **state) {
        allocations_fail_in_turn(wait_for_lock, NULL);
}

/* waiter, pending */

static int wait_for_volume(void *userdata) {
        Record *record = userdata;
        Waiters all = {};
        int r = 0;
        for (uint64_t client = 1; r >= 0 && client < 4; client++) {
                const Peer peer = {.id = client};
                r = pending_add(&all, record, WAIT_FOR_SCAN, &(Caller){.peer = &peer});
                if (r >= 0)
                        r = pending_add(&all, record, WAIT_FOR_BUILD, &(Caller){.peer = &peer});
        }
        waiters_drop_all(&all);
        assert_true(TAILQ_EMPTY(&record->waiters));
        return r;
}

static void no_client_waits_whose_call_cannot_be_kept(void **state) {
        _cleanup_(record_freep) Record *record = NULL;
        assert_int_equal(record_new(NULL, "sda2", &record), 0);
        allocations_fail_in_turn(wait_for_volume, record);
}

/* settings, trust */

static int load_settings(void *userdata) {
        Settings s = {};
        unsigned problems = 0;
        int r = settings_load(userdata, &s, &problems);
        assert_int_equal(problems, 0);
        if (r >= 0)
                settings_done(&s);
        return r;
}

static int open_trust(void *userdata) {
        TrustStore *t = UNTOUCHED;
        int r = trust_store_new(userdata, &t);
        if (r >= 0)
                assert_true(trust_store_has(t, UUID, "serial"));
        return OUTCOME(r, t, trust_store_free);
}

static int change_trust(void *userdata) {
        TrustStore *t = userdata;
        static const char other[] = "00000000-e8cd-4db1-96e7-fbcaf984b709";
        int r = trust_store_add(t, other, "another");
        assert_true(trust_store_has(t, other, "another") == (r >= 0));
        if (r >= 0)
                r = trust_store_remove(t, other);
        return r;
}

static void forget_other(void *userdata) {
        (void) trust_store_remove(userdata, "00000000-e8cd-4db1-96e7-fbcaf984b709");
}

static void facts_of_the_host_are_read_completely(void **state) {
        const Scratch *s = *state;
        char file[128], directory[128];
        TrustStore *t = NULL;
        scratch_write(s, "bootkeep.conf",
                      "[Watch]\nSettleSec=2\nHoldWhileLocked=/a /b\n[Trust]\nRunningSystem=no\n");
        (void) snprintf(file, sizeof(file), "%s/bootkeep.conf", s->path);
        (void) snprintf(directory, sizeof(directory), "%s/trust", s->path);
        allocations_fail_in_turn(load_settings, file);
        assert_int_equal(trust_store_new(directory, &t), 0);
        assert_int_equal(trust_store_add(t, UUID, "serial"), 0);
        allocations_fail_in_turn(open_trust, directory);
        allocations_fail_or_cope_prepared(&(AllocationsCase){forget_other, change_trust, t});
        trust_store_free(t);
}

/* mounts */

static int grow_tree(void *userdata) {
        _cleanup_(mount_tree_freep) MountTree *t = NULL;
        int r = mount_tree_new(&t);
        if (r >= 0)
                r = mount_tree_add(t, 1, 0, "/");
        if (r >= 0)
                r = mount_tree_add(t, 2, 1, "/mnt");
        if (r >= 0)
                r = mount_tree_add(t, 3, 2, "/mnt/a");
        return r;
}

static void hear_mount(MountChange change, const MountEntry *e, void *userdata) {
        unsigned *told = userdata;
        if (told)
                (*told)++;
}

/* A reported volume, and what is mounted within it. */
typedef struct Covered {
        MountSet *set;
        unsigned told;
} Covered;

static void hear_cover(const MountEntry *on, const char *target, void *userdata) {
        Covered *c = userdata;
        assert_string_equal(target, "/mnt/in");
        c->told++;
}

static int cover(void *userdata) {
        Covered *c = userdata;
        const MountFacts tmpfs = {.id = 8, .root = "/", .fstype = "tmpfs", .target = "/mnt/in"};
        int r = mount_set_add(c->set, 8, 7, &tmpfs);
        if (r >= 0)
                r = mount_set_tell_covers(c->set, hear_cover, c);
        assert_int_equal(c->told, r >= 0);
        mount_set_remove(c->set, 8);
        assert_int_equal(mount_set_tell_covers(c->set, hear_cover, c), 0);
        c->told = 0;
        return r;
}

static int tell_volume(void *userdata) {
        const MountFacts *f = userdata;
        _cleanup_(mount_set_freep) MountSet *set = NULL;
        unsigned told = 0;
        int r = mount_set_new(&set);
        if (r >= 0)
                r = mount_set_add(set, 7, 1, f);
        if (r >= 0)
                r = mount_set_tell(set, hear_mount, &told);
        if (r >= 0)
                assert_int_equal(told, 1);
        return r;
}

static void covers_are_found_or_the_error_is_returned(void **state) {
        Covered c = {};
        Disk d;
        disk_attach(&d, *state, "1M", NULL, false);
        const MountFacts f = {.id = 7,
                              .devno = disk_devno(d.node),
                              .source = d.node,
                              .root = "/",
                              .target = "/mnt",
                              .fstype = "ext4"};
        unsigned told = 0;
        assert_int_equal(mount_set_new(&c.set), 0);
        assert_int_equal(mount_set_add(c.set, 7, 1, &f), 0);
        assert_int_equal(mount_set_tell(c.set, hear_mount, &told), 0);
        assert_int_equal(mount_set_tell_covers(c.set, hear_cover, &c), 0);
        allocations_fail_in_turn(cover, &c);
        mount_set_free(c.set);
        allocations_fail_or_cope(tell_volume, (void *) (uintptr_t) &f);
        disk_detach(&d);
}

/* A tree that cannot be searched is taken to be reached: what was a volume stays one. */
static int reach(void *userdata) {
        return mount_tree_reaches(userdata, 3) ? 0 : -EPROTO;
}

static void what_cannot_be_searched_is_reached(void **state) {
        MountTree *t = NULL;
        assert_int_equal(mount_tree_new(&t), 0);
        assert_int_equal(mount_tree_add(t, 1, 0, "/"), 0);
        assert_int_equal(mount_tree_add(t, 2, 1, "/mnt"), 0);
        assert_int_equal(mount_tree_add(t, 3, 2, "/mnt/a"), 0);
        allocations_fail_or_cope(reach, t);
        mount_tree_free(t);
}

static int look_at_mounts(const MountSource *source) {
        _cleanup_(mounts_freep) Mounts *t = NULL;
        int r = mounts_new(source, NULL, &t);
        return r < 0 ? r : mounts_dispatch(t, hear_mount, NULL);
}

static int look_by_events(void *userdata) {
        return look_at_mounts(&mount_events);
}

static int look_by_parse(void *userdata) {
        return look_at_mounts(&mount_info);
}

static void all_mounts_are_reported_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(grow_tree, NULL);
        /* a device has no number of its disk where that file cannot be opened */
        allocations_fail_or_cope(look_by_parse, NULL);
        if (look_at_mounts(&mount_events) >= 0)
                allocations_fail_or_cope(look_by_events, NULL);
}

/* package managers */

static int parse_locks(void *userdata) {
        LockedFiles locked = {.n = 4711};
        FILE *f = userdata;
        assert_int_equal(fseek(f, 0, SEEK_SET), 0);
        int r = locked_files_parse(f, &locked);
        assert_int_equal(locked.n, r < 0 ? 4711 : 3);
        if (r >= 0)
                locked_files_done(&locked);
        return r;
}

static void all_locks_are_found_or_the_error_is_returned(void **state) {
        static const char text[] = "1: POSIX  ADVISORY  WRITE 1 08:01:1 0 EOF\n"
                                   "2: FLOCK  ADVISORY  WRITE 1 08:01:2 0 EOF\n"
                                   "3: FLOCK  ADVISORY  WRITE 1 08:01:3 0 EOF\n";
        FILE *f = fmemopen((void *) (uintptr_t) text, strlen(text), "r");
        assert_non_null(f);
        allocations_fail_in_turn(parse_locks, f);
        (void) fclose(f);
}

/* children */

static int make_watch(void *userdata) {
        Watch *w = UNTOUCHED;
        return OUTCOME(watch_new(&w), w, watch_free);
}

static void hear_line(const char *line, void *userdata) {
}

static int end_job(Job *j) {
        struct pollfd p = {.fd = job_get_process_fd(j), .events = POLLIN};
        int status = -1, r = 0;
        assert_int_equal(poll(&p, 1, 60000), 1);
        r = job_read_rest(j, hear_line, NULL);
        assert_int_equal(job_reap(j, &status), 0);
        job_free(j);
        return r;
}

static int run_scan(void *userdata) {
        const Scratch *s = userdata;
        const LaunchOptions options = {.libexec = s->path, .builders = "/builders"};
        Job *j = UNTOUCHED;
        int r = launch_scan(&options, &(LaunchBuild){"sda1", "/mnt", 7, false}, -EBADF, &j);
        if (r < 0)
                assert_ptr_equal(j, UNTOUCHED);
        return r < 0 ? r : end_job(j);
}

static int run_build(void *userdata) {
        const Scratch *s = userdata;
        const LaunchOptions options = {.libexec = s->path, .builders = "/builders"};
        Job *j = UNTOUCHED;
        int r = launch_build(&options, &(LaunchBuild){"sda1", "/mnt", 7, true}, &j);
        if (r < 0)
                assert_ptr_equal(j, UNTOUCHED);
        return r < 0 ? r : end_job(j);
}

static int run_opener(void *userdata) {
        const Scratch *s = userdata;
        const LaunchOptions options = {.libexec = s->path, .runtime = "/run/x"};
        Job *j = UNTOUCHED;
        const LaunchBuild build = {"sda2", "/mnt", 7, false};
        int r = launch_opening(&options, &build, &j);
        if (r < 0)
                assert_ptr_equal(j, UNTOUCHED);
        return r < 0 ? r : end_job(j);
}

static int prepare_unit(void *userdata) {
        const LaunchOptions options = {.units = userdata, .builders = "/builders"};
        UnitJob *u = UNTOUCHED;
        return OUTCOME(launch_build_in_unit(&options, &(LaunchBuild){"dm-0", "/mnt", 7, true}, &u), u,
                       unitjob_free);
}

static int prepare_handover_unit(void *userdata) {
        const LaunchOptions options = {.units = userdata};
        const LaunchHandover handover = {.volume = "sda2",
                                         .mount_point = "/mnt",
                                         .mount_id = 7,
                                         .file = "/run/x/1",
                                         .begin = true,
                                         .cache = "a",
                                         .instance = "b"};
        UnitJob *u = UNTOUCHED;
        return OUTCOME(launch_handover_in_unit(&options, &handover, &u), u, unitjob_free);
}

static int find_unit(void *userdata) {
        UnitJob *u = UNTOUCHED;
        return OUTCOME(unitjob_find(userdata, "dm-0", &u), u, unitjob_free);
}

static void unit_is_prepared_and_found_or_not(void **state) {
        const Scratch *s = *state;
        char *place = outer_path(s, "builds"), *folder = outer_path(s, "builds/dm\\x2d0");
        allocations_fail_in_turn(prepare_unit, place);
        allocations_fail_in_turn(prepare_handover_unit, place);
        pid_t pid = unit_build_begin(folder, "");
        allocations_fail_in_turn(find_unit, place);
        unit_build_end(folder, pid, NULL);
        free(place);
        free(folder);
}

static int keep_orphans(void *userdata) {
        Orphans *o = UNTOUCHED;
        return OUTCOME(orphans_new(userdata, &o), o, orphans_free);
}

static void children_are_started_or_not(void **state) {
        const Scratch *s = *state;
        static const char *const programs[] = {"bootkeep-scan", "bootkeep-build"};
        sd_event *event = NULL;
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                scratch_write(s, programs[i], "#!/bin/sh\necho RESULT fresh\n");
                assert_int_equal(fchmodat(s->fd, programs[i], 0755, 0), 0);
        }
        assert_true(sd_event_new(&event) >= 0);
        allocations_fail_in_turn(make_watch, NULL);
        allocations_fail_in_turn(run_scan, (void *) s);
        allocations_fail_in_turn(run_build, (void *) s);
        allocations_fail_in_turn(run_opener, (void *) s);
        allocations_fail_in_turn(keep_orphans, event);
        sd_event_unref(event);
}

/* markfiles */

static int mark_and_take_back(void *userdata) {
        const Scratch *s = userdata;
        RebootMark mark;
        int r = markfiles_apply(s->path, REBOOTMARK_MAKE | REBOOTMARK_LIST);
        if (r >= 0)
                r = markfiles_read(s->path, &mark);
        if (r >= 0)
                r = markfiles_apply(s->path, REBOOTMARK_UNLIST | REBOOTMARK_REMOVE);
        return r;
}

static void mark_is_made_and_taken_back_or_the_error_is_told(void **state) {
        allocations_fail_in_turn(mark_and_take_back, *state);
}

/* ledger, owedtext */

static int read_ledger(void *userdata) {
        Ledger ledger = {};
        int r = ledger_read(&ledger, userdata);
        ledger_done(&ledger);
        return r;
}

static int describe_owed(void *userdata) {
        OwedTexts texts = {};
        int r = owed_texts_add(&texts, userdata);
        assert_int_equal(texts.n, r < 0 ? 0 : 1);
        owed_texts_done(&texts);
        return r;
}

static void what_is_owed_is_told_whole_or_not_at_all(void **state) {
        _cleanup_(record_freep) Record *record = NULL;
        const Scratch *s = *state;
        const OwedView view = {.volume = "sda2", .uuid = UUID, .reason = "failed"};
        char *dir = outer_path(s, "owed");
        assert_int_equal(owed_write(dir, &view), 0);
        allocations_fail_in_turn(read_ledger, (void *) (uintptr_t) s->path);
        assert_int_equal(record_new(NULL, "sda2", &record), 0);
        record->volume.state = VOLUME_SETTLING;
        allocations_fail_in_turn(describe_owed, record);
        free(dir);
}

/* refusal */

static void on_refusal_changed(void *userdata) {
}

/* Without a bus: it refuses nothing, and leaves nothing behind. */
static int refuse_in_vain(void *userdata) {
        static const RefusalHandlers refusal_handlers = {.changed = on_refusal_changed};
        const Scratch *s = userdata;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Refusal *refusal = UNTOUCHED;
        int r = sd_event_new(&event);
        if (r >= 0)
                r = refusal_new(event, s->path, &refusal_handlers, NULL, &refusal);
        if (r >= 0) {
                refusal_want(refusal, "sda2");
                assert_false(refusal_stands(refusal));
        }
        return OUTCOME(r, refusal, refusal_free);
}

static int write_and_remove_dropins(void *userdata) {
        const Scratch *s = userdata;
        int r = dropins_write(s->path, "sda2");
        return r < 0 ? r : dropins_remove(s->path);
}

static void nothing_is_refused_halfway(void **state) {
        const Scratch *s = *state;
        int level = log_set_max_level(LOG_EMERG);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere", true), 0);
        allocations_fail_or_cope(write_and_remove_dropins, *state);
        allocations_fail_or_cope(refuse_in_vain, *state);
        log_set_max_level(level);
        shell("test -z \"$(find %s -name '*.conf')\"", s->path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(what_is_owed_is_told_whole_or_not_at_all),
                scratch_test(mark_is_made_and_taken_back_or_the_error_is_told),
                scratch_test(nothing_is_refused_halfway),
                cmocka_unit_test(records_are_made_or_the_error_is_returned),
                cmocka_unit_test(what_is_shown_of_a_record_is_complete),
                cmocka_unit_test(client_is_described_in_full_or_not_at_all),
                cmocka_unit_test(line_is_left_as_it_was),
                cmocka_unit_test(no_client_waits_whose_call_cannot_be_kept),
                scratch_test(facts_of_the_host_are_read_completely),
                scratch_test(covers_are_found_or_the_error_is_returned),
                cmocka_unit_test(what_cannot_be_searched_is_reached),
                cmocka_unit_test(all_mounts_are_reported_or_the_error_is_returned),
                cmocka_unit_test(all_locks_are_found_or_the_error_is_returned),
                scratch_test(children_are_started_or_not),
                scratch_test(unit_is_prepared_and_found_or_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
