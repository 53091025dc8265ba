#include "kernel/recovery/verify.hpp"

#include <fmt/format.h>

#include <set>

#include "events/record/chain.hpp"
#include "kernel/recovery/records.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Status;

class Verification {
 public:
  Verification(Target& target, const Progress& progress) : target_(target), progress_(progress) {}

  base::Result<Verified> run(History history) {
    for (const Segment& segment : history.segments) {
      auto checked = check(segment);
      if (!checked) return fail(std::move(checked).error().in(fmt::format("segment {}", segment.number)));
    }
    done_.files = files_.size();
    done_.history = std::move(history);
    return std::move(done_);
  }

 private:
  Status check(const Segment& segment) {
    TRV_TRY_ASSIGN(const Contents contents, contents_of(target_, segment));
    if (seen_.insert(segment.contents.sha256).second) count(segment.contents);
    if (segment.base == segment.number) {
      chains_.clear();
      files_.clear();
    }
    for (const ShardSpan& span : segment.shards) {
      if (chains_.contains(span.shard)) continue;
      chains_.emplace(span.shard, span.first > Lsn(1) ? record::ChainVerifier::from(span.shard, span.first)
                                                      : record::ChainVerifier(span.shard));
    }
    std::uint64_t records = 0;
    for (const RecordsEntry& entry : contents.records) {
      const auto chain = chains_.find(entry.shard);
      if (chain == chains_.end()) return fail(ErrorCode::corrupt, "its list names a shard that its manifest does not");
      const auto take = [&](const record::RecordView& record) -> base::Result<Read> {
        TRV_TRY(chain->second.accept(record));
        ++records;
        return Read::go_on;
      };
      TRV_TRY(read_records(target_, entry, take));
      if (seen_.insert(entry.object.sha256).second) count(entry.object);
    }
    done_.records += records;
    if (records != segment.records) {
      return fail(ErrorCode::corrupt, fmt::format("it has {} records, its manifest says {}", records, segment.records));
    }
    for (const ShardSpan& span : segment.shards) {
      const record::ChainVerifier& chain = chains_.at(span.shard);
      if (span.epoch > Epoch(0) && (chain.last() != span.last || chain.last_hash() != span.last_hash)) {
        return fail(ErrorCode::corrupt, fmt::format("the records of shard {} end with {}, its manifest says {}",
                                                    span.shard.value(), chain.last().value(), span.last.value()));
      }
    }
    for (const FileEntry& file : contents.files) {
      auto checked = check(file);
      if (!checked) return fail(std::move(checked).error().in(file.path));
    }
    return {};
  }

  Status check(const FileEntry& file) {
    files_.insert(file.path);
    if (file.parts.empty()) return check(file.whole);
    base::Sha256 whole;
    bool is_new = false;
    for (const Object& part : file.parts) is_new = is_new || !seen_.contains(part.sha256);
    if (!is_new) return {};
    for (const Object& part : file.parts) {
      TRV_TRY_ASSIGN(const base::Bytes bytes, read_object(target_, part));
      whole.add(bytes);
      if (seen_.insert(part.sha256).second) count(part);
    }
    if (whole.digest() == file.whole.sha256) return {};
    return fail(ErrorCode::corrupt, "its parts are not the file");
  }

  Status check(const Object& object) {
    if (!seen_.insert(object.sha256).second) return {};
    TRV_TRY(read_object(target_, object));
    count(object);
    return {};
  }

  void count(const Object& object) {
    ++done_.objects;
    done_.bytes += object.bytes;
    if (progress_) progress_("verified", done_.bytes, 0);
  }

  Target& target_;
  const Progress& progress_;
  std::set<base::Digest> seen_;
  std::set<std::string, std::less<>> files_;
  std::map<ShardId, record::ChainVerifier> chains_;
  Verified done_;
};

}  // namespace

base::Result<Verified> verify(Target& target, const std::optional<note::VerifierKey>& trusted,
                              const Progress& progress) {
  TRV_TRY_ASSIGN(History history, read_history(target, trusted));
  if (history.last() == nullptr) {
    return fail(ErrorCode::not_found, fmt::format("{} holds no backup: it has no segments", target.name()));
  }
  return Verification(target, progress).run(std::move(history));
}

}  // namespace trv::recovery
