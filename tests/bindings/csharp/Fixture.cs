using System;
using System.Collections.Generic;
using System.Linq;

namespace Raison.Tests
{
    /// <summary>The built-in model, loaded once, and what most tests ask it.</summary>
    internal static class Fixture
    {
        internal const string Question = "What is 12 * 13?";
        private static readonly Lazy<Model> Loaded = new Lazy<Model>(() => Model.Load());

        internal static Model Model => Loaded.Value;

        internal static GenerateOptions Greedy(int maxTokens = 400) =>
            new GenerateOptions { Temperature = 0, MaxTokens = maxTokens };

        internal static List<Event> Told(Session session) =>
            session.Events.Where(e => e.Kind != EventKind.Progress).ToList();
    }
}
