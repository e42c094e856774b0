# SPDX-License-Identifier: Apache-2.0
"""Kernels (pure, Arrow in, Arrow out) and the PTransforms that wire them."""
