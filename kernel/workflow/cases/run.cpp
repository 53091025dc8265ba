#include "kernel/workflow/cases/run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/cases/play.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cases {
namespace {

using json::Value;

/// The undisturbed run: what every other has to come to.
struct Undisturbed {
  Records records;
  Value found;
  /// Of the projection behind each decision, by the lsn of its last record.
  std::vector<std::pair<std::size_t, base::Digest>> digests;
};

/// A record but for what the number of restarts changes: the epoch, and with it the chain.
bool are_same(const record::RecordView& a, const record::RecordView& b) {
  return a.type() == b.type() && a.stream_id() == b.stream_id() && a.event_id() == b.event_id() &&
         a.time() == b.time() && a.decision_end() == b.decision_end() && std::ranges::equal(a.payload(), b.payload());
}

class Runner {
 public:
  Runner(const Case& one, const std::filesystem::path& folder) : case_(one), folder_(folder), services_(one.answers) {}

  base::Result<Verdict> run(Restarts restarts) {
    const bool again = restarts == Restarts::behind_each_record;
    TRV_TRY_ASSIGN(const auto shard, LocalShard::open(folder_ / "undisturbed", {}));
    TRV_TRY_ASSIGN(const Played played, play(case_, *shard, services_, case_.begins, [&]() -> base::Status {
                     if (!again) return {};
                     TRV_TRY_ASSIGN(const base::Digest digest, shard->digest());
                     first_.digests.emplace_back(shard->records().size(), digest);
                     return {};
                   }));
    first_.records = shard->records();
    first_.found = played.found;
    verdict_.found = played.found;
    verdict_.records = first_.records.size();
    for (const std::string& fault : played.faults) differ(fault);
    if (!played.faults.empty()) return std::move(verdict_);
    verdict_.differences = differences(case_, played.found);
    TRV_TRY_ASSIGN(const base::Digest live, shard->digest());
    TRV_TRY_ASSIGN(const base::Digest replayed, shard->digest_of_replay());
    if (live != replayed) differ("a replay of its records gives another state than the one that was live");
    services_.take_no_new_calls();
    for (std::size_t cut = 0; again && verdict_.differences.empty() && cut < first_.records.size(); ++cut) {
      TRV_TRY(restart(cut));
    }
    return std::move(verdict_);
  }

 private:
  void differ(std::string message) { verdict_.differences.push_back({case_.position, std::move(message)}); }

  base::Status restart(std::size_t cut) {
    ++verdict_.restarts;
    const Records kept(first_.records.begin(), first_.records.begin() + static_cast<std::ptrdiff_t>(cut));
    const std::filesystem::path folder = folder_ / fmt::format("cut-{}", cut);
    // One end in three finds a projection that had not seen the last decisions, one another that had seen too much.
    if (cut % 3 == 1) TRV_TRY(leave_projection_behind(folder, kept));
    if (cut % 3 == 2) TRV_TRY(leave_projection_ahead(folder, kept));
    TRV_TRY_ASSIGN(const auto shard, LocalShard::open(folder, kept));
    const std::size_t whole = shard->records().size();
    const auto known = std::ranges::find(first_.digests, whole, &std::pair<std::size_t, base::Digest>::first);
    if (known == first_.digests.end() && whole != 0) {
      differ(fmt::format("killed behind record {}, the log has {} records, which is within a decision", cut, whole));
    } else if (known != first_.digests.end() && cut % 3 != 2) {
      TRV_TRY_ASSIGN(const base::Digest digest, shard->digest());
      if (digest != known->second)
        differ(fmt::format("killed behind record {}, the projection has another state", cut));
    }
    TRV_TRY_ASSIGN(const Played played, play(case_, *shard, services_, time_of(cut)));
    compare(cut, *shard, played);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return {};
  }

  base::Status leave_projection_behind(const std::filesystem::path& folder, const Records& kept) {
    std::size_t whole = 0;
    for (const auto& [records, digest] : first_.digests) {
      if (records * 2 <= kept.size()) whole = records;
    }
    const Records few(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(whole));
    TRV_TRY(LocalShard::open(folder, few));
    return {};
  }

  base::Status leave_projection_ahead(const std::filesystem::path& folder, const Records& kept) {
    TRV_TRY_ASSIGN(const auto shard, LocalShard::open(folder, kept));
    std::size_t ahead = first_.records.size();
    for (const auto& [records, digest] : first_.digests) {
      if (records > kept.size()) ahead = std::min(ahead, records);
    }
    return shard->run_ahead(
        Records(first_.records.begin(), first_.records.begin() + static_cast<std::ptrdiff_t>(ahead)));
  }

  /// Of the decision during which the process ended.
  [[nodiscard]] base::Timestamp time_of(std::size_t cut) const {
    const auto record = record::Record::decode(first_.records[cut]);
    TRV_ASSERT(record.has_value());
    return (*record)->time();
  }

  void compare(std::size_t cut, const LocalShard& shard, const Played& played) {
    const std::string killed = fmt::format("killed behind record {} of {}", cut, first_.records.size());
    for (const std::string& fault : played.faults) differ(fmt::format("{}: {}", killed, fault));
    for (const char* what : {"status", "output", "error", "takes", "tasks", "emitted", "started"}) {
      static const Value nothing;
      const Value* before = first_.found.find(what);
      const Value* after = played.found.find(what);
      const Value& wanted = before == nullptr ? nothing : *before;
      const Value& found = after == nullptr ? nothing : *after;
      if (wanted == found) continue;
      differ(
          fmt::format("{}, '{}' is {}, undisturbed {}", killed, what, json::serialize(found), json::serialize(wanted)));
      return;
    }
    const Records& records = shard.records();
    for (std::size_t i = 0; i < std::max(records.size(), first_.records.size()); ++i) {
      const auto one = i < first_.records.size()
                           ? record::Record::decode(first_.records[i])
                           : base::Result<record::Record>(base::fail(base::ErrorCode::not_found, "none"));
      const auto other = i < records.size()
                             ? record::Record::decode(records[i])
                             : base::Result<record::Record>(base::fail(base::ErrorCode::not_found, "none"));
      if (one && other && are_same(one->view(), other->view())) continue;
      differ(fmt::format("{}, record {} is {}, undisturbed {}", killed, i + 1, other ? (*other)->type() : "not there",
                         one ? (*one)->type() : "not there"));
      return;
    }
  }

  const Case& case_;
  const std::filesystem::path& folder_;
  Services services_;
  Undisturbed first_;
  Verdict verdict_;
};

}  // namespace

base::Result<Verdict> run(const Case& one, Restarts restarts) {
  TRV_TRY_ASSIGN(const base::ScratchFolder folder, make_scratch_folder());
  return Runner(one, folder.path()).run(restarts);
}

}  // namespace trv::cases
