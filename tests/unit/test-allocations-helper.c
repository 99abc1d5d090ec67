/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every allocation of src/helper fails in turn. (privatemount.c makes none.) */

#include "allocations.h"

#include "disk.h"
#include "fakesysfs.h"

#include "helper/entry.h"
#include "helper/helperlist.h"
#include "helper/look.h"
#include "tree/fingerprint.h"

#define GPT                                                                                                  \
        "label: gpt\\nsize=8M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\\n"                                 \
        "size=8M, type=BC13C2FF-59E6-4262-A352-B275FD6F7172\\nsize=8M\\n"

static int list_helpers(void *userdata) {
        const dev_t *volume = userdata;
        HelperList *l = UNTOUCHED;
        int r = helper_list_new("/sys", *volume, &l);
        assert_true(r < 0 || l->n == 2); /* none is left out */
        return OUTCOME(r, l, helper_list_free);
}

static void helpers_are_found_all_or_none(void **state) {
        Scratch *s = *state;
        dev_t volume;
        Disk d;
        char node[48];
        scratch_unshare(s);
        disk_attach(&d, s, "40M", GPT, true);
        shell("mkfs.ext4 -q %sp1 2>/dev/null", d.node);
        (void) snprintf(node, sizeof(node), "%sp3", d.node);
        volume = disk_devno(node);
        allocations_fail_in_turn(list_helpers, &volume);
        disk_detach(&d);
}

static int list_what_is_gone(void *userdata) {
        const Scratch *s = userdata;
        HelperList *l = UNTOUCHED;
        int r = helper_list_new(s->path, makedev(FAKE_MAJOR, 9), &l);
        assert_true(r < 0 || strv_length(l->notes) == 3); /* none is forgotten */
        return OUTCOME(r, l, helper_list_free);
}

/* Two pulled members and a disk that cannot be opened. */
static void what_was_left_out_is_noted_or_the_error_is_returned(void **state) {
        Scratch *s = *state;
        sysfs_add_disk(s, "md9", 9);
        sysfs_add_disk(s, "sdx", 1);
        sysfs_add_partition(s, "sdx/sdx1", 11);
        sysfs_add_slave(s, "md9", "sdx/sdx1");
        sysfs_add_slave(s, "md9", "sdy/sdy1");
        sysfs_add_slave(s, "md9", "sdz/sdz1");
        allocations_fail_in_turn(list_what_is_gone, s);
}

/* entry */

static const char *replace_kernel(const char *word, size_t size, void *userdata) {
        return size == 6 && memcmp(word, "/linux", size) == 0 ? "/linux-0123" : NULL;
}

static int rewrite_entry(void *userdata) {
        static const char text[] = "title x\nlinux /linux\n";
        char *made = UNTOUCHED;
        size_t size = 0;
        int r = entry_rewrite(text, strlen(text), &(EntryNames){replace_kernel, NULL}, &made, &size);
        if (r < 0) {
                assert_ptr_equal(made, UNTOUCHED);
                return r;
        }
        r = entry_pad(&made, &size);
        free(made);
        return r;
}

static int name_sibling(void *userdata) {
        char *name = UNTOUCHED;
        return OUTCOME_FREE(entry_sibling("/loader/entries/a.conf", "previous", &name), name);
}

static void entry_is_rewritten_or_the_error_is_returned(void **state) {
        allocations_fail_in_turn(rewrite_entry, NULL);
        allocations_fail_in_turn(name_sibling, NULL);
}

/* look */

/* A helper with a file of each kind. */
typedef struct World {
        WantedSet wanted;
        HelperRecord record;
        Look look;
} World;

static char *same(const char *s) {
        char *c = strdup(s);
        assert_non_null(c);
        return c;
}

static void world_start(World *w, const Scratch *s) {
        static const char *const names[] = {"a", "b.conf", "c"};
        *w = (World){};
        w->look = (Look){.root = s->fd, .record = &w->record};
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[16];
                (void) snprintf(path, sizeof(path), "/%s", names[i]);
                scratch_write(s, names[i], "text");
                CopyRole role = strchr(path, '.') ? ROLE_ENTRY : ROLE_REQUIRED;
                WantedFile f = {.role = role, .to = same(path), .path = same(path), .size = 4};
                f.text = role == ROLE_ENTRY ? same("text") : NULL;
                assert_int_equal(wanted_set_add(&w->wanted, &f), 0);
                CarriedFile c = {.role = role, .path = same(path), .boot = same("boot"), .size = 4};
                assert_int_equal(carried_set_add(&w->record.carried, &c), 0);
                assert_int_equal(strv_extend(&w->record.ours, path), 0);
        }
}

static void world_end(World *w) {
        wanted_set_done(&w->wanted);
        helper_record_done(&w->record);
}

static int see_wanted(void *userdata) {
        const World *w = userdata;
        HelperView *views = UNTOUCHED;
        return OUTCOME_FREE(look_at_wanted(&w->look, &w->wanted, &views, NULL), views);
}

static int see_entries(void *userdata) {
        const World *w = userdata;
        SeenSet set = {};
        int r = look_at_entries(&w->look, &set);
        assert_int_equal(set.n, r < 0 ? 0 : 1);
        seen_set_done(&set);
        return r;
}

static int see_ours(void *userdata) {
        const World *w = userdata;
        SeenSet set = {};
        int r = look_at_ours(&w->look, &w->wanted, &set);
        assert_int_equal(set.n, r < 0 ? 0 : 3);
        seen_set_done(&set);
        return r;
}

static int keep_file(HelperRecord *record, const char *path) {
        KeptFile f = {.role = ROLE_REQUIRED, .path = strdup(path), .size = 4};
        return f.path ? kept_set_add(&record->kept, &f) : -ENOMEM;
}

/* What is kept and does not stand becomes ours. */
static int see_kept(void *userdata) {
        const World *w = userdata;
        _cleanup_(helper_record_done) HelperRecord record = HELPER_RECORD_NULL;
        int r = strv_extend(&record.ours, "/left");
        if (r >= 0)
                r = keep_file(&record, "/a");
        if (r >= 0)
                r = keep_file(&record, "/none");
        if (r >= 0)
                r = look_at_kept(w->look.root, &record);
        if (r >= 0) {
                assert_int_equal(record.kept.n, 1);
                assert_int_equal(strv_length(record.ours), 2);
        }
        return r;
}

static void helper_is_seen_whole_or_the_error_is_returned(void **state) {
        World w;
        world_start(&w, *state);
        allocations_fail_in_turn(see_wanted, &w);
        allocations_fail_in_turn(see_entries, &w);
        allocations_fail_in_turn(see_ours, &w);
        allocations_fail_in_turn(see_kept, &w);
        world_end(&w);
}

/* namemap */

static int put_names(void *userdata) {
        NameMap m = NAME_MAP_NULL;
        char a[] = "/a", b[] = "/b", *names[] = {a, b, NULL};
        int r = name_map_put(&m, "/c", userdata);
        if (r >= 0)
                r = name_map_put_all(&m, names);
        name_map_done(&m);
        return r;
}

static void name_is_added_or_the_error_is_returned(void **state) {
        char value[] = "value";
        allocations_fail_in_turn(put_names, value);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(helpers_are_found_all_or_none),
                scratch_test(what_was_left_out_is_noted_or_the_error_is_returned),
                scratch_test(helper_is_seen_whole_or_the_error_is_returned),
                cmocka_unit_test(entry_is_rewritten_or_the_error_is_returned),
                cmocka_unit_test(name_is_added_or_the_error_is_returned),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
