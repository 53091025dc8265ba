#include "events/projection/projection.hpp"

#include <fmt/format.h>

#include <utility>

#include "events/projection/known_events.hpp"
#include "events/projection/snapshots.hpp"
#include "events/projection/stamp.hpp"
#include "events/projection/state_digest.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::projection {

using base::BytesView;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using record::Lsn;

namespace {

constexpr const char* restored_name = "data.mdb.restored";

}  // namespace

Projection::Projection(ProjectionOptions options, record::ShardId shard, std::vector<Projector*> projectors)
    : options_(std::move(options)), shard_(shard), projectors_(std::move(projectors)) {}

Projection::~Projection() {
  if (env_ != nullptr && !closed_) {
    // Not closed cleanly is always safe: it costs a rebuild after a restart of the machine.
    [[maybe_unused]] const Status ignored = close();
  }
}

Result<std::unique_ptr<Projection>> Projection::open(ProjectionOptions options, record::ShardId shard,
                                                     std::vector<Projector*> projectors) {
  TRV_EXPECTS(!options.folder.empty() && options.boot_id != nullptr);
  std::unique_ptr<Projection> projection(new Projection(std::move(options), shard, std::move(projectors)));
  for (const Projector* projector : projection->projectors_) {
    TRV_EXPECTS(projector != nullptr && projector->name().find_first_of(" =\n") == std::string_view::npos);
  }
  TRV_TRY_ASSIGN(projection->boot_id_, projection->options_.boot_id());
  TRV_TRY(projection->open_or_discard());
  return projection;
}

std::string Projection::reason_to_discard() const {
  std::error_code error;
  if (std::filesystem::exists(options_.folder / lmdb::damage_mark, error)) return "it was found damaged";
  const std::optional<Stamp> stamp = read_stamp(options_.folder);
  if (!stamp.has_value()) return "it has no readable stamp";
  if (stamp->layout != layout()) {
    return fmt::format("it was made by other projectors: '{}', now '{}'", stamp->layout, layout());
  }
  if (!stamp->clean && stamp->boot_id != boot_id_) return "the machine went down while it was open";
  return "";
}

Status Projection::open_or_discard() {
  std::error_code error;
  const bool present = std::filesystem::exists(options_.folder / "data.mdb", error);
  if (!present) {
    report_ = {.kind = OpenReport::Kind::created, .reason = ""};
  } else {
    std::string reason = reason_to_discard();
    if (reason.empty()) {
      const Status opened = open_files();
      if (opened) {
        report_ = {.kind = OpenReport::Kind::reused, .reason = ""};
        return {};
      }
      if (opened.error().code() != ErrorCode::corrupt) return opened;
      reason = opened.error().message();
    }
    report_ = {.kind = OpenReport::Kind::discarded, .reason = std::move(reason)};
  }
  TRV_TRY_ASSIGN(const bool is_restored, restore(std::nullopt));
  if (is_restored) {
    report_.kind = OpenReport::Kind::restored;
    return {};
  }
  TRV_TRY(remove_files());
  return open_files();
}

// True: the files are those of a snapshot. False: they are as they were, or empty.
Result<bool> Projection::restore(std::optional<Lsn> last) {
  if (options_.snapshots == nullptr) return false;
  const bool had_files = env_ != nullptr;
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  const std::filesystem::path file = options_.folder / restored_name;
  if (!error) std::filesystem::remove(file, error);
  if (error) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot write to {}: {}", options_.folder.string(), error.message()));
  }
  TRV_TRY_ASSIGN(const auto restored,
                 options_.snapshots->restore(shard_, layout(), last, file,
                                             [&](const Snapshot& from) { return take_restored(file, from.applied); }));
  TRV_ENSURES(!restored || applied_ == restored->applied);
  if (!restored && had_files && env_ == nullptr) {
    TRV_TRY(remove_files());
    TRV_TRY(open_files());
  }
  return restored.has_value();
}

Status Projection::take_restored(const std::filesystem::path& file, const Applied& wanted) {
  TRV_TRY(remove_files());
  std::error_code error;
  std::filesystem::rename(file, options_.folder / "data.mdb", error);
  if (error) {
    return fail(ErrorCode::unavailable, fmt::format("cannot rename {}: {}", file.string(), error.message()));
  }
  TRV_TRY(open_files());
  if (applied_ == wanted) return {};
  env_.reset();
  return fail(ErrorCode::corrupt, fmt::format("its content is at lsn {}", applied_.lsn.value()));
}

Status Projection::remove_files() {
  env_.reset();
  for (const char* name : {"data.mdb", "lock.mdb", "stamp", "stamp.new", lmdb::damage_mark}) {
    std::error_code error;
    std::filesystem::remove(options_.folder / name, error);
    if (error) {
      return fail(ErrorCode::unavailable, fmt::format("cannot remove {} of the projection in {}: {}", name,
                                                      options_.folder.string(), error.message()));
    }
  }
  return {};
}

