#include "kernel/plugin_host/isolation.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernel/plugin_host/patience.hpp"
#include "kernel/plugin_host/sandboxed_plugin.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::OpenFile;

constexpr base::Duration tick_every = std::chrono::seconds(1);
constexpr int events_at_once = 64;
// Who has just begun a process needs the processor.
constexpr base::Duration quiet = std::chrono::milliseconds(5);
// Keys of the poll that are not process numbers.
constexpr std::uint64_t zygote_key = 0;
constexpr std::uint64_t wake_key = std::uint64_t{1} << 40;

base::Error no_loop() {
  return {ErrorCode::unavailable, fmt::format("the plugins' loop cannot be made: {}", std::strerror(errno))};
}

bool watch(const OpenFile& poll, int number, std::uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  return ::epoll_ctl(poll.number(), EPOLL_CTL_ADD, number, &event) == 0;
}

std::string how_it_ended(int wait_status) {
  if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL) {
    return "it was killed: the host or its tenant's bound (plugins.tenant_memory_mib) has no memory left, or it had "
           "closed its socket";
  }
  if (WIFSIGNALED(wait_status)) return fmt::format("it crashed ({})", ::strsignal(WTERMSIG(wait_status)));
  const int code = WEXITSTATUS(wait_status);
  if (code == aborted_exit_code) return fmt::format("it crashed ({})", ::strsignal(SIGABRT));
  return fmt::format("it ended by itself, with exit code {}", code);
}

}  // namespace

base::Result<std::unique_ptr<Isolation>> Isolation::start(const sandbox::ZygoteConfiguration& configuration,
                                                          LinkLimits limits, const base::Clock& clock,
                                                          std::unique_ptr<sandbox::ControlGroups> groups) {
  TRV_TRY_ASSIGN(std::unique_ptr<sandbox::Zygote> zygote, sandbox::Zygote::start(configuration));
  if (!zygote->walls().no_namespaces.empty() && configuration.needs_namespaces) {
    return base::fail(ErrorCode::unavailable,
                      fmt::format("plugins cannot be isolated: {}", zygote->walls().no_namespaces));
  }
  OpenFile poll(::epoll_create1(EPOLL_CLOEXEC));
  OpenFile wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!poll.is_open() || !wake.is_open() || !watch(poll, zygote->number(), zygote_key) ||
      !watch(poll, wake.number(), wake_key)) {
    return base::fail(no_loop());
  }
  return std::unique_ptr<Isolation>(new Isolation(configuration, std::move(zygote), std::move(poll), std::move(wake),
                                                  limits, clock, std::move(groups)));
}

Isolation::Isolation(sandbox::ZygoteConfiguration configuration, std::unique_ptr<sandbox::Zygote> zygote, OpenFile poll,
                     OpenFile wake, LinkLimits limits, const base::Clock& clock,
                     std::unique_ptr<sandbox::ControlGroups> groups)
    : configuration_(std::move(configuration)),
      walls_(zygote->walls()),
      poll_(std::move(poll)),
      wake_(std::move(wake)),
      limits_(limits),
      clock_(clock),
      groups_(std::move(groups)),
      ready_(groups_.get()),
      zygote_(std::move(zygote)),
      next_tick_(clock.monotonic() + tick_every),
      loop_([this](const std::stop_token& stop) { run(stop); }) {}

Isolation::~Isolation() {
  loop_.request_stop();
  wake();
  loop_.join();
  lose_all("travd stops");
}

void Isolation::lose_all(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    ready_.lose_all();
  }
  hear_new();
  for (auto& [pid, link] : std::exchange(links_, {})) {
    link->kill({});
    leaves_group(*link);
    link->is_lost(why);
  }
  processes_ = 0;
  while (!asked_.empty()) fail_next(why);
}

void Isolation::wake() const {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.number(), &one, sizeof one));  // full: it is awake
}

std::shared_ptr<FrameLink> Isolation::begin(ProcessPurpose purpose, std::string group,
                                            const std::weak_ptr<LinkUser>& user) {
  auto link = std::make_shared<FrameLink>(limits_, clock_, std::move(group), user);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(begun_, [](const std::weak_ptr<FrameLink>& one) { return one.expired(); });
    begun_.push_back(link);
    if (auto process = ready_.take(purpose, clock_.monotonic())) {
      // The loop hears of it by what it answers.
      connect(*link, purpose, *std::move(process));
      connected_.push_back(link);
      return link;
    }
    new_.push_back({link, std::move(purpose)});
  }
  wake();
  return link;
}

void Isolation::forget(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  ready_.forget(folder);
}

std::size_t Isolation::ready_processes() const {
  const std::lock_guard lock(mutex_);
  return ready_.count();
}

void Isolation::kill_processes() {
  const std::lock_guard lock(mutex_);
  for (const std::weak_ptr<FrameLink>& one : begun_) {
    if (const std::shared_ptr<FrameLink> link = one.lock()) link->kill("it was killed");
  }
}

