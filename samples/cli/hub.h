// Where the file of an "hf:owner/repo/file" name lies in the local Hugging Face cache. Looks, and
// never downloads.
#pragma once

#include <string>

namespace raison::cli {

// A path as it is; "hf:owner/repo/file" becomes the path of that file in the newest snapshot that
// holds it, that of refs/main first. Failure when it is not in the cache; the sentence says how to
// get it.
std::string ResolveModelPath(const std::string& model);

}  // namespace raison::cli
