"""The knobs of `cleanplate reprocess`: those of the main job, and which verdict of QC is a reason."""

from __future__ import annotations

from typing import Any, Literal

from flows.knobs import MASKS, MODEL, SELECTION, knob
from flows.settings import MatteSettings


class ReprocessSettings(MatteSettings):
    """All settings of `cleanplate reprocess`."""

    flagged: Literal["review", "fail"] | None = knob(
        None,
        SELECTION,
        "Only frames that QC gives this verdict, or a worse one; their numbers from before are kept for comparison.",
    )

    def asked(self) -> dict[str, Any]:
        """Return what makes one command another one: the selection, and the said knobs of models and masks."""
        said = {name for name in self.model_fields_set if _panel(name) in (MODEL, MASKS)}
        changed = self.model_dump(mode="json", include=said)
        return {"flagged": self.flagged, "selection": self.selection.to_record(), "changed": changed}


def _panel(name: str) -> object:
    extra = ReprocessSettings.model_fields[name].json_schema_extra
    return extra.get("panel") if isinstance(extra, dict) else None
