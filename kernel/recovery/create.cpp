#include "kernel/recovery/create.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "events/backup/backup.hpp"
#include "events/record/chain.hpp"
#include "events/record/record.hpp"
#include "kernel/recovery/source_files.hpp"
#include "sdk/base/contract.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

/// A cut is a time that people can write.
constexpr std::int64_t cut_unit_ns = 1000;
/// What a log has reported as its end comes within this time.
constexpr base::Duration record_within = std::chrono::seconds(60);

class SegmentTaking {
 public:
  SegmentTaking(const Source& source, Target& target, Begin begin, Known& known, const Progress& progress)
      : source_(source),
        target_(target),
        known_(known),
        progress_(progress),
        begin_(begin),
        is_base_(begin == Begin::new_base || known.history.last() == nullptr) {}

  Result<Taken> run(std::vector<StateDigest> states) {
    const Segment* const before = known_.history.last();
    TRV_TRY_ASSIGN(const std::vector<log::Bounds> bounds, find_bounds());
    Taken taken;
    if (begin_ == Begin::base_where_trimmed && !is_base_) {
      for (const ShardSpan& span : before->shards) {
        if (bounds[span.shard.value()].first <= span.last.next()) continue;
        taken.problems.push_back(
            fmt::format("records of shard {} were trimmed before they were backed up: a new base is taken, and what is "
                        "between {} and {} cannot be recovered; take backups more often, or raise log.keep_days",
                        span.shard.value(), span.last.value(), bounds[span.shard.value()].first.value()));
        is_base_ = true;
      }
    }
    if (is_base_) known_.files.clear();
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      TRV_TRY(take_records(ShardId(i), bounds[i]));
    }
    TRV_TRY_ASSIGN(FoundFiles found, put_files(source_.beside, snapshots_, known_.files, target_, progress_));
    std::ranges::move(found.problems, std::back_inserter(taken.problems));
    taken.cut = cut_;
    if (!is_base_ && segment_.records == 0 && found.files.empty() && states.empty()) {
      taken.segment = *before;
      return taken;
    }
    segment_.bytes += found.bytes;
    contents_.files = std::move(found.files);
    segment_.states = std::move(states);
    TRV_TRY(add());
    taken.segment = segment_;
    taken.is_added = true;
    return taken;
  }

 private:
  /// Where the segment ends at most. The time is read before the ends: what had happened before a decision of an
  /// earlier time, in whatever shard, is durable by the time that the ends are read.
  Result<std::vector<log::Bounds>> find_bounds() {
    const Segment* const before = known_.history.last();
    cut_ = base::Timestamp(source_.clock.now().ns() / cut_unit_ns * cut_unit_ns);
    if (before != nullptr) cut_ = std::max(cut_, before->cut);
    std::vector<log::Bounds> bounds;
    const std::size_t least = before == nullptr ? 1 : before->shards.size();
    std::size_t used = least;
    for (std::uint64_t i = 0; i < std::max<std::uint64_t>(source_.shards, least); ++i) {
      TRV_TRY_ASSIGN(const log::Bounds one, source_.log.bounds(ShardId(i)));
      bounds.push_back(one);
      if (one.last > Lsn(0)) used = std::max<std::size_t>(used, i + 1);
    }
    bounds.resize(used);
    has_one_shard_ = used == 1;
    return bounds;
  }

  std::unexpected<base::Error> other_history(ShardId shard, std::string_view what) const {
    return fail(ErrorCode::conflict,
                fmt::format("{} has another history of shard {}: {}. The data folder is an older state than the "
                            "target, or another one; use a new target for it",
                            target_.name(), shard.value(), what));
  }

  Status take_records(ShardId shard, const log::Bounds& bounds) {
    const std::vector<ShardSpan> none;
    const std::vector<ShardSpan>& all = is_base_ ? none : known_.history.last()->shards;
    ShardSpan span{.shard = shard, .first = Lsn(1), .last = {}, .epoch = {}, .time = {}, .last_hash = {}};
    if (shard.value() < all.size()) {
      span = all[shard.value()];
      span.first = span.last.next();
    } else if (bounds.first > Lsn(1)) {
      // The beginning was trimmed: only a snapshot leads to the state there.
      span.first = bounds.first;
      span.last = Lsn(bounds.first.value() - 1);
    }
    if (bounds.last < span.last) {
      return other_history(
          shard, fmt::format("the log ends with record {}, the target has {}", bounds.last.value(), span.last.value()));
    }
    if (bounds.first > span.first) {
      return fail(ErrorCode::conflict,
                  fmt::format("the log of shard {} begins with record {}, and {} has the records up to {}: what is "
                              "between was trimmed. Take a new base: trav backup create --new-base",
                              shard.value(), bounds.first.value(), target_.name(), span.last.value()));
    }
    const bool is_new_trimmed = span.last > Lsn(0) && span.epoch == Epoch(0);
    auto chain = is_new_trimmed ? record::ChainVerifier::from(shard, span.first)
                                : record::ChainVerifier(shard, span.last, span.epoch, span.time, span.last_hash);
    if (bounds.last > Lsn(0)) TRV_TRY(read_records(shard, bounds, span, chain));
    if (chain.last() > Lsn(0) && chain.epoch() > Epoch(0)) {
      span.last = chain.last();
      span.epoch = chain.epoch();
      span.time = chain.time();
      span.last_hash = chain.last_hash();
    }
    if (has_one_shard_) {
      cut_ = std::max(cut_, base::Timestamp((span.time.ns() + cut_unit_ns - 1) / cut_unit_ns * cut_unit_ns));
    }
    segment_.shards.push_back(span);
    if (is_new_trimmed) {
      snapshots_.push_back({.shard = shard, .least = Lsn(span.first.value() - 1), .greatest = span.last});
    }
    return {};
  }

  Status read_records(ShardId shard, const log::Bounds& bounds, const ShardSpan& span, record::ChainVerifier& chain) {
    // The last one that the target has, where the log has it, shows that both are of one history.
    const bool is_compared = span.epoch > Epoch(0) && span.last >= bounds.first;
    Lsn next = is_compared ? span.last : span.first;
    if (next > bounds.last) return {};
    TRV_TRY_ASSIGN(const auto reader, source_.log.read(shard, next, known_.positions[shard]));
    for (; next <= bounds.last; next = next.next()) {
      TRV_TRY_ASSIGN(const auto stored, reader->next(record_within));
      if (!stored || stored->lsn != next) {
        return fail(ErrorCode::unavailable,
                    fmt::format("record {} of shard {} did not come", next.value(), shard.value()));
      }
      TRV_TRY_ASSIGN(const record::RecordView record, record::RecordView::over(stored->bytes));
      if (next == span.last) {
        if (record.hash() == span.last_hash) continue;
        return other_history(shard, fmt::format("record {} is another one", next.value()));
      }
      // Decisions are whole: all records of one have its time.
      if (!has_one_shard_ && record.time() > cut_) break;
      TRV_TRY(chain.accept(record));
      TRV_TRY(add_record(shard, next, stored->bytes));
      known_.positions[shard] = stored->position;
    }
    return put_records();
  }

  Status add_record(ShardId shard, Lsn lsn, base::BytesView bytes) {
    if (buffer_.size() + bytes.size() > object_bytes_max) TRV_TRY(put_records());
    if (buffer_.empty()) buffered_ = {.shard = shard, .first = lsn, .last = lsn, .object = {}};
    buffered_.last = lsn;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    ++segment_.records;
    return {};
  }

  Status put_records() {
    if (buffer_.empty()) return {};
    buffered_.object = object_of(buffer_);
    TRV_TRY_ASSIGN(const bool is_new, target_.put(buffered_.object, buffer_));
    if (is_new) segment_.bytes += buffered_.object.bytes;
    contents_.records.push_back(buffered_);
    if (progress_) progress_(fmt::format("shard {}", buffered_.shard.value()), segment_.records, 0);
    buffer_.clear();
    return {};
  }

  Status add() {
    const std::string text = to_text(contents_);
    if (text.size() > contents_bytes_max) {
      return fail(ErrorCode::too_large, fmt::format("the list of the files of {} is larger than {} bytes",
                                                    source_.beside.string(), contents_bytes_max));
    }
    segment_.contents = object_of(base::as_bytes(text));
    TRV_TRY(target_.put(segment_.contents, base::as_bytes(text)));
    segment_.bytes += segment_.contents.bytes;
    segment_.number = known_.history.segments.size() + 1;
    segment_.base = is_base_ ? segment_.number : known_.history.last()->base;
    segment_.previous = known_.history.last_manifest;
    segment_.key = source_.key.verifier().format();
    segment_.cut = cut_;
    TRV_TRY_ASSIGN(const std::string manifest, sign(segment_, source_.key));
    TRV_TRY_ASSIGN(const bool is_added, target_.add_manifest(segment_.number, base::as_bytes(manifest)));
    if (!is_added) {
      return fail(ErrorCode::conflict,
                  fmt::format("another backup into {} was faster and added segment {}; nothing was changed, run it "
                              "again where it is of the same data folder",
                              target_.name(), segment_.number));
    }
    known_.history.segments.push_back(segment_);
    known_.history.last_manifest = base::sha256(base::as_bytes(manifest));
    for (const FileEntry& one : contents_.files) known_.files.insert_or_assign(one.path, one);
    known_.read = segment_.number;
    return {};
  }

  const Source& source_;
  Target& target_;
  Known& known_;
  const Progress& progress_;
  const Begin begin_;
  bool is_base_;
  bool has_one_shard_ = false;
  base::Timestamp cut_;
  Segment segment_;
  Contents contents_;
  std::vector<SnapshotRange> snapshots_;
  RecordsEntry buffered_;
  base::Bytes buffer_;
};

