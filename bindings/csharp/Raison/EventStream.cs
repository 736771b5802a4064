using System.Collections;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Raison
{
    /// <summary>
    /// The rest of a request's events, the last one included: for <c>foreach</c>, or for <c>await foreach</c>,
    /// where the work runs on the thread pool. Leaving the loop early leaves the request running: steer it,
    /// and go on with <see cref="Session.Events"/>.
    /// </summary>
    public sealed class EventStream : IEnumerable<Event>, IAsyncEnumerable<Event>
    {
        private readonly Session session;

        internal EventStream(Session session) => this.session = session;

        /// <summary>Enumerates on the calling thread.</summary>
        public IEnumerator<Event> GetEnumerator()
        {
            // Asked again after each loop body: a rewind on the last event makes the stream go on, and what
            // took the rest of the events ends it.
            while (session.Running) yield return session.Next();
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>Enumerates on the thread pool.</summary>
        /// <param name="cancellationToken">
        /// Cancels the request within 250 ms and ends the loop with an
        /// <see cref="System.OperationCanceledException"/>.
        /// </param>
        public async IAsyncEnumerator<Event> GetAsyncEnumerator(CancellationToken cancellationToken = default)
        {
            using CancellationTokenRegistration registration = cancellationToken.Register(Cancel);
            while (session.Running)
            {
                if (cancellationToken.IsCancellationRequested) Cancel();
                cancellationToken.ThrowIfCancellationRequested();
                Event next = await Task.Run(session.Next).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                yield return next;
            }
        }

        private void Cancel()
        {
            try
            {
                session.Cancel();
            }
            catch (System.ObjectDisposedException)
            {
                // Disposing of the session has cancelled the request.
            }
        }
    }
}
