# SPDX-License-Identifier: GPL-2.0-or-later
# Only this board, for --with-devices-riscv64=visionfive2
CONFIG_VISIONFIVE2=y
