// Making and freeing leaves memory flat. In a process of its own: what other tests have left in the
// allocator's and the collector's pools comes and goes.
using System;
using System.IO;
using System.Linq;

namespace Raison.Tests
{
    internal static class MemoryTests
    {
        // Resident size grows by less than 1 MiB from cycle 100 to 1,000 (the run's configuration has .NET compile
        // each method once, tests/bindings/csharp/runtime.json: recompiling takes memory of its own).
        [Test(Alone = true)]
        private static void CyclesLeaveMemoryFlat()
        {
            long at100 = 0, now = 0;
            for (int cycle = 1; cycle <= 1000; ++cycle)
            {
                using (Session session = Fixture.Model.CreateSession())
                {
                    session.PromptText("1 + 1", Fixture.Greedy(1));
                    while (session.Next().Kind != EventKind.Done) { }
                    using Session fork = session.Fork();
                }
                // Often: the collector's heap must not grow between two looks at it, what is left is ours.
                if (cycle % 50 == 0) now = Resident();
                if (cycle == 100) at100 = now;
            }
            long grown = now - at100;
            Check.True(grown < 1 << 20, $"grew by {grown} bytes");
        }

        private static long Resident()
        {
            for (int i = 0; i < 3; ++i)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
            string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:"));
            return long.Parse(line.Split(new[] { ' ', '\t' }, StringSplitOptions.RemoveEmptyEntries)[1]) << 10;
        }
    }
}
