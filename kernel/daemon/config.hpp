#pragma once
// The daemon's configuration: one TOML file, every key overridable by an environment variable TRAV_<SECTION>_<KEY>.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::daemon {

struct Config {
  // [data]
  std::filesystem::path data_folder;  ///< default $XDG_DATA_HOME/travertine or ~/.local/share/travertine
  std::uint64_t data_map_gib = 64;    ///< address space of the log and of the projection; 1 to 16384

  // [http]
  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 8400;  ///< 0 = any free port
  std::uint64_t http_body_bytes_max = 1'000'000;
  std::uint64_t http_threads = 1;  ///< 1 to 64

  // [audit]
  std::string audit_origin = "travertine.local";  ///< schemeless URL prefix of every trail's name

  // [egress]
  bool egress_allow_private_network = false;  ///< for workflows' own http calls; connections say it for themselves

  // [effects]
  std::uint64_t effects_concurrency_max = 256;
  std::uint64_t effects_tries_max = 8;

  // [log]
  std::string log_level = "info";  ///< debug, info, warning, error

  // Of the command line alone.
  bool new_operator_token = false;
};

/// The environment's variables by name, as they were at the start.
using Environment = std::map<std::string, std::string, std::less<>>;

/// What the command line says; nullopt = nothing.
struct Overrides {
  std::optional<std::string> data_folder = {};
  std::optional<std::uint16_t> http_port = {};
  bool new_operator_token = false;
};

/// Reads `file` (nullopt: defaults only); the environment wins over it, and the command line over both. Errors:
/// invalid, with the key's name and, from a file, its place; an unknown key is an error, and names the nearest known
/// one.
[[nodiscard]] base::Result<Config> load_config(const std::optional<std::filesystem::path>& file,
                                               const Environment& environment, const Overrides& overrides = {});

/// One line for each variable TRAV_… that means nothing to travd nor to the other programs of the project, with the
/// nearest one that does; at most 20 lines. It is no error: a service manager or a cluster may set variables by names
/// of its own, as Kubernetes does with TRAV_PORT_8400_TCP beside a service `trav`.
[[nodiscard]] std::vector<std::string> unknown_variables(const Environment& environment);

}  // namespace trv::daemon
