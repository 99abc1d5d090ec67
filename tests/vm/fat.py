# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a FAT file system as firmware does: from the sectors, without the help of a kernel.

Firmware repairs nothing, so this does not either: a file whose chain of clusters is broken cannot be read, a directory
only up to there."""

import struct

LONG_NAME = 0x0F
DIRECTORY = 0x10
VOLUME_ID = 0x08


class Broken(Exception):
    """Firmware could not read this."""


class File:
    """DATA is None where the file cannot be read to its end."""

    def __init__(self, cluster, data):
        self.cluster = cluster
        self.data = data


class Fat:
    """One file system in IMAGE, bytes."""

    def __init__(self, image):
        self.image = memoryview(image)
        (self.sector, per_cluster, reserved, fats, entries, small, _, fat_size, _, _, _, large, fat_size_32) = \
            struct.unpack_from("<HBHBHHBHHHIII", image, 11)
        if not per_cluster or not (fat_size or fat_size_32) or self.sector != 512:
            raise Broken("no FAT")
        self.cluster_size = per_cluster * self.sector
        self.fat_start = reserved * self.sector
        self.root_start = self.fat_start + fats * (fat_size or fat_size_32) * self.sector
        self.root_size = entries * 32
        self.root_cluster = None if fat_size else struct.unpack_from("<I", image, 44)[0]
        self.data_start = self.root_start + self.root_size
        self.clusters = ((small or large) * self.sector - self.data_start) // self.cluster_size
        self.bits = 32 if not fat_size else 16 if self.clusters >= 4085 else 12

    def _next(self, cluster):
        """The cluster that follows CLUSTER; None at the end of the chain."""
        at, form = {12: (cluster * 3 // 2, "<H"), 16: (cluster * 2, "<H"), 32: (cluster * 4, "<I")}[self.bits]
        word = struct.unpack_from(form, self.image, self.fat_start + at)[0]
        if self.bits == 12:
            word = word >> 4 if cluster & 1 else word & 0xFFF
        elif self.bits == 32:
            word &= 0x0FFFFFFF
        return None if word >= (1 << min(self.bits, 28)) - 8 else word

    def _chain(self, cluster):
        """(content, whether the chain was complete)."""
        found = []
        while cluster is not None:
            if not 2 <= cluster < self.clusters + 2 or len(found) > self.clusters:
                return b"".join(found), False
            start = self.data_start + (cluster - 2) * self.cluster_size
            found.append(self.image[start:start + self.cluster_size])
            cluster = self._next(cluster)
        return b"".join(found), True

    def _entries(self, data):
        """(name, attributes, cluster, size) of everything in a directory."""
        long = {}
        for at in range(0, len(data), 32):
            raw = bytes(data[at:at + 32])
            if raw[0] == 0:
                break
            if raw[0] == 0xE5:
                long = {}
            elif raw[11] == LONG_NAME:
                long[raw[0] & 0x1F] = raw[1:11] + raw[14:26] + raw[28:32]
            else:
                low, size = struct.unpack_from("<HI", raw, 26)
                high = struct.unpack_from("<H", raw, 20)[0] if self.bits == 32 else 0
                yield _name(raw, long), raw[11], high << 16 | low, size
                long = {}

    def files(self):
        """{path: File}, only regular files."""
        root = self.image[self.root_start:self.root_start + self.root_size]
        return dict(self._walk("/", self._chain(self.root_cluster)[0] if self.root_cluster else root, 0))

    def _walk(self, base, data, depth):
        if depth > 16:
            return  # what was taken for directories are none
        for name, attributes, cluster, size in self._entries(data):
            if attributes & VOLUME_ID or name in (".", ".."):
                continue
            if attributes & DIRECTORY:
                yield from self._walk(base + name + "/", self._chain(cluster)[0], depth + 1)
            else:
                yield base + name, File(cluster, self._content(cluster, size))

    def _content(self, cluster, size):
        """None where the chain breaks or is too short: a file that cannot be read."""
        content, whole = self._chain(cluster) if cluster else (b"", True)
        return content[:size] if whole and len(content) >= size else None


def _name(raw, long):
    if long:
        text = b"".join(long[n] for n in sorted(long)).decode("utf-16-le", "replace")
        return text.split("\0", 1)[0].rstrip("\uffff")
    stem, extension = raw[:8].decode("cp437").rstrip(), raw[8:11].decode("cp437").rstrip()
    stem = stem.lower() if raw[12] & 0x08 else stem
    extension = extension.lower() if raw[12] & 0x10 else extension
    return f"{stem}.{extension}" if extension else stem
