# SPDX-License-Identifier: GPL-2.0-or-later
"""What suites share. A suite's entrance puts tests/ on the path, once; then
everything imports it as "from harness import guest"."""
