/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's record of a volume that is mounted once. */

#include <sys/sysmacros.h>

#include "daemon/record.h"
#include "fixture.h"

#define UUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define PARTUUID "eb511f56-56dc-0a40-8fa7-050aed9e7758"

static inline MountEntry entry(uint64_t id, const char *target) {
        return (MountEntry){.id = id,
                            .devno = makedev(4000, 2),
                            .device = (char *) "sda2",
                            .node = (char *) "/dev/mapper/os",
                            .root = (char *) "/",
                            .target = (char *) (uintptr_t) target,
                            .fstype = (char *) "ext4"};
}

static inline Record *volume(const char *name, const char *target) {
        Record *r = NULL;
        MountEntry e = entry(7, target);
        assert_int_equal(record_new(NULL, name, &r), 0);
        r->volume = volume_init(true);
        assert_int_equal(record_set_mount(r, &e), 0);
        return r;
}

/* What a child that prints LINES has reported. */
static inline Report *report_of(const char *lines) {
        Report *report = report_new();
        assert_non_null(report);
        while (*lines) {
                char line[256];
                size_t n = strcspn(lines, "\n");
                assert_true(n < sizeof(line) && lines[n] == '\n');
                (void) snprintf(line, sizeof(line), "%.*s", (int) n, lines);
                assert_int_equal(report_parse_line(report, line), 0);
                lines += n + 1;
        }
        return report;
}
