// Fuzz target: requests as bytes. However the bytes are cut into packets, the outcome and the request are the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/http/request_parser.hpp"
#include "sdk/base/contract.hpp"

namespace {

using namespace trv::http;

constexpr std::size_t body_bytes_max = 4096;

struct Reading {
  RequestParser::Outcome outcome = RequestParser::Outcome::need_more;
  std::size_t consumed = 0;
  Request request;
};

void read(Reading& reading, std::string_view text, std::size_t step) {
  RequestParser parser(1024);
  parser.start(reading.request);
  for (std::size_t arrived = std::min(step, text.size());; arrived = std::min(arrived + step, text.size())) {
    for (;;) {
      std::size_t consumed = 0;
      reading.outcome = parser.parse(text.substr(reading.consumed, arrived - reading.consumed), consumed);
      reading.consumed += consumed;
      TRV_ASSERT(reading.consumed <= arrived);
      if (reading.outcome != RequestParser::Outcome::head_done) break;
      if (!parser.set_body_bytes_max(body_bytes_max)) {
        reading.outcome = RequestParser::Outcome::failed;
        break;
      }
    }
    TRV_ASSERT(reading.request.body().size() <= body_bytes_max);
    if (reading.outcome != RequestParser::Outcome::need_more || arrived == text.size()) break;
  }
  if (reading.outcome == RequestParser::Outcome::failed) TRV_ASSERT(parser.failure().status >= 400);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Reading whole;
  read(whole, text, std::max<std::size_t>(size, 1));
  Reading pieces;
  read(pieces, text, 1);
  // Only what is complete must agree: limits are seen earlier in one packet than in many.
  if (whole.outcome == RequestParser::Outcome::done && pieces.outcome == RequestParser::Outcome::done) {
    TRV_ASSERT(whole.consumed == pieces.consumed && whole.request.body() == pieces.request.body());
    TRV_ASSERT(whole.request.header_count() == pieces.request.header_count());
  }
  return 0;
}
