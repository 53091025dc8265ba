#include "kernel/config/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "events/keys/key_file.hpp"
#include "kernel/config/backup_target.hpp"
#include "kernel/config/certificate.hpp"
#include "kernel/config/keys.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::config {
namespace {

using base::ErrorCode;
using base::fail;

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
constexpr std::string_view credential_prefix = "credential:";
// What trav, the guides and `./dev` read from the environment.
constexpr std::array<std::string_view, 9> variables_of_others = {
    "TRAV_URL",         "TRAV_TENANT",          "TRAV_TOKEN",      "TRAV_CERTIFICATE_AUTHORITY",
    "TRAV_CERTIFICATE", "TRAV_CERTIFICATE_KEY", "TRAV_CONFIG_DIR", "TRAV_TEMPLATE_DIR",
    "TRAV_GUIDES"};

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

const TextKey* file_key(const Key& key) {
  const auto* text = std::get_if<TextKey>(&key.kind);
  return text != nullptr && (key.name.ends_with("_file") || key.name == "trust") ? text : nullptr;
}

bool is_credential(std::string_view file) {
  return file.starts_with(credential_prefix);
}

base::Status find_credentials(Config& config, const Environment& environment) {
  const std::string folder = value_of(environment, "CREDENTIALS_DIRECTORY");
  for (const Key& key : keys()) {
    const TextKey* const text = file_key(key);
    if (text == nullptr || !is_credential(config.*text->field)) continue;
    std::string& file = config.*text->field;
    const std::string name = file.substr(credential_prefix.size());
    if (name.empty() || name.starts_with('.') || name.find('/') != std::string::npos) {
      return fail(ErrorCode::invalid, fmt::format("{}: '{}' does not name a credential; write credential:NAME, as in "
                                                  "LoadCredential=NAME:/path of the unit",
                                                  key.path(), shown(file)));
    }
    if (!folder.empty()) file = fmt::format("{}/{}", folder, name);
  }
  return {};
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
  const bool has_tls_key = !config.http_key_file.empty();
  const bool has_trust = !config.plugins_trust.empty();
  const std::array<Need, 19> needs = {
      {{"http.certificate_file", config.serves_tls(), has_tls_key, "http.key_file"},
       {"http.key_file", has_tls_key, config.serves_tls(), "http.certificate_file"},
       {"http.client_authority_file", !config.http_client_authority_file.empty(), config.serves_tls(),
        "http.certificate_file"},
       {"plugins.require", config.plugins_require != "none", has_trust, "plugins.trust"},
       {"node.address", is_node, !config.kafka_brokers.empty(), "kafka.brokers"},
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
                            .effect = std::string(key.effect),
                            .needs_restart = key.needs_restart});
  }
  return descriptions;
}

std::vector<Difference> differences(const Config& before, const Config& after) {
  std::vector<Difference> found;
  for (const Key& key : keys()) {
    std::string was = value_text(before, key);
    std::string is = value_text(after, key);
    if (was != is) found.push_back({key.path(), std::move(was), std::move(is), key.needs_restart});
  }
  return found;
}

Config reloaded(const Config& running, const Config& again) {
  Config config = running;
  for (const Key& key : keys()) {
    if (key.needs_restart) continue;
    std::visit([&](const auto& kind) { config.*kind.field = again.*kind.field; }, key.kind);
  }
  return config;
}

