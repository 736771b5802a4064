// Text and arrays at the boundary: pointer + length in, copied or borrowed arrays out.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "capi/status.h"

namespace raison::capi {

// RSN_NUL is resolved; NULL is an error.
rsn_status ReadText(const char* name, const char* text, size_t size, std::string_view* out);
// NULL (with size 0 or RSN_NUL) is the empty view with data() == nullptr.
rsn_status ReadOptionalText(const char* name, const char* text, size_t size, std::string_view* out);
rsn_status CheckUtf8(const char* name, std::string_view text);

inline void LendText(std::string_view text, const char** data, size_t* size) {
  if (data != nullptr) *data = text.data() == nullptr ? "" : text.data();
  if (size != nullptr) *size = text.size();
}

// The rule called "Arrays" in raison.h.
template <typename T>
rsn_status WriteArray(const T* from, size_t count, T* to, size_t capacity, size_t* out_count) {
  *out_count = count;
  if (to == nullptr && capacity == 0) return RSN_OK;
  if (count > capacity) {
    return FailWith(RSN_ERR_CAPACITY, "the buffer holds ", capacity, ", needed are ", count);
  }
  if (count > 0) std::memcpy(to, from, count * sizeof(T));
  return RSN_OK;
}

template <typename T>
rsn_status CheckArray(const T* to, size_t capacity, const size_t* out_count) {
  if (out_count == nullptr) return Fail(RSN_ERR_ARGUMENT, "the pointer for the count is NULL");
  if (to == nullptr && capacity > 0) {
    return Fail(RSN_ERR_ARGUMENT, "the buffer is NULL, but its capacity is not 0");
  }
  return RSN_OK;
}

}  // namespace raison::capi
