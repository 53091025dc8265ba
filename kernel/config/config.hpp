#pragma once
// The daemon's configuration: one TOML file, every key overridable by an environment variable TRAV_<SECTION>_<KEY>
// (TRAV_<KEY> for a key at its top).

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/kafka/settings.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::config {

/// The environment's variables by name, as they were at the start.
using Environment = std::map<std::string, std::string, std::less<>>;

/// What the keys mean, and their ranges: described_keys(). Each key is in one place, so that travd and trav read the
/// same file.
struct Config {
  std::uint64_t shards = 1;
  std::string data_folder;
  std::uint64_t data_map_gib = 64;
  std::string http_address = "127.0.0.1";
  std::uint64_t http_port = 8400;
  std::uint64_t http_body_bytes_max = 1'000'000;
  std::uint64_t http_threads = 1;
  std::string http_certificate_file;  ///< empty: the API is served without TLS
  std::string http_key_file;
  std::string http_socket_path;            ///< empty: TCP alone
  std::string http_trusted_proxies;        ///< empty: none
  std::string http_client_authority_file;  ///< empty: clients are asked for no certificate
  std::string node_name;                   ///< empty: that of the host
  std::string node_address;                ///< empty: no other node shares the shards
  std::string node_shared_folder;          ///< empty: data_folder
  std::string node_cluster_key_file;
  std::string audit_origin = "travertine.local";
  bool egress_allow_private_network = false;
  std::uint64_t effects_concurrency_max = 256;
  std::uint64_t effects_tries_max = 8;
  std::string run_languages;  ///< of the scripts of workflows, separated by commas
  std::uint64_t run_at_once = 4;
  std::string plugins_isolation = "required";
  std::string plugins_zygote_socket;  ///< empty: travd starts the zygote itself
  std::string plugins_in_process;     ///< ids, separated by commas
  std::uint64_t plugins_tenant_memory_mib = 2'048;
  std::uint64_t plugins_tenant_cpu_percent = 100;
  std::string plugins_trust;  ///< the trust file; empty: nobody is trusted
  std::string plugins_require = "none";
  /// With commas between.
  std::string plugins_permissions = "http, webhooks, kv, blobs, events, secrets, serve, subscriptions";
  std::string log_level = "info";
  std::string log_levels;  ///< of single rooms
  std::string log_format = "text";
  std::uint64_t log_keep_days = 0;
  std::string telemetry_otlp_endpoint;  ///< empty: nothing is exported
  std::string telemetry_otlp_headers_file;
  std::string telemetry_otlp_ca_file;
  std::uint64_t telemetry_otlp_interval_seconds = 10;
  std::uint64_t telemetry_traces_percent = 100;
  std::string telemetry_service_name = "travertine";
  std::string telemetry_instance;  ///< empty: the node's name
  std::uint64_t snapshots_interval_minutes = 60;
  std::uint64_t snapshots_records = 1'000'000;
  std::uint64_t snapshots_keep = 2;
  std::string backup_target;    ///< empty: travd takes no backups
  std::string backup_endpoint;  ///< empty: that of AWS in the region
  std::string backup_region = "us-east-1";
  bool backup_path_style = true;
  std::string backup_credentials_file;  ///< empty: those of the environment
  std::string backup_ca_file;           ///< empty: the authorities that the system trusts
  std::uint64_t backup_interval_seconds = 60;
  std::uint64_t backup_drill_interval_minutes = 10'080;
  std::string kafka_brokers;  ///< empty: the embedded log
  std::string kafka_topic = "travertine.events";
  bool kafka_tls = false;
  std::string kafka_ca_file;
  std::string kafka_certificate_file;
  std::string kafka_key_file;
  std::string kafka_mechanism = "none";
  std::string kafka_user;
  std::string kafka_password_file;
  std::uint64_t kafka_session_ms = 6000;

  // Not of the file.
  bool new_operator_token = false;
  Environment storage_variables;   ///< those of storage_variable_names that are set
  std::optional<int> http_socket;  ///< one that listens already, of a service manager

  [[nodiscard]] bool serves_tls() const noexcept { return !http_certificate_file.empty(); }
  [[nodiscard]] bool shares_shards() const noexcept { return !node_address.empty(); }
  /// The folder of keys, secrets, packages and blobs.
  [[nodiscard]] const std::string& folder_beside_log() const noexcept {
    return shares_shards() ? node_shared_folder : data_folder;
  }
};

struct NodeAddress {
  std::string host;  ///< without brackets
  std::uint16_t port;
};
/// `node.address` in its parts.
[[nodiscard]] NodeAddress node_address(const Config& config);

/// A key for people. docs/guides/configuration.md has one row for each.
struct KeyDescription {
  std::string path;           ///< "http.port"
  std::string variable;       ///< "TRAV_HTTP_PORT"
  std::string form;           ///< "integer, 0 to 65535"
  std::string default_value;  ///< "8400"
  std::string unit;           ///< empty: none
  std::string effect;
  bool needs_restart = true;  ///< false: SIGHUP applies it
};
[[nodiscard]] std::vector<KeyDescription> described_keys();

/// A key that has different values in two configurations.
struct Difference {
  std::string path;
  std::string before;
  std::string after;
  bool needs_restart = true;
};
[[nodiscard]] std::vector<Difference> differences(const Config& before, const Config& after);
/// `running` with those keys of `again` that need no restart.
[[nodiscard]] Config reloaded(const Config& running, const Config& again);

/// By which the tools of S3 name credentials.
inline constexpr std::array<std::string_view, 3> storage_variable_names = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                                                           "AWS_SESSION_TOKEN"};

