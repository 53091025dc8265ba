#include "kernel/config/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <ranges>
#include <sstream>
#include <variant>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::config {
namespace {

using base::ErrorCode;
using base::fail;

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

  [[nodiscard]] std::string path() const { return join(section, ".", std::string(name)); }
  [[nodiscard]] std::string variable() const { return "TRAV_" + join(upper(section), "_", upper(name)); }

  /// The section is empty where the key is at the top of the file.
  static std::string join(std::string_view section, std::string_view separator, const std::string& name) {
    return section.empty() ? name : fmt::format("{}{}{}", section, separator, name);
  }
  static std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return result;
  }
};

base::Status check_address(std::string_view text) {
  const std::string address(text);
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return {};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is not an IPv4 or IPv6 address; write an address such as 127.0.0.1", text));
}

base::Status check_log_level(std::string_view text) {
  constexpr std::array<std::string_view, 4> levels = {"debug", "info", "warning", "error"};
  if (std::ranges::find(levels, text) != levels.end()) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not a level; use debug, info, warning or error", text));
}

base::Status check_isolation(std::string_view text) {
  if (text == "required" || text == "best-effort" || text == "off") return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not one of required, best-effort and off", text));
}

base::Status check_origin(std::string_view text) {
  const auto bad = [](char c) { return c <= ' ' || c == '+' || c == 0x7f; };
  if (!text.empty() && text.size() <= 200 && std::ranges::none_of(text, bad)) return {};
  return fail(ErrorCode::invalid, "must be 1 to 200 characters without spaces, control characters and '+'");
}

constexpr std::uint16_t default_node_port = 8401;

base::Status check_not_empty(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::invalid, "must not be empty");
  return {};
}

base::Status any_text(std::string_view) {
  return {};
}

struct NamedMechanism {
  std::string_view name;
  kafka::Mechanism mechanism;
};
constexpr std::array<NamedMechanism, 4> mechanisms = {{{"none", kafka::Mechanism::none},
                                                       {"plain", kafka::Mechanism::plain},
                                                       {"scram-sha-256", kafka::Mechanism::scram_sha_256},
                                                       {"scram-sha-512", kafka::Mechanism::scram_sha_512}}};

base::Status check_mechanism(std::string_view text) {
  if (std::ranges::find(mechanisms, text, &NamedMechanism::name) != mechanisms.end()) return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is not a mechanism; use none, plain, scram-sha-256 or scram-sha-512", text));
}

// As the brokers take it.
base::Status check_topic(std::string_view text) {
  const bool is_name =
      !text.empty() && text.size() <= 249 && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
      });
  if (is_name) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not 1 to 249 letters, digits, '.', '_' and '-'", text));
}

base::Status check_folder(std::string_view text) {
  TRV_TRY(check_not_empty(text));
  if (text.front() != '~') return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' begins with '~', which only a shell replaces; write the whole path", text));
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

base::Status check_node_name(std::string_view text) {
  if (text.size() <= 63 && std::ranges::all_of(text, is_name_character)) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not 1 to 63 of a-z, 0-9, '-' and '.'", text));
}

/// nullopt where it is not host or host:port, with an IPv6 address in brackets.
std::optional<NodeAddress> split_address(std::string_view text) {
  constexpr std::size_t host_bytes_max = 253;
  const bool in_brackets = text.starts_with('[');
  const std::size_t end = in_brackets ? text.find(']') : text.find(':');
  std::string_view host = text.substr(0, end);
  std::string_view rest = end == std::string_view::npos ? "" : text.substr(end);
  if (in_brackets) {
    host.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    rest.remove_prefix(1);
  }
  const bool is_host = std::ranges::all_of(
      host, [&](char c) { return is_name_character(c) || (c >= 'A' && c <= 'Z') || (in_brackets && c == ':'); });
  if (!is_host || host.empty() || host.size() > host_bytes_max) return std::nullopt;
  NodeAddress address{.host = std::string(host), .port = default_node_port};
  if (rest.empty()) return address;
  const auto [last, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), address.port);
  const bool is_port = rest.front() == ':' && error == std::errc() && last == rest.data() + rest.size();
  return is_port ? std::optional(std::move(address)) : std::nullopt;
}

base::Status check_node_address(std::string_view text) {
  if (text.empty()) return {};
  const auto address = split_address(text);
  if (!address) {
    return fail(ErrorCode::invalid, fmt::format("'{}' is not host or host:port, such as 10.0.0.5:8401", text));
  }
  if (address->host != "0.0.0.0" && address->host != "::") return {};
  return fail(
      ErrorCode::invalid,
      fmt::format("'{}' is not an address at which others reach this machine; name one, such as 10.0.0.5:8401", text));
}

