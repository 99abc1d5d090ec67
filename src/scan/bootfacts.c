/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The variables are those of https://systemd.io/BOOT_LOADER_INTERFACE. They are read here and not in the
 * daemon, because reading one calls the firmware. */

#include "scan/bootfacts.h"

#include <ctype.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/kernelfile.h"
#include "base/parse.h"

#define LOADER_VENDOR "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define ATTRIBUTES_SIZE 4U
#define TEXT_MAX 512U

/* On x86: the kernel was started by another one, and what the boot loader told may be about that one. */
#define BOOT_LOADER_TYPE "/proc/sys/kernel/bootloader_type"
#define BOOT_LOADER_KEXEC 0xdU

#define CONTAINER "/run/systemd/container"

/* UTF-16LE, of which only printable ASCII is accepted: nothing else is in these variables. */
static int decode_variable(const unsigned char *data, size_t size, char **ret) {
        char text[TEXT_MAX + 1];
        size_t n = 0;
        for (size_t i = ATTRIBUTES_SIZE; i + 1 < size && (data[i] || data[i + 1]); i += 2) {
                if (data[i + 1] || data[i] < 0x20 || data[i] > 0x7e || n == TEXT_MAX)
                        return error_origin(-EBADMSG);
                text[n++] = (char) data[i];
        }
        text[n] = 0;
        char *copy = n > 0 ? strdup(text) : NULL;
        if (!copy)
                return error_origin(n > 0 ? -ENOMEM : -EBADMSG);
        *ret = copy;
        return 0;
}

/* *RET stays NULL where the variable is missing or not understood. */
static int read_variable(const char *efivars, const char *name, char **ret) {
        unsigned char data[ATTRIBUTES_SIZE + 2 * (TEXT_MAX + 2)];
        _cleanup_free_ char *path = NULL;
        int r = strprintf(&path, "%s/%s-" LOADER_VENDOR, efivars, name);
        if (r < 0)
                return r;
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        if (!f)
                return errno == ENOMEM ? error_origin(-ENOMEM) : 0;
        r = decode_variable(data, fread(data, 1, sizeof(data), f), ret);
        return r == -ENOMEM ? r : 0;
}

static bool is_partuuid(const char *s) {
        return strlen(s) == 36 && strspn(s, "0123456789abcdef-") == 36;
}

static void forget_text(char **p) {
        free(*p);
        *p = NULL;
}

static int read_loader(const char *efivars, BootFacts *facts) {
        int r = read_variable(efivars, "LoaderDevicePartUUID", &facts->partuuid);
        for (char *p = facts->partuuid; r >= 0 && p && *p; p++)
                *p = (char) tolower((unsigned char) *p);
        if (facts->partuuid && !is_partuuid(facts->partuuid))
                forget_text(&facts->partuuid);
        return r < 0 ? r : read_variable(efivars, "LoaderEntrySelected", &facts->entry);
}

/* 1: it was; 0: it was not, or this kernel does not say. */
static int is_started_by_kexec(void) {
        uint64_t type = 0;
        int r = parse_file_u64(BOOT_LOADER_TYPE, &type);
        return r == -ENOMEM ? r : r >= 0 && type >> 4 == BOOT_LOADER_KEXEC;
}

static int read_command_line(BootFacts *facts) {
        int r = kernelfile_read_line(KERNEL_CMDLINE, &facts->started);
        for (char *p = facts->started; r >= 0 && *p; p++)
                if (*p == '\\')
                        *p = '/';
        return r;
}

static int read_started(const char *efivars, BootFacts *facts) {
        int r = is_started_by_kexec();
        if (r < 0)
                return r;
        if (r > 0) {
                facts->started = strdup("");
                return facts->started ? 0 : error_origin(-ENOMEM);
        }
        r = read_command_line(facts);
        return r < 0 ? r : read_loader(efivars, facts);
}

static int read_release(BootFacts *facts) {
        struct utsname name;
        if (uname(&name) < 0)
                return error_origin(-errno);
        facts->release = strdup(name.release);
        return facts->release ? 0 : error_origin(-ENOMEM);
}

int boot_facts_read(const char *efivars, BootFacts *ret) {
        assert(efivars && ret);
        _cleanup_(boot_facts_done) BootFacts facts = {.contained = access(CONTAINER, F_OK) >= 0};
        int r = kernelfile_read_line(KERNEL_BOOT_ID, &facts.boot_id);
        if (r >= 0)
                r = read_release(&facts);
        if (r >= 0)
                r = read_started(efivars, &facts);
        if (r < 0)
                return r;
        *ret = facts;
        facts = BOOT_FACTS_NULL;
        return 0;
}