base::Result<std::vector<SetKey>> explain_config(const std::optional<std::filesystem::path>& file,
                                                 const Environment& environment) {
  TRV_TRY_ASSIGN(const Config config, load_config(file, environment));
  std::map<std::string, std::uint32_t> lines;  // of the file that was read just now
  if (file) {
    for (const auto& [section, node] : toml::parse_file(file->string())) {
      const std::string name(section.str());
      lines.emplace(name, node.source().begin.line);
      if (const toml::table* table = node.as_table(); table != nullptr) {
        for (const auto& [key, value] : *table)
          lines.emplace(name + "." + std::string(key.str()), value.source().begin.line);
      }
    }
  }
  std::vector<SetKey> all;
  const std::vector<KeyDescription> descriptions = described_keys();
  for (std::size_t i = 0; i < descriptions.size(); ++i) {
    SetKey one{.key = descriptions[i], .value = value_text(config, keys()[i]), .source = "default"};
    if (const auto line = lines.find(one.key.path); line != lines.end()) {
      one.source = fmt::format("{} line {}", file->string(), line->second);
    }
    if (environment.contains(one.key.variable)) one.source = one.key.variable;
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::string> credentials_not_here(const Config& config) {
  std::vector<std::string> lines;
  for (const Key& key : keys()) {
    const TextKey* const text = file_key(key);
    if (text == nullptr || !is_credential(config.*text->field)) continue;
    const std::string& file = config.*text->field;
    lines.push_back(
        fmt::format("{} is {}, which systemd gives to a unit with LoadCredential={}:/path; this process "
                    "was given none (CREDENTIALS_DIRECTORY is not set)",
                    key.path(), shown(file), shown(file.substr(credential_prefix.size()))));
  }
  return lines;
}

base::Result<std::vector<std::string>> otlp_headers(const Config& config) {
  constexpr std::string_view key = "telemetry.otlp_headers_file";
  std::vector<std::string> headers;
  if (config.telemetry_otlp_headers_file.empty()) return headers;
  const auto bytes = keys::read_private_file(config.telemetry_otlp_headers_file);
  if (!bytes) return fail(ErrorCode::invalid, fmt::format("{}: {}", key, bytes.error().message()));
  std::istringstream lines{std::string(base::as_text(*bytes))};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view text = base::trimmed(line);
    if (text.empty()) continue;
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view value = colon == std::string_view::npos ? "" : base::trimmed(text.substr(colon + 1));
    if (!base::is_token(name) || value.empty() || !base::is_field_value(value)) {
      return fail(ErrorCode::invalid, fmt::format("{}: {} line {} is not of the form `Name: value`", key,
                                                  config.telemetry_otlp_headers_file, number));
    }
    headers.push_back(fmt::format("{}: {}", name, value));
  }
  return headers;
}

base::Status check_files(const Config& config, base::Timestamp now) {
  if (!is_credential(config.backup_credentials_file) && !is_credential(config.backup_ca_file)) {
    TRV_TRY(check_backup_target(config));
  }
  if (!is_credential(config.telemetry_otlp_headers_file)) TRV_TRY(otlp_headers(config));
  const bool has_identity = !is_credential(config.http_certificate_file) && !is_credential(config.http_key_file) &&
                            !is_credential(config.http_client_authority_file);
  if (config.serves_tls() && has_identity) {
    TRV_TRY_ASSIGN(const ServedIdentity identity, served_identity(config));
    TRV_TRY(check_validity(config, identity, now));
  }
  const bool has_login = !is_credential(config.kafka_ca_file) && !is_credential(config.kafka_certificate_file) &&
                         !is_credential(config.kafka_key_file) && !is_credential(config.kafka_password_file);
  if (!config.kafka_brokers.empty() && has_login) TRV_TRY(kafka_settings(config));
  for (const auto& [key, file] : {std::pair("node.cluster_key_file", config.node_cluster_key_file),
                                  std::pair("telemetry.otlp_ca_file", config.telemetry_otlp_ca_file),
                                  std::pair("plugins.trust", config.plugins_trust)}) {
    if (file.empty() || is_credential(file)) continue;
    if (const auto read = base::read_file(file, pem_bytes_max); !read)
      return fail(ErrorCode::invalid, fmt::format("{}: {}", key, read.error().message()));
  }
  return {};
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
  for (const std::string_view name : storage_variable_names) {
    if (const auto found = environment.find(name); found != environment.end()) {
      config.storage_variables.emplace(name, found->second);
    }
  }
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
  TRV_TRY(find_credentials(config, environment));
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
