// A small test runner. NuGet's feed, and with it every current test framework, is not reachable where this
// project is tested, and Debian's NUnit is for Mono only. Finds [Test] methods, runs them in order of name,
// writes JUnit's XML.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using System.Xml;

namespace Raison.Tests
{
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class TestAttribute : Attribute
    {
        /// <summary>Runs only with --alone, in a process without other tests.</summary>
        public bool Alone { get; set; }
    }

    internal static class Program
    {
        // Raison.Tests.dll [--junit FILE] [--alone] [PART OF A NAME]
        private static int Main(string[] arguments)
        {
            string? junit = null, filter = null;
            bool alone = false;
            for (int i = 0; i < arguments.Length; ++i)
            {
                if (arguments[i] == "--junit") junit = arguments[++i];
                else if (arguments[i] == "--alone") alone = true;
                else filter = arguments[i];
            }
            var tests = Assembly.GetExecutingAssembly().GetTypes()
                .SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
                .Where(m => m.GetCustomAttribute<TestAttribute>() ?.Alone == alone)
                .Where(m => filter == null || Name(m).Contains(filter))
                .OrderBy(Name, StringComparer.Ordinal).ToList();
            var results = tests.Select(Run).ToList();
            int failed = results.Count(r => r.Failure != null);
            if (junit != null) Write(junit, results);
            Console.WriteLine($"{results.Count} tests, {failed} failed");
            return failed == 0 && results.Count > 0 ? 0 : 1;
        }

        private static string Name(MethodInfo m) => m.DeclaringType!.Name + "." + m.Name;

        private static (string Name, double Seconds, string? Failure) Run(MethodInfo test)
        {
            var watch = Stopwatch.StartNew();
            string? failure = null;
            try
            {
                if (test.Invoke(null, null) is Task task) task.GetAwaiter().GetResult();
            }
            catch (Exception error)
            {
                Exception cause = error is TargetInvocationException && error.InnerException != null
                    ? error.InnerException : error;
                failure = cause.ToString();
            }
            Console.WriteLine($"{(failure == null ? "ok  " : "FAIL")} {Name(test)} ({watch.Elapsed.TotalSeconds:F2} s)");
            if (failure != null) Console.WriteLine(failure);
            return (Name(test), watch.Elapsed.TotalSeconds, failure);
        }

        private static void Write(string path, List<(string Name, double Seconds, string? Failure)> results)
        {
            using XmlWriter xml = XmlWriter.Create(path);
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", "csharp");
            xml.WriteAttributeString("tests", results.Count.ToString());
            xml.WriteAttributeString("failures", results.Count(r => r.Failure != null).ToString());
            xml.WriteAttributeString("errors", "0");
            xml.WriteAttributeString("skipped", "0");
            foreach (var result in results)
            {
                xml.WriteStartElement("testcase");
                xml.WriteAttributeString("classname", result.Name.Split('.')[0]);
                xml.WriteAttributeString("name", result.Name.Split('.')[1]);
                xml.WriteAttributeString("time", XmlConvert.ToString(result.Seconds));
                if (result.Failure != null) xml.WriteElementString("failure", result.Failure);
                xml.WriteEndElement();
            }
            xml.WriteEndElement();
        }
    }

    /// <summary>A condition that does not hold.</summary>
    internal sealed class Failed : Exception
    {
        internal Failed(string message) : base(message)
        {
        }
    }

    internal static class Check
    {
        internal static void True(bool condition, string what)
        {
            if (!condition) throw new Failed(what);
        }

        internal static void Equal<T>(T expected, T actual, string what = "")
        {
            if (!EqualityComparer<T>.Default.Equals(expected, actual))
                throw new Failed($"{what}: expected <{expected}>, got <{actual}>");
        }

        internal static void Same<T>(IEnumerable<T> expected, IEnumerable<T> actual, string what = "")
        {
            if (!expected.SequenceEqual(actual))
                throw new Failed($"{what}: expected <{string.Join(",", expected)}>, got <{string.Join(",", actual)}>");
        }

        internal static E Throws<E>(Action action, string what = "") where E : Exception
        {
            try
            {
                action();
            }
            catch (E error)
            {
                return error;
            }
            throw new Failed($"{what}: {typeof(E).Name} was not thrown");
        }

        internal static async Task<E> ThrowsAsync<E>(Func<Task> action, string what = "") where E : Exception
        {
            try
            {
                await action();
            }
            catch (E error)
            {
                return error;
            }
            throw new Failed($"{what}: {typeof(E).Name} was not thrown");
        }
    }
}
