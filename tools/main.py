# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What ./cairn starts."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit("cairn: error: Python 3.11 or later is needed (Debian 12, Ubuntu 24.04 and later have it)")
sys.path[0] = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.geteuid() == 0 and os.environ.get("SUDO_UID", "0") != "0":
    sys.dont_write_bytecode = True  # no files of root's in the caller's tree

from tools.cli import main

sys.exit(main(sys.argv[1:]))
