# SPDX-License-Identifier: Apache-2.0
"""Run the command line as `python -m muniment`."""

from .pipelines.cli import run_and_leave

run_and_leave()
