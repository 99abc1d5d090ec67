/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each kind of attribute accepts. It refuses to know which attribute of which element it is. */

#include "manifest/manifest-value.h"

#include "base/error.h"
#include "manifest/manifest.h"
#include "manifest/template.h"

static int value_keep(const char *value, void *field) {
        char *copy = strdup(value);
        if (!copy)
                return error_origin(-ENOMEM);
        char **s = field;
        free(*s);
        *s = copy;
        return 0;
}

int value_parse_version(const char *value, void *field, const char **rewhy) {
        *rewhy = "expected 1";
        return streq(value, "1") ? 0 : error_origin(-EINVAL);
}

int value_parse_name(const char *value, void *field, const char **rewhy) {
        size_t n = strlen(value);
        *rewhy = "a name is 1 to 64 of A-Z a-z 0-9 . _ -, the first neither . nor -";
        if (n < 1 || n > MANIFEST_NAME_MAX || value[0] == '.' || value[0] == '-')
                return error_origin(-EINVAL);
        if (strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != n)
                return error_origin(-EINVAL);
        return value_keep(value, field);
}

int value_parse_path(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        return *rewhy ? error_origin(-EINVAL) : value_keep(value, field);
}

int value_parse_output(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        return *rewhy ? error_origin(-EINVAL) : strv_extend(field, value);
}

int value_parse_each(const char *value, void *field, const char **rewhy) {
        *rewhy = template_problem(value);
        if (!*rewhy && template_uses(value, 'i'))
                *rewhy = "%i stands for what it matches and cannot be in it";
        if (!*rewhy && value + strcspn(value, "*?[") < strrchr(value, '/'))
                *rewhy = "only the last part can be a pattern";
        return *rewhy ? error_origin(-EINVAL) : value_keep(value, field);
}

int value_parse_role(const char *value, void *field, const char **rewhy) {
        CopyRole role = copy_role_from_string(value);
        *rewhy = "expected required, entry, booter or misc";
        if (role < 0)
                return error_origin(-EINVAL);
        *(CopyRole *) field = role;
        return 0;
}

int value_parse_helper(const char *value, void *field, const char **rewhy) {
        HelperType type = helper_type_from_string(value);
        *rewhy = "expected esp or xbootldr";
        if (type < 0)
                return error_origin(-EINVAL);
        *(HelperType *) field = type;
        return 0;
}

int value_parse_yes_no(const char *value, void *field, const char **rewhy) {
        *rewhy = "expected yes or no";
        if (!streq(value, "yes") && !streq(value, "no"))
                return error_origin(-EINVAL);
        *(bool *) field = streq(value, "yes");
        return 0;
}
