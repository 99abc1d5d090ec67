# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a disk may hold after the power was cut, from the record of its writes.

The model: what was written before a completed flush is on the disk. Of what was written since then, any part may be
there, in any order, down to single sectors of 512 bytes; a sector is never torn. The record is that of QEMU's
blklogwrites, in the format of Linux's dm-log-writes."""

import itertools
import random
import struct

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4


def read_record(path):
    """(offset, data) of each write in order, None for a flush."""
    with open(path, "rb") as f:
        magic, version, count, size = struct.unpack("<QQQI", f.read(28))
        assert (magic, version, size) == (MAGIC, 1, SECTOR), f"{path} is no record"
        f.seek(SECTOR)
        for _ in range(count):
            sector, sectors, flags, _ = struct.unpack("<QQQQ", f.read(SECTOR)[:32])
            if flags & FLUSH:
                yield None
            if flags & DISCARD:
                continue  # the old content or zeros: nobody relies on either
            if sectors:
                yield sector * SECTOR, f.read(sectors * SECTOR)


class Run:
    """The writes to one partition, and the image that was there before them."""

    def __init__(self, image):
        self.before = bytes(image)
        self.epochs = [[]]

    def add(self, offset, data):
        self.epochs[-1].append((offset, data))

    def flush(self):
        if self.epochs[-1]:
            self.epochs.append([])

    def prefixes(self):
        """Each state between two writes, as {offset of a sector: its content}."""
        done = {}
        yield dict(done)
        for offset, data in itertools.chain(*self.epochs):
            done.update(_sectors(offset, data))
            yield dict(done)

    def reordered(self, samples=24, seed=1):
        """States with any part of what was not flushed: all parts of a few writes, else each write alone, all but
        each, and SAMPLES random ones; and random sectors."""
        chance = random.Random(seed)
        done = {}
        for epoch in self.epochs:
            for part in _parts(len(epoch), samples, chance):
                state = dict(done)
                for i in part:
                    state.update(_sectors(*epoch[i]))
                yield state
            pieces = [s for write in epoch for s in _sectors(*write)]
            for _ in range(samples if len(pieces) > len(epoch) else 0):
                share = chance.random()
                yield {**done, **dict(p for p in pieces if chance.random() < share)}
            for write in epoch:
                done.update(_sectors(*write))

    def used(self):
        """The end of everything that was ever written, rounded up."""
        ends = [offset + len(data) for offset, data in itertools.chain(*self.epochs)]
        return -(-max([len(self.before.rstrip(b"\0")), *ends]) // 65536) * 65536

    def image(self, state, size):
        """The first SIZE bytes of the partition."""
        made = bytearray(self.before[:size])
        for offset, data in state.items():
            made[offset:offset + SECTOR] = data
        return made


def _parts(n, samples, chance):
    if n <= 6:
        return [p for size in range(n + 1) for p in itertools.combinations(range(n), size)]
    parts = [(i,) for i in range(n)] + [tuple(j for j in range(n) if j != i) for i in range(n)]
    return parts + [tuple(sorted(chance.sample(range(n), chance.randint(1, n - 1)))) for _ in range(samples)]


def _sectors(offset, data):
    return [(offset + at, data[at:at + SECTOR]) for at in range(0, len(data), SECTOR)]


def runs(record, start, size, marks_start):
    """{name: Run} for the partition at START of SIZE bytes, cut at the marks that guest/powercut.py wrote."""
    image = bytearray(size)
    found, current, name = {}, None, None
    for write in record:
        if write is None:
            if current:
                current.flush()
            continue
        offset, data = write
        if offset == marks_start and data.startswith(b"bootkeep mark "):
            verb, name = data.split(b"\n", 1)[0].decode().split()[2:]
            current = Run(image) if verb == "begin" else None
            if current:
                found[name] = current
            else:
                found[name].after = bytes(image)
            continue
        begin, end = max(offset, start), min(offset + len(data), start + size)
        if begin < end:
            data = data[begin - offset:end - offset]
            image[begin - start:end - start] = data
            if current:
                current.add(begin - start, data)
    return found
