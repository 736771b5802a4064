// The words in which reasoning is reported: channels, reasons, markers.
// Owns numbers only. They are pinned: raison.h has the same ones (RSN_CHANNEL_*, RSN_THINK_END_*,
// RSN_DONE_*, RSN_NOTICE_*, RSN_MARKER_*), traces hold them.
#pragma once

#include <cstdint>

namespace raison {

enum class Channel : int32_t {
  kPrompt = 0,
  kThinking = 1,
  kAnswer = 2,
  kControl = 3,  // tags and end-of-text: tokens without text
};

enum class ThinkEndReason : int32_t {
  kModel = 1,
  kSoftBudget = 2,
  kHardBudget = 3,  // or to keep answer_reserve free
  kCaller = 4,
  kLength = 5,
  kEndOfText = 6,
};

enum class DoneReason : int32_t {
  kEnd = 1,
  kStopString = 2,
  kLengthThinking = 3,
  kLengthAnswer = 4,
  kContextFull = 5,
  kCancelled = 6,
  kStopped = 7,   // by the caller
  kUnclosed = 8,  // end of text, thinking never closed
  kFailed = 9,
};

enum class NoticeReason : int32_t {
  kNone = 0,
  kSoftBudget = 1,
  kHardBudget = 2,
  kAnswerReserve = 3,
  kMinimum = 4,
  kEndThinking = 5,
  kInjected = 6,
  kRewound = 7,
  kStopped = 8,
  kCancelled = 9,
  kPlaced = 10,
};

enum class StepMarker : int32_t { kPlain = 0, kCheck = 1, kCorrection = 2, kConclusion = 3 };

}  // namespace raison
