// where_did_it_go_wrong: shows how sure the model was of each step, and draws a doubtful one again.
//
//   where_did_it_go_wrong                     the built-in model, a question of its own
//   where_did_it_go_wrong "A question"        another question
//   where_did_it_go_wrong "..." model.gguf    another model
//
// It asks which step to draw again: Return takes the least confident one, 0 none. The same program
// stands beside this one in other languages; all print the same.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Raison;

internal static class WhereDidItGoWrong
{
    private const string Question = "What is (17 + 26) * 38 - 14 * 9?";

    private static string Rounded(float confidence) => confidence.ToString("F2", CultureInfo.InvariantCulture);

    // Runs to the end; prints each step, counted from `number`, and the answer. False: cut off.
    private static bool Show(Session session, int number)
    {
        bool whole = false;
        foreach (Event e in session.Events)
        {
            if (e.Kind == EventKind.StepEnd)
            {
                Step step = session.GetStep(e.Step);
                Console.WriteLine($"{number,3}  {Rounded(step.Confidence)}  {step.Text.TrimEnd('\n')}");
                ++number;
            }
            else if (e.Kind == EventKind.Done)
            {
                Console.WriteLine($"answer: {e.Text}");
                whole = e.Done == DoneReason.End;
            }
        }
        if (!whole) Console.WriteLine("(the text was cut short)");
        return whole;
    }

    // The number of the step to draw again; 0: none.
    private static int Choose(int least, int count)
    {
        Console.Write($"Draw which step again, 1 to {count}, or 0 for none? [{least}] ");
        string line = Console.ReadLine() ?? "";
        Console.WriteLine();
        if (line.Length == 0) return least;
        if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= count)
            return number;
        Console.Error.WriteLine($"where_did_it_go_wrong: {line}: wanted a number from 0 to {count}");
        Environment.Exit(1);
        return 0;
    }

    private static void Run(string question, string? path)
    {
        using Model model = Model.Load(path);
        using Session session = model.CreateSession();
        Console.WriteLine(question);
        session.Ask(question);
        bool whole = Show(session, 1);
        string first = session.Answer.Text;
        IReadOnlyList<Step> steps = session.Steps;
        if (steps.Count == 0)
        {
            Console.WriteLine("The model gave no steps of thinking: there is nothing to go back to.");
            return;
        }

        Step least = steps.OrderBy(step => step.Confidence).First();
        Console.WriteLine(
            $"\nStep {least.Index + 1} is the least confident: the model gave its tokens "
            + $"a mean probability of {Rounded(least.Confidence)}.\n"
            + "That is how sure it was of the words, not whether they are right.");
        int number = Choose(least.Index + 1, steps.Count);
        if (number == 0) return;

        Console.WriteLine($"Again from step {number}:");
        // The next branch draws anew; at temperature 1 as the confidence's probabilities are.
        session.Rewind(steps[number - 1].Rewind, new GenerateOptions { Temperature = 1 });
        whole = Show(session, number) && whole;
        Console.WriteLine();
        string second = session.Answer.Text;
        if (!whole)
            Console.WriteLine("One of the two was cut short: they cannot be compared.");
        else if (second == first)
            Console.WriteLine($"Both times the answer is {first}. Two samples that agree are no proof.");
        else
            Console.WriteLine(
                $"First {first}, then {second}. Unless the two mean the same, at least one is wrong;\n"
                + "the confidence does not say which.");
    }

    private static int Main(string[] arguments)
    {
        try
        {
            Run(arguments.Length > 0 ? arguments[0] : Question, arguments.Length > 1 ? arguments[1] : null);
            return 0;
        }
        catch (Exception error) when (RaisonException.StatusOf(error) != Status.Ok)
        {
            Console.Error.WriteLine("where_did_it_go_wrong: "
                + $"{error.Message} ({Library.StatusName(RaisonException.StatusOf(error))})");
            return 1;
        }
    }
}
