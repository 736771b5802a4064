// Sized structs at the boundary: only the part that both sides know is read and written, and bytes
// that this library does not know must be zero. One template for all of them; the defaults of each
// struct are in structs.cc.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "capi/status.h"

namespace raison::capi {

// Far above any struct of ours: a larger size is an uninitialised one.
inline constexpr size_t kMaxStruct = 65536;

// "Not set" in every field; struct_size is the library's own.
template <typename T>
T Defaults();

rsn_status CheckStructSize(const char* name, const void* address, size_t size, size_t known,
                           size_t alignment);

template <typename T>
rsn_status InitStruct(const char* name, T* out, size_t size) {
  static_assert(std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>);
  if (out == nullptr) return FailWith(RSN_ERR_ARGUMENT, name, ": NULL");
  if (size < sizeof(uint32_t) || size > kMaxStruct || size % alignof(T) != 0) {
    return FailWith(RSN_ERR_STRUCT, name, ": size ", size, " is not the sizeof of this struct");
  }
  T value = Defaults<T>();
  value.struct_size = static_cast<uint32_t>(size);
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &value, std::min(size, sizeof(T)));
  return RSN_OK;
}

// The caller's struct as this library's own: what the caller does not know has its default.
template <typename T>
rsn_status ReadStruct(const char* name, const T* from, T* to) {
  *to = Defaults<T>();
  if (from == nullptr) return RSN_OK;
  uint32_t size;
  std::memcpy(&size, static_cast<const void*>(from), sizeof size);
  RSN_CAPI_RETURN_IF_ERROR(CheckStructSize(name, from, size, sizeof(T), alignof(T)));
  std::memcpy(static_cast<void*>(to), static_cast<const void*>(from),
              std::min<size_t>(size, sizeof(T)));
  to->struct_size = sizeof(T);
  return RSN_OK;
}

// Before the work: a struct that cannot be filled fails the call while nothing has happened.
template <typename T>
rsn_status CheckOut(const char* name, const T* out) {
  if (out == nullptr) return FailWith(RSN_ERR_ARGUMENT, name, ": NULL");
  uint32_t size;
  std::memcpy(&size, static_cast<const void*>(out), sizeof size);
  return CheckStructSize(name, out, size, sizeof(T), alignof(T));
}

// `out` has passed CheckOut.
template <typename T>
void WriteStruct(const T& value, T* out) {
  uint32_t size;
  std::memcpy(&size, static_cast<const void*>(out), sizeof size);
  std::memcpy(static_cast<char*>(static_cast<void*>(out)) + sizeof size,
              reinterpret_cast<const char*>(&value) + sizeof size,
              std::min<size_t>(size, sizeof(T)) - sizeof size);
}

}  // namespace raison::capi
