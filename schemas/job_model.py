# SPDX-License-Identifier: Apache-2.0
"""What every section of a job file has in common: frozen, unknown keys refused; shared types."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class JobModel(BaseModel):
    """A section of a job file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, allow_inf_nan=False, str_strip_whitespace=True
    )
