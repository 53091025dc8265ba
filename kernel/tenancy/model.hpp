#pragma once
// What a tenant owns: plain values, as the projection knows them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "events/record/position.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/uuid.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::tenancy {

/// A tenant as the platform knows it: that it exists, and where it lives.
struct Tenant {
  base::TenantId id;
  std::string display_name;
  record::ShardId shard;
  base::Timestamp created;
  std::optional<record::ShardId> came_from = std::nullopt;  ///< the shard in which it lived before
  std::optional<record::ShardId> moves_to = std::nullopt;   ///< also while the last steps are left to do there
};

/// A move that is not finished.
struct Move {
  base::TenantId tenant;
  std::uint64_t number = 0;  ///< lsn of trv.tenant.move_requested
  record::ShardId from;
  record::ShardId to;
};

/// How many days what has ended is kept; 0 = for ever.
struct Retention {
  std::uint32_t instances_days = 90;  ///< instances, with their steps, start keys and the outcomes of their effects
  std::uint32_t events_days = 30;     ///< ids of events that were taken: later ones with the same id are new
  friend bool operator==(const Retention&, const Retention&) = default;
};
inline constexpr std::uint32_t retention_days_max = 36'500;
inline constexpr std::string_view move_requested_type = "trv.tenant.move_requested";
inline constexpr std::string_view moved_type = "trv.tenant.moved";
inline constexpr std::string_view move_finished_type = "trv.tenant.move_finished";
inline constexpr std::string_view retention_set_type = "trv.tenant.retention_set";
inline constexpr std::string_view retention_applied_type = "trv.retention.applied";

/// Roles are sets of (resource type, verb); see allows().
enum class Role { owner, viewer };

/// "owner" or "viewer".
[[nodiscard]] std::string_view to_string(Role role) noexcept;
/// Error: invalid, naming the two.
[[nodiscard]] base::Result<Role> parse_role(std::string_view text);

enum class Verb { read, write };

/// Resource types of the API.
enum class Resource { tenants, members, tokens, connections, plugins, packages, workflows, instances, events, trail };

/// Default deny. `system` says whether the role is held in the system tenant: only there tenants and packages can be
/// written, and only there tenants can be listed.
[[nodiscard]] bool allows(Role role, bool system, Resource resource, Verb verb) noexcept;

struct Member {
  std::string user;
  Role role = Role::viewer;
  base::Timestamp added;
};

struct Token {
  base::TenantId tenant;
  std::string id;
  std::string name;
  Role role = Role::viewer;
  base::Digest hash{};
  base::Timestamp issued;
  std::optional<base::Timestamp> expires;
  std::string certificate = {};  ///< a name of the certificate that is shown in place of a text; empty: there is a text
};

/// Whether it is "sha256:" and 64 digits of hexadecimal, or "uri:", "dns:", "email:" or "cn:" and a name in printable
/// ASCII, in lower case where it is of hexadecimal or dns; at most 255 bytes. Error: invalid.
[[nodiscard]] base::Status check_certificate_name(std::string_view name);
/// What a token with such a certificate is found by; no text of a token has it.
[[nodiscard]] base::Digest certificate_hash(std::string_view name);

struct Connection {
  std::string name;
  std::string plugin;  ///< who may use it; empty = the tenant's own http calls
  std::string base_url;
  std::string scheme;  ///< none, bearer, basic, header
  std::string user;    ///< user of basic, header name of header
  std::string secret;  ///< reference into the secret store; empty = none
  std::string webhook_secret;
  bool allow_private_network = false;
};

/// How a sender of deliveries proves that it may send them.
enum class DeliveryProof {
  hmac_sha256,  ///< a header has the HMAC-SHA-256 of the body, and what is signed with it
  token,        ///< the last part of the path is one that cannot be guessed
};
[[nodiscard]] std::string_view to_string(DeliveryProof proof) noexcept;  ///< "hmac-sha256" or "token"

/// Where events come in from outside without a plugin: what is delivered there becomes an event of this type.
struct Webhook {
  std::string name;
  std::string type;
  std::string source;  ///< empty: the path of the webhook
  DeliveryProof proof = DeliveryProof::hmac_sha256;
  std::string secret;                    ///< reference into the secret store; of hmac_sha256, as the next seven
  std::string header;                    ///< name of the one with the signature
  std::string prefix;                    ///< may be before the digest in it
  std::string encoding;                  ///< of the digest: hex or base64
  std::string secret_encoding = "text";  ///< or base64: of the key
  std::string signed_text;               ///< with {body}, and {timestamp} and {id} where they are signed too
  std::string timestamp_header;          ///< empty where signed_text has no {timestamp}
  std::uint32_t tolerance_s = 0;         ///< how far the time that is signed may be from the time here
  base::Digest token_sha256{};           ///< of token: of the last part of the path
  std::string id_header;                 ///< the one with the id of a delivery
};

enum class PackageStatus {
  pending,  ///< the operator gave it; what became of it is not recorded yet
  loaded,
  refused,
};
[[nodiscard]] std::string_view to_string(PackageStatus status) noexcept;

/// What the signatures of a package said when it was requested.
struct PackageSignatures {
  std::optional<base::Digest> content = {};  ///< nullopt: requested before signatures were recorded
  std::string publisher_key = {};            ///< empty: no publisher has signed; so with the certifier's
  bool publisher_trusted = false;            ///< by the trust file of that time
  std::string certifier_key = {};
  bool certifier_trusted = false;  ///< for this level, and not expired then
  std::string level = {};
  std::optional<base::Digest> report = {};
  std::optional<base::Timestamp> expires = {};
};

/// A package that the operator gave.
struct Package {
  std::string plugin;
  std::string version;
  base::Digest package_sha256{};
  PackageStatus status = PackageStatus::pending;
  std::uint64_t package_bytes = 0;  ///< this and the next two: not of a refused one
  base::Digest library_sha256{};
  std::string manifest{};                   ///< JSON
  PackageSignatures signatures = {};        ///< not of a refused one
  base::Uuid request{};                     ///< id of the event that asked for it
  base::Timestamp changed{};                ///< when it came to be what `status` says
  std::optional<base::Error> refusal = {};  ///< of a refused one: invalid or unavailable, and why
};

/// The processes of a plugin crashed too often for a tenant: it is not called until it is released.
struct Quarantine {
  std::string reason;  ///< of the last crash
  base::Timestamp since;
};

/// A version of a plugin that a tenant may call.
struct Grant {
  std::string plugin;
  std::string version;
  base::Timestamp enabled;
  bool is_current = false;  ///< webhooks, and calls that name no exact version, go there
  std::optional<Quarantine> quarantine = {};
  std::vector<package::Subscription> subscriptions = {};  ///< of its manifest
};

/// Why a version in quarantine is not called, and what to do: denied. Precondition: `grant` has a quarantine.
[[nodiscard]] base::Error in_quarantine(const base::TenantId& tenant, const Grant& grant);

/// The version of a plugin that is the current one in a tenant.
struct CurrentVersion {
  std::string version;
  std::string before;  ///< where a rollback leads; empty: nowhere
};

/// What a tenant has set for a plugin.
struct Configuration {
  std::string version;  ///< the only one that it is for; empty: those that have none of their own
  std::string json;     ///< an object
  base::Timestamp set;
};

}  // namespace trv::tenancy
