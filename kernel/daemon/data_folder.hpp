#pragma once
// Small files of the data folder that the daemon itself keeps.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "audit/note/key.hpp"
#include "events/keys/cluster_key.hpp"
#include "events/log/event_log.hpp"
#include "kernel/egress/secret_store.hpp"
#include "sdk/base/result.hpp"

namespace trv::daemon {

/// Makes the folder, with its parents, for its owner alone. Error: unavailable.
[[nodiscard]] base::Status make_private_folder(const std::filesystem::path& folder);

/// The folder that several nodes share must be there: one that is made here, where the right one is not mounted, would
/// be another. Makes it private to its owner. Errors: invalid, with what to do; unavailable.
[[nodiscard]] base::Status require_shared_folder(const std::filesystem::path& folder);

/// Whether the keys that the shared folder has open under the cluster key; those that it lacks are passed over, and
/// none is made. Before anything else is read that is sealed by it, so that this is what the operator gets to know.
/// Errors: as keys::load_or_create.
[[nodiscard]] base::Status check_cluster_key(const std::filesystem::path& shared_folder,
                                             const keys::ClusterKey& cluster, base::Random& random);

/// Writes the name of the trails at the first start, and compares it later: verifiers know the trails by it.
/// Errors: conflict where `file` has another name; unavailable.
[[nodiscard]] base::Status keep_origin(const std::filesystem::path& file, std::string_view origin);

/// The key that signs the audit trails, in a key file that is made where it is missing. `cluster`: as
/// keys::load_or_create. Errors: the same; invalid where the file holds another thing.
[[nodiscard]] base::Result<note::SigningKey> open_audit_key(const std::filesystem::path& file, std::string_view origin,
                                                            const keys::ClusterKey* cluster, base::Random& random);

/// Refuses a folder whose log is the part of a copy that was cut off. Error: corrupt, with what to do.
[[nodiscard]] base::Status refuse_unfinished_copy(const std::filesystem::path& data_folder);

/// Refuses a folder that has lost what its log needs: the key of the audit trails, or that of the secrets. A first
/// start makes both. Error: corrupt, with what is missing and what to do.
[[nodiscard]] base::Status check_keys(const std::filesystem::path& data_folder, std::uint64_t records);

/// Refuses a folder whose keys belong to another log than `log`, named `name`: the file beside them names the first
/// record of the log that they sign. A start on a log with records makes it where it is missing. Errors: conflict, with
/// what to do; what the log reports.
[[nodiscard]] base::Status check_log_of_keys(const std::filesystem::path& data_folder, std::uint64_t records,
                                             log::EventLog& log, const std::string& name);

/// Refuses a folder that has lost secrets of connections. Error: corrupt, with what is missing and what to do.
[[nodiscard]] base::Status check_secrets(const std::filesystem::path& data_folder,
                                         const std::set<egress::SecretReference>& named);

/// Writes the operator's token to a file that only its owner reads, and returns the file. Error: unavailable.
[[nodiscard]] base::Result<std::filesystem::path> write_operator_token(const std::filesystem::path& data_folder,
                                                                       std::string_view token);

}  // namespace trv::daemon
