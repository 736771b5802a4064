// The key-value pairs of a GGUF file with typed, checked getters. Scalars keep the file's own type;
// getters accept any integer width and refuse another kind or a value outside the given range with
// a sentence that names file, key, found and wanted type. Views live as long as the file's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "core/base/status.h"

namespace raison {

enum class GgufType : uint32_t {
  kUint8 = 0, kInt8 = 1, kUint16 = 2, kInt16 = 3, kUint32 = 4, kInt32 = 5, kFloat32 = 6,
  kBool = 7, kString = 8, kArray = 9, kUint64 = 10, kInt64 = 11, kFloat64 = 12,
};
// nullptr for an unknown id.
const char* GgufTypeName(uint32_t id);
// Bytes of a scalar; 0 for strings, arrays and unknown ids.
size_t GgufTypeBytes(uint32_t id);

struct GgufValue {
  GgufType type = GgufType::kUint8;
  int64_t integer = 0;  // integers and bool; a larger UINT64 is INT64_MAX, above every bound asked
  double number = 0;    // FLOAT32, FLOAT64
  std::string_view text;  // STRING
  GgufType element = GgufType::kUint8;     // ARRAY
  std::vector<std::string_view> strings;   // ARRAY of STRING
  absl::Span<const std::byte> elements;    // ARRAY of scalars: packed, unaligned
  size_t count = 0;                        // ARRAY
};

// A scalar of GgufTypeBytes(type) bytes, any alignment; not for STRING or ARRAY.
GgufValue GgufScalar(GgufType type, const std::byte* bytes);

class GgufMetadata {
 public:
  explicit GgufMetadata(std::string file) : file_(std::move(file)) {}

  bool Has(std::string_view key) const { return values_.contains(key); }
  const GgufValue* Find(std::string_view key) const;
  // False if the key is there already.
  bool Insert(std::string_view key, GgufValue value) {
    return values_.emplace(std::string(key), std::move(value)).second;
  }
  const std::string& file() const { return file_; }
  size_t size() const { return values_.size(); }
  const absl::flat_hash_map<std::string, GgufValue>& values() const { return values_; }

  // Required keys.
  absl::StatusOr<int64_t> GetInt(std::string_view key, int64_t low, int64_t high) const;
  absl::StatusOr<double> GetNumber(std::string_view key) const;  // floats and integers, finite
  absl::StatusOr<bool> GetBool(std::string_view key) const;
  absl::StatusOr<std::string_view> GetString(std::string_view key) const;
  absl::StatusOr<absl::Span<const std::string_view>> GetStrings(std::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> GetInts(std::string_view key) const;   // integer or bool
  absl::StatusOr<std::vector<float>> GetFloats(std::string_view key) const;
  // A scalar, or an array of exactly `blocks` equal entries (some writers repeat a value per block).
  absl::StatusOr<int64_t> GetPerBlockInt(std::string_view key, int64_t blocks, int64_t low,
                                         int64_t high) const;
  // Optional keys: the default if absent, an error if present with another type or range.
  absl::StatusOr<int64_t> GetInt(std::string_view key, int64_t low, int64_t high,
                                 int64_t absent) const;
  absl::StatusOr<double> GetNumber(std::string_view key, double absent) const;
  absl::StatusOr<bool> GetBool(std::string_view key, bool absent) const;
  absl::StatusOr<std::string> GetString(std::string_view key, std::string_view absent) const;

  absl::Status Missing(std::string_view key) const;
  absl::Status Wrong(std::string_view key, const GgufValue& found, std::string_view wanted) const;

 private:
  std::string file_;
  absl::flat_hash_map<std::string, GgufValue> values_;
};

}  // namespace raison
