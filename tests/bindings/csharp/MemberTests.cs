// tests/bindings/members.txt: each function of raison.h has its member in C#, found by reflection.
using System;
using System.IO;
using System.Linq;
using System.Reflection;

namespace Raison.Tests
{
    internal static class MemberTests
    {
        [Test]
        private static void EveryFunctionHasItsMember()
        {
            string table = Path.Combine(Path.GetDirectoryName(ParityTests.Needed("RAISON_CASES"))!, "members.txt");
            string[][] rows = File.ReadAllLines(table).Where(l => l.Length > 0 && l[0] != '#')
                .Select(l => l.Split('\t')).ToArray();
            Check.True(rows.Length > 50, "a table");
            foreach (string[] row in rows) Check.True(Exists(row[3]), $"{row[0]}: there is no public Raison.{row[3]}");
            Check.True(!Exists("Session.NoSuchMember") && !Exists("NoSuchType"), "the test can fail");
        }

        private static bool Exists(string name)
        {
            string[] parts = name.Split('.');
            Type? type = typeof(Session).Assembly.GetType("Raison." + parts[0]);
            if (type == null || !type.IsPublic) return false;
            return parts.Length == 1 ||
                type.GetMember(parts[1], BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static).Length > 0;
        }

        [Test]
        private static void NothingOfTheCrossingIsPublic()
        {
            string[] seen = typeof(Session).Assembly.GetExportedTypes().Select(t => t.Name)
                .Where(n => n.StartsWith("Native") || n.StartsWith("Crossing") || n.Contains("SWIG")).ToArray();
            Check.Equal("", string.Join(" ", seen));
        }
    }
}
