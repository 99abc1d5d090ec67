#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots a machine for guest/vfat.py."""

import sys

from machine import relay

relay("vfat.py", sys.argv[1:], disks=[128])
