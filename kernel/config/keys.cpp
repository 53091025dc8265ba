#include "kernel/config/keys.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "kernel/http/client_address.hpp"
#include "kernel/logging/levels.hpp"

namespace trv::config {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::uint16_t default_node_port = 8401;

// The section is empty where the key is at the top of the file.
std::string join(std::string_view section, std::string_view separator, const std::string& name) {
  return section.empty() ? name : fmt::format("{}{}{}", section, separator, name);
}
std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

base::Status check_not_empty(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::invalid, "must not be empty");
  return {};
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

base::Status check_address(std::string_view text) {
  const std::string address(text);
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return {};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is not an IPv4 or IPv6 address; write an address such as 127.0.0.1", text));
}

base::Status check_log_level(std::string_view text) {
  TRV_TRY(logging::parse_levels(text, ""));
  return {};
}

base::Status check_log_levels(std::string_view text) {
  TRV_TRY(logging::parse_levels("info", text));
  return {};
}

base::Status check_log_format(std::string_view text) {
  if (text == "text" || text == "json") return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not one of text and json", text));
}

base::Status check_require(std::string_view text) {
  if (text == "none" || text == "signed" || text == "certified") return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not one of none, signed and certified", text));
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

base::Status check_endpoint(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t host = text.starts_with("http://") ? 7 : text.starts_with("https://") ? 8 : std::string_view::npos;
  const bool is_bare = text.find_first_of("?#@ ") == std::string_view::npos;
  if (host < text.size() && text[host] != '/' && text[host] != ':' && is_bare) return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is not a URL of http or https without user and query; write https://HOST:4318", text));
}

base::Status any_text(std::string_view) {
  return {};
}

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

// Part of the scope of a signature, and of the name of a host.
base::Status check_region(std::string_view text) {
  if (!text.empty() && text.size() <= 63 && std::ranges::all_of(text, is_name_character)) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not 1 to 63 of a-z, 0-9, '-' and '.'", text));
}

base::Status check_node_name(std::string_view text) {
  if (text.size() <= 63 && std::ranges::all_of(text, is_name_character)) return {};
  return fail(ErrorCode::invalid, fmt::format("'{}' is not 1 to 63 of a-z, 0-9, '-' and '.'", text));
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

base::Status check_socket(std::string_view text) {
  constexpr std::size_t path_bytes_max = 107;
  if (text.empty() || (text.front() == '/' && text.size() <= path_bytes_max)) return {};
  return fail(
      ErrorCode::invalid,
      fmt::format("'{}' cannot be a Unix socket: write an absolute path of at most {} bytes", text, path_bytes_max));
}

base::Status check_proxies(std::string_view text) {
  const auto parsed = http::TrustedProxies::parse(text);
  return parsed ? base::Status() : fail(parsed.error());
}

base::Status check_optional_path(std::string_view text) {
  return text.empty() ? base::Status() : check_folder(text);
}

}  // namespace

std::string Key::path() const {
  return join(section, ".", std::string(name));
}

std::string Key::variable() const {
  return "TRAV_" + join(upper(section), "_", upper(name));
}

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

base::Status check_folder(std::string_view text) {
  TRV_TRY(check_not_empty(text));
  if (text.front() != '~') return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' begins with '~', which only a shell replaces; write the whole path", text));
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
      {"http", "certificate_file", TextKey{&Config::http_certificate_file, "path", check_optional_path}, "",
       "PEM file of the certificate that clients of the API are shown, followed by those between it and its authority; "
       "the API speaks TLS 1.2 and 1.3 then, and nothing else. It is read again when it changes and at each SIGHUP. "
       "Empty: HTTP without TLS."},
      {"http", "key_file", TextKey{&Config::http_key_file, "path", check_optional_path}, "",
       "PEM file of that certificate's key, which its owner alone can read. Needed with http.certificate_file."},
      {"http", "client_authority_file", TextKey{&Config::http_client_authority_file, "path", check_optional_path}, "",
       "PEM file of the authorities whose certificates clients may show in place of a token; a certificate of another "
       "authority is refused. Empty: clients are asked for none."},
      {"http", "socket", TextKey{&Config::http_socket_path, "absolute path", check_socket}, "",
       "A Unix socket on which the API is served as well, without TLS, to programs of this machine: mode 0660. One "
       "that a "
       "process left that was killed is replaced. Empty: none."},
      {"http", "trusted_proxies",
       TextKey{&Config::http_trusted_proxies, "addresses, networks and `unix`, separated by commas", check_proxies}, "",
       "The proxies that are believed when `Forwarded` or `X-Forwarded-For` says which client a request comes from, "
       "for "
       "example `10.0.0.0/8, fd00::/8`; `unix` is the Unix socket. Empty: the address of the connection counts."},
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
       "Whether the `call: http` of a workflow may reach private addresses. A connection has a setting of its own.",
       false},
      {"effects", "concurrency_max", IntegerKey{&Config::effects_concurrency_max, 1, 100'000}, "calls",
       "The calls of plugins and HTTP requests under way at a time, over all tenants; each shard has its part.", false},
      {"effects", "tries_max", IntegerKey{&Config::effects_tries_max, 1, 1000}, "tries",
       "How often a plugin's operation is called that says of its failure that it will pass, before its task fails. "
       "Where "
       "the workflow has a `retry` around the call, once. A `call: http` is one request whatever is set here.",
       false},
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
      {"plugins", "zygote_socket", TextKey{&Config::plugins_zygote_socket, "absolute path", check_socket}, "",
       "The Unix socket at which a service manager starts what starts the processes of plugins, so that travd itself "
       "needs no right to (docs/guides/serving-safely.md). Empty: travd starts it."},
      {"plugins", "in_process", TextKey{&Config::plugins_in_process, "ids of plugins, separated by commas", any_text},
       "", "The plugins that run within travd all the same, with all of its power. Empty: none."},
      {"plugins", "tenant_memory_mib", IntegerKey{&Config::plugins_tenant_memory_mib, 64, 16'777'216}, "MiB",
       "The memory of a tenant's plugins together, on a host with control groups. Each process may use 512 MiB in any "
       "case."},
      {"plugins", "tenant_cpu_percent", IntegerKey{&Config::plugins_tenant_cpu_percent, 1, 100'000}, "%",
       "The part of a processor that a tenant's plugins together may use, on a host with control groups; 200 is two "
       "processors."},
      {"plugins", "trust", TextKey{&Config::plugins_trust, "path", check_optional_path}, "",
       "The trust file: whose signatures of plugins' packages count here (docs/formats/trust.md). It is read at each "
       "installation. Empty: nobody's.",
       false},
      {"plugins", "require", TextKey{&Config::plugins_require, "`none`, `signed` or `certified`", check_require}, "",
       "What a package needs to be installed. `none`: nothing. `signed`: the signature of a publisher that the trust "
       "file names, or of a certifier; a `-dev` version needs a key that is named for dev. `certified`: a certifier's "
       "word that it is core, certified or private; `-dev` versions are refused. What is installed stays.",
       false},
      {"plugins", "permissions", TextKey{&Config::plugins_permissions, "permissions, separated by commas", any_text},
       "",
       "What plugins may have here at most (docs/formats/package.md, Permissions), whatever their manifests ask for "
       "and "
       "tenants grant; for example `http:api.example.com, http-read, webhooks`. Empty: nothing.",
       false},
      {"log", "level", TextKey{&Config::log_level, "`debug`, `info`, `warning` or `error`", check_log_level}, "",
       "The least severe messages that are written to standard error.", false},
      {"log", "levels", TextKey{&Config::log_levels, "room=level, separated by commas", check_log_levels}, "",
       "The levels of single parts of travd, for example `egress=debug, shard=info`; the others have log.level. The "
       "rooms "
       "are daemon, http, node, shard, effects, plugins, egress, backup and telemetry.",
       false},
      {"log", "format", TextKey{&Config::log_format, "`text` or `json`", check_log_format}, "",
       "`json`: each line is one JSON object (docs/guides/watching.md)."},
      {"log", "keep_days", IntegerKey{&Config::log_keep_days, 0, 36'500}, "days",
       "Records that are older are removed from the log, audit entries among them, as far as snapshots and instances "
       "that "
       "are kept do not need them. 0: none is ever removed. Read \"What is removed from the log\" below first.",
       false},
      {"telemetry", "otlp_endpoint", TextKey{&Config::telemetry_otlp_endpoint, "URL", check_endpoint}, "",
       "Where traces, metrics and the log are sent to over OTLP/HTTP, for example "
       "`https://collector.example.com:4318`; "
       "`/v1/traces` and the like are appended. Empty: nothing is sent. See docs/guides/watching.md."},
      {"telemetry", "otlp_headers_file", TextKey{&Config::telemetry_otlp_headers_file, "path", check_optional_path}, "",
       "File with headers of those requests, one `Name: value` a line, which its owner alone can read: a login of the "
       "receiver. Empty: none."},
      {"telemetry", "otlp_ca_file", TextKey{&Config::telemetry_otlp_ca_file, "path", check_optional_path}, "",
       "PEM file of the authorities that sign the receiver's certificate. Empty: those that the system trusts."},
      {"telemetry", "otlp_interval_seconds", IntegerKey{&Config::telemetry_otlp_interval_seconds, 1, 3600}, "s",
       "The time from one export of metrics to the next; traces and lines of the log wait no longer."},
      {"telemetry", "traces_percent", IntegerKey{&Config::telemetry_traces_percent, 0, 100}, "%",
       "How many of the requests that come without a trace begin one that is exported. A request with a `traceparent` "
       "is "
       "exported if that says so."},
      {"telemetry", "service_name", TextKey{&Config::telemetry_service_name, "text", check_not_empty}, "",
       "The `service.name` of what is exported."},
      {"telemetry", "instance", TextKey{&Config::telemetry_instance, "text", any_text}, "",
       "The `service.instance.id` of what is exported. Empty: the node's name."},
      {"snapshots", "interval_minutes", IntegerKey{&Config::snapshots_interval_minutes, 0, 525'600}, "minutes",
       "The age of a shard's newest snapshot at which another is taken, where records came since. 0: none is taken.",
       false},
      {"snapshots", "records", IntegerKey{&Config::snapshots_records, 1, 1'000'000'000}, "records",
       "The records since the newest snapshot of a shard at which another is taken at once.", false},
      {"snapshots", "keep", IntegerKey{&Config::snapshots_keep, 2, 100}, "",
       "The snapshots of a shard that are kept; each is as large as what the projection uses.", false},
      {"backup", "target", TextKey{&Config::backup_target, "path or s3://bucket/prefix", check_optional_path}, "",
       "Where travd backs itself up to: a folder, or an object storage. Empty: it does not. See "
       "docs/guides/backup-and-recovery.md."},
      {"backup", "endpoint", TextKey{&Config::backup_endpoint, "https://host or http://host:port", any_text}, "",
       "Where the object storage of backup.target is reached. Empty: AWS, in the region."},
      {"backup", "region", TextKey{&Config::backup_region, "name of a region", check_region}, "",
       "The region of the bucket, which is part of what is signed. Storages of one's own take `us-east-1` mostly."},
      {"backup", "path_style", SwitchKey{&Config::backup_path_style}, "",
       "Whether the bucket is in the path of the URL (`true`), or in the name of the host."},
      {"backup", "credentials_file", TextKey{&Config::backup_credentials_file, "path", check_optional_path}, "",
       "File with `aws_access_key_id = …` and `aws_secret_access_key = …`, which its owner alone can read. It is read "
       "at each backup. Empty: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment."},
      {"backup", "ca_file", TextKey{&Config::backup_ca_file, "path", check_optional_path}, "",
       "PEM file of the authorities that sign the storage's certificate. Empty: those that the system trusts."},
      {"backup", "interval_seconds", IntegerKey{&Config::backup_interval_seconds, 1, 86'400}, "s",
       "The time from one backup to the next: what may be lost with the machine. Nothing is written where nothing "
       "came."},
      {"backup", "drill_interval_minutes", IntegerKey{&Config::backup_drill_interval_minutes, 0, 525'600}, "minutes",
       "The time from one restore drill to the next. A drill needs room for a second log and projection in the data "
       "folder. 0: none."},
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

}  // namespace trv::config
