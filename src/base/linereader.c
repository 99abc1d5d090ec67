/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/linereader.h"

#include "base/error.h"

/* Passes on every whole line in the buffer and keeps the rest. */
static void give_lines(LineReader *reader, linereader_line_t line, void *userdata) {
        assert(reader->used > 0 && reader->used <= sizeof(reader->line));
        char *start = reader->line, *end;
        while ((end = memchr(start, '\n', reader->used - (size_t) (start - reader->line)))) {
                *end = 0;
                if (!reader->too_long)
                        line(start, userdata);
                reader->too_long = false;
                start = end + 1;
        }
        reader->used -= (size_t) (start - reader->line);
        memmove(reader->line, start, reader->used);
        if (reader->used == sizeof(reader->line)) {
                reader->too_long = reader->cut = true;
                reader->used = 0;
        }
}

int linereader_read(LineReader *reader, int fd, unsigned reads, linereader_line_t line, void *userdata) {
        for (; reads > 0; reads--) {
                ssize_t n = read(fd, reader->line + reader->used, sizeof(reader->line) - reader->used);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : error_origin(-errno);
                if (n == 0)
                        return 1;
                reader->used += (size_t) n;
                give_lines(reader, line, userdata);
        }
        return 0;
}
