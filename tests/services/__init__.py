# SPDX-License-Identifier: MIT
"""Real servers for the tests, each on a free port and in a directory that goes with it."""
