#include "core/model/text/json_text.h"

namespace raison {
namespace {

constexpr int kMaxDepth = 256;
// ordered_json looks members up linearly: this bounds the square of an object's size.
constexpr size_t kMaxOrderedBytes = 4 << 20;
constexpr size_t kMaxOrderedMembers = 4096;

// Depth and, per object, members, counted outside of strings. Malformed text is left to the parser.
absl::Status CheckShape(std::string_view text, std::string_view what, size_t max_members) {
  int depth = 0;
  bool in_string = false;
  size_t members[kMaxDepth + 1] = {};
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        return absl::InvalidArgumentError(
            absl::StrCat(what, " is nested more than ", kMaxDepth, " deep"));
      }
      members[depth] = 0;
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
    } else if (c == ':' && ++members[depth] > max_members) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " has an object with more than ", max_members, " members"));
    }
  }
  return absl::OkStatus();
}

template <typename Json>
absl::StatusOr<Json> Parse(std::string_view text, std::string_view what) {
  Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not valid JSON"));
  }
  return value;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what) {
  RSN_RETURN_IF_ERROR(CheckShape(text, what, SIZE_MAX));
  return Parse<nlohmann::json>(text, what);
}

absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                        std::string_view what) {
  if (text.size() > kMaxOrderedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has ", text.size(), " bytes; at most ",
                                                   kMaxOrderedBytes, " are accepted"));
  }
  RSN_RETURN_IF_ERROR(CheckShape(text, what, kMaxOrderedMembers));
  return Parse<nlohmann::ordered_json>(text, what);
}

}  // namespace raison
