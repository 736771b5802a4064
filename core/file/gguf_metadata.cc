#include "core/file/gguf_metadata.h"

#include <cmath>
#include <cstring>

#include "core/base/status.h"

namespace raison {
namespace {

struct TypeRow {
  const char* name;
  size_t bytes;
};
constexpr TypeRow kTypes[] = {
    {"UINT8", 1},   {"INT8", 1}, {"UINT16", 2}, {"INT16", 2}, {"UINT32", 4}, {"INT32", 4},
    {"FLOAT32", 4}, {"BOOL", 1}, {"STRING", 0}, {"ARRAY", 0}, {"UINT64", 8}, {"INT64", 8},
    {"FLOAT64", 8}};
constexpr uint32_t kTypeCount = sizeof(kTypes) / sizeof(kTypes[0]);

bool IsInteger(GgufType type) {
  switch (type) {
    case GgufType::kFloat32:
    case GgufType::kFloat64:
    case GgufType::kBool:
    case GgufType::kString:
    case GgufType::kArray: return false;
    default: return true;
  }
}

template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

int64_t LoadInteger(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kBool: return Load<uint8_t>(p);
    case GgufType::kInt8: return Load<int8_t>(p);
    case GgufType::kUint16: return Load<uint16_t>(p);
    case GgufType::kInt16: return Load<int16_t>(p);
    case GgufType::kUint32: return Load<uint32_t>(p);
    case GgufType::kInt32: return Load<int32_t>(p);
    case GgufType::kUint64: {
      const uint64_t value = Load<uint64_t>(p);
      return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
    }
    default: return Load<int64_t>(p);
  }
}

std::string Describe(const GgufValue& value) {
  const char* name = GgufTypeName(static_cast<uint32_t>(value.type));
  if (value.type == GgufType::kArray) {
    return absl::StrCat("an array of ", value.count, " ",
                        GgufTypeName(static_cast<uint32_t>(value.element)));
  }
  if (IsInteger(value.type) || value.type == GgufType::kBool) {
    return absl::StrCat(name, " ", value.integer);
  }
  if (value.type == GgufType::kString) return name;
  return absl::StrCat(name, " ", value.number);
}

}  // namespace

const char* GgufTypeName(uint32_t id) { return id < kTypeCount ? kTypes[id].name : nullptr; }
size_t GgufTypeBytes(uint32_t id) { return id < kTypeCount ? kTypes[id].bytes : 0; }

GgufValue GgufScalar(GgufType type, const std::byte* bytes) {
  GgufValue value;
  value.type = type;
  if (type == GgufType::kFloat32) {
    value.number = Load<float>(bytes);
  } else if (type == GgufType::kFloat64) {
    value.number = Load<double>(bytes);
  } else {
    value.integer = LoadInteger(type, bytes);
  }
  return value;
}

const GgufValue* GgufMetadata::Find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

absl::Status GgufMetadata::Missing(std::string_view key) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": the key '", key, "' is missing"));
}

absl::Status GgufMetadata::Wrong(std::string_view key, const GgufValue& found,
                                 std::string_view wanted) const {
  return absl::InvalidArgumentError(
      absl::StrCat(file_, ": the key '", key, "' is ", Describe(found), ", wanted ", wanted));
}

absl::StatusOr<int64_t> GgufMetadata::GetInt(std::string_view key, int64_t low,
                                             int64_t high) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (!IsInteger(value->type) || value->integer < low || value->integer > high) {
    return Wrong(key, *value, absl::StrCat("an integer from ", low, " to ", high));
  }
  return value->integer;
}

absl::StatusOr<int64_t> GgufMetadata::GetInt(std::string_view key, int64_t low, int64_t high,
                                             int64_t absent) const {
  return Has(key) ? GetInt(key, low, high) : absent;
}

absl::StatusOr<double> GgufMetadata::GetNumber(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (IsInteger(value->type)) return static_cast<double>(value->integer);
  const bool is_float = value->type == GgufType::kFloat32 || value->type == GgufType::kFloat64;
  if (!is_float || !std::isfinite(value->number)) return Wrong(key, *value, "a finite number");
  return value->number;
}

absl::StatusOr<double> GgufMetadata::GetNumber(std::string_view key, double absent) const {
  return Has(key) ? GetNumber(key) : absent;
}

absl::StatusOr<bool> GgufMetadata::GetBool(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kBool) return Wrong(key, *value, "a BOOL");
  return value->integer != 0;
}

absl::StatusOr<bool> GgufMetadata::GetBool(std::string_view key, bool absent) const {
  return Has(key) ? GetBool(key) : absent;
}

absl::StatusOr<std::string_view> GgufMetadata::GetString(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kString) return Wrong(key, *value, "a STRING");
  return value->text;
}

absl::StatusOr<std::string> GgufMetadata::GetString(std::string_view key,
                                                    std::string_view absent) const {
  if (!Has(key)) return std::string(absent);
  RSN_ASSIGN_OR_RETURN(const std::string_view text, GetString(key));
  return std::string(text);
}

absl::StatusOr<absl::Span<const std::string_view>> GgufMetadata::GetStrings(
    std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kArray || value->element != GgufType::kString) {
    return Wrong(key, *value, "an array of STRING");
  }
  return absl::MakeConstSpan(value->strings);
}

absl::StatusOr<std::vector<int64_t>> GgufMetadata::GetInts(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  const bool integers = IsInteger(value->element) || value->element == GgufType::kBool;
  if (value->type != GgufType::kArray || !integers) return Wrong(key, *value, "an integer array");
  const size_t bytes = GgufTypeBytes(static_cast<uint32_t>(value->element));
  std::vector<int64_t> result(value->count);
  for (size_t i = 0; i < value->count; ++i) {
    result[i] = LoadInteger(value->element, value->elements.data() + i * bytes);
  }
  return result;
}

absl::StatusOr<std::vector<float>> GgufMetadata::GetFloats(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kArray || value->element != GgufType::kFloat32) {
    return Wrong(key, *value, "an array of FLOAT32");
  }
  std::vector<float> result(value->count);
  if (value->count > 0) std::memcpy(result.data(), value->elements.data(), value->elements.size());
  return result;
}

absl::StatusOr<int64_t> GgufMetadata::GetPerBlockInt(std::string_view key, int64_t blocks,
                                                     int64_t low, int64_t high) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kArray) return GetInt(key, low, high);
  RSN_ASSIGN_OR_RETURN(const std::vector<int64_t> list, GetInts(key));
  if (static_cast<int64_t>(list.size()) != blocks || blocks < 1) {
    return Wrong(key, *value, absl::StrCat("one entry for each of the ", blocks, " blocks"));
  }
  for (const int64_t entry : list) {
    if (entry != list[0]) return Wrong(key, *value, "the same entry for every block");
    if (entry < low || entry > high) {
      return Wrong(key, *value, absl::StrCat("entries from ", low, " to ", high));
    }
  }
  return list[0];
}

}  // namespace raison
