/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ledger.h"

#include "volumerecord.h"

/* One record, of a volume that is there. */
typedef struct Desk {
        Ledger ledger;
        Roster volumes;
        Record *record;
} Desk;

static Desk desk_new(const Scratch *s, VolumeState state) {
        Desk desk = {.record = volume("sdb2", "/mnt")}; /* it was sda2 */
        char *dir = outer_path(s, "owed");
        desk.record->device.uuid = strdup(UUID);
        desk.record->volume.state = state;
        assert_int_equal(roster_add(&desk.volumes, desk.record), 0);
        assert_int_equal(owed_write(dir, &(OwedView){.volume = "sda2", .uuid = UUID, .reason = "failed"}), 0);
        assert_int_equal(ledger_read(&desk.ledger, s->path), 0);
        assert_int_equal(desk.ledger.list.n, 1);
        free(dir);
        return desk;
}

static void desk_done(Desk *desk) {
        roster_done(&desk->volumes);
        ledger_done(&desk->ledger);
}

static bool is_on_disk(const Scratch *s) {
        return faccessat(s->fd, "owed/" UUID, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void it_is_settled_when_nothing_is_owed_any_more(void **state) {
        static const VolumeState settled[] = {VOLUME_FRESH, VOLUME_PLAIN, VOLUME_UNTRUSTED};
        for (size_t i = 0; i < _VOLUME_STATE_MAX; i++) {
                _cleanup_(desk_done) Desk desk = desk_new(*state, (VolumeState) i);
                bool expected = false;
                for (size_t k = 0; k < ELEMENTSOF(settled); k++)
                        expected = expected || settled[k] == (VolumeState) i;
                assert_int_equal(ledger_settle(&desk.ledger, &desk.volumes), expected);
                assert_int_equal(desk.ledger.list.n, expected ? 0 : 1);
                assert_int_equal(is_on_disk(*state), !expected);
        }
}

static void another_volume_settles_nothing(void **state) {
        _cleanup_(desk_done) Desk desk = desk_new(*state, VOLUME_FRESH);
        (void) free_and_strdup(&desk.record->device.uuid, "12AB-34CD");
        assert_false(ledger_settle(&desk.ledger, &desk.volumes));
        (void) free_and_strdup(&desk.record->device.uuid, NULL);
        assert_false(ledger_settle(&desk.ledger, &desk.volumes));
        assert_true(is_on_disk(*state));
}

/* Nothing is trusted then, which is nobody's decision. */
static void a_configuration_that_cannot_be_read_settles_nothing(void **state) {
        _cleanup_(desk_done) Desk desk = desk_new(*state, VOLUME_UNTRUSTED);
        desk.record->unread = "bootkeep.conf:1 cannot be read";
        assert_false(ledger_settle(&desk.ledger, &desk.volumes));
}

static void a_folder_that_cannot_be_read_is_said_and_holds_up_nothing(void **state) {
        const Scratch *s = *state;
        Ledger ledger = {};
        scratch_write(s, "owed", "a file");
        Capture c = capture_begin();
        assert_int_equal(ledger_read(&ledger, s->path), 0);
        char *said = capture_end(&c);
        assert_non_null(strstr(said, "Cannot read what was owed at the last shutdown"));
        assert_int_equal(ledger.list.n, 0);
        free(said);
        ledger_done(&ledger);
}

static void a_record_that_cannot_be_removed_is_said(void **state) {
        const Scratch *s = *state;
        _cleanup_(desk_done) Desk desk = desk_new(s, VOLUME_FRESH);
        assert_int_equal(unlinkat(s->fd, "owed/" UUID, 0), 0);
        assert_int_equal(mkdirat(s->fd, "owed/" UUID, 0755), 0);
        Capture c = capture_begin();
        assert_true(ledger_settle(&desk.ledger, &desk.volumes));
        char *said = capture_end(&c);
        assert_non_null(strstr(said, "Failed to remove the record"));
        assert_int_equal(desk.ledger.list.n, 0);
        free(said);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(it_is_settled_when_nothing_is_owed_any_more),
                scratch_test(another_volume_settles_nothing),
                scratch_test(a_configuration_that_cannot_be_read_settles_nothing),
                scratch_test(a_folder_that_cannot_be_read_is_said_and_holds_up_nothing),
                scratch_test(a_record_that_cannot_be_removed_is_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
