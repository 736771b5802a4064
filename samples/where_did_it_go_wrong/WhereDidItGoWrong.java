// WhereDidItGoWrong: shows how sure the model was of each step, and draws a doubtful one again.
//
//   java -cp raison.jar WhereDidItGoWrong.java                     the built-in model, its own question
//   java -cp raison.jar WhereDidItGoWrong.java "A question"        another question
//   java -cp raison.jar WhereDidItGoWrong.java "..." model.gguf    another model
//
// It asks which step to draw again: Return takes the least confident one, 0 none. The same program
// stands beside this one in other languages; all print the same.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.raison.DoneReason;
import org.raison.Event;
import org.raison.EventKind;
import org.raison.GenerateOptions;
import org.raison.Library;
import org.raison.Model;
import org.raison.RaisonException;
import org.raison.Session;
import org.raison.Step;

public class WhereDidItGoWrong {
  private static final String QUESTION = "What is (17 + 26) * 38 - 14 * 9?";
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  // Runs to the end; prints each step, counted from `number`, and the answer. False: cut off.
  private static boolean show(Session session, int number) {
    boolean whole = false;
    for (Event event : session) {
      if (event.kind() == EventKind.STEP_END) {
        Step step = session.step(event.step());
        String text = step.text().replaceAll("\n+$", "");
        OUT.printf(Locale.ROOT, "%3d  %.2f  %s%n", number, step.confidence(), text);
        ++number;
      } else if (event.kind() == EventKind.DONE) {
        OUT.println("answer: " + event.text());
        whole = event.doneReason() == DoneReason.END;
      }
    }
    if (!whole) {
      OUT.println("(the text was cut short)");
    }
    return whole;
  }

  // The number of the step to draw again; 0: none.
  private static int choose(int least, int count) throws IOException {
    OUT.printf("Draw which step again, 1 to %d, or 0 for none? [%d] ", count, least);
    OUT.flush();
    String line =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine();
    OUT.println();
    if (line == null || line.isEmpty()) {
      return least;
    }
    if (line.matches("[0-9]{1,9}") && Integer.parseInt(line) <= count) {
      return Integer.parseInt(line);
    }
    System.err.println("where_did_it_go_wrong: " + line + ": wanted a number from 0 to " + count);
    System.exit(1);
    return 0;
  }

  private static void run(String question, String path) throws IOException {
    try (Model model = new Model(path);
        Session session = model.session()) {
      OUT.println(question);
      session.ask(question);
      boolean whole = show(session, 1);
      String first = session.answer().text();
      List<Step> steps = session.steps();
      if (steps.isEmpty()) {
        OUT.println("The model gave no steps of thinking: there is nothing to go back to.");
        return;
      }

      Step least = steps.stream().min(Comparator.comparing(Step::confidence)).get();
      OUT.printf(
          Locale.ROOT,
          "%nStep %d is the least confident: the model gave its tokens a mean probability of %.2f.%n"
              + "That is how sure it was of the words, not whether they are right.%n",
          least.index() + 1,
          least.confidence());
      int number = choose(least.index() + 1, steps.size());
      if (number == 0) {
        return;
      }

      OUT.println("Again from step " + number + ":");
      // The next branch draws anew; at temperature 1 as the confidence's probabilities are.
      GenerateOptions options = GenerateOptions.builder().temperature(1).build();
      session.rewind(steps.get(number - 1).rewind(), options);
      whole = show(session, number) && whole;
      OUT.println();
      String second = session.answer().text();
      if (!whole) {
        OUT.println("One of the two was cut short: they cannot be compared.");
      } else if (second.equals(first)) {
        OUT.println(
            "Both times the answer is " + first + ". Two samples that agree are no proof.");
      } else {
        OUT.println(
            "First " + first + ", then " + second + ". Unless the two mean the same, at least one "
                + "is wrong;\nthe confidence does not say which.");
      }
    }
  }

  public static void main(String[] arguments) throws IOException {
    String question = arguments.length > 0 ? arguments[0] : QUESTION;
    try {
      run(question, arguments.length > 1 ? arguments[1] : "");
    } catch (RaisonException error) {
      String status = Library.statusName(error.status().number());
      System.err.println("where_did_it_go_wrong: " + error.getMessage() + " (" + status + ")");
      System.exit(1);
    }
  }
}
