// Sends POST requests with an empty JSON object to several daemons, for the benchmarks that start them: bench/nodes.py.
//
//   http_driver SECONDS CONNECTIONS RATE < TARGETS
//
// A target is a line "PORT PATH TOKEN". A rate of 0 is as fast as answers come. Every answer must be 201. Prints
// "<requests a second> <p50 in ms> <p99 in ms>".

#include <iostream>

#include "bench/http_load.hpp"

int main(int argc, char** argv) {
  using namespace trv::bench;
  if (argc != 4) give_up("usage: http_driver SECONDS CONNECTIONS RATE < TARGETS");
  const double rate = std::strtod(argv[3], nullptr);
  std::vector<HttpTarget> targets;
  std::uint16_t port = 0;
  std::string path;
  std::string token;
  while (std::cin >> port >> path >> token) {
    targets.push_back({port, fmt::format("POST {} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n"
                                         "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
                                         path, token)});
  }
  if (targets.empty()) give_up("there is no target");
  const HttpLoad load = drive(targets, std::strtoull(argv[2], nullptr, 10), 201, std::strtod(argv[1], nullptr),
                              rate > 0 ? std::optional(rate) : std::nullopt);
  fmt::print("{} {} {}\n", load.requests_per_s, load.p50_ms, load.p99_ms);
  return 0;
}
