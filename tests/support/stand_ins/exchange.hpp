#pragma once
// A request to a stand-in and its answer, as values.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trv::stand_ins {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string path;  ///< below the service's base URL, without the query
  HeaderList headers;
  std::string body;

  /// The first header of that name, without regard to case; empty where there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
};

struct Answer {
  int status = 200;
  std::string body = {};
  HeaderList headers = {};
  bool changed = false;  ///< the request had an effect on the service's state
};

}  // namespace trv::stand_ins
