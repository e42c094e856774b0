# SPDX-License-Identifier: Apache-2.0
"""Runnable jobs, the query layer, the data card and the command line."""
