namespace Raison
{
    /// <summary>Kinds of event. Later versions add kinds: ignore the ones that you do not know.</summary>
    public enum EventKind
    {
        /// <summary>No event.</summary>
        None = 0,
        /// <summary>A pass goes on; see <see cref="Event.Processed"/>.</summary>
        Progress = 1,
        /// <summary>One token with its record and the text that it completes.</summary>
        Token = 2,
        /// <summary>A step of the thinking begins.</summary>
        StepBegin = 3,
        /// <summary>A step is complete; the text is the whole step's.</summary>
        StepEnd = 4,
        /// <summary>The thinking begins.</summary>
        ThinkBegin = 5,
        /// <summary>The thinking ends; see <see cref="Event.ThinkEnd"/>.</summary>
        ThinkEnd = 6,
        /// <summary>An intervention; see <see cref="Event.Notice"/>.</summary>
        Notice = 7,
        /// <summary>The last event of a request; see <see cref="Event.Done"/>.</summary>
        Done = 8,
    }

    /// <summary>Where a token belongs.</summary>
    public enum Channel
    {
        /// <summary>What the template made of the messages.</summary>
        Prompt = 0,
        /// <summary>The chain of thought, tags not included.</summary>
        Thinking = 1,
        /// <summary>What is meant for the reader.</summary>
        Answer = 2,
        /// <summary>Tags and end of text; such tokens have no text.</summary>
        Control = 3,
    }

    /// <summary>Who chose a token.</summary>
    public enum TokenSource
    {
        /// <summary>Drawn from the model's distribution.</summary>
        Sampled = 0,
        /// <summary>By the library: closing tag, continuation of a minimum budget.</summary>
        Forced = 1,
        /// <summary>By <see cref="Session.Inject"/>.</summary>
        Injected = 2,
        /// <summary>A token of the prompt.</summary>
        Prompt = 3,
    }

    /// <summary>Why the thinking ended.</summary>
    public enum ThinkEndReason
    {
        /// <summary>The model closed it.</summary>
        Model = 1,
        /// <summary>At the first step boundary past the soft budget.</summary>
        SoftBudget = 2,
        /// <summary>At the hard budget, or to keep the answer's reserve free.</summary>
        HardBudget = 3,
        /// <summary>By <see cref="Session.EndThinking"/>.</summary>
        Caller = 4,
        /// <summary>The limit of tokens or the context ended inside it.</summary>
        Length = 5,
        /// <summary>The model ended its text without closing it.</summary>
        EndOfText = 6,
    }

    /// <summary>Why a request is over.</summary>
    public enum DoneReason
    {
        /// <summary>The model ended its answer.</summary>
        End = 1,
        /// <summary>A stop string appeared.</summary>
        StopString = 2,
        /// <summary>The limit of tokens, reached in the thinking.</summary>
        LengthThinking = 3,
        /// <summary>The limit of tokens, reached in the answer.</summary>
        LengthAnswer = 4,
        /// <summary>The session's context length is used up.</summary>
        ContextFull = 5,
        /// <summary>By <see cref="Session.Cancel"/>.</summary>
        Cancelled = 6,
        /// <summary>By <see cref="Session.Stop"/>.</summary>
        Stopped = 7,
        /// <summary>The text ended while the thinking was never closed.</summary>
        Unclosed = 8,
        /// <summary>An error.</summary>
        Failed = 9,
    }

    /// <summary>What the library did on its own or for you.</summary>
    public enum NoticeReason
    {
        /// <summary>The soft budget is reached.</summary>
        SoftBudget = 1,
        /// <summary>The hard budget is reached: the closing tag is forced.</summary>
        HardBudget = 2,
        /// <summary>The thinking ended early to keep room for the answer.</summary>
        AnswerReserve = 3,
        /// <summary>A closing tag before the minimum was replaced.</summary>
        Minimum = 4,
        /// <summary>The caller ended the thinking.</summary>
        EndThinking = 5,
        /// <summary>The caller's text went in.</summary>
        Injected = 6,
        /// <summary>The session went back; the position says where to.</summary>
        Rewound = 7,
        /// <summary>The caller stopped the request.</summary>
        Stopped = 8,
        /// <summary>The caller cancelled it.</summary>
        Cancelled = 9,
        /// <summary>Which layers and experts run on which device.</summary>
        Placed = 10,
    }

