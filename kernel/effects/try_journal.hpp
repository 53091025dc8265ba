#pragma once
// How often each effect was tried, noted before the call goes out, so that a restart knows it.
//
// A small file that is mapped into memory: a note costs no system call and survives the end of the process, however it
// ends. It does not survive the loss of power, which forgets tries but no effect; see docs/decisions. A try that was
// under way when the process crashed counts as a death. Where something else ended the process, such as kill -9, every
// fourth end counts: the call is rarely to blame. What close() came before counts never. One thread.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "events/record/position.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::effects {

/// What is known of an effect from before.
struct PastTries {
  std::uint32_t tries = 0;
  std::uint32_t deaths = 0;  ///< crashes of the process during a try, and a quarter of its other ends
};

/// How the process ended that had the journal before.
enum class LastEnd {
  crashed,  ///< by itself: a signal such as SIGSEGV, abort(), exit()
  other,    ///< in order, or killed from outside
};

class TryJournal {
 public:
  /// Opens or creates the file, with room for `effects_max` effects. Error: unavailable, with the path.
  [[nodiscard]] static base::Result<std::unique_ptr<TryJournal>> open(const std::filesystem::path& file,
                                                                      std::size_t effects_max, LastEnd last_end);
  /// As close().
  ~TryJournal();
  TryJournal(const TryJournal&) = delete;
  TryJournal& operator=(const TryJournal&) = delete;

  /// Forgets the effects that `is_pending` does not know: they ended before their note did.
  void keep(const std::function<bool(const base::TenantId& tenant, record::Lsn position)>& is_pending);
  [[nodiscard]] PastTries past(record::Lsn position) const;
  /// A try begins: counts it. Where the file is full, the notes of the effect with the fewest deaths that was not tried
  /// since open() go.
  void begin(const base::TenantId& tenant, record::Lsn position);
  /// The process lives on after the try.
  void end(record::Lsn position);
  /// The effect has left the outbox.
  void forget(record::Lsn position);
  /// Ends every try: the process stops by itself.
  void close();

 private:
  struct Slot;
  TryJournal(std::span<Slot> slots, LastEnd last_end);
  [[nodiscard]] Slot& slot_for(record::Lsn position);

  std::span<Slot> slots_;
  std::unordered_map<std::uint64_t, std::uint32_t> places_;  ///< by position
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::uint64_t, std::uint32_t> earlier_;  ///< those of places_ that were not tried since open()
};

}  // namespace trv::effects
