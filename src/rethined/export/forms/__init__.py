"""The forms of the network that leave the house: torch modules with named inputs and outputs."""

from __future__ import annotations

from rethined.export.forms.form import Form
from rethined.export.forms.lr import lr_form
from rethined.export.forms.pipeline import pipeline_form

__all__ = ["Form", "lr_form", "pipeline_form"]
