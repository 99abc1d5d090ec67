/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The values of attributes in a manifest. Each parser stores VALUE in FIELD (of the type noted), or returns
 * -EINVAL and says in *REWHY (static text) what is wrong with it; -ENOMEM. */

#include "base/util.h"

int value_parse_version(const char *value, void *field, const char **rewhy); /* nothing */
int value_parse_name(const char *value, void *field, const char **rewhy);    /* char * */
int value_parse_path(const char *value, void *field, const char **rewhy);    /* char * */
int value_parse_output(const char *value, void *field, const char **rewhy);  /* strv: one more path */
int value_parse_each(const char *value, void *field, const char **rewhy);    /* char * */
int value_parse_role(const char *value, void *field, const char **rewhy);    /* CopyRole */
int value_parse_helper(const char *value, void *field, const char **rewhy);  /* HelperType */
int value_parse_yes_no(const char *value, void *field, const char **rewhy);  /* bool */
