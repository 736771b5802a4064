"""One exception class for each status of raison.h; all are `Error`."""

import functools
import logging
from typing import Any, Callable, TypeVar

from . import _raison

_logger = logging.getLogger("raison")
_logger.addHandler(logging.NullHandler())
_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO, 3: logging.DEBUG}

_F = TypeVar("_F", bound=Callable[..., Any])


class Error(Exception):
    """A failed call. `status` is the RSN_ERR_* number, the text is the library's sentence."""

    status: int = 0


class ArgumentError(Error, ValueError):
    """A value out of its range, an unknown name."""


class StructError(Error):
    """The extension and libraison.so do not belong together."""


class TextError(Error, ValueError):
    """Text that is not UTF-8, or not the JSON that was asked for."""


class CapacityError(Error):
    """A buffer was too small."""


class FileNotFound(Error, FileNotFoundError):
    """No such file, or it cannot be opened."""


class FormatError(Error, ValueError):
    """A file that is malformed, truncated or contradicts itself."""


class UnsupportedError(Error, NotImplementedError):
    """An architecture or option that is not implemented."""


class TemplateError(Error, ValueError):
    """No chat template, or it fails on these messages."""


class OutOfMemory(Error, MemoryError):
    """The system gave no memory."""


class KvError(Error):
    """kv_bytes is used up: free or rewind a session and go on."""


class DeviceError(Error):
    """A device is missing, refused or lost."""


class StateError(Error, RuntimeError):
    """Not now: no request is running, or the object is closed."""


class BusyError(StateError):
    """Another thread is using this session."""


class ForkedError(StateError):
    """The object was made in another process."""


class ContextError(Error, ValueError):
    """The text does not fit the session's context length."""


class CancelledError(Error):
    """Cancelled by a progress callback."""


class InternalError(Error, RuntimeError):
    """The library's own fault."""


class NonFiniteError(Error, ArithmeticError):
    """The model produced a NaN or an infinity."""


_BY_STATUS = {
    -10: ArgumentError, -11: StructError, -12: TextError, -13: CapacityError,
    -20: FileNotFound, -21: FormatError, -22: UnsupportedError, -23: TemplateError,
    -30: OutOfMemory, -31: KvError, -32: DeviceError,
    -40: StateError, -41: BusyError, -42: ForkedError, -43: ContextError,
    -50: CancelledError, -60: InternalError, -61: NonFiniteError,
}  # fmt: skip
for _status, _class in _BY_STATUS.items():
    _class.status = _status  # also where Python refuses before the library is asked


def make_error(status: int, text: str) -> Error:
    error = _BY_STATUS.get(status, Error)(text)
    error.status = status
    return error


def translated(call: _F) -> _F:
    """Turns the extension's error into the exception class of its status."""

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except _raison.NativeError as error:
            raise make_error(error.status, str(error)) from None

    return wrapper  # type: ignore[return-value]


def emit_log(native: Any) -> None:
    """Gives what the library has said since the last call to `logging`."""
    for level, text in native.take_log():
        _logger.log(_LEVELS.get(level, logging.INFO), "%s", text)