base::Status check_brokers(std::string_view text) {
  if (text.empty()) return {};
  for (const auto part : std::views::split(text, ',')) {
    std::string_view broker(part.begin(), part.end());
    while (broker.starts_with(' ')) broker.remove_prefix(1);
    while (broker.ends_with(' ')) broker.remove_suffix(1);
    const std::size_t colon = std::min(broker.rfind(':'), broker.size());
    const std::string_view host = broker.substr(0, colon);
    const std::string_view port_text = broker.substr(std::min(colon + 1, broker.size()));
    std::uint16_t port = 0;
    const auto [last, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    const bool is_port = error == std::errc() && last == port_text.data() + port_text.size() && port > 0;
    const bool in_brackets = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    const bool is_host = !host.empty() && (in_brackets || host.find_first_of(" /:[]") == std::string_view::npos);
    if (is_host && is_port) continue;
    return fail(ErrorCode::invalid, fmt::format("'{}' is not host:port with a port from 1 to 65535; write host:port, "
                                                "separated by commas, such as kafka-1:9092,kafka-2:9092",
                                                broker));
  }
  return {};
}

base::Status check_optional_path(std::string_view text) {
  return text.empty() ? base::Status() : check_folder(text);
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all = {
      {"", "shards", IntegerKey{&Config::shards, 1, 256}, "",
       "The shards on the log of this node. A tenant is placed on one when it is created. The number can grow, and "
       "cannot "
       "shrink below a shard that has tenants."},
      {"data", "folder", TextKey{&Config::data_folder, "path", check_folder}, "",
       "The folder of the log and of everything beside it. It must be on a local disk."},
      {"data", "map_gib", IntegerKey{&Config::data_map_gib, 1, 16384}, "GiB",
       "The size up to which the log may grow, and the projection likewise. It costs address space, not memory or "
       "disk."},
      {"http", "address", TextKey{&Config::http_address, "IPv4 or IPv6 address", check_address}, "",
       "The address that the API listens on. A host name is refused."},
      {"http", "port", IntegerKey{&Config::http_port, 0, 65535}, "",
       "The port of the API. 0 takes any free port; the start prints it."},
      {"http", "body_bytes_max", IntegerKey{&Config::http_body_bytes_max, 1024, 1'000'000}, "bytes",
       "The largest body of a request; a larger one is answered 413. Events, webhooks and plugin packages have limits "
       "of "
       "their own, which are larger."},
      {"http", "threads", IntegerKey{&Config::http_threads, 1, 64}, "",
       "The threads that read requests and write answers."},
      {"node", "name", TextKey{&Config::node_name, "1 to 63 of a-z, 0-9, '-' and '.'", check_node_name}, "",
       "The name of this node among those that share the shards. Empty: the name of the host."},
      {"node", "address", TextKey{&Config::node_address, "host or host:port", check_node_address}, "",
       "Where the other nodes reach this one, over TLS; it listens there for them alone. Without a port: 8401. Set: "
       "several travd share the shards of one topic. Empty: this one owns them all."},
      {"node", "shared_folder", TextKey{&Config::node_shared_folder, "path", check_optional_path}, "",
       "The folder of keys, secrets, packages and blobs, which every node reaches by this path or another. Needed "
       "with "
       "node.address."},
      {"node", "cluster_key_file", TextKey{&Config::node_cluster_key_file, "path", check_optional_path}, "",
       "The file of the cluster key, the same on every node: it seals what is secret in the shared folder, and the "
       "nodes prove by it that they belong together. `trav cluster key` makes it. Needed with node.address."},
      {"audit", "origin", TextKey{&Config::audit_origin, "text of 1 to 200 characters", check_origin}, "",
       "The first part of the name of every audit trail: a host name that you own. It is fixed by the first start."},
      {"egress", "allow_private_network", SwitchKey{&Config::egress_allow_private_network}, "",
       "Whether the `call: http` of a workflow may reach private addresses. A connection has a setting of its own."},
      {"effects", "concurrency_max", IntegerKey{&Config::effects_concurrency_max, 1, 100'000}, "calls",
       "The calls of plugins and HTTP requests under way at a time, over all tenants; each shard has its part."},
      {"effects", "tries_max", IntegerKey{&Config::effects_tries_max, 1, 1000}, "tries",
       "How often a plugin's operation is called that says of its failure that it will pass, before its task fails. "
       "Where "
       "the workflow has a `retry` around the call, once. A `call: http` is one request whatever is set here."},
      {"run", "languages",
       TextKey{&Config::run_languages, "of shell, python and javascript, separated by commas", any_text}, "",
       "The scripts and commands that workflows may run (`run: script`, `run: shell`), each in a sandbox without "
       "network "
       "and files of the host. Empty: none."},
      {"run", "at_once", IntegerKey{&Config::run_at_once, 1, 256}, "processes",
       "The scripts of workflows under way at a time; others wait, and hold up no calls. Each process may use 256 "
       "MiB."},
      {"plugins", "isolation",
       TextKey{&Config::plugins_isolation, "`required`, `best-effort` or `off`", check_isolation}, "",
       "Whether plugins run in processes of their own that reach nothing of the host. `required`: on a host that "
       "cannot "
       "do that, none runs. `best-effort`: as many walls as the host has. `off`: all run within travd."},
      {"plugins", "in_process", TextKey{&Config::plugins_in_process, "ids of plugins, separated by commas", any_text},
       "", "The plugins that run within travd all the same, with all of its power. Empty: none."},
      {"log", "level", TextKey{&Config::log_level, "`debug`, `info`, `warning` or `error`", check_log_level}, "",
       "The least severe messages that are written to standard error. SIGHUP reads this key again."},
      {"log", "keep_days", IntegerKey{&Config::log_keep_days, 0, 36'500}, "days",
       "Records that are older are removed from the log, audit entries among them, as far as snapshots and instances "
       "that "
       "are kept do not need them. 0: none is ever removed. Read \"What is removed from the log\" below first."},
      {"snapshots", "interval_minutes", IntegerKey{&Config::snapshots_interval_minutes, 0, 525'600}, "minutes",
       "The age of a shard's newest snapshot at which another is taken, where records came since. 0: none is taken."},
      {"snapshots", "records", IntegerKey{&Config::snapshots_records, 1, 1'000'000'000}, "records",
       "The records since the newest snapshot of a shard at which another is taken at once."},
      {"snapshots", "keep", IntegerKey{&Config::snapshots_keep, 2, 100}, "",
       "The snapshots of a shard that are kept; each is as large as what the projection uses."},
      {"kafka", "brokers", TextKey{&Config::kafka_brokers, "host:port, separated by commas", check_brokers}, "",
       "Where Apache Kafka is. Empty: the log is embedded, in the data folder."},
      {"kafka", "topic", TextKey{&Config::kafka_topic, "name of a topic", check_topic}, "",
       "The topic of the log; partition n is shard n. `trav cluster init` creates it."},
      {"kafka", "tls", SwitchKey{&Config::kafka_tls}, "", "Whether the brokers are reached over TLS."},
      {"kafka", "ca_file", TextKey{&Config::kafka_ca_file, "path", any_text}, "",
       "PEM file of the authorities that sign the brokers' certificates. Empty: those that the system trusts."},
      {"kafka", "certificate_file", TextKey{&Config::kafka_certificate_file, "path", any_text}, "",
       "PEM file of the certificate that the brokers are shown. Empty: none."},
      {"kafka", "key_file", TextKey{&Config::kafka_key_file, "path", any_text}, "",
       "PEM file of the certificate's key."},
      {"kafka", "mechanism",
       TextKey{&Config::kafka_mechanism, "`none`, `plain`, `scram-sha-256` or `scram-sha-512`", check_mechanism}, "",
       "How travd logs in to the brokers (SASL)."},
      {"kafka", "user", TextKey{&Config::kafka_user, "text", any_text}, "", "The user of that login."},
      {"kafka", "password_file", TextKey{&Config::kafka_password_file, "path", any_text}, "",
       "File with the password of that login. A line end at its end is not part of it."},
      {"kafka", "session_ms", IntegerKey{&Config::kafka_session_ms, 1000, 300'000}, "ms",
       "How long Kafka waits for a sign of life of a node before it gives its shards to the others. The brokers refuse "
       "less than their group.min.session.timeout.ms. A node waits up to a second before it joins the others again."},
  };
  return all;
}

base::Status set_text(Config& config, const TextKey& key, std::string text) {
  TRV_TRY(key.check(text));
  config.*key.field = std::move(text);
  return {};
}

std::string value_text(const Config& config, const Key& key) {
  if (const auto* integer = std::get_if<IntegerKey>(&key.kind)) return std::to_string(config.*integer->field);
  if (const auto* text = std::get_if<TextKey>(&key.kind)) return config.*text->field;
  return config.*std::get<SwitchKey>(key.kind).field ? "true" : "false";
}

std::string form_of(const Key& key) {
  if (const auto* integer = std::get_if<IntegerKey>(&key.kind)) {
    return fmt::format("integer, {} to {}", integer->min, integer->max);
  }
  if (const auto* text = std::get_if<TextKey>(&key.kind)) return std::string(text->form);
  return "`true` or `false`";
}

constexpr std::size_t password_bytes_max = 4096;
constexpr std::size_t pem_bytes_max = std::size_t{4} << 20;
constexpr std::size_t name_bytes_max = 80;  // of an unknown name that is compared or shown
constexpr std::size_t lines_max = 20;
constexpr std::string_view variable_prefix = "TRAV_";
// What trav, the guides and `./dev` read from the environment.
constexpr std::array<std::string_view, 6> variables_of_others = {"TRAV_URL",        "TRAV_TENANT",       "TRAV_TOKEN",
                                                                 "TRAV_CONFIG_DIR", "TRAV_TEMPLATE_DIR", "TRAV_GUIDES"};

/// The hint behind an unknown name: the nearest of the names that `name_of` gives for the keys.
std::string did_you_mean(std::string_view name, std::string (Key::*name_of)() const) {
  std::vector<std::string> names;
  for (const Key& key : keys()) names.push_back((key.*name_of)());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view meant = base::nearest(name, views);
  return meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant);
}

/// The printable beginning of a text.
std::string shown(std::string_view long_text) {
  std::string text(long_text.substr(0, name_bytes_max));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

base::Status set_integer(Config& config, const IntegerKey& key, std::int64_t value) {
  if (value < 0 || static_cast<std::uint64_t>(value) < key.min || static_cast<std::uint64_t>(value) > key.max) {
    return fail(ErrorCode::invalid, fmt::format("{} is out of range; use {} to {}", value, key.min, key.max));
  }
  config.*key.field = static_cast<std::uint64_t>(value);
  return {};
}

base::Status set_from_text(Config& config, const Key& key, const std::string& text) {
  if (const auto* integer = std::get_if<IntegerKey>(&key.kind)) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(ErrorCode::invalid,
                  fmt::format("'{}' is not an integer; use {} to {}", shown(text), integer->min, integer->max));
    }
    return set_integer(config, *integer, value);
  }
  if (const auto* toggle = std::get_if<SwitchKey>(&key.kind)) {
    if (text != "true" && text != "false")
      return fail(ErrorCode::invalid, fmt::format("'{}' is not a switch; use true or false", shown(text)));
    config.*(toggle->field) = text == "true";
    return {};
  }
  return set_text(config, std::get<TextKey>(key.kind), text);
}

/// For a value of another kind than the key's, as it is written in the file.
std::unexpected<base::Error> wrong_kind(const Key& key, const toml::node& node) {
  std::ostringstream written;
  node.visit([&written](const auto& value) { written << value; });
  std::string form = std::holds_alternative<TextKey>(key.kind) ? "a string: " : "";
  form += form_of(key);
  std::erase(form, '`');
  return fail(ErrorCode::invalid, fmt::format("{} is of the wrong kind; use {}", shown(written.str()), form));
}

base::Status set_from_node(Config& config, const Key& key, const toml::node& node) {
  if (const auto* integer = std::get_if<IntegerKey>(&key.kind)) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value) return wrong_kind(key, node);
    return set_integer(config, *integer, *value);
  }
  if (const auto* toggle = std::get_if<SwitchKey>(&key.kind)) {
    const auto value = node.value_exact<bool>();
    if (!value) return wrong_kind(key, node);
    config.*(toggle->field) = *value;
    return {};
  }
  const auto value = node.value_exact<std::string>();
  if (!value) return wrong_kind(key, node);
  return set_text(config, std::get<TextKey>(key.kind), *value);
}

base::Status read_table(Config& config, const toml::table& root, const std::string& file) {
  const auto place = [&file](const toml::node& node) {
    return fmt::format("{} line {}", file, node.source().begin.line);
  };
  const auto read = [&](const std::string& path, const toml::node& value) -> base::Status {
    const auto key = std::ranges::find_if(keys(), [&](const Key& one) { return one.path() == path; });
    if (key == keys().end()) {
      return fail(ErrorCode::invalid,
                  fmt::format("{}: unknown key '{}'{}", place(value), path, did_you_mean(path, &Key::path)));
    }
    if (base::Status status = set_from_node(config, *key, value); !status) {
      return fail(std::move(status).error().in(fmt::format("{}: key '{}'", place(value), path)));
    }
    return {};
  };
  for (const auto& [section, node] : root) {
    const toml::table* table = node.as_table();
    if (table == nullptr) TRV_TRY(read(std::string(section.str()), node));
    if (table == nullptr) continue;
    for (const auto& [name, value] : *table) {
      TRV_TRY(read(fmt::format("{}.{}", section.str(), name.str()), value));
    }
  }
  return {};
}

base::Status read_environment(Config& config, const Environment& environment) {
  for (const auto& [variable, text] : environment) {
    const auto key = std::ranges::find_if(keys(), [&](const Key& one) { return one.variable() == variable; });
    if (key == keys().end()) continue;
    if (base::Status status = set_from_text(config, *key, text); !status) {
      return fail(std::move(status).error().in(variable));
    }
  }
  return {};
}

/// Nothing where the variable is missing or empty.
std::string value_of(const Environment& environment, std::string_view variable) {
  const auto at = environment.find(variable);
  return at == environment.end() ? std::string() : at->second;
}

// A key that would be passed over is refused: somebody relies on it.
base::Status check_needs(const Config& config) {
  struct Need {
    std::string_view key;
    bool is_set;
    bool is_met;
    std::string_view needed;
  };
  const bool logs_in = config.kafka_mechanism != "none";
  const bool has_ca = !config.kafka_ca_file.empty();
  const bool has_certificate = !config.kafka_certificate_file.empty();
  const bool has_key = !config.kafka_key_file.empty();
  const bool has_user = !config.kafka_user.empty();
  const bool has_password = !config.kafka_password_file.empty();
  const bool is_node = config.shares_shards();
  const bool has_shared_folder = !config.node_shared_folder.empty();
  const bool has_cluster_key = !config.node_cluster_key_file.empty();
  const std::array<Need, 15> needs = {
      {{"node.address", is_node, !config.kafka_brokers.empty(), "kafka.brokers"},
       {"node.address", is_node, has_shared_folder, "node.shared_folder"},
       {"node.shared_folder", has_shared_folder, is_node, "node.address"},
       {"node.address", is_node, has_cluster_key, "node.cluster_key_file"},
       {"node.cluster_key_file", has_cluster_key, is_node, "node.address"},
       {"node.name", !config.node_name.empty(), is_node, "node.address"},
       {"kafka.ca_file", has_ca, config.kafka_tls, "kafka.tls = true"},
       {"kafka.certificate_file", has_certificate, config.kafka_tls, "kafka.tls = true"},
       {"kafka.key_file", has_key, config.kafka_tls, "kafka.tls = true"},
       {"kafka.certificate_file", has_certificate, has_key, "kafka.key_file"},
       {"kafka.key_file", has_key, has_certificate, "kafka.certificate_file"},
       {"kafka.user", has_user, logs_in, "kafka.mechanism"},
       {"kafka.password_file", has_password, logs_in, "kafka.mechanism"},
       {"kafka.mechanism", logs_in, has_user, "kafka.user"},
       {"kafka.mechanism", logs_in, has_password, "kafka.password_file"}}};
  const auto* unmet = std::ranges::find_if(needs, [](const Need& need) { return need.is_set && !need.is_met; });
  if (unmet == needs.end()) return {};
  return fail(ErrorCode::invalid,
              fmt::format("{0} is set, which needs {1}; set {1}, or remove {0}", unmet->key, unmet->needed));
}

}  // namespace

NodeAddress node_address(const Config& config) {
  TRV_EXPECTS(config.shares_shards());
  return *split_address(config.node_address);
}

std::vector<KeyDescription> described_keys() {
  Config defaults;
  defaults.data_folder = "$XDG_DATA_HOME/travertine or ~/.local/share/travertine";
  std::vector<KeyDescription> descriptions;
  for (const Key& key : keys()) {
    descriptions.push_back({.path = key.path(),
                            .variable = key.variable(),
                            .form = form_of(key),
                            .default_value = value_text(defaults, key),
                            .unit = std::string(key.unit),
                            .effect = std::string(key.effect)});
  }
  return descriptions;
}

std::vector<std::string> changed_keys(const Config& before, const Config& after) {
  std::vector<std::string> paths;
  for (const Key& key : keys()) {
    if (value_text(before, key) != value_text(after, key)) paths.push_back(key.path());
  }
  return paths;
}

std::vector<std::string> unknown_variables(const Environment& environment) {
  std::vector<std::string> lines;
  std::size_t unknown = 0;
  for (const auto& [variable, text] : environment) {
    const bool is_key = std::ranges::any_of(keys(), [&](const Key& key) { return key.variable() == variable; });
    const bool is_of_others = std::ranges::find(variables_of_others, variable) != variables_of_others.end();
    if (!variable.starts_with(variable_prefix) || is_key || is_of_others) continue;
    if (++unknown >= lines_max) continue;
    const std::string name = shown(variable);
    lines.push_back(
        fmt::format("environment variable {} is not known to travd{}", name, did_you_mean(name, &Key::variable)));
  }
  if (unknown >= lines_max) {
    lines.push_back(fmt::format("{} more environment variables TRAV_… are not known to travd", unknown - lines.size()));
  }
  return lines;
}

base::Result<Config> load_config(const std::optional<std::filesystem::path>& file, const Environment& environment,
                                 const Overrides& overrides) {
  Config config;
  if (file) {
    if (file->empty()) return fail(ErrorCode::invalid, "--config: the file's name is empty");
    if (std::error_code error; std::filesystem::is_directory(*file, error)) {
      return fail(ErrorCode::invalid,
                  fmt::format("--config {} is a folder; name the configuration file in it", file->string()));
    }
    if (!std::ifstream(*file)) {
      return fail(ErrorCode::invalid, fmt::format("configuration file {} cannot be read", file->string()));
    }
    try {
      const toml::table root = toml::parse_file(file->string());
      TRV_TRY(read_table(config, root, file->string()));
    } catch (const toml::parse_error& error) {
      return fail(ErrorCode::invalid,
                  fmt::format("{} line {}: {}", file->string(), error.source().begin.line, error.description()));
    }
  }
  TRV_TRY(read_environment(config, environment));
  config.new_operator_token = overrides.new_operator_token;
  if (overrides.data_folder) {
    if (base::Status status = check_folder(*overrides.data_folder); !status) {
      return fail(std::move(status).error().in("--data"));
    }
    config.data_folder = *overrides.data_folder;
  }
  if (overrides.http_port) config.http_port = *overrides.http_port;
  if (config.data_folder.empty()) {
    const std::string xdg = value_of(environment, "XDG_DATA_HOME");
    const std::string home = value_of(environment, "HOME");
    if (!xdg.empty()) {
      config.data_folder = xdg + "/travertine";
    } else if (!home.empty()) {
      config.data_folder = home + "/.local/share/travertine";
    } else {
      return fail(ErrorCode::invalid, "no data folder: set data.folder in the configuration or TRAV_DATA_FOLDER");
    }
  }
  TRV_TRY(check_needs(config));
  return config;
}

base::Result<kafka::Settings> kafka_settings(const Config& config) {
  TRV_EXPECTS(!config.kafka_brokers.empty());
  const auto* named = std::ranges::find(mechanisms, config.kafka_mechanism, &NamedMechanism::name);
  TRV_ASSERT(named != mechanisms.end());
  kafka::Settings settings{.brokers = config.kafka_brokers,
                           .topic = config.kafka_topic,
                           .tls = config.kafka_tls,
                           .ca_file = config.kafka_ca_file,
                           .certificate_file = config.kafka_certificate_file,
                           .key_file = config.kafka_key_file,
                           .mechanism = named->mechanism,
                           .user = config.kafka_user,
                           .password = {}};
  for (const auto& [key, file] :
       {std::pair("kafka.ca_file", settings.ca_file), std::pair("kafka.certificate_file", settings.certificate_file),
        std::pair("kafka.key_file", settings.key_file)}) {
    if (file.empty()) continue;
    if (const auto read = base::read_file(file, pem_bytes_max); !read)
      return fail(ErrorCode::invalid, fmt::format("{}: {}", key, read.error().message()));
  }
  if (settings.mechanism == kafka::Mechanism::none) return settings;
  const auto password = base::read_file(config.kafka_password_file, password_bytes_max);
  if (!password) return fail(ErrorCode::invalid, fmt::format("kafka.password_file: {}", password.error().message()));
  settings.password = base::as_text(*password);
  while (settings.password.ends_with('\n') || settings.password.ends_with('\r')) settings.password.pop_back();
  return settings;
}

}  // namespace trv::config
