/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl check`: has each volume scanned now and shows what is stale and why. Builds nothing itself; on
 * a trusted volume the daemon then builds what the scan found. */

#include "base/error.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/table.h"

/* What the scan found may already be built when we query the rest, so the reply of the scan counts, not what
 * came after it. */
static bool check_is_stale(const VolumeInfo *v, const char *scanned) {
        assert(v && scanned);
        if (streq(scanned, "fresh") || streq(scanned, "plain"))
                return false;
        if (streq(scanned, "untrusted"))
                return volume_info_stale_caches(v) > 0 || volume_info_stale_helpers(v) > 0;
        return true;
}

/* Appends the result of the scan to STATES. */
static int check_scan(Ctl *ctl, VolumeInfo **v, char ***states) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *state;
        int r = client_call(&(const ClientCall){ctl, "Scan", (*v)->name}, &reply, "s", (*v)->name);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_read(reply, "s", &state);
        if (r >= 0)
                r = strv_extend(states, state);
        if (r < 0) {
                (void) client_complain_errno(r);
                return BOOTKEEP_CTL_UNREACHABLE;
        }
        return client_refresh(ctl, v);
}

static int check_add_stale(Table *t, TableLine *parent, const char *what, const char *reason) {
        const TableCell cells[] = {{what}, {"stale", COLOR_YELLOW}, {reason}};
        return table_add(t, parent, NULL, cells, NULL);
}

/* Only stale items are worth a line. */
static int check_add_items(Table *t, TableLine *parent, const VolumeInfo *v) {
        for (size_t i = 0; i < v->n_caches; i++) {
                const VolumeInfoCache *c = v->caches + i;
                _cleanup_free_ char *what = NULL;
                if (c->fresh)
                        continue;
                if (strprintf(&what, "cache %s%s%s", c->name, *c->instance ? " " : "", c->instance) < 0 ||
                    check_add_stale(t, parent, what, c->reason) < 0)
                        return error_origin(-ENOMEM);
        }
        for (size_t i = 0; i < v->n_helpers; i++) {
                const VolumeInfoHelper *h = v->helpers + i;
                _cleanup_free_ char *what = NULL;
                if (h->fresh)
                        continue;
                if (strprintf(&what, "helper %s (%s)", h->device, h->type) < 0 ||
                    check_add_stale(t, parent, what, h->reason) < 0)
                        return error_origin(-ENOMEM);
        }
        return 0;
}

static int check_add_volume(Table *t, const VolumeInfo *v, const char *scanned) {
        const char *reason = v->reason;
        TableLine *line;
        /* the lines below it say why; and what came after the scan does not explain it */
        if (streq(scanned, "stale") || !streq(scanned, v->state))
                reason = "";
        if (streq(scanned, "plain"))
                reason = "no manifest";
        if (streq(scanned, "untrusted"))
                reason = "not trusted, so nothing is built";
        const TableCell cells[] = {{v->name}, {scanned, format_state_color(scanned)}, {reason}};
        int r = table_add(t, NULL, NULL, cells, &line);
        return r < 0 ? r : check_add_items(t, line, v);
}

static int check_print_table(const Ctl *ctl, const VolumeInfoList *l, char *const *states) {
        static const TableColumn columns[] = {{"WHAT", TABLE_TREE}, {"STATE"}, {"WHY", TABLE_WRAP}};
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = check_add_volume(t, l->items[i], states[i]);
        return r < 0 ? r : table_print(t);
}

static void check_print_json(const Ctl *ctl, const VolumeInfoList *l, char *const *states) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_array_open(&j, "volumes");
        for (size_t i = 0; i < l->n; i++) {
                json_object_open(&j, NULL);
                json_string(&j, "name", l->items[i]->name);
                json_string(&j, "state", states[i]);
                json_bool(&j, "stale", check_is_stale(l->items[i], states[i]));
                volume_info_items_to_json(l->items[i], &j);
                json_object_close(&j);
        }
        json_array_close(&j);
        json_object_close(&j);
}

static int check_print(const Ctl *ctl, const VolumeInfoList *l, char *const *states) {
        if (ctl->quiet)
                return 0;
        if (ctl->json != JSON_OFF) {
                check_print_json(ctl, l, states);
                return 0;
        }
        if (l->n == 0) {
                (void) puts("No volume has a manifest.");
                return 0;
        }
        return check_print_table(ctl, l, states);
}

static bool check_any_is_stale(const VolumeInfoList *l, char *const *states) {
        for (size_t i = 0; i < l->n; i++)
                if (check_is_stale(l->items[i], states[i]))
                        return true;
        return false;
}

/* Nobody waits for what the scans find. */
static int check_request(Ctl *ctl, char *const *volumes) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        int r = *volumes ? EXIT_SUCCESS : client_select(ctl, volumes, &l);
        for (size_t i = 0; r == EXIT_SUCCESS && l && i < l->n; i++)
                r = client_request(ctl, "Scan", "s", l->items[i]->name);
        for (; r == EXIT_SUCCESS && *volumes; volumes++) {
                _cleanup_free_ char *name = client_volume_argument(*volumes);
                r = name ? client_request(ctl, "Scan", "s", name) : client_complain_errno(-ENOMEM);
        }
        return r == EXIT_SUCCESS ? client_ping(ctl) : r;
}

int verb_check(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes);
        if (ctl->no_wait)
                return check_request(ctl, volumes);
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        _cleanup_strv_free_ char **states = NULL; /* the reply of each scan */
        int r = client_select(ctl, volumes, &l);
        for (size_t i = 0; r == EXIT_SUCCESS && i < l->n; i++)
                r = check_scan(ctl, l->items + i, &states);
        if (r != EXIT_SUCCESS)
                return r;
        assert(strv_length(states) == l->n);
        if (check_print(ctl, l, states) < 0) {
                (void) log_oom();
                return BOOTKEEP_CTL_NO;
        }
        return check_any_is_stale(l, states) ? BOOTKEEP_CTL_NO : EXIT_SUCCESS;
}
