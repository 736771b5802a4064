// The noun "messages".
#include "capi/handles.h"
#include "capi/text.h"

namespace raison::capi {
namespace {

// Templates compare these words.
const char* RoleWord(int32_t role) {
  switch (role) {
    case RSN_ROLE_SYSTEM: return "system";
    case RSN_ROLE_USER: return "user";
    case RSN_ROLE_ASSISTANT: return "assistant";
    case RSN_ROLE_TOOL: return "tool";
    default: return nullptr;
  }
}

int32_t RoleNumber(const std::string& word) {
  for (int32_t role = RSN_ROLE_SYSTEM; RoleWord(role) != nullptr; ++role) {
    if (word == RoleWord(role)) return role;
  }
  return -1;
}

rsn_status CheckMessages(const rsn_messages* messages) {
  return CheckHeader("messages", messages == nullptr ? nullptr : &messages->header, kMessagesMagic);
}

}  // namespace
}  // namespace raison::capi

using namespace raison::capi;

extern "C" {

rsn_status rsn_messages_new(rsn_messages** out) {
  return Guard([&]() -> rsn_status {
    if (out == nullptr) return Fail(RSN_ERR_ARGUMENT, "out: NULL");
    *out = nullptr;
    *out = new rsn_messages;
    return RSN_OK;
  });
}

void rsn_messages_free(rsn_messages* messages) {
  if (messages != nullptr && MayFree(&messages->header, kMessagesMagic)) delete messages;
}

rsn_status rsn_messages_add(rsn_messages* messages, int32_t role, const char* text,
                            size_t text_size, const char* thinking, size_t thinking_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckMessages(messages));
    const char* word = RoleWord(role);
    if (word == nullptr) return FailWith(RSN_ERR_ARGUMENT, "role ", role, " is not a RSN_ROLE_*");
    std::string_view content, thought;
    RSN_CAPI_RETURN_IF_ERROR(ReadText("text", text, text_size, &content));
    RSN_CAPI_RETURN_IF_ERROR(ReadOptionalText("thinking", thinking, thinking_size, &thought));
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("text", content));
    RSN_CAPI_RETURN_IF_ERROR(CheckUtf8("thinking", thought));
    raison::Message message{word, std::string(content), std::string(thought)};
    messages->list.reserve(messages->list.size() + 1);
    messages->has_thinking.push_back(thinking != nullptr);
    messages->list.push_back(std::move(message));
    return RSN_OK;
  });
}

rsn_status rsn_messages_count(const rsn_messages* messages, size_t* count) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckMessages(messages));
    if (count == nullptr) return Fail(RSN_ERR_ARGUMENT, "count: NULL");
    *count = messages->list.size();
    return RSN_OK;
  });
}

rsn_status rsn_messages_get(const rsn_messages* messages, size_t index, int32_t* role,
                            const char** text, size_t* text_size, const char** thinking,
                            size_t* thinking_size) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckMessages(messages));
    if (index >= messages->list.size()) {
      return FailWith(RSN_ERR_ARGUMENT, "message ", index, " of ", messages->list.size());
    }
    const raison::Message& message = messages->list[index];
    if (role != nullptr) *role = RoleNumber(message.role);
    LendText(message.content, text, text_size);
    if (messages->has_thinking[index]) {
      LendText(message.thinking, thinking, thinking_size);
    } else {
      if (thinking != nullptr) *thinking = nullptr;
      if (thinking_size != nullptr) *thinking_size = 0;
    }
    return RSN_OK;
  });
}

rsn_status rsn_messages_truncate(rsn_messages* messages, size_t index) {
  return Guard([&]() -> rsn_status {
    RSN_CAPI_RETURN_IF_ERROR(CheckMessages(messages));
    if (index > messages->list.size()) {
      return FailWith(RSN_ERR_ARGUMENT, "message ", index, " of ", messages->list.size());
    }
    messages->list.erase(messages->list.begin() + index, messages->list.end());
    messages->has_thinking.resize(index);
    return RSN_OK;
  });
}

}  // extern "C"
