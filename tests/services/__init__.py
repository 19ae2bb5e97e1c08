# SPDX-License-Identifier: MIT
"""Real servers for the tests. Each listens on a free port and has its own temporary directory."""
