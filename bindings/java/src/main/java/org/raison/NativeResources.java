package org.raison;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * The native files of the jar, and those of raison-cuda's where it is there, in a temporary folder
 * that only this user can read, for as long as this JVM lives. A JVM that was killed leaves its
 * folder; a later one removes it: each holds a lock in its own.
 */
final class NativeResources {
  private static final String PREFIX = "raison-java-";
  private static final String LOCK = "lock";
  private static final Duration YOUNG = Duration.ofHours(1); // perhaps not yet locked

  private static FileLock held; // for as long as the JVM lives

  private NativeResources() {}

  static String folder(String platform) {
    return "org/raison/native/" + platform;
  }

  /** The folder with all files of the platform; null if the jar has none. */
  static Path extract(String platform) throws IOException {
    String from = folder(platform) + "/";
    List<String> names = new ArrayList<>(listed(from + "files"));
    if (names.isEmpty()) {
      return null;
    }
    names.addAll(listed(from + "files-cuda"));
    Path temporary = new File(System.getProperty("java.io.tmpdir")).toPath();
    Path folder = Files.createTempDirectory(temporary, PREFIX); // 0700 where the system knows that
    removeAbandoned(temporary, folder);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(folder)));
    held = lock(folder);
    for (String name : names) {
      Path file = folder.resolve(name).normalize();
      if (!folder.equals(file.getParent())) {
        throw new IOException("the file " + name + " would lie outside of " + folder);
      }
      try (InputStream in = open(from + name)) {
        if (in == null) {
          throw new IOException("the jar lacks " + from + name);
        }
        Files.copy(in, file);
      }
    }
    return folder;
  }

  /** By the class loader: raison-cuda is a jar, or a module, of its own. */
  private static InputStream open(String name) {
    return NativeResources.class.getClassLoader().getResourceAsStream(name);
  }

  /** The names in a list of native files; none if there is no such list. */
  private static List<String> listed(String list) throws IOException {
    try (InputStream in = open(list)) {
      if (in == null) {
        return List.of();
      }
      List<String> lines =
          new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
      String wanted = "version " + NativeLibrary.VERSION_NUMBER;
      if (lines.isEmpty() || !lines.get(0).equals(wanted)) {
        throw new IOException(
            "its native files are of " + (lines.isEmpty() ? "no version" : lines.get(0))
                + ", wanted " + wanted);
      }
      return lines.subList(1, lines.size());
    }
  }

  /** Null if another JVM has it. */
  private static FileLock lock(Path folder) throws IOException {
    FileChannel channel =
        FileChannel.open(
            folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      FileLock lock = channel.tryLock();
      if (lock == null) {
        channel.close();
      }
      return lock;
    } catch (OverlappingFileLockException thisJvm) {
      channel.close();
      return null;
    }
  }

  private static void removeAbandoned(Path temporary, Path own) {
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(temporary, PREFIX + "*")) {
      UserPrincipal owner = Files.getOwner(own);
      for (Path folder : folders) {
        removeIfAbandoned(folder, owner);
      }
    } catch (IOException | UncheckedIOException cannotLook) {
      return; // tidying up is no reason to fail
    }
  }

  private static void removeIfAbandoned(Path folder, UserPrincipal owner) {
    try {
      if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
          || !Files.isRegularFile(folder.resolve(LOCK), LinkOption.NOFOLLOW_LINKS)
          || !Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS).equals(owner)
          || Files.getLastModifiedTime(folder).toInstant().isAfter(Instant.now().minus(YOUNG))) {
        return;
      }
      FileLock lock = lock(folder);
      if (lock != null) {
        remove(folder);
        lock.channel().close();
      }
    } catch (IOException | UnsupportedOperationException cannotLook) {
      return; // somebody else's
    }
  }

  /**
   * The folder is flat. Windows deletes no library that is loaded, this JVM's own among them: such a
   * folder keeps its lock, by which a later JVM knows it.
   */
  private static void remove(Path folder) {
    boolean empty = true;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        empty &= file.endsWith(LOCK) || isDeleted(file);
      }
      if (empty) {
        Files.deleteIfExists(folder.resolve(LOCK));
        Files.deleteIfExists(folder);
      }
    } catch (IOException | UncheckedIOException cannot) {
      return; // a later JVM tries again
    }
  }

  private static boolean isDeleted(Path file) {
    try {
      Files.deleteIfExists(file);
      return true;
    } catch (IOException cannot) {
      return false;
    }
  }
}
