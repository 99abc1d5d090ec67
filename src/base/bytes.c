/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bytes.h"

char *bytes_to_text(uint64_t size, char buffer[static BYTES_TEXT_MAX]) {
        static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
        double value = (double) size;
        size_t unit = 0;
        for (; value >= 1024 && unit + 1 < ELEMENTSOF(units); unit++)
                value /= 1024;
        (void) snprintf(buffer, BYTES_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
        return buffer;
}
