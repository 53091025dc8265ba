#pragma once
// Records on their way from the log into a projection: copied, verified, hashed and prepared in runs. Private to
// catch-up.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/projection/projector.hpp"
#include "events/record/aligned_bytes.hpp"
#include "events/record/record.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

/// Records that follow one another, in memory of their own.
struct Run {
  record::AlignedBytes memory;
  std::vector<std::pair<std::size_t, std::size_t>> places;  ///< in `memory`: offset and size of each record
  std::vector<base::Digest> hashes;                         ///< of each record as stored
  std::vector<record::RecordView> records;  ///< verified; borrow from `memory` and know their hash from `hashes`
  log::EnginePosition position;             ///< of the last record
  std::string prepared;                     ///< what the projectors prepared, record after record
  std::vector<std::size_t> prepared_ends;   ///< in `prepared`, for each record one after another for each projector
};

/// What `projector` (its place among them) prepared for the record at `index`.
[[nodiscard]] std::string_view prepared_for(const Run& run, std::size_t index, std::size_t projector);

using Projectors = std::span<Projector* const>;

/// Puts the next records up to `last` into `run`, whose memory it uses again: at least one, at most as many as one run
/// holds. Errors: of the log; timeout where the log does not deliver what it has reported.
[[nodiscard]] base::Status read_run(log::Reader& reader, record::ShardId shard, record::Lsn from, record::Lsn last,
                                    Run& run);
/// Verifies and hashes the records of the run, and has the projectors prepare them. Error: corrupt where a record does
/// not verify.
[[nodiscard]] base::Status verify_run(Projectors projectors, Run& run);

/// Reads runs in one thread and verifies them in another, a few ahead of the one that applies them: each is a third of
/// the work of a replay. The reader belongs to the first of them until this is gone. next() from one thread.
class ReadAhead {
 public:
  /// Reads from `from` to `last`, both included. `reader` and `projectors` outlive this.
  ReadAhead(log::Reader& reader, record::ShardId shard, record::Lsn from, record::Lsn last, Projectors projectors);
  /// Ends the threads, whatever was not read.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Waits for the next run, in order, and takes back the memory of the one before. Not again after an error, nor after
  /// the run that holds `last`.
  [[nodiscard]] base::Status next(Run& run);

 private:
  void read();
  void verify();
  /// False: `status` is an error, which `end` has from now on.
  bool pass_on(Run run, base::Status status, std::deque<Run>& to, base::Status& end);

  log::Reader& reader_;
  const record::ShardId shard_;
  const record::Lsn from_;
  const record::Lsn last_;
  const Projectors projectors_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Run> read_;
  std::deque<Run> runs_;  ///< verified
  std::vector<Run> spent_;
  base::Status read_status_;  ///< of what follows read_
  base::Status status_;       ///< of what follows runs_
  bool stopping_ = false;
  std::thread reading_;
  std::thread verifying_;
};

}  // namespace trv::projection
