"""Every error rethined raises on purpose, as one tree under :class:`RethinedError`.

A message says what was given, what was expected and what to do about it.
"""

from __future__ import annotations


class RethinedError(Exception):
    """Root of the tree: catch this to catch everything rethined raises on purpose."""


class InputError(RethinedError, ValueError):
    """An argument that cannot be used."""


class ImageError(InputError):
    """A picture of the wrong kind, shape, type or content."""


class MaskError(InputError):
    """A mask of the wrong kind, shape or content, or one that leaves nothing known."""


class OptionError(InputError):
    """An option outside its range."""


class MemoryBudgetError(OptionError):
    """A limit of memory that even the smallest plan does not keep to; the message says the least that is needed."""


class FileError(RethinedError, OSError):
    """A file that cannot be read or written."""


class ImageReadError(FileError):
    """A picture file that is missing, empty or not a picture."""


class ImageWriteError(FileError):
    """A picture file that could not be written; nothing half-written is left behind."""


class InstallationError(RethinedError):
    """A part of the installed package that does not fit the rest of it."""


class ModelError(RethinedError):
    """The network file or its runtime."""


class ModelNotFoundError(ModelError):
    """No network file at the given place."""


class ModelSignatureError(ModelError):
    """A network file with other inputs, outputs or metadata than the engine needs."""


class InferenceError(ModelError):
    """The network runtime failed on a picture."""


class WorkshopError(RethinedError):
    """Training, export and evaluation."""


class ConfigError(WorkshopError, ValueError):
    """A training setting that cannot be used."""


class CheckpointError(WorkshopError):
    """A training state that cannot be resumed."""


class DatasetError(WorkshopError):
    """A folder of photographs that cannot be used."""


class ReportError(WorkshopError, ValueError):
    """A report of an evaluation or a benchmark that is missing or not one."""


class ExportParityError(WorkshopError):
    """An exported network that does not reproduce the one it was made from."""


class ExportError(WorkshopError):
    """A network that a format cannot hold: an operator, a precision or a size that it does not take."""


class MissingExtraError(WorkshopError, ImportError):
    """A command that needs an optional part of the installation."""


class PeerError(WorkshopError, RuntimeError):
    """A peer in a process of its own that failed on a picture or ended."""


class ClusterError(WorkshopError, RuntimeError):
    """A cluster that cannot be reached, or one of its machines that cannot do its part."""