/// Brings what is known of the target up to its last segment.
Status learn(const Source& source, Target& target, Known& known) {
  const std::uint64_t before = known.history.segments.size();
  const base::Digest last = known.history.last_manifest;
  const Status read = read_on(target, source.key.verifier(), known.history);
  if (!read) {
    known = {};
    const auto any = read_history(target, std::nullopt);
    if (!any || any->last() == nullptr || any->last()->key == source.key.verifier().format()) return read;
    return fail(ErrorCode::conflict,
                fmt::format("{} is the target of another installation: its segments are signed by {}, and the key of "
                            "this one is {}; use another target",
                            target.name(), any->last()->key, source.key.verifier().format()));
  }
  const bool is_same = known.history.segments.size() >= before && before > 0 &&
                       (known.history.segments.size() == before ? known.history.last_manifest == last
                                                                : known.history.at(before + 1).previous == last);
  const Segment* const newest = known.history.last();
  if (newest == nullptr || !is_same || known.read < newest->base) {
    known.files.clear();
    known.read = newest == nullptr ? 0 : newest->base - 1;
  }
  if (newest == nullptr) return {};
  for (std::uint64_t number = known.read + 1; number <= newest->number; ++number) {
    TRV_TRY_ASSIGN(Contents contents, contents_of(target, known.history.at(number)));
    for (FileEntry& one : contents.files) {
      std::string path = one.path;
      known.files.insert_or_assign(std::move(path), std::move(one));
    }
    known.read = number;
  }
  return {};
}

}  // namespace

Result<Taken> take_segment(const Source& source, Target& target, Begin begin, std::vector<StateDigest> states,
                           Known& known, const Progress& progress) {
  TRV_TRY_ASSIGN(const backup::Hold hold, backup::hold(source.data));
  std::optional<backup::Hold> beside;
  if (source.beside != source.data) {
    TRV_TRY_ASSIGN(beside, backup::hold(source.beside));
  }
  TRV_TRY(learn(source, target, known));
  auto taken = SegmentTaking(source, target, begin, known, progress).run(std::move(states));
  // What was not added is looked at again.
  if (!taken) known = {};
  return taken;
}

}  // namespace trv::recovery
