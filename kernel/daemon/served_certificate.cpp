#include "kernel/daemon/served_certificate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

constexpr base::Duration warned_before = std::chrono::hours(24 * 30);
constexpr base::Duration warned_every = std::chrono::hours(24);

}  // namespace

base::Result<std::unique_ptr<ServedCertificate>> ServedCertificate::open(const config::Config& config,
                                                                         const base::Clock& clock,
                                                                         std::shared_ptr<spdlog::logger> logger) {
  // Before the files: a change in between is seen at the next look.
  const State state = state_of(config);
  TRV_TRY_ASSIGN(config::ServedIdentity identity, config::served_identity(config));
  std::unique_ptr<ServedCertificate> made(
      new ServedCertificate(config, std::move(identity), state, clock, std::move(logger)));
  made->warn_of_end();
  return made;
}

ServedCertificate::ServedCertificate(config::Config config, config::ServedIdentity identity, State state,
                                     const base::Clock& clock, std::shared_ptr<spdlog::logger> logger)
    : config_(std::move(config)),
      clock_(clock),
      logger_(std::move(logger)),
      seen_(state),
      read_(state),
      identity_(std::move(identity)) {
  TRV_EXPECTS(logger_ != nullptr);
}

http::TlsContext ServedCertificate::context() const {
  const std::lock_guard lock(mutex_);
  return identity_.context;
}

base::Timestamp ServedCertificate::valid_until() const {
  const std::lock_guard lock(mutex_);
  return identity_.valid_until;
}

void ServedCertificate::look() {
  const State state = state_of(config_);
  const bool rests = std::exchange(seen_, state) == state;
  if (rests && state != read_) take(state);
  warn_of_end();
}

void ServedCertificate::read_again() {
  take(state_of(config_));
}

void ServedCertificate::take(State state) {
  read_ = seen_ = state;
  auto identity = config::served_identity(config_);
  const base::Status good = identity ? check_validity(config_, *identity, clock_.now()) : base::fail(identity.error());
  if (!good) {
    return logger_->error("the certificate was not replaced, the last one stays in use: {}", good.error().message());
  }
  {
    const std::lock_guard lock(mutex_);
    identity_ = *std::move(identity);
  }
  warned_.reset();
  logger_->info("the certificate in {} is in use; it is valid until {}", config_.http_certificate_file,
                valid_until().to_rfc3339());
  warn_of_end();
}

void ServedCertificate::warn_of_end() {
  const base::Timestamp now = clock_.now();
  const base::Timestamp end = valid_until();
  if (end - now > warned_before || (warned_ && now - *warned_ < warned_every)) return;
  warned_ = now;
  const std::string& file = config_.http_certificate_file;
  if (end <= now) {
    return logger_->error("the certificate in {} expired at {}: clients refuse it; replace it and its key", file,
                          end.to_rfc3339());
  }
  logger_->warn("the certificate in {} expires in {} days, at {}; replace it and its key", file,
                std::chrono::duration_cast<std::chrono::hours>(end - now).count() / 24, end.to_rfc3339());
}

ServedCertificate::State ServedCertificate::state_of(const config::Config& config) {
  State state{};
  std::size_t at = 0;
  for (const std::string* file :
       {&config.http_certificate_file, &config.http_key_file, &config.http_client_authority_file}) {
    struct stat about{};
    const bool is_there = !file->empty() && ::stat(file->c_str(), &about) == 0;
    for (const std::int64_t part :
         {static_cast<std::int64_t>(about.st_ino), static_cast<std::int64_t>(about.st_size),
          static_cast<std::int64_t>(about.st_mtim.tv_sec) * 1'000'000'000 + about.st_mtim.tv_nsec,
          static_cast<std::int64_t>(about.st_mode) + (is_there ? 1 : 0)}) {
      state.at(at++) = part;
    }
  }
  return state;
}

}  // namespace trv::daemon
