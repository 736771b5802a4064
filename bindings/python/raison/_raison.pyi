# The extension over raison.hpp is private; the package around it carries the documented types.
# tests/bindings/python/test_package.py compares this list with the extension.
from typing import Callable, List, Sequence, Tuple, Union

CHANNEL_ANSWER: int
CHANNEL_THINKING: int
CONTINUE: int
DETOKENIZE_SPECIAL: int
END_THINKING: int
EVENT_DONE: int
EVENT_NONE: int
EVENT_NOTICE: int
EVENT_PROGRESS: int
EVENT_STEP_BEGIN: int
EVENT_STEP_END: int
EVENT_THINK_BEGIN: int
EVENT_THINK_END: int
EVENT_TOKEN: int
ROLE_ASSISTANT: int
ROLE_SYSTEM: int
ROLE_TOOL: int
ROLE_USER: int
STOP: int
TOKENIZE_BOS: int
TOKENIZE_SPECIAL: int
TRACE_EXPERTS: int
TRACE_PROMPT: int

class NativeError(Exception):
    status: int

def devices(backend_path: str = "") -> List[Device]: ...
def status_name(status: int) -> str: ...
def version() -> str: ...

class Device:
    kind: int
    name: str
    description: str
    driver: str
    problem: str
    memory_total: int
    memory_free: int

class Event:
    kind: int
    reason: int
    status: int
    position: int
    microseconds: int
    text: str
    step: int
    channel: int
    token: int
    source: int
    rank: int
    logprob: float
    entropy: float
    sampled_logprob: float
    alternatives: List[int]
    alternative_logprobs: List[float]
    expert_layers: List[int]
    experts: List[int]
    expert_weights: List[float]
    done: int
    total: int
    cached: int
    def to_json(self) -> str: ...

class GenerateOptions:
    def __init__(self) -> None: ...
    max_tokens: int
    seed: int
    branch: int
    temperature: float
    top_p: float
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    top_k: int
    penalty_last_n: int
    sampling_order: int
    logit_bias_tokens: List[int]
    logit_bias: List[float]
    stop: List[str]
    thinking: int
    think_budget_soft: int
    think_budget_hard: int
    think_minimum: int
    answer_reserve: int
    continuation: str
    template_arguments: str
    trace: int
    alternatives: int
    release: int
    wait_ms: int
    exclude_first_token: bool
    continue_last: bool

class Messages:
    def __init__(self) -> None: ...
    def add(self, role: int, text: str) -> None: ...
    def add_thought(self, role: int, text: str, thinking: str) -> None: ...

class Model:
    def __init__(self, path: str, options: ModelOptions) -> None: ...
    @staticmethod
    def from_bytes(data: bytes, options: ModelOptions) -> Model: ...
    def take_log(self) -> List[Tuple[int, str]]: ...
    def info(self) -> ModelInfo: ...
    def tensor(self, index: int) -> TensorInfo: ...
    def plan(self, format: int, context_length: int, sessions: int) -> str: ...
    def tokenize(self, text: Union[str, bytes], flags: int) -> List[int]: ...
    def detokenize(self, tokens: Sequence[int], flags: int) -> bytes: ...
    def token_text(self, token: int) -> bytes: ...
    def render(self, messages: Messages, options: GenerateOptions) -> str: ...
    def session(self, context_length: int) -> Session: ...

class ModelInfo:
    context_length: int
    architecture: str
    name: str
    path: str
    type: str
    device: str
    chat_template: str
    parameters: int
    active_parameters: int
    file_bytes: int
    weight_bytes: int
    kv_bytes_per_token: int
    kv_bytes_limit: int
    kv_bytes_used: int
    passes: int
    tensors: int
    vocabulary: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    experts: int
    experts_used: int
    experts_shared: int
    dense_layers: int
    threads: int
    bos_token: int
    eos_token: int
    think_begin_token: int
    think_end_token: int
    temperature: float
    top_p: float
    min_p: float
    repetition_penalty: float
    top_k: int
    sampling_from_file: bool

class ModelOptions:
    def __init__(self) -> None: ...
    device: str
    backend_path: str
    experts: str
    chat_template: str
    threads: int
    context_length: int
    kv_bytes: int
    kv_type: int
    load: int
    repack: bool
    exact: bool
    progress: Callable[[int, int], bool]

class Session:
    def ask(self, text: str, options: GenerateOptions) -> None: ...
    def prompt(self, messages: Messages, options: GenerateOptions) -> None: ...
    def prompt_text(self, text: str, flags: int, options: GenerateOptions) -> None: ...
    def next(self) -> Event: ...
    def end_thinking(self) -> None: ...
    def stop(self) -> None: ...
    def inject(self, text: str) -> None: ...
    def rewind(self, position: int) -> None: ...
    def rewind_with(self, position: int, options: GenerateOptions) -> None: ...
    def fork(self) -> Session: ...
    def fork_with(self, options: GenerateOptions) -> Session: ...
    def cancel(self) -> None: ...
    def position(self) -> int: ...
    def running(self) -> bool: ...
    def step_count(self) -> int: ...
    def step(self, index: int) -> Step: ...
    def step_experts(self, index: int) -> List[int]: ...
    def token(self, position: int) -> Token: ...
    def text(self, channel: int) -> str: ...
    def answer(self) -> Tuple[str, int]: ...
    def logits(self) -> List[float]: ...
    def usage(self) -> Usage: ...
    def options(self) -> GenerateOptions: ...

class Sessions:
    def __init__(self) -> None: ...
    def add(self, session: Session) -> None: ...
    def next(self) -> Tuple[int, Event]: ...

class Step:
    index: int
    id: int
    parent: int
    channel: int
    marker: int
    flags: int
    branch: int
    text: str
    begin: int
    end: int
    rewind: int
    begin_seconds: float
    end_seconds: float
    mean_logprob: float
    lowest_logprob: float
    mean_entropy: float
    confidence: float
    def to_json(self) -> str: ...

class TensorInfo:
    name: str
    type: str
    shape: List[int]
    bytes: int

class Token:
    token: int
    position: int
    microseconds: int
    text: bytes
    step: int
    channel: int
    source: int
    rank: int
    logprob: float
    entropy: float
    sampled_logprob: float
    branch: int
    alternatives: List[int]
    alternative_logprobs: List[float]
    expert_layers: List[int]
    experts: List[int]
    expert_weights: List[float]

class Usage:
    prompt_tokens: int
    cached_tokens: int
    thinking_tokens: int
    answer_tokens: int
    forced_tokens: int
    discarded_tokens: int
    passes: int
    prompt_seconds: float
    thinking_seconds: float
    answer_seconds: float
    total_seconds: float
