// The few calls on an open file that files.cc is written in; each system has its own of them. A
// descriptor is the C run-time library's; -1 is a failure and errno says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace raison::descriptor {

int OpenForReading(const std::string& path);
// A new file beside `path` for writing, and its name.
int CreateBeside(const std::string& path, std::string* name);
int64_t SizeOf(int file);  // -1 for what is no regular file
// Bytes that came or went at once, at most `size`; 0 at the end of the file.
int64_t Read(int file, void* to, size_t size);
int64_t Write(int file, const void* from, size_t size);
bool Close(int file);
// `to` may exist: a reader sees the one or the other. Empty, or why not.
std::string Rename(const std::string& from, const std::string& to);
void Remove(const std::string& path);

}  // namespace raison::descriptor
