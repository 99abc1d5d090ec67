/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl history`: the builds so far: when, why, how long, how much was written, and what became of
 * each helper. */

#include "base/error.h"
#include "base/log.h"
#include "base/report.h"
#include "ctl/buildpast.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/pager.h"
#include "ctl/table.h"

static int history_ask(Ctl *ctl, const char *volume, BuildPastList *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = client_call(&(const ClientCall){ctl, "History", volume}, &reply, "su", volume, UINT32_C(0));
        if (r != EXIT_SUCCESS)
                return r;
        r = build_past_read(l, volume, reply);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}

static const char *history_result(const BuildPast *b) {
        return streq(b->entry.result, "not-now")            ? "put off"
               : streq(b->entry.result, "nothing-to-build") ? REPORT_NOTHING_TO_BUILD
                                                            : b->entry.result;
}

static const char *history_color(const BuildPast *b) {
        return streq(b->entry.result, "success")            ? COLOR_GREEN
               : streq(b->entry.result, "nothing-to-build") ? COLOR_DIM
               : streq(b->entry.result, "failed")           ? COLOR_RED
                                                            : COLOR_YELLOW;
}

/* "sda1 ok, sdb1 failed" */
static int history_describe_helpers(const HistoryEntry *e, char **ret) {
        _cleanup_free_ char *text = strdup("");
        for (size_t i = 0; text && i < e->n_items; i++) {
                _cleanup_free_ char *before = NULL;
                if (!e->items[i].helper)
                        continue;
                before = TAKE_PTR(text);
                (void) strprintf(&text, "%s%s%s %s", before, *before ? ", " : "", e->items[i].words[0],
                                 e->items[i].result);
        }
        *ret = TAKE_PTR(text);
        return *ret ? 0 : error_origin(-ENOMEM);
}

static int history_add_line(Table *t, const BuildPast *b) {
        _cleanup_free_ char *helpers = NULL, *why = NULL;
        char when[FORMAT_TIME_MAX], took[FORMAT_SPAN_MAX], bytes[FORMAT_BYTES_MAX];
        const HistoryEntry *e = &b->entry;
        bool both = !isempty(e->why) && !isempty(e->reason);
        int r = history_describe_helpers(e, &helpers);
        if (r >= 0)
                r = strprintf(&why, "%s%s%s", strempty(e->why), both ? "; " : "", strempty(e->reason));
        if (r < 0)
                return r;
        const TableCell cells[] = {
                {format_moment(e->start, when)},
                {b->volume},
                {format_span(e->end > e->start ? e->end - e->start : 0, took)},
                {history_result(b), history_color(b)},
                {b->bytes > 0 ? format_bytes(b->bytes, bytes) : "-"},
                {*helpers ? helpers : "-"},
                {why},
        };
        return table_add(t, NULL, NULL, cells, NULL);
}

static int history_print_table(const Ctl *ctl, const BuildPastList *l) {
        static const TableColumn columns[] = {
                {"WHEN"},
                {"VOLUME"},
                {"TOOK"},
                {"RESULT"},
                {"WRITTEN"},
                {"HELPERS", TABLE_WRAP},
                {"WHY", TABLE_WRAP},
        };
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(ctl, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = history_add_line(t, &l->items[i]);
        if (r < 0)
                return r;
        Pager pager = PAGER_NULL;
        if (ctl->pager && ctl->width > 0)
                pager_open(&pager);
        r = table_print(t);
        pager_done(&pager);
        return r;
}

static void history_print_json(const Ctl *ctl, const BuildPastList *l) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_array_open(&j, "builds");
        for (size_t i = 0; i < l->n; i++)
                build_past_to_json(&l->items[i], &j);
        json_array_close(&j);
        json_object_close(&j);
}

static int history_print(const Ctl *ctl, const BuildPastList *l) {
        if (ctl->json != JSON_OFF)
                history_print_json(ctl, l);
        else if (l->n == 0)
                (void) puts("Nothing has been built yet.");
        else
                return history_print_table(ctl, l);
        return 0;
}

int verb_history(Ctl *ctl, char *const *volumes) {
        assert(ctl && ctl->bus && volumes);
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = NULL;
        _cleanup_(build_past_list_done) BuildPastList past = {};
        int r = client_select(ctl, volumes, &l);
        for (size_t i = 0; r == EXIT_SUCCESS && i < l->n; i++)
                r = history_ask(ctl, l->items[i]->name, &past);
        if (r != EXIT_SUCCESS)
                return r;
        build_past_sort(&past);
        if (!ctl->quiet && history_print(ctl, &past) < 0) {
                (void) log_oom();
                return BOOTKEEP_CTL_NO;
        }
        return EXIT_SUCCESS;
}
