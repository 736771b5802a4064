package org.raison;

import java.util.Objects;

/**
 * One message of a conversation.
 *
 * @param role who speaks
 * @param text what is said
 * @param thinking what an assistant thought before it; null: nothing known. Templates decide what
 *     they keep of it.
 */
public record Message(Role role, String text, String thinking) {
  /**
   * Checks that role and text are there.
   *
   * @param role who speaks
   * @param text what is said
   * @param thinking what was thought, or null
   * @throws NullPointerException if one is null
   */
  public Message {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(text, "text");
  }

  /**
   * Instructions.
   *
   * @param text the instructions
   * @return the message
   */
  public static Message system(String text) {
    return new Message(Role.SYSTEM, text, null);
  }

  /**
   * What the user asks.
   *
   * @param text the question
   * @return the message
   */
  public static Message user(String text) {
    return new Message(Role.USER, text, null);
  }

  /**
   * What the model answered.
   *
   * @param text the answer
   * @return the message
   */
  public static Message assistant(String text) {
    return new Message(Role.ASSISTANT, text, null);
  }

  /**
   * What the model answered, and thought before.
   *
   * @param text the answer
   * @param thinking the thinking
   * @return the message
   */
  public static Message assistant(String text, String thinking) {
    return new Message(Role.ASSISTANT, text, thinking);
  }

  /**
   * What a tool gave back.
   *
   * @param text the tool's result
   * @return the message
   */
  public static Message tool(String text) {
    return new Message(Role.TOOL, text, null);
  }

  /** The caller deletes it. */
  static NativeMessages toNative(Iterable<Message> messages) {
    NativeMessages list = new NativeMessages();
    try {
      for (Message message : messages) {
        byte[] text = Utf8.encode("the text of a message", message.text);
        if (message.thinking == null) {
          list.Add(message.role.ordinal(), text);
        } else {
          list.Add(
              message.role.ordinal(),
              text,
              Utf8.encode("the thinking of a message", message.thinking));
        }
      }
      return list;
    } catch (RuntimeException error) {
      list.delete();
      throw error;
    }
  }
}
