/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/client.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/systemdbus.h"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

int client_open(sd_bus **ret) {
        assert(ret);
        int r = sd_bus_open_system(ret);
        if (r >= 0) /* the user who typed the command may be asked for a password */
                r = sd_bus_set_allow_interactive_authorization(*ret, true);
        if (r >= 0) /* which takes as long as it takes, even to release a lock */
                r = sd_bus_set_method_call_timeout(*ret, UINT64_MAX);
        if (r >= 0)
                return EXIT_SUCCESS;
        (void) log_errno(r, "cannot reach the system bus");
        return r == -EACCES || r == -EPERM ? BOOTKEEP_CTL_DENIED : BOOTKEEP_CTL_UNREACHABLE;
}

char *client_volume_argument(const char *s) {
        assert(s);
        if (s[0] == '/' || s[0] == '.') {
                char *real = realpath(s, NULL);
                if (real)
                        return real;
        }
        return strdup(s);
}

/* What error replies of bus and daemon mean; a name that ends in a dot stands for all below it. Any other
 * error means "no", in the words of the daemon. */
static const struct {
        const char *error;
        int status;
        const char *text; /* NULL: that of the reply */
} answers[] = {
        {BOOTKEEP_ERROR_NO_SUCH_VOLUME, BOOTKEEP_CTL_NO, "no such volume"},
        {SD_BUS_ERROR_UNKNOWN_OBJECT, BOOTKEEP_CTL_NO, "the volume is gone"},
        {SD_BUS_ERROR_SERVICE_UNKNOWN, BOOTKEEP_CTL_UNREACHABLE, "bootkeepd is not running"},
        {SD_BUS_ERROR_NAME_HAS_NO_OWNER, BOOTKEEP_CTL_UNREACHABLE, "bootkeepd is not running"},
        {SD_BUS_ERROR_NO_REPLY, BOOTKEEP_CTL_UNREACHABLE, "bootkeepd went away without replying"},
        {SD_BUS_ERROR_DISCONNECTED, BOOTKEEP_CTL_UNREACHABLE, "the system bus went away"},
        {SD_BUS_ERROR_ACCESS_DENIED, BOOTKEEP_CTL_DENIED,
         "access denied: only for root, or whom polkit authorises for org.bootkeep1.manage"},
        /* the bus, or systemd for it, tried to start the daemon */
        {"org.freedesktop.DBus.Error.Spawn.", BOOTKEEP_CTL_UNREACHABLE, "bootkeepd is not running"},
        {"org.freedesktop.DBus.Error.TimedOut", BOOTKEEP_CTL_UNREACHABLE, "bootkeepd failed to start"},
        {SYSTEMD ".NoSuchUnit", BOOTKEEP_CTL_UNREACHABLE, "bootkeepd is not installed"},
        {SYSTEMD ".", BOOTKEEP_CTL_UNREACHABLE, NULL},
};

static bool is_answer(const char *name, const char *error) {
        size_t n = strlen(error);
        return error[n - 1] == '.' ? strncmp(name, error, n) == 0 : streq(name, error);
}

int client_complain(const sd_bus_error *error, const char *subject) {
        assert(error && sd_bus_error_is_set(error));
        const char *text = isempty(error->message) ? error->name : error->message;
        _cleanup_free_ char *printable = subject ? escape_print(subject) : NULL;
        int status = BOOTKEEP_CTL_NO;
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                if (!is_answer(strempty(error->name), answers[i].error))
                        continue;
                status = answers[i].status;
                text = answers[i].text ? answers[i].text : text;
                break;
        }
        /* the message of the daemon may name the volume itself: once is enough */
        if (status == BOOTKEEP_CTL_UNREACHABLE || !printable || strstr(text, printable))
                log_error("%s", text);
        else
                log_error("%s: %s", printable, text);
        return status;
}

int client_complain_errno(int r) {
        assert(r < 0);
        (void) log_errno(r, "cannot talk to bootkeepd");
        return r == -EACCES || r == -EPERM ? BOOTKEEP_CTL_DENIED : BOOTKEEP_CTL_UNREACHABLE;
}

int client_complain_call(int r, const char *subject) {
        assert(r < 0);
        if (r != -EINVAL || !subject)
                return client_complain_errno(r);
        log_error("%s: no such volume: a name that is not UTF-8 cannot be sent over D-Bus; use that of its "
                  "device",
                  subject);
        return BOOTKEEP_CTL_NO;
}

static int client_send(Ctl *ctl, const char *subject, sd_bus_message *m, sd_bus_message **ret) {
        assert(ctl && ctl->bus && m);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(ctl->bus, m, UINT64_MAX, &error, ret);
        if (r >= 0)
                return EXIT_SUCCESS;
        return sd_bus_error_is_set(&error) ? client_complain(&error, subject) : client_complain_errno(r);
}

