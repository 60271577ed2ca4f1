# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts on this machine, each with a Debian and a libvirtd of its own."""
