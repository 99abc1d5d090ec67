#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots a machine for guest/stack.py."""

import sys

from machine import relay

relay("stack.py", sys.argv[1:], disks=[128, 128])