void Isolation::run(const std::stop_token& stop) {
  std::array<epoll_event, events_at_once> events;
  Patience patience(clock_);
  while (!stop.stop_requested()) {
    const base::Duration left = std::min(next_tick_, quiet_at_) - clock_.monotonic();
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(left, base::Duration::zero())).count();
    int count = 0;
    const auto wait_for = [&](int timeout_ms) {
      count = ::epoll_wait(poll_.number(), events.data(), events_at_once, timeout_ms);
      return count > 0;
    };
    patience.wait([&] { return wait_for(0); }, [&] { wait_for(static_cast<int>(wait_ms)); });
    hear_new();  // before what they say
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == zygote_key) {
        hear_zygote();
      } else if (event.data.u64 == wake_key) {
        std::uint64_t ignored = 0;
        static_cast<void>(!::read(wake_.number(), &ignored, sizeof ignored));
        hear_new();
      } else {
        serve(static_cast<pid_t>(event.data.u64), event.events);
      }
    }
    const base::Duration now = clock_.monotonic();
    if (now >= quiet_at_) ask_for_ready();
    if (now >= next_tick_) tick();
  }
}

void Isolation::hear_new() {
  std::vector<Beginning> fresh;
  std::vector<std::shared_ptr<FrameLink>> connected;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(new_);
    connected.swap(connected_);
  }
  if (!fresh.empty() || !connected.empty()) quiet_at_ = clock_.monotonic() + quiet;
  for (const std::shared_ptr<FrameLink>& link : connected) add(link);
  for (Beginning& beginning : fresh) ask_for(std::move(beginning));
}

void Isolation::ask_for_ready() {
  quiet_at_ = base::Duration::max();
  std::optional<ProcessPurpose> wanted;
  {
    const std::lock_guard lock(mutex_);
    if (zygote_ != nullptr) wanted = ready_.next_wanted();
  }
  if (wanted) ask_for({.link = nullptr, .purpose = *std::move(wanted)});
}

void Isolation::ask_for(Beginning beginning) {
  asked_.push_back(std::move(beginning));
  if (zygote_ == nullptr) {
    fail_next("what starts them has ended, and does not start again now");
  } else if (const base::Status asked = zygote_->ask(); !asked) {
    fail_next("what starts them has ended, and is started anew");
  }
}

// Where that fails now, it is tried again at each tick.
void Isolation::start_zygote() {
  auto started = sandbox::Zygote::start(configuration_);
  if (!started) return;
  zygote_ = *std::move(started);
  if (!watch(poll_, zygote_->number(), zygote_key)) zygote_.reset();
}

Isolation::Beginning Isolation::next_asked() {
  TRV_EXPECTS(!asked_.empty());
  Beginning next = std::move(asked_.front());
  asked_.pop_front();
  return next;
}

void Isolation::fail_next(const std::string& why) {
  const Beginning beginning = next_asked();
  if (beginning.link == nullptr) {
    const std::lock_guard lock(mutex_);
    return ready_.made(beginning.purpose, std::nullopt);
  }
  beginning.link->is_lost(fmt::format("its process cannot be started: {}", why));
}

void Isolation::hear_zygote() {
  for (;;) {
    if (zygote_ == nullptr) return;
    auto news = zygote_->hear();
    if (!news) {
      // With it, every process has ended.
      lose_all("what starts the processes of plugins has ended, and is started anew");
      zygote_.reset();
      return start_zygote();
    }
    if (!*news) return;
    if (auto* process = std::get_if<sandbox::SandboxedProcess>(&**news)) {
      made(next_asked(), std::move(*process));
    } else if (const auto* none = std::get_if<sandbox::NoProcess>(&**news)) {
      fail_next(none->why);
    } else {
      const auto& ended = std::get<sandbox::ProcessEnded>(**news);
      hear_new();  // it may have begun and ended meanwhile
      const auto found = links_.find(ended.pid);
      if (found == links_.end()) {
        const std::lock_guard lock(mutex_);
        ready_.has_ended(ended.pid);
        continue;
      }
      // What it said last is still there.
      while (found->second->receive(reader_) && !reader_.packets().empty()) {
      }
      // With the link goes the socket, and out of the poll with it.
      const std::shared_ptr<FrameLink> link = std::move(found->second);
      links_.erase(found);
      processes_ = links_.size();
      leaves_group(*link);
      link->has_ended(how_it_ended(ended.wait_status));
    }
  }
}

void Isolation::made(const Beginning& beginning, sandbox::SandboxedProcess process) {
  if (beginning.link == nullptr) {
    quiet_at_ = clock_.monotonic() + quiet;  // then one of another package
    const std::lock_guard lock(mutex_);
    return ready_.made(beginning.purpose, std::move(process));
  }
  connect(*beginning.link, beginning.purpose, std::move(process));
  add(beginning.link);
}

void Isolation::connect(FrameLink& link, const ProcessPurpose& purpose, sandbox::SandboxedProcess process) const {
  link.connect(std::move(process), purpose, poll_.number());
  if (groups_ != nullptr) groups_->put(link.group(), link.pid(), link.process());
}

void Isolation::add(const std::shared_ptr<FrameLink>& link) {
  links_[link->pid()] = link;
  processes_ = links_.size();
}

void Isolation::leaves_group(const FrameLink& link) {
  if (groups_ != nullptr) groups_->left(link.group(), link.process());
}

void Isolation::serve(pid_t pid, std::uint32_t events) {
  const auto found = links_.find(pid);
  if (found == links_.end()) return;
  const std::shared_ptr<FrameLink> link = found->second;
  if ((events & EPOLLOUT) != 0) link->flush();
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) static_cast<void>(link->receive(reader_));
}

void Isolation::tick() {
  const base::Duration now = clock_.monotonic();
  next_tick_ = now + tick_every;
  if (zygote_ == nullptr) start_zygote();
  for (const auto& [pid, link] : links_) link->tick(now);
  const std::lock_guard lock(mutex_);
  ready_.tick(now, limits_.idle_after);
}

}  // namespace trv::plugin_host
