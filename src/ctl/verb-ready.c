/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `bootkeepctl ready`: may the system go down now? One line says why not, for people; the exit status says it
 * to whatever reboots machines. A daemon that does not answer soon must not let it pass. */

#include "base/error.h"
#include "base/log.h"
#include "ctl/client.h"
#include "ctl/worst.h"

#define READY_USEC (5 * USEC_PER_SEC)

typedef struct ReadyAnswer {
        bool ready;
        VolumeInfoList *volumes;
} ReadyAnswer;

static void ready_answer_done(ReadyAnswer *a) {
        (void) volume_info_list_free(a->volumes);
}

typedef struct ReadyCall {
        sd_bus_slot *slot;
        sd_bus_message *reply;
} ReadyCall;

static void ready_call_done(ReadyCall *call) {
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->reply);
}

static int ready_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ReadyCall *call = userdata;
        call->reply = sd_bus_message_ref(m);
        return 0;
}

/* sd-bus counts a call's timeout from when it is connected: a bus that does not answer would take for ever.
 */
static int ready_wait(sd_bus *bus, const ReadyCall *call, uint64_t end) {
        while (!call->reply) {
                uint64_t now = now_usec();
                if (now >= end)
                        return error_origin(-ETIMEDOUT);
                int r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, end - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return 0;
}

static int ready_ask(sd_bus *bus, ReadyCall *property, ReadyCall *volumes) {
        uint64_t end = now_usec() + READY_USEC;
        int r = sd_bus_call_method_async(bus, &property->slot, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                         "org.freedesktop.DBus.Properties", "Get", ready_on_reply, property,
                                         "ss", BOOTKEEP_MANAGER_INTERFACE, "Ready");
        if (r >= 0)
                r = sd_bus_call_method_async(bus, &volumes->slot, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                             "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                             ready_on_reply, volumes, NULL);
        if (r >= 0)
                r = ready_wait(bus, property, end);
        return r < 0 ? r : ready_wait(bus, volumes, end);
}

static int ready_read(sd_bus_message *property, sd_bus_message *volumes, ReadyAnswer *ret) {
        int ready = false, r = sd_bus_message_read(property, "v", "b", &ready);
        if (r >= 0)
                r = client_read_list(volumes, &ret->volumes);
        if (r < 0)
                return client_complain_errno(r);
        ret->ready = ready;
        return EXIT_SUCCESS;
}

static int ready_get(const Ctl *ctl, ReadyAnswer *ret) {
        _cleanup_(ready_call_done) ReadyCall property = {}, volumes = {};
        int r = ready_ask(ctl->bus, &property, &volumes);
        if (r == -ETIMEDOUT) {
                sd_bus_close(ctl->bus); /* or the end of the program would wait for it to be written to */
                log_error("bootkeepd does not answer");
                return BOOTKEEP_CTL_UNREACHABLE;
        }
        if (r < 0)
                return client_complain_errno(r);
        const sd_bus_error *error = sd_bus_message_get_error(property.reply);
        if (!error)
                error = sd_bus_message_get_error(volumes.reply);
        return error ? client_complain(error, NULL) : ready_read(property.reply, volumes.reply, ret);
}

static bool ready_is_new(const VolumeInfo *v) {
        return streq(v->state, "new") || streq(v->state, "scanning");
}

static bool ready_is_lost(const VolumeInfo *v) {
        return v->trusted &&
               (streq(v->state, "given-up") || streq(v->state, "hung") || streq(v->state, "refused"));
}

static int ready_print_line(const ReadyAnswer *a, const VolumeInfo *worst, size_t n) {
        _cleanup_free_ char *text = NULL;
        if (worst) {
                int r = worst_describe(worst, &text);
                if (r < 0)
                        return r;
        }
        (void) printf("%s%s%s", a->ready ? "Ready" : "Not ready", a->ready && worst ? ", but " : ": ",
                      worst      ? text
                      : a->ready ? "nothing is owed"
                                 : "a scan is awaited");
        if (n > 1)
                (void) printf(" (and %zu more)", n - 1);
        (void) putchar('\n');
        return 0;
}

static void ready_print_json(const Ctl *ctl, const ReadyAnswer *a, const VolumeInfo *worst) {
        Json j = JSON_INIT(stdout, ctl->json);
        json_object_open(&j, NULL);
        json_bool(&j, "ready", a->ready);
        if (worst) {
                json_string(&j, "volume", worst->name);
                json_string(&j, "state", worst->state);
                json_string(&j, "state_reason", worst->reason);
                json_string(&j, "lock_holder", worst->lock_holder);
        }
        json_array_open(&j, "busy");
        for (size_t i = 0; i < a->volumes->n; i++)
                if (a->volumes->items[i]->busy)
                        json_string(&j, NULL, a->volumes->items[i]->name);
        json_array_close(&j);
        json_object_close(&j);
}

static int ready_print(const Ctl *ctl, const ReadyAnswer *a) {
        size_t n = 0;
        const VolumeInfo *worst = worst_of(a->volumes, a->ready ? ready_is_lost : worst_is_busy, &n);
        if (!worst && !a->ready)
                worst = worst_of(a->volumes, ready_is_new, &n);
        if (ctl->quiet)
                return 0;
        if (ctl->json == JSON_OFF)
                return ready_print_line(a, worst, n);
        ready_print_json(ctl, a, worst);
        return 0;
}

int verb_ready(Ctl *ctl, char *const *none) {
        assert(ctl && ctl->bus && none && !*none);
        _cleanup_(ready_answer_done) ReadyAnswer a = {};
        size_t busy;
        int r = ready_get(ctl, &a);
        if (r != EXIT_SUCCESS)
                return r;
        assert(a.volumes);
        /* the two replies are of two moments: what became busy in between counts */
        a.ready = a.ready && !worst_of(a.volumes, worst_is_busy, &busy);
        if (ready_print(ctl, &a) < 0) {
                (void) log_oom();
                return BOOTKEEP_CTL_NO;
        }
        return a.ready ? EXIT_SUCCESS : BOOTKEEP_CTL_NO;
}
