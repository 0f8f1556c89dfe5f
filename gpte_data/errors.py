"""The errors of gpte-data, all of them.

    GpteError
    ├── UserError              the user's to mend; one sentence; exit 2
    │   ├── BadInput           a file, folder or row that is not what the command reads
    │   ├── BadOption          an option or SPEC that the command does not take
    │   ├── Changed            an output that was made with other settings, or edited since
    │   ├── MissingExtra       a library that this command needs and that is not installed
    │   └── EndpointError      a server that can't be reached, or that refuses the key or the model
    ├── TooManyFailures        more rows failed than --max-errors allows; exit 1
    └── BooksDontClose         rows went missing: a defect of ours; exit 1

A message says what was expected, what was found, and what to do. Errors of other libraries are
turned into these at the border, most specific first, and never shown as a traceback.
"""


class GpteError(Exception):
    """Base of every error that gpte-data raises on purpose."""

    exit_code = 1


class UserError(GpteError):
    """Something that the user can mend; the message is one sentence."""

    exit_code = 2


class BadInput(UserError):
    """A file, folder or row is not what the command reads."""


class BadOption(UserError):
    """An option, a SPEC or a config file holds a value that the command does not take."""


class Changed(UserError):
    """An output exists already and was made with other settings, or was edited since."""


class MissingExtra(UserError):
    """A library that the command needs is not installed."""

    @classmethod
    def of(cls, library: str, extra: str) -> "MissingExtra":
        """Say which library is missing and which extra brings it."""
        return cls(f"{library} is needed and not installed: pip install 'gpte-data[{extra}]'")


class EndpointError(UserError):
    """A server can't be reached, or refuses the key, the model or the request."""


class TooManyFailures(GpteError):
    """More rows failed than --max-errors allows."""


class BooksDontClose(GpteError):
    """Rows in are not rows out + dropped + failed: a defect of gpte-data, never of the data."""


def first_line(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
