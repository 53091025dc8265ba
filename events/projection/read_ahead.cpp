#include "events/projection/read_ahead.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Status;
using record::Lsn;

namespace {

constexpr std::size_t run_records_max = 512;
constexpr std::size_t run_bytes_max = 1 << 18;
constexpr std::size_t runs_max = 16;
// What bounds() reported is there; a log that does not deliver it for so long is out of order.
constexpr std::chrono::seconds patience{30};

}  // namespace

Status read_run(log::Reader& reader, record::ShardId shard, Lsn from, Lsn last, Run& run) {
  TRV_EXPECTS(from <= last);
  run.memory.clear();
  run.places.clear();
  run.records.clear();
  run.hashes.clear();
  run.prepared.clear();
  run.prepared_ends.clear();
  for (Lsn wanted = from; wanted <= last && run.places.size() < run_records_max && run.memory.size() < run_bytes_max;
       wanted = wanted.next()) {
    TRV_TRY_ASSIGN(const auto stored, reader.next(patience));
    if (!stored.has_value()) {
      return fail(ErrorCode::timeout, fmt::format("the log of shard {} did not deliver lsn {} within {} s",
                                                  shard.value(), wanted.value(), patience.count()));
    }
    run.places.emplace_back(run.memory.append(stored->bytes), stored->bytes.size());
    run.position = stored->position;
  }
  TRV_ENSURES(!run.places.empty() && run.records.empty());
  return {};
}

Status verify_run(Projectors projectors, Run& run) {
  TRV_EXPECTS(run.records.empty());
  run.records.reserve(run.places.size());
  run.hashes.reserve(run.places.size());  // the records point into it
  run.prepared_ends.reserve(run.places.size() * projectors.size());
  for (const auto& [offset, size] : run.places) {
    TRV_TRY_ASSIGN(const record::RecordView record, record::RecordView::over(run.memory.view(offset, size)));
    run.hashes.push_back(record::hash_of(record.stored()));
    run.records.push_back(record.with_hash(run.hashes.back()));
    for (const Projector* projector : projectors) {
      projector->prepare(run.records.back(), run.prepared);
      run.prepared_ends.push_back(run.prepared.size());
    }
  }
  TRV_ENSURES(!run.records.empty() && run.prepared_ends.size() == run.records.size() * projectors.size());
  return {};
}

std::string_view prepared_for(const Run& run, std::size_t index, std::size_t projector) {
  const std::size_t projectors = run.prepared_ends.size() / run.records.size();
  TRV_EXPECTS(index < run.records.size() && projector < projectors);
  const std::size_t place = index * projectors + projector;
  const std::size_t begin = place == 0 ? 0 : run.prepared_ends[place - 1];
  return std::string_view(run.prepared).substr(begin, run.prepared_ends[place] - begin);
}

ReadAhead::ReadAhead(log::Reader& reader, record::ShardId shard, Lsn from, Lsn last, Projectors projectors)
    : reader_(reader),
      shard_(shard),
      from_(from),
      last_(last),
      projectors_(projectors),
      reading_([this] { read(); }),
      verifying_([this] { verify(); }) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  reader_.wake();
  reading_.join();
  verifying_.join();
}

void ReadAhead::read() {
  for (Lsn next = from_; next <= last_;) {
    Run run;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || read_.size() + runs_.size() < runs_max; });
      if (stopping_) return;
      if (!spent_.empty()) {
        run = std::move(spent_.back());
        spent_.pop_back();
      }
    }
    Status status = read_run(reader_, shard_, next, last_, run);
    next = Lsn(next.value() + run.places.size());
    if (!pass_on(std::move(run), std::move(status), read_, read_status_)) return;
  }
}

void ReadAhead::verify() {
  for (Lsn next = from_; next <= last_;) {
    Run run;
    Status status;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !read_.empty() || !read_status_; });
      if (stopping_) return;
      status = read_.empty() ? read_status_ : Status();
      if (status) {
        run = std::move(read_.front());
        read_.pop_front();
      }
    }
    if (status) status = verify_run(projectors_, run);
    next = Lsn(next.value() + run.places.size());
    if (!pass_on(std::move(run), std::move(status), runs_, status_)) return;
  }
}

bool ReadAhead::pass_on(Run run, Status status, std::deque<Run>& to, Status& end) {
  const bool is_good = status.has_value();
  {
    const std::lock_guard lock(mutex_);
    if (is_good) {
      to.push_back(std::move(run));
    } else {
      end = std::move(status);
    }
  }
  changed_.notify_all();
  return is_good;
}

Status ReadAhead::next(Run& run) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !runs_.empty() || !status_; });
    if (runs_.empty()) return status_;
    spent_.push_back(std::exchange(run, std::move(runs_.front())));
    runs_.pop_front();
  }
  changed_.notify_all();
  return {};
}

}  // namespace trv::projection