    /// <summary>What a step is, by its opening words.</summary>
    public enum StepMarker
    {
        /// <summary>Nothing of the others.</summary>
        Plain = 0,
        /// <summary>"Let me verify".</summary>
        Check = 1,
        /// <summary>"Wait", "Actually", "Alternatively".</summary>
        Correction = 2,
        /// <summary>"Therefore", "So the answer".</summary>
        Conclusion = 3,
    }

    /// <summary>Who speaks in a message.</summary>
    public enum Role
    {
        /// <summary>The system's instruction.</summary>
        System = 0,
        /// <summary>The user.</summary>
        User = 1,
        /// <summary>The model.</summary>
        Assistant = 2,
        /// <summary>What a tool gave back.</summary>
        Tool = 3,
    }

    /// <summary>Whether the model thinks before it answers.</summary>
    public enum ThinkingMode
    {
        /// <summary>As the template does it.</summary>
        Auto = 0,
        /// <summary>The thinking is opened if the template did not.</summary>
        On = 1,
        /// <summary>No thinking.</summary>
        Off = 2,
    }

    /// <summary>When the text of the thinking is handed out.</summary>
    public enum Release
    {
        /// <summary>Token by token.</summary>
        Token = 0,
        /// <summary>Step by step: judge, then show.</summary>
        Step = 1,
    }

    /// <summary>The order of the sampling chain.</summary>
    public enum SamplingOrder
    {
        /// <summary>Temperature, top-k, top-p, min-p: what model cards mean.</summary>
        HuggingFace = 0,
        /// <summary>Top-k, top-p, min-p at temperature 1, then temperature.</summary>
        LlamaCpp = 1,
    }

    /// <summary>What a callback of <see cref="Session.Run"/> wants.</summary>
    public enum Verdict
    {
        /// <summary>Go on.</summary>
        Continue = 0,
        /// <summary>End the thinking; outside of it: go on.</summary>
        EndThinking = 1,
        /// <summary>End the request.</summary>
        Stop = 2,
    }

    /// <summary>The element type of the sessions' caches.</summary>
    public enum KvType
    {
        /// <summary>The library's choice, F16.</summary>
        Default = 0,
        /// <summary>32-bit floats.</summary>
        F32 = 1,
        /// <summary>16-bit floats.</summary>
        F16 = 2,
        /// <summary>bfloat16.</summary>
        BF16 = 3,
    }

    /// <summary>How a model's file is read.</summary>
    public enum LoadMode
    {
        /// <summary>Mapped; its pages are shared with other processes. The file must not change meanwhile.</summary>
        Map = 0,
        /// <summary>Read into memory and closed.</summary>
        Copy = 1,
        /// <summary>No weights: information, tokens and templates work, sessions do not.</summary>
        Header = 2,
    }

    /// <summary>The weight of a line of the log.</summary>
    public enum LogLevel
    {
        /// <summary>Something failed.</summary>
        Error = 0,
        /// <summary>Something is not as it should be.</summary>
        Warning = 1,
        /// <summary>What is being done.</summary>
        Information = 2,
        /// <summary>More than most want to know.</summary>
        Detail = 3,
    }

    /// <summary>What a device is.</summary>
    public enum DeviceKind
    {
        /// <summary>The processor.</summary>
        Cpu = 0,
        /// <summary>A GPU that shares the processor's memory.</summary>
        IntegratedGpu = 1,
        /// <summary>A GPU with memory of its own.</summary>
        Gpu = 2,
    }

    /// <summary>How a plan is written.</summary>
    public enum PlanFormat
    {
        /// <summary>For people.</summary>
        Text = 0,
        /// <summary>As JSON.</summary>
        Json = 1,
    }
}
