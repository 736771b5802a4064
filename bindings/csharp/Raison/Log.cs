using System;
using System.Threading;

namespace Raison
{
    /// <summary>
    /// A model's log: the native part keeps the lines, and whoever calls the library next hands them to the
    /// user's delegate. Shared by a model and its sessions.
    /// </summary>
    internal sealed class Log : IDisposable
    {
        private readonly NativeLog lines = new NativeLog();
        private readonly Action<LogLevel, string> sink;
        private readonly object turn = new object();

        internal Log(Action<LogLevel, string> sink) => this.sink = sink;

        internal NativeLog Native => lines;

        internal void Emit()
        {
            // Another thread that is at it takes these lines too; and a sink may call the library.
            if (!Monitor.TryEnter(turn)) return;
            try
            {
                var r = new RecordReader(lines.Take());
                for (int count = r.Count(); count > 0; --count)
                {
                    var level = (LogLevel)r.Int();
                    string text = r.Text();
                    try
                    {
                        sink(level, text);
                    }
                    catch (Exception)
                    {
                        // There is nobody to give it to: the call that is going on is not about the log.
                    }
                }
            }
            finally
            {
                Monitor.Exit(turn);
            }
        }

        public void Dispose() => lines.Dispose();
    }
}
