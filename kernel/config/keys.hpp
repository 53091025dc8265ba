#pragma once
// The keys of the configuration: names, forms, ranges, and what each is for.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernel/config/config.hpp"

namespace trv::config {

struct IntegerKey {
  std::uint64_t Config::* field;
  std::uint64_t min;
  std::uint64_t max;
};
struct TextKey {
  std::string Config::* field;
  std::string_view form;
  base::Status (*check)(std::string_view text);
};
struct SwitchKey {
  bool Config::* field;
};

struct Key {
  std::string_view section;
  std::string_view name;
  std::variant<IntegerKey, TextKey, SwitchKey> kind;
  std::string_view unit;
  std::string_view effect;
  bool needs_restart = true;  ///< false: SIGHUP applies it

  [[nodiscard]] std::string path() const;      ///< "http.port"
  [[nodiscard]] std::string variable() const;  ///< "TRAV_HTTP_PORT"
};

/// All of them, as the guide lists them.
[[nodiscard]] const std::vector<Key>& keys();

struct NamedMechanism {
  std::string_view name;
  kafka::Mechanism mechanism;
};
inline constexpr std::array<NamedMechanism, 4> mechanisms = {{{"none", kafka::Mechanism::none},
                                                              {"plain", kafka::Mechanism::plain},
                                                              {"scram-sha-256", kafka::Mechanism::scram_sha_256},
                                                              {"scram-sha-512", kafka::Mechanism::scram_sha_512}}};

/// nullopt where it is not host or host:port, with an IPv6 address in brackets.
[[nodiscard]] std::optional<NodeAddress> split_address(std::string_view text);

/// Of the data, wherever it is named.
[[nodiscard]] base::Status check_folder(std::string_view text);

}  // namespace trv::config
