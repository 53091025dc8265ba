#pragma once
// What a stopped travd left behind, read from its data folder without it.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::aftermath {

struct EffectFacts {
  std::string instance;
  std::string task;
  int requested = 0;
  int succeeded = 0;
  int failed = 0;
};
struct InstanceFacts {
  std::string delivery;  ///< id of the event that started it
  int started = 0;
  int completed = 0;
  int faulted = 0;
  int cancelled = 0;
};

/// What one tenant's records say.
struct LogFacts {
  std::uint64_t records = 0;                       ///< of the tenant
  std::uint64_t last_lsn = 0;                      ///< summed over the shards; all before it are there and chained
  std::map<std::string, int> received;             ///< by the delivery's id: how often it was taken
  std::map<std::string, InstanceFacts> instances;  ///< by id
  std::map<std::string, EffectFacts> effects;      ///< by idempotency key
};
/// Verifies the chain on the way. Error: corrupt where it breaks.
[[nodiscard]] base::Result<LogFacts> read_log(const std::filesystem::path& data_folder, const std::string& tenant);

struct Replayed {
  base::Digest live{};
  base::Digest rebuilt{};
  bool reused = false;  ///< the projections were good as they were
};
/// The projections as they are, brought up to the end of their shards, and others made from lsn 1 in `scratch`.
[[nodiscard]] base::Result<Replayed> replay(const std::filesystem::path& data_folder,
                                            const std::filesystem::path& scratch);

struct Audited {
  std::uint64_t entries = 0;
  std::string problems;  ///< empty: the export verifies, first to last
};
/// Exports the tenant's trail to `scratch` and verifies it with the data folder's key, and that it has grown from the
/// checkpoint `earlier` where there is one.
[[nodiscard]] base::Result<Audited> audit(const std::filesystem::path& data_folder, const std::string& tenant,
                                          const std::filesystem::path& scratch, std::string_view earlier = {});

}  // namespace trv::aftermath
