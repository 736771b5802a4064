// The table of discourse markers: by which words a step shows what it is, and which of them turn
// the reasoning so much that a new step begins inside a paragraph.
// Owns words only. They are a heuristic over English and Chinese traces of R1-like models.
#pragma once

#include <string_view>

#include "core/reasoning/reasons.h"

namespace raison {

// By the step's first words, after list marks, quotes and emphasis; a step that boxes an answer
// without saying so is a conclusion too.
StepMarker ClassifyStep(std::string_view text);

enum class TurnMatch { kNo, kMore, kYes };
// Whether text, which begins a sentence, opens with a turn ("Wait", "Alternatively"). kMore: it is
// the beginning of one so far.
TurnMatch MatchTurn(std::string_view text);

}  // namespace raison
