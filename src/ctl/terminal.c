/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNSAID 80

size_t terminal_width(int fd) {
        struct winsize w = {};
        if (!isatty(fd))
                return 0;
        return ioctl(fd, TIOCGWINSZ, &w) >= 0 && w.ws_col > 0 ? w.ws_col : WIDTH_UNSAID;
}
