#include "core/file/json.h"

#include <cmath>

namespace raison {
namespace {

// Far deeper than any file of a model, far shallower than any stack.
constexpr int kMaxDepth = 64;

bool TooDeep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

std::string Shown(const nlohmann::json& value) {
  const std::string text =
      value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60);
  return absl::StrCat(value.type_name(), " ", text);
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, const std::string& file) {
  if (text.starts_with("version https://git-lfs")) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": is a Git LFS pointer: fetch it with 'git lfs pull'"));
  }
  if (TooDeep(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": is nested more than ", kMaxDepth, " levels deep"));
  }
  nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(file, ": is not JSON"));
  if (!value.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": is not a JSON object"));
  }
  return value;
}

const nlohmann::json* JsonKeys::Find(std::string_view key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

absl::Status JsonKeys::Error(std::string_view key, std::string_view text) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": '", prefix_, key, "' ", text));
}

absl::Status JsonKeys::Wrong(std::string_view key, std::string_view wanted) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return Error(key, absl::StrCat("is missing, wanted ", wanted));
  return Error(key, absl::StrCat("is ", Shown(*value), ", wanted ", wanted));
}

absl::StatusOr<int64_t> JsonKeys::GetInt(std::string_view key, int64_t low, int64_t high) const {
  const std::string wanted = absl::StrCat("an integer from ", low, " to ", high);
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_number_integer()) return Wrong(key, wanted);
  if (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) return Wrong(key, wanted);
  const int64_t number = value->get<int64_t>();
  if (number < low || number > high) return Wrong(key, wanted);
  return number;
}

absl::StatusOr<int64_t> JsonKeys::GetInt(std::string_view key, int64_t low, int64_t high,
                                         int64_t absent) const {
  return Has(key) ? GetInt(key, low, high) : absent;
}

absl::StatusOr<double> JsonKeys::GetNumber(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_number()) return Wrong(key, "a number");
  const double number = value->get<double>();
  if (!std::isfinite(number)) return Wrong(key, "a finite number");
  return number;
}

absl::StatusOr<double> JsonKeys::GetNumber(std::string_view key, double absent) const {
  return Has(key) ? GetNumber(key) : absent;
}

absl::StatusOr<bool> JsonKeys::GetBool(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_boolean()) return Wrong(key, "true or false");
  return value->get<bool>();
}

absl::StatusOr<bool> JsonKeys::GetBool(std::string_view key, bool absent) const {
  return Has(key) ? GetBool(key) : absent;
}

absl::StatusOr<std::string> JsonKeys::GetString(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_string()) return Wrong(key, "a string");
  return value->get<std::string>();
}

absl::StatusOr<std::string> JsonKeys::GetString(std::string_view key,
                                                std::string_view absent) const {
  if (!Has(key)) return std::string(absent);
  return GetString(key);
}

absl::StatusOr<JsonKeys> JsonKeys::GetObject(std::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || !value->is_object()) return Wrong(key, "an object");
  return JsonKeys(*value, file_, absl::StrCat(prefix_, key, "."));
}

}  // namespace raison
