using System;
using System.IO;

namespace Raison
{
    /// <summary>What a call came to; the numbers are those of raison.h.</summary>
    public enum Status
    {
        /// <summary>No error.</summary>
        Ok = 0,
        /// <summary>A value out of its range.</summary>
        Argument = -10,
        /// <summary>The managed and the native part do not belong together.</summary>
        Struct = -11,
        /// <summary>Text that is not UTF-8, or not the JSON that was asked for.</summary>
        Text = -12,
        /// <summary>A buffer was too small.</summary>
        Capacity = -13,
        /// <summary>No such file, or it cannot be opened.</summary>
        NotFound = -20,
        /// <summary>A file that is malformed, truncated or contradicts itself.</summary>
        Format = -21,
        /// <summary>Well-formed, but not implemented.</summary>
        Unsupported = -22,
        /// <summary>No chat template, or it fails on these messages.</summary>
        Template = -23,
        /// <summary>The system gave no memory.</summary>
        Memory = -30,
        /// <summary>The limit of the sessions' caches is used up.</summary>
        Kv = -31,
        /// <summary>A device is missing, refused or lost.</summary>
        Device = -32,
        /// <summary>Not now: no request is running.</summary>
        State = -40,
        /// <summary>Another thread is using this session.</summary>
        Busy = -41,
        /// <summary>The object was made in another process.</summary>
        Forked = -42,
        /// <summary>The text does not fit the session's context length.</summary>
        Context = -43,
        /// <summary>The load was cancelled.</summary>
        Cancelled = -50,
        /// <summary>The library's own fault.</summary>
        Internal = -60,
        /// <summary>The model produced a NaN or an infinity.</summary>
        NonFinite = -61,
    }

    /// <summary>A failed call; the message is the library's sentence.</summary>
    /// <remarks>
    /// Where the framework has a type that fits, that one is thrown, with this one as its
    /// <see cref="Exception.InnerException"/>: <see cref="ArgumentException"/> for
    /// <see cref="Status.Argument"/> and <see cref="Status.Text"/>, <see cref="FileNotFoundException"/> for
    /// <see cref="Status.NotFound"/>, <see cref="InvalidDataException"/> for <see cref="Status.Format"/>,
    /// <see cref="NotSupportedException"/> for <see cref="Status.Unsupported"/>,
    /// <see cref="OperationCanceledException"/> for <see cref="Status.Cancelled"/>.
    /// <see cref="StatusOf"/> gives the status of either.
    /// </remarks>
    public class RaisonException : Exception
    {
        /// <summary>Makes an exception of a status and a sentence.</summary>
        public RaisonException(Status status, string message) : base(message) => Status = status;

        /// <summary>What failed.</summary>
        public Status Status { get; }

        /// <summary>
        /// The status of an exception that this library threw, also of the framework's types;
        /// <see cref="Status.Ok"/> where there is none.
        /// </summary>
        public static Status StatusOf(Exception error)
        {
            for (Exception? e = error; e != null; e = e.InnerException)
                if (e is RaisonException raison) return raison.Status;
            return Status.Ok;
        }

        internal static Exception Of(NativeError error, string? path = null)
        {
            var own = new RaisonException((Status)error.Status, error.Message);
            switch (own.Status)
            {
                case Status.Argument:
                case Status.Text:
                    return new ArgumentException(own.Message, own);
                case Status.NotFound:
                    return new FileNotFoundException(own.Message, path, own);
                case Status.Format:
                    return new InvalidDataException(own.Message, own);
                case Status.Unsupported:
                    return new NotSupportedException(own.Message, own);
                case Status.Cancelled:
                    return new OperationCanceledException(own.Message, own);
                default:
                    return own;
            }
        }
    }
}