Status Projection::open_files() {
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot create the folder {}: {}", options_.folder.string(), error.message()));
  }
  // Before the first write: from here on a crash of the machine makes the files worthless.
  TRV_TRY(write_stamp(options_.folder, {.layout = layout(), .boot_id = boot_id_, .clean = false}));
  TRV_TRY_ASSIGN(lmdb::Env env, lmdb::Env::open(options_.folder, {.map_bytes = options_.map_bytes,
                                                                  .tables_max = options_.tables_max,
                                                                  .readers_max = options_.readers_max,
                                                                  .sync = lmdb::Sync::none,
                                                                  .marks_damage = true}));
  env_ = std::make_unique<lmdb::Env>(std::move(env));
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_->begin_write());
  TRV_TRY_ASSIGN(applied_row_, txn.create_table(applied_table));
  TRV_TRY_ASSIGN(applied_, read_applied(txn, applied_row_));
  for (Projector* projector : projectors_) {
    if (Status status = projector->open(txn); !status) return fail(std::move(status).error().in(projector->name()));
  }
  return txn.commit();
}

Result<ProjectionTxn> Projection::begin() {
  TRV_EXPECTS(env_ != nullptr && !closed_);
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_->begin_write());
  TRV_ASSERT((applied_.lsn == Lsn(0)) == (applied_.last_hash == base::Digest{}));
  for (Projector* projector : projectors_) projector->begin();
  return ProjectionTxn(std::move(txn), applied_);
}

Status Projection::apply(ProjectionTxn& txn, const record::RecordView& record, const base::Digest& stored_hash) {
  return advance(txn, record.with_hash(stored_hash), [&](std::size_t place, const record::RecordView& known) {
    return projectors_[place]->apply(txn.txn_, known);
  });
}

Status Projection::refuse_unless_next(const Applied& applied, const record::RecordView& record) const {
  const auto refused = [&](std::string_view what) {
    return fail(ErrorCode::corrupt,
                fmt::format("the record with lsn {} of shard {} cannot follow lsn {} of shard {}: {}",
                            record.lsn().value(), record.shard().value(), applied.lsn.value(), shard_.value(), what));
  };
  if (record.shard() != shard_) return refused("another shard");
  if (record.lsn() != applied.lsn.next()) return refused("not the next lsn");
  if (record.epoch() < applied.epoch) return refused("an older epoch");
  if (record.prev_hash() != applied.last_hash) return refused("its prev_hash is not the hash of the record before it");
  return refuse_unless_known(record);
}

Status Projection::note(Status applied) {
  if (!applied && applied.error().code() == ErrorCode::invalid) is_outdated_ = true;
  return applied;
}

base::Error Projection::of_projector(base::Error error, std::size_t place, Lsn lsn) const {
  return std::move(error).in(
      fmt::format("projector {}, shard {}, lsn {}", projectors_.at(place)->name(), shard_.value(), lsn.value()));
}

Status Projection::seal(ProjectionTxn& txn) {
  TRV_EXPECTS(!txn.sealed_ && txn.applied_.lsn >= applied_.lsn && txn.applied_.epoch >= applied_.epoch);
  for (Projector* projector : projectors_) {
    if (Status status = projector->finish(txn.txn_); !status)
      return fail(std::move(status).error().in(projector->name()));
  }
  TRV_TRY(applied_row_.put(txn.txn_, applied_key, BytesView(to_row(txn.applied_))));
  txn.sealed_ = true;
  return {};
}

Status Projection::commit(ProjectionTxn txn, const log::EnginePosition& position) {
  TRV_EXPECTS(txn.sealed_);
  txn.applied_.position = position;
  // The row is in this transaction's memory already and keeps its size: this takes no room.
  TRV_TRY(applied_row_.put(txn.txn_, applied_key, BytesView(to_row(txn.applied_))));
  TRV_TRY(txn.txn_.commit());
  applied_ = txn.applied_;
  return {};
}

Result<Applied> Projection::committed() const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, begin_read());
  return read_applied(txn, applied_row_);
}

Result<Applied> Projection::copy_to(const std::filesystem::path& folder) const {
  TRV_EXPECTS(env_ != nullptr);
  TRV_TRY(env_->copy_to(folder, lmdb::Pages::used));
  TRV_TRY_ASSIGN(const lmdb::Env copy,
                 lmdb::Env::open(folder, {.map_bytes = options_.map_bytes, .access = lmdb::Access::read_only}));
  TRV_TRY_ASSIGN(lmdb::ReadTxn txn, copy.begin_read());
  TRV_TRY_ASSIGN(const lmdb::Table table, txn.open_table(applied_table));
  TRV_TRY_ASSIGN(const Applied applied, read_applied(txn, table));
  std::error_code error;
  std::filesystem::remove(folder / "lock.mdb", error);  // of this reading, and of no use to those who get the copy
  if (!error) return applied;
  return fail(ErrorCode::unavailable,
              fmt::format("cannot remove lock.mdb in {}: {}", folder.string(), error.message()));
}

Status Projection::distrust(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return {};
  return base::write_file(folder / lmdb::damage_mark, "damaged.new", {}, 0600);
}

Status Projection::close() {
  TRV_EXPECTS(env_ != nullptr && !closed_);
  closed_ = true;
  if (env_->is_damaged()) return {};  // it is marked
  TRV_TRY(env_->sync());
  return write_stamp(options_.folder, {.layout = layout(), .boot_id = boot_id_, .clean = true});
}

Result<base::Digest> Projection::content_digest() const {
  TRV_EXPECTS(env_ != nullptr);
  TRV_TRY_ASSIGN(lmdb::ReadTxn txn, env_->begin_read());
  return digest_rows(txn);
}

}  // namespace trv::projection
