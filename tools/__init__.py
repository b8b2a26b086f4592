# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The PC side of cairn: what ./cairn, SConstruct and the tests are made of."""
