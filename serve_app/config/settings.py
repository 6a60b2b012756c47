"""What all settings have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Settings(BaseModel):
    """What every part of the tree has in common: frozen, and strict."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation in (int, float):
            raise ValueError(f"{str(value).lower()} is no number")
        return value


def reason_of(message: str) -> str:
    """What pydantic says is wrong, without what it puts before our own words."""
    return message.removeprefix("Value error, ")
