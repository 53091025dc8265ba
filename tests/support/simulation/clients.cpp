#include "tests/support/simulation/clients.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trv::simulation {
namespace {

constexpr std::uint64_t patience = 4;  // steps

std::string source_of(const std::string& tenant) {
  return "/client/" + tenant;
}

}  // namespace

Clients::Clients(base::Random& dice, const std::vector<std::string>& tenants, Ask ask)
    : dice_(dice), ask_(std::move(ask)) {
  for (const std::string& tenant : tenants) clients_.push_back({.tenant = tenant});
}

void Clients::ask(std::uint64_t step) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    if (client.waits && step - client.asked_at < patience) continue;
    if (!client.is_asking && (is_ending_ || dice_.below(3) == 0)) continue;
    if (client.is_asking) {
      ++asked_again;
    } else {
      ++client.number;
    }
    client.is_asking = client.waits = true;
    client.asked_at = step;
    ingest::Received event;
    event.id = std::to_string(client.number);
    event.source = source_of(client.tenant);
    event.type = fmt::format("sim.go{}", client.number % 3);
    event.data = R"({"n":1})";
    event.channel = "api";
    asked_.push_back({.client = i, .number = client.number, .sent = &ask_(Requests::received(client.tenant, event))});
  }
}

void Clients::take_answers(std::uint64_t step, bool are_good) {
  for (const Asked& asked : std::exchange(asked_, {})) {
    const Answer answer{.client = asked.client, .number = asked.number, .is_good = asked.sent->outcome.has_value()};
    for (int copies = 1; copies > 0; --copies) {
      if (!are_good && dice_.below(8) == 0) continue;
      answers_.emplace(step + (are_good ? 0 : dice_.below(3)), answer);
      if (!are_good && dice_.below(8) == 0) ++copies;
    }
  }
  std::vector<Answer> here;
  for (auto at = answers_.begin(); at != answers_.end() && at->first <= step; at = answers_.erase(at)) {
    here.insert(here.begin() + static_cast<std::ptrdiff_t>(dice_.below(here.size() + 1)), at->second);
  }
  for (const Answer& answer : here) take(answer);
}

void Clients::take(const Answer& answer) {
  Client& client = clients_[answer.client];
  if (!client.is_asking || answer.number != client.number) return;
  client.waits = false;
  if (!answer.is_good) return;
  client.is_asking = false;
  ++client.acknowledged;
  ++answered;
}

bool Clients::have_ended() const {
  return std::ranges::none_of(clients_, &Client::is_asking);
}

void Clients::check(const std::string& tenant, const LogSays& says,
                    const std::function<void(std::string)>& fail) const {
  const auto client = std::ranges::find(clients_, tenant, &Client::tenant);
  log::Lsn before;
  for (std::uint64_t number = 1; number <= client->number; ++number) {
    const auto found = says.received.find(fmt::format("{} {}", source_of(tenant), number));
    const std::size_t times = found == says.received.end() ? 0 : found->second.size();
    const bool is_acknowledged = number <= client->acknowledged;
    if (times > 1 || (is_acknowledged && times == 0))
      fail(fmt::format("event {} of the client of {} is in the log {} times", number, tenant, times));
    if (times == 0) continue;
    if (found->second.front() < before)
      fail(fmt::format("event {} of the client of {} is in the log before the event that was acknowledged before it",
                       number, tenant));
    before = found->second.front();
  }
}

}  // namespace trv::simulation
