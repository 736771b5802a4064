// What an answer comes down to, and which step said it first.
// Owns the model's own forms: the last \boxed{...}; else the last "answer is X" or "Answer: X";
// else the last line that is not empty. Plain text work: judges nothing, compares nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace raison {

// Empty if the text holds nothing visible.
std::string ExtractFinalAnswer(std::string_view text);

// Index of the first step that states the answer as a result ("= 3", "is 3", "\boxed{3}"); if none
// does, of the first that mentions it; -1 if none. "3" is not found in "13", "3.5" or "x3".
int32_t FirstStepStating(const std::vector<std::string_view>& steps, std::string_view answer);

}  // namespace raison