/// What the command line says; nullopt = nothing.
struct Overrides {
  std::optional<std::string> data_folder = {};
  std::optional<std::uint16_t> http_port = {};
  bool new_operator_token = false;
};

/// Reads `file` (nullopt: defaults only); the environment wins over it, and the command line over both.
/// `credential:NAME` in a key of a file is the file NAME of CREDENTIALS_DIRECTORY, where that is set. Errors:
/// invalid, with the key's name and, from a file, its place; an unknown key is an error, and names the nearest known
/// one.
[[nodiscard]] base::Result<Config> load_config(const std::optional<std::filesystem::path>& file,
                                               const Environment& environment, const Overrides& overrides = {});

/// A key as it is set, and by what.
struct SetKey {
  KeyDescription key;
  std::string value;
  std::string source;  ///< "default", "travd.toml line 3" or "TRAV_HTTP_PORT"
};
/// Every key, as travd would have it from `file` and `environment`. Errors: as load_config.
[[nodiscard]] base::Result<std::vector<SetKey>> explain_config(const std::optional<std::filesystem::path>& file,
                                                               const Environment& environment);

/// The lines of telemetry.otlp_headers_file, "name: value" each; none where it is not set. Error: invalid, with the
/// key's name, and with the line's number but not the line.
[[nodiscard]] base::Result<std::vector<std::string>> otlp_headers(const Config& config);

/// One line for each key whose file is a credential of systemd that this process was not given: travd does not start.
[[nodiscard]] std::vector<std::string> credentials_not_here(const Config& config);

/// Reads what the keys name and a start needs, but credentials that are not here: the headers of telemetry, the files
/// of Kafka's login and certificates, of the certificate of the API, which must be valid at this time, of the cluster
/// key, and the trust file. Error: invalid, with the key's name.
[[nodiscard]] base::Status check_files(const Config& config, base::Timestamp now);

/// One line for each variable TRAV_… that is not known to travd nor to the other programs of the project, with the
/// nearest one that does; at most 20 lines. It is not an error: a service manager or a cluster may set variables by
/// names of its own, as Kubernetes does with TRAV_PORT_8400_TCP beside a service `trav`.
[[nodiscard]] std::vector<std::string> unknown_variables(const Environment& environment);

/// How Kafka is reached. Precondition: `kafka_brokers` is not empty. Reads the password. Errors: invalid where a login
/// lacks its user or password; what reading the file gives.
[[nodiscard]] base::Result<kafka::Settings> kafka_settings(const Config& config);

}  // namespace trv::config
