#include "capi/status.h"

#include <cstring>

#include "absl/strings/match.h"
#include "core/model/text/utf8.h"


namespace raison::capi {
namespace {

// A plain buffer: keeping a sentence must work when there is no memory.
constexpr size_t kSentenceBytes = 2048;
thread_local char last_error[kSentenceBytes] = "";

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Sentences quote files, which may hold anything: an escape sequence must not reach a terminal.
bool IsControl(uint32_t c) {
  return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
}

}  // namespace

rsn_status Fail(rsn_status status, std::string_view sentence) noexcept {
  size_t size = 0;
  while (!sentence.empty()) {
    const Utf8Front front = ReadUtf8(sentence);
    const bool shown = front.kind == Utf8Front::kValid && !IsControl(front.code_point);
    const std::string_view text = shown ? sentence.substr(0, front.length) : kReplacement;
    if (size + text.size() >= kSentenceBytes) break;
    std::memcpy(last_error + size, text.data(), text.size());
    size += text.size();
    sentence.remove_prefix(front.length);
  }
  last_error[size] = '\0';
  return status;
}

rsn_status ToStatus(const absl::Status& status, Doing doing) noexcept {
  // A template's failure has many codes in core; its sentences all begin in this way.
  if (doing == Doing::kTemplating && absl::StartsWith(status.message(), "the chat template")) {
    return RSN_ERR_TEMPLATE;
  }
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return RSN_OK;
    case absl::StatusCode::kInvalidArgument:
      return doing == Doing::kLoading ? RSN_ERR_FORMAT : RSN_ERR_ARGUMENT;
    case absl::StatusCode::kDataLoss:
      return doing == Doing::kRunning ? RSN_ERR_NONFINITE : RSN_ERR_FORMAT;
    case absl::StatusCode::kOutOfRange:
      return doing == Doing::kLoading   ? RSN_ERR_FORMAT
             : doing == Doing::kReading ? RSN_ERR_ARGUMENT
                                        : RSN_ERR_CONTEXT;
    case absl::StatusCode::kNotFound:
      return doing == Doing::kLoading   ? RSN_ERR_NOT_FOUND
             : doing == Doing::kReading ? RSN_ERR_ARGUMENT
                                        : RSN_ERR_TEMPLATE;
    case absl::StatusCode::kPermissionDenied:
      return RSN_ERR_NOT_FOUND;
    case absl::StatusCode::kUnimplemented:
      return RSN_ERR_UNSUPPORTED;
    case absl::StatusCode::kResourceExhausted:
      return doing == Doing::kRunning ? RSN_ERR_KV : RSN_ERR_MEMORY;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return RSN_ERR_STATE;
    case absl::StatusCode::kUnavailable:
      return RSN_ERR_DEVICE;
    case absl::StatusCode::kCancelled:
      return RSN_ERR_CANCELLED;
    default:
      return RSN_ERR_INTERNAL;
  }
}

rsn_status Fail(const absl::Status& status, Doing doing) noexcept {
  const absl::string_view sentence = status.message();
  return Fail(ToStatus(status, doing), std::string_view(sentence.data(), sentence.size()));
}

}  // namespace raison::capi

extern "C" {

const char* rsn_last_error(void) { return raison::capi::last_error; }

const char* rsn_status_name(rsn_status status) {
  switch (status) {
    case RSN_OK: return "RSN_OK";
    case RSN_ERR_ARGUMENT: return "RSN_ERR_ARGUMENT";
    case RSN_ERR_STRUCT: return "RSN_ERR_STRUCT";
    case RSN_ERR_TEXT: return "RSN_ERR_TEXT";
    case RSN_ERR_CAPACITY: return "RSN_ERR_CAPACITY";
    case RSN_ERR_NOT_FOUND: return "RSN_ERR_NOT_FOUND";
    case RSN_ERR_FORMAT: return "RSN_ERR_FORMAT";
    case RSN_ERR_UNSUPPORTED: return "RSN_ERR_UNSUPPORTED";
    case RSN_ERR_TEMPLATE: return "RSN_ERR_TEMPLATE";
    case RSN_ERR_MEMORY: return "RSN_ERR_MEMORY";
    case RSN_ERR_KV: return "RSN_ERR_KV";
    case RSN_ERR_DEVICE: return "RSN_ERR_DEVICE";
    case RSN_ERR_STATE: return "RSN_ERR_STATE";
    case RSN_ERR_BUSY: return "RSN_ERR_BUSY";
    case RSN_ERR_FORKED: return "RSN_ERR_FORKED";
    case RSN_ERR_CONTEXT: return "RSN_ERR_CONTEXT";
    case RSN_ERR_CANCELLED: return "RSN_ERR_CANCELLED";
    case RSN_ERR_INTERNAL: return "RSN_ERR_INTERNAL";
    case RSN_ERR_NONFINITE: return "RSN_ERR_NONFINITE";
    default: return "RSN_ERR_?";
  }
}

uint32_t rsn_version_number(void) { return RSN_VERSION_NUMBER; }

#define RSN_CAPI_TEXT_(x) #x
#define RSN_CAPI_TEXT(x) RSN_CAPI_TEXT_(x)
const char* rsn_version_text(void) {
  return RSN_CAPI_TEXT(RSN_VERSION_MAJOR) "." RSN_CAPI_TEXT(RSN_VERSION_MINOR) "." RSN_CAPI_TEXT(
      RSN_VERSION_PATCH);
}

}  // extern "C"

static_assert(RSN_VERSION_NUMBER ==
                  10000 * RSN_VERSION_MAJOR + 100 * RSN_VERSION_MINOR + RSN_VERSION_PATCH,
              "the header's three numbers and its one number must agree");
