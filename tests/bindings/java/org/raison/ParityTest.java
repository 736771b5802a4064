package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The same in Java as in C: what the table of cases tells, and a member for every function. */
class ParityTest {
  private static Path table(String name) {
    return Fixture.root().resolve("tests/bindings").resolve(name);
  }

  @Test
  void theTableTellsWhatCTells() throws Exception {
    Path cases = table("cases.txt");
    Path driver = Fixture.build().resolve("tests/bindings/parity_c");
    Fixture.Finished c =
        Fixture.execute(List.of(driver.toString(), cases.toString()), Map.of());
    assertEquals(0, c.status(), c.output());
    String[] expected = c.output().split("\n", -1);
    String[] actual = Parity.tell(Files.readAllLines(cases)).split("\n", -1);
    assertTrue(expected.length > 1000, expected.length + " lines");
    String verb = "";
    for (int i = 0; i < Math.min(expected.length, actual.length); ++i) {
      verb = expected[i].startsWith("> ") || expected[i].startsWith("case ") ? expected[i] : verb;
      assertEquals(expected[i], actual[i], "line " + (i + 1) + ", after '" + verb + "'");
    }
    assertEquals(expected.length, actual.length);
  }

  @Test
  void everyFunctionHasItsMember() throws Exception {
    Map<String, String> members = new HashMap<>();
    for (String line : Files.readAllLines(table("members.txt"))) {
      if (!line.isEmpty() && line.charAt(0) != '#') {
        String[] columns = line.split("\t", -1);
        assertEquals(5, columns.length, line);
        members.put(columns[0], columns[4]);
      }
    }
    for (Map.Entry<String, String> entry : members.entrySet()) {
      assertTrue(isMember(entry.getValue()), entry.getKey() + ": " + entry.getValue());
    }
    assertFalse(isMember("Model.noSuchMember"));
    assertFalse(isMember("NativeModel"));
    String library = Fixture.build().resolve("lib/libraison.so").toString();
    Fixture.Finished nm =
        Fixture.execute(List.of("nm", "-D", "--defined-only", library), Map.of());
    assertEquals(0, nm.status(), nm.output());
    List<String> functions =
        nm.output()
            .lines()
            .filter(line -> line.contains(" T "))
            .map(line -> line.replaceAll(".* T ([^@]*).*", "$1"))
            .toList();
    assertTrue(functions.size() > 40, functions.toString());
    for (String function : functions) {
      assertTrue(members.containsKey(function), function + " has no member in Java");
    }
  }

  /** "Model" or "Model.plan", public both. */
  private static boolean isMember(String name) {
    String[] parts = name.split("\\.");
    try {
      Class<?> type = Class.forName("org.raison." + parts[0]);
      return Modifier.isPublic(type.getModifiers())
          && (parts.length == 1
              || Arrays.stream(type.getMethods())
                  .anyMatch(method -> method.getName().equals(parts[1])));
    } catch (ClassNotFoundException error) {
      return false;
    }
  }
}
