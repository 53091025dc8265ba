#include "kernel/effects/try_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::effects {

/// Ends of the process by other means than a crash that count as one.
constexpr unsigned kills_per_death = 4;

/// As it is in the file. A position of 0 is a free place; it is written last and removed first.
struct TryJournal::Slot {
  std::uint64_t position = 0;
  std::uint32_t tries = 0;
  std::uint16_t deaths = 0;
  std::uint8_t is_under_way = 0;
  std::uint8_t kills = 0;  ///< below kills_per_death
  std::array<char, 64> tenant{};
};

base::Result<std::unique_ptr<TryJournal>> TryJournal::open(const std::filesystem::path& file, std::size_t effects_max,
                                                           LastEnd last_end) {
  static_assert(sizeof(Slot) == 80);
  TRV_EXPECTS(effects_max > 0 && effects_max < UINT32_MAX);
  const auto failed = [&file](std::string_view what, int error) {
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("cannot {} {}: {}", what, file.string(), std::strerror(error)));
  };
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("open", errno);
  // Room on the disk now: a page that could not be written later would end the process.
  const std::size_t bytes = effects_max * sizeof(Slot);
  int error = ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (error == 0) error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  void* memory = error == 0 ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0) : MAP_FAILED;
  if (error == 0 && memory == MAP_FAILED) error = errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error != 0) {
    if (memory != MAP_FAILED) ::munmap(memory, bytes);
    return failed("reserve room in", error);
  }
  return std::unique_ptr<TryJournal>(new TryJournal({static_cast<Slot*>(memory), effects_max}, last_end));
}

TryJournal::TryJournal(std::span<Slot> slots, LastEnd last_end) : slots_(slots) {
  for (std::uint32_t place = static_cast<std::uint32_t>(slots_.size()); place-- > 0;) {
    Slot& slot = slots_[place];
    if (slot.position == 0 || slot.tenant.back() != '\0' || slot.tenant.front() == '\0' ||
        !places_.emplace(slot.position, place).second) {
      slot.position = 0;
      free_.push_back(place);
      continue;
    }
    if (slot.is_under_way != 0) {
      if (last_end == LastEnd::other) slot.kills = static_cast<std::uint8_t>((slot.kills + 1U) % kills_per_death);
      if ((last_end == LastEnd::crashed || slot.kills == 0) && slot.deaths < UINT16_MAX) ++slot.deaths;
    }
    slot.is_under_way = 0;
  }
  earlier_ = places_;
  TRV_ENSURES(places_.size() + free_.size() == slots_.size());
}

TryJournal::~TryJournal() {
  close();
  TRV_ASSERT(::munmap(slots_.data(), slots_.size_bytes()) == 0);
}

void TryJournal::keep(const std::function<bool(const base::TenantId& tenant, record::Lsn position)>& is_pending) {
  std::vector<record::Lsn> gone;
  for (const auto& [position, place] : places_) {
    if (!is_pending(base::TenantId(slots_[place].tenant.data()), record::Lsn(position))) gone.emplace_back(position);
  }
  for (const record::Lsn position : gone) forget(position);
}

PastTries TryJournal::past(record::Lsn position) const {
  const auto at = places_.find(position.value());
  if (at == places_.end()) return {};
  return {slots_[at->second].tries, slots_[at->second].deaths};
}

TryJournal::Slot& TryJournal::slot_for(record::Lsn position) {
  const auto known = places_.find(position.value());
  if (known != places_.end()) {
    earlier_.erase(position.value());
    return slots_[known->second];
  }
  if (free_.empty()) {
    TRV_EXPECTS(!earlier_.empty());
    const auto least = std::ranges::min_element(
        earlier_, {}, [this](const auto& one) { return std::pair(slots_[one.second].deaths, one.first); });
    forget(record::Lsn(least->first));
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  places_.emplace(position.value(), place);
  return slots_[place];
}

void TryJournal::begin(const base::TenantId& tenant, record::Lsn position) {
  TRV_EXPECTS(position.value() > 0);
  TRV_EXPECTS(!tenant.value().empty() && tenant.value().size() < Slot{}.tenant.size());
  Slot& slot = slot_for(position);
  if (slot.position == 0) {
    slot = {};
    std::ranges::copy(tenant.value(), slot.tenant.begin());
  }
  ++slot.tries;
  slot.is_under_way = 1;
  std::atomic_ref(slot.position).store(position.value(), std::memory_order_release);
}

void TryJournal::end(record::Lsn position) {
  const auto at = places_.find(position.value());
  TRV_EXPECTS(at != places_.end());
  slots_[at->second].is_under_way = 0;
}

void TryJournal::forget(record::Lsn position) {
  const auto at = places_.find(position.value());
  if (at == places_.end()) return;
  std::atomic_ref(slots_[at->second].position).store(0, std::memory_order_release);
  free_.push_back(at->second);
  earlier_.erase(position.value());
  places_.erase(at);
}

void TryJournal::close() {
  for (const auto& [position, place] : places_) slots_[place].is_under_way = 0;
}

}  // namespace trv::effects
