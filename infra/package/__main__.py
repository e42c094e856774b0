# SPDX-License-Identifier: Apache-2.0
"""Run the command line as `python -m muniment`."""

import sys

from .pipelines.cli import main

sys.exit(main())
