#pragma once
// The manifest of a plugin package; docs/formats/package.md is its definition.
//
// A plain value, read from JSON text that may be hostile: bounded in size and depth, every member checked, unknown
// members refused, errors name the member ("operations[2].name: …"). JSON Schemas are kept as JSON text and are not
// compiled here; jq expressions are kept as text and are not parsed here. Any thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/delivery_proof.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/permission.hpp"

namespace trv::package {

inline constexpr std::size_t manifest_bytes_max = 1'000'000;
inline constexpr std::size_t operations_max = 256;
inline constexpr std::size_t connections_max = 32;
inline constexpr std::size_t webhooks_max = 32;
inline constexpr std::size_t libraries_max = 8;
inline constexpr std::size_t required_headers_max = 16;
inline constexpr std::size_t subscriptions_max = 32;
inline constexpr std::size_t subscriber_bytes_max = 56;  ///< of the id of a plugin that has some
inline constexpr std::size_t subscribed_types_max = 16;  ///< of one subscription

/// A library of the plugin for one platform.
struct Library {
  std::string platform;      ///< "linux-x86_64", "linux-aarch64"
  std::string path;          ///< inside the package
  base::Digest sha256 = {};  ///< all zero in a source manifest
  friend bool operator==(const Library&, const Library&) = default;
};

/// Where all files of a program are in the package.
inline constexpr std::string_view program_folder = "program/";

/// A plugin that is a program, and not a library.
struct Program {
  std::string interpreter;  ///< "python3", "node": the host has it
  std::string file;         ///< inside the package, in program_folder: what the interpreter is given
};

enum class Isolation { in_process, sandboxed };
/// How a plugin that serves is given the bodies of requests: with the head, at most 1,000,000 bytes, or as it reads
/// them (trv.stream/2).
enum class Bodies { whole, in_parts };
enum class AuthScheme { none, bearer, basic, header };
[[nodiscard]] std::string_view to_string(AuthScheme scheme) noexcept;  ///< "none", "bearer", "basic" or "header"

/// A named endpoint that a tenant fills with a base URL and credentials.
struct Connection {
  std::string name;
  std::string title;
  std::string summary;
  std::string base_url;          ///< what a tenant gets without saying otherwise; empty = the tenant must say
  std::vector<AuthScheme> auth;  ///< what the service accepts; never empty
};

struct Operation {
  std::string name;
  std::string title;
  std::string summary;
  bool idempotent = false;  ///< repeating it has no second effect even where the service ignores the idempotency key
  std::string input;        ///< JSON Schema 2020-12, JSON text
  std::string output;       ///< JSON Schema 2020-12, JSON text
};

enum class VerificationScheme { none, hmac_sha256, token };

/// How a webhook's sender proves that it knows the shared secret. Names of headers are in lower case.
struct Verification {
  VerificationScheme scheme = VerificationScheme::none;
  base::DeliverySignature signature = {};  ///< of hmac_sha256
  std::string token_header = {};           ///< of token: has the secret itself
};

enum class WebhookBody { json, form };
/// What a sender that was believed is answered.
enum class WebhookAnswer { receipt, empty };

/// jq expressions on {"headers": {<lower-case name>: <value>}, "body": <parsed body>}.
struct Webhook {
  std::string name;
  std::string title;
  Verification verification;
  WebhookBody body = WebhookBody::json;
  std::string json_field;  ///< of a form: the field whose JSON is the body; empty = the fields are
  WebhookAnswer answer = WebhookAnswer::receipt;
  std::string challenge;  ///< gives the text of the answer to a delivery that is not an event, or null; empty = never
  std::vector<std::string> required_headers;  ///< lower-case names; a delivery without one of them is refused
  std::string delivery_id;    ///< gives a string; the same one means the same delivery. Empty = no de-duplication
  std::string event_type;     ///< gives a string
  std::string event_source;   ///< gives a string
  std::string event_subject;  ///< gives a string or null; empty = never a subject
};

/// An operation that is called with each event of the tenant that has one of these types.
struct Subscription {
  std::string operation;
  std::vector<std::string> events;  ///< types, each whole; never empty
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

struct Manifest {
  std::string id;
  std::string version;
  std::string title;
  std::string summary;
  std::string license;
  std::uint16_t abi_major = 0;
  std::uint16_t abi_minor = 0;
  std::vector<Library> libraries;  ///< empty where there is a program
  std::optional<Program> program;
  Isolation isolation = Isolation::sandboxed;
  std::string configuration;  ///< JSON Schema 2020-12 of the object given to activate, JSON text
  std::vector<Connection> connections;
  std::vector<Operation> operations;
  std::vector<Webhook> webhooks;
  std::vector<Subscription> subscriptions;                 ///< at most one of an operation
  std::string pages;                                       ///< folder of the pages, with '/'; empty: it brings none
  Bodies bodies = Bodies::whole;                           ///< of requests that it serves
  std::optional<std::vector<Permission>> permissions;      ///< nullopt: it does not say
  std::map<std::string, base::Digest, std::less<>> files;  ///< every other file of the package
  std::string text;                                        ///< the manifest as read

  /// What the plugin asks for: `permissions`, else permissions_unless_said().
  [[nodiscard]] const std::vector<Permission>& requested() const noexcept;
  /// The operation of that name, or nullptr; borrowed from the manifest.
  [[nodiscard]] const Operation* find_operation(std::string_view name) const noexcept;
  [[nodiscard]] const Connection* find_connection(std::string_view name) const noexcept;
  [[nodiscard]] const Webhook* find_webhook(std::string_view name) const noexcept;
  [[nodiscard]] const Library* find_library(std::string_view platform) const noexcept;
};

/// A source manifest lies in a plugin's folder: digests, libraries and files may be missing. In a package none
/// may be missing.
enum class ManifestForm { source, packed };

/// Errors: invalid (what is wrong and where), too_large.
[[nodiscard]] base::Result<Manifest> parse_manifest(std::string_view json, ManifestForm form);

/// The platform that this program runs on, as in the manifest.
[[nodiscard]] std::string_view this_platform() noexcept;

}  // namespace trv::package
