// Fuzz target: route patterns, request targets and queries. The first line is a pattern, the second a target.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/http/router.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line_end = text.find('\n');
  const std::string_view pattern = text.substr(0, line_end);
  const std::string_view target = line_end == std::string_view::npos ? text : text.substr(line_end + 1);
  const auto nothing = [](const Request&, Responder) {};

  Router router;
  router.route("GET", "/v1/{a}/b", nothing).route("GET", "/v1/x/{rest...}", nothing).route("PUT", "/v1/x/y", nothing);
  static_cast<void>(router.add("GET", pattern, nothing));

  Request request;
  request.set_method("GET");
  if (!request.set_target(target)) {
    TRV_ASSERT(request.target().segment_count() == 0);
    return 0;
  }
  for (std::size_t i = 0; i < request.target().segment_count(); ++i) {
    const std::string_view segment = request.target().segment(i);
    TRV_ASSERT(trv::base::is_utf8(segment) && segment != "." && segment != ".." &&
               segment.find('\0') == std::string_view::npos);
  }
  TRV_ASSERT(trv::base::is_utf8(request.query("a").value_or("")));
  const Router::Match match = router.match(request);
  TRV_ASSERT(match.route == nullptr || request.route() == match.route->pattern);
  if (request.route() == "/v1/{a}/b") TRV_ASSERT(!request.parameter("a").empty());
  return 0;
}