int client_message(Ctl *ctl, const char *method, sd_bus_message **ret, const char *types, va_list ap) {
        assert(ctl && ctl->bus && method && ret);
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(ctl->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               BOOTKEEP_MANAGER_INTERFACE, method);
        if (r >= 0 && ctl->brief)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int client_request(Ctl *ctl, const char *method, const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = NULL;
        va_list ap;
        va_start(ap, types);
        int r = client_message(ctl, method, &m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_send(ctl->bus, m, NULL);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}

int client_ping(Ctl *ctl) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(ctl->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               "org.freedesktop.DBus.Peer", "Ping");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        return r < 0 ? client_complain_errno(r) : client_send(ctl, NULL, m, NULL);
}

int client_call(const ClientCall *call, sd_bus_message **ret, const char *types, ...) {
        assert(call && call->ctl && call->method);
        _cleanup_message_ sd_bus_message *m = NULL;
        va_list ap;
        va_start(ap, types);
        int r = client_message(call->ctl, call->method, &m, types, ap);
        va_end(ap);
        return r < 0 ? client_complain_call(r, call->subject) : client_send(call->ctl, call->subject, m, ret);
}

char *client_manager_text(Ctl *ctl, const char *property) {
        assert(ctl && ctl->bus && property);
        char *text = NULL;
        int r = sd_bus_get_property_string(ctl->bus, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                           BOOTKEEP_MANAGER_INTERFACE, property, NULL, &text);
        return r < 0 ? strdup("") : text;
}

int client_read_object(sd_bus_message *m, VolumeInfo **ret) {
        assert(m && ret);
        _cleanup_(volume_info_freep) VolumeInfo *v = NULL;
        const char *object, *interface;
        int r = sd_bus_message_read_basic(m, 'o', &object);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &interface);
                if (r < 0)
                        return r;
                if (!v && streq(interface, BOOTKEEP_VOLUME_INTERFACE)) {
                        v = volume_info_new(object);
                        r = v ? volume_info_read(v, m) : error_origin(-ENOMEM);
                } else
                        r = sd_bus_message_skip(m, "a{sv}");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

static int read_objects(sd_bus_message *m, VolumeInfoList *l) {
        assert(m && l);
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}")) > 0) {
                VolumeInfo *v = NULL;
                r = client_read_object(m, &v);
                if (r >= 0 && v)
                        r = volume_info_list_add(l, v);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

int client_read_list(sd_bus_message *m, VolumeInfoList **ret) {
        assert(m && ret);
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = calloc(1, sizeof(*l));
        if (!l)
                return error_origin(-ENOMEM);
        int r = read_objects(m, l);
        if (r < 0)
                return r;
        volume_info_list_sort(l);
        *ret = TAKE_PTR(l);
        return 0;
}

int client_list(Ctl *ctl, VolumeInfoList **ret) {
        assert(ctl && ret);
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(ctl->bus, &m, BOOTKEEP_BUS_NAME, BOOTKEEP_OBJECT_PATH,
                                               "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        if (r >= 0 && ctl->brief)
                r = sd_bus_message_set_auto_start(m, false);
        if (r < 0)
                return client_complain_errno(r);
        r = client_send(ctl, NULL, m, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        r = client_read_list(reply, ret);
        return r < 0 ? client_complain_errno(r) : EXIT_SUCCESS;
}

static int get_object(Ctl *ctl, const char *name, const char *object, VolumeInfo **ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(volume_info_freep) VolumeInfo *v = volume_info_new(object);
        if (!v)
                return client_complain_errno(-ENOMEM);
        int r = sd_bus_message_new_method_call(ctl->bus, &m, BOOTKEEP_BUS_NAME, object,
                                               "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", BOOTKEEP_VOLUME_INTERFACE);
        if (r < 0)
                return client_complain_errno(r);
        r = client_send(ctl, name, m, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        r = volume_info_read(v, reply);
        if (r < 0)
                return client_complain_errno(r);
        *ret = TAKE_PTR(v);
        return EXIT_SUCCESS;
}

int client_get(Ctl *ctl, const char *volume, VolumeInfo **ret) {
        assert(ctl && volume && ret);
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *argument = client_volume_argument(volume);
        const char *object;
        if (!argument)
                return client_complain_errno(-ENOMEM);
        int r = client_call(&(const ClientCall){ctl, "GetVolume", volume}, &reply, "s", argument);
        if (r != EXIT_SUCCESS)
                return r;
        r = sd_bus_message_read(reply, "o", &object);
        if (r < 0)
                return client_complain_errno(r);
        return get_object(ctl, volume, object, ret);
}

int client_refresh(Ctl *ctl, VolumeInfo **v) {
        assert(ctl && v && *v);
        VolumeInfo *now = NULL;
        int r = get_object(ctl, (*v)->name, (*v)->object, &now);
        if (r != EXIT_SUCCESS)
                return r;
        (void) volume_info_free(*v);
        *v = now;
        return EXIT_SUCCESS;
}

/* Those that were named. A wrong name ends it: better to do nothing than half of what was meant. */
static int select_named(Ctl *ctl, char *const *volumes, VolumeInfoList **ret) {
        _cleanup_(volume_info_list_freep) VolumeInfoList *l = calloc(1, sizeof(*l));
        if (!l)
                return client_complain_errno(-ENOMEM);
        for (; *volumes; volumes++) {
                VolumeInfo *v = NULL;
                int r = client_get(ctl, *volumes, &v);
                if (r != EXIT_SUCCESS)
                        return r;
                r = volume_info_list_add(l, v);
                if (r < 0)
                        return client_complain_errno(r);
        }
        *ret = TAKE_PTR(l);
        return EXIT_SUCCESS;
}

int client_select(Ctl *ctl, char *const *volumes, VolumeInfoList **ret) {
        assert(ctl && volumes && ret);
        VolumeInfoList *l = NULL;
        if (*volumes)
                return select_named(ctl, volumes, ret);
        int r = client_list(ctl, &l);
        if (r != EXIT_SUCCESS)
                return r;
        /* sorted: those without a manifest are last */
        while (l->n > 0 && volume_info_is_plain(l->items[l->n - 1]))
                (void) volume_info_free(l->items[--l->n]);
        *ret = l;
        return EXIT_SUCCESS;
}
