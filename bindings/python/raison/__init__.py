"""Run open reasoning models on your own hardware, and see and steer the reasoning.

    import raison

    with raison.Model() as model, model.session() as session:  # the built-in model
        for event in session.ask("What is 12 * 13?"):
            if event.kind == "token":
                print(event.text, end="")
        print(session.answer)

A `Model` may be shared by threads. A `Session` is one timeline, used by one thread at a time; only
`Session.cancel` may come from another. Every slow call lets other Python threads run.
"""

from ._errors import (
    ArgumentError,
    BusyError,
    CancelledError,
    CapacityError,
    ContextError,
    DeviceError,
    Error,
    FileNotFound,
    ForkedError,
    FormatError,
    InternalError,
    KvError,
    NonFiniteError,
    OutOfMemory,
    StateError,
    StructError,
    TemplateError,
    TextError,
    UnsupportedError,
)
from ._events import Event, Step, Token, Usage
from ._model import Device, Message, Model, ModelInfo, TensorInfo, devices
from ._options import GenerateOptions
from ._raison import status_name
from ._raison import version as _version
from ._session import EventStream, Session, sessions_next, step_all

__version__ = _version()

__all__ = [
    "ArgumentError", "BusyError", "CancelledError", "CapacityError", "ContextError", "Device",
    "DeviceError", "Error", "Event", "EventStream", "FileNotFound", "ForkedError", "FormatError",
    "GenerateOptions", "InternalError", "KvError", "Message", "Model", "ModelInfo",
    "NonFiniteError", "OutOfMemory", "Session", "StateError", "Step", "StructError",
    "TemplateError", "TensorInfo", "TextError", "Token", "UnsupportedError", "Usage", "devices",
    "sessions_next", "status_name", "step_all",
]  # fmt: skip
