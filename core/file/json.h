// JSON from files: parsed without exceptions, with a limit on nesting, and read through getters
// that name file, key, found and wanted type instead of throwing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/status.h"

namespace raison {

// An object; anything else is an error that names `file`.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, const std::string& file);

// Keys of one JSON object. A key that is absent or null has no value.
class JsonKeys {
 public:
  // `object` must be a JSON object and outlive this. `prefix` is put before keys in errors.
  JsonKeys(const nlohmann::json& object, std::string file, std::string prefix = "")
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  const nlohmann::json* Find(std::string_view key) const;  // nullptr if absent or null
  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  const std::string& file() const { return file_; }

  absl::StatusOr<int64_t> GetInt(std::string_view key, int64_t low, int64_t high) const;
  absl::StatusOr<double> GetNumber(std::string_view key) const;  // finite
  absl::StatusOr<bool> GetBool(std::string_view key) const;
  absl::StatusOr<std::string> GetString(std::string_view key) const;
  absl::StatusOr<JsonKeys> GetObject(std::string_view key) const;

  absl::StatusOr<int64_t> GetInt(std::string_view key, int64_t low, int64_t high,
                                 int64_t absent) const;
  absl::StatusOr<double> GetNumber(std::string_view key, double absent) const;
  absl::StatusOr<bool> GetBool(std::string_view key, bool absent) const;
  absl::StatusOr<std::string> GetString(std::string_view key, std::string_view absent) const;

  absl::Status Error(std::string_view key, std::string_view text) const;  // "file: 'key' text"
  absl::Status Wrong(std::string_view key, std::string_view wanted) const;

 private:
  const nlohmann::json& object_;
  std::string file_, prefix_;
};

}  // namespace raison
