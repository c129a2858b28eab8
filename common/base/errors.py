"""The exceptions a user can meet.

Every message is one line that names the culprit and says what to do about it. The command line
prints it and exits with status 1; the app shows it as a notice. Anything else that escapes is a
bug.
"""


class FunclocError(Exception):
    """Base of everything that is the input's fault rather than the program's.

    A message names a setting between backticks, which the command line makes its option. It is one
    line, whatever the names and values are that it tells of.

    Examples
    --------
    >>> try:
    ...     top_percent(found, 0)
    ... except FunclocError as error:
    ...     print(error.plain)
    0 percent: give more than 0 and at most 100
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(" ".join(str(message).splitlines()))

    @property
    def plain(self) -> str:
        """The message in one line, its settings by their names alone."""
        return " ".join(str(self).replace("`", "").split())


class DataError(FunclocError):
    """Stimuli or a table of labels that are missing, broken or inconsistent."""


class ManifestError(DataError):
    """A manifest that cannot be read, or that says something impossible."""


class ModelError(FunclocError):
    """A model that cannot be loaded, or does not do what is asked of it."""


class SiteError(FunclocError):
    """A place in the model that does not exist, never fires, or fires more than once."""


class MaskError(FunclocError):
    """A mask that cannot be made, or does not belong to the model at hand."""


class RunError(FunclocError):
    """A run folder that is in use, holds another run, or cannot be read."""


class BusyError(RunError):
    """A run folder that another process is working in."""


class SettingError(FunclocError):
    """A setting whose value makes no sense."""
