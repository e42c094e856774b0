# SPDX-License-Identifier: Apache-2.0
"""Data contracts: what a job, a table, a rule and an error are. Imports neither Beam nor transforms."""
