#include "tests/support/stand_ins/stand_ins.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <utility>

#include "sdk/base/contract.hpp"
#include "tests/support/stand_ins/json.hpp"

namespace trv::stand_ins {
namespace {

using base::ErrorCode;

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> bases = {
    {{"github", "/github"}, {"jira", "/jira"}, {"slack", "/slack/api"}}};

bool is_write(const Request& request) {
  return request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
}

/// Printable ASCII; anything else becomes '?', so that every line of the journal is JSON.
std::string plain(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

/// A body as JSON where it is some, else as text.
json::value readable(const std::string& body) {
  if (body.empty()) return nullptr;
  auto value = parse_json(body);
  return value ? std::move(*value) : json::value(plain(body));
}

}  // namespace

StandIns::StandIns(Options options) : options_(std::move(options)) {
  services_.emplace("github", make_github(options_.github));
  services_.emplace("jira", make_jira(options_.jira));
  services_.emplace("slack", make_slack(options_.slack));
}

base::Result<std::unique_ptr<StandIns>> StandIns::open(Options options) {
  std::unique_ptr<StandIns> stand_ins(new StandIns(std::move(options)));
  if (stand_ins->options_.journal.empty()) return stand_ins;
  TRV_TRY(stand_ins->replay());
  stand_ins->journal_.open(stand_ins->options_.journal, std::ios::app | std::ios::binary);
  if (!stand_ins->journal_)
    return base::fail(ErrorCode::unavailable,
                      fmt::format("journal {} cannot be opened", stand_ins->options_.journal.string()));
  return stand_ins;
}

base::Status StandIns::replay() {
  std::ifstream in(options_.journal, std::ios::binary);
  if (!in) return {};
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  std::size_t begin = 0;
  int line_number = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ++line_number;
    if (auto status = replay_line(std::string_view(text).substr(begin, end - begin)); !status)
      return base::fail(std::move(status).error().in(fmt::format("{}:{}", options_.journal.string(), line_number)));
  }
  if (begin == text.size()) return {};
  std::error_code failure;
  std::filesystem::resize_file(options_.journal, begin, failure);
  if (failure)
    return base::fail(ErrorCode::unavailable,
                      fmt::format("journal {}: {}", options_.journal.string(), failure.message()));
  return {};
}

base::Status StandIns::replay_line(std::string_view line) {
  const auto entry = parse_json(line);
  const auto service = entry ? services_.find(text_member(*entry, "service")) : services_.end();
  if (service == services_.end()) return base::fail(ErrorCode::corrupt, "is not a line of a journal");
  ++routes_[text_member(*entry, "service") + " " + text_member(*entry, "method") + " " + text_member(*entry, "path")];
  if (text_member(*entry, "effect") != "recorded") return {};

  const Request request = {text_member(*entry, "method"), text_member(*entry, "path"), service->second->passport(),
                           text_member(*entry, "sent")};
  const Answer answer = service->second->answer(request);
  if (!answer.changed || readable(answer.body) != *member(*entry, "answer"))
    return base::fail(ErrorCode::corrupt, "was written with other options: the same request has another answer now");
  ++effects_;
  const std::string key = text_member(*entry, "idempotency_key");
  if (!key.empty()) known_.emplace(service->first + " " + key, Known{answer});
  return {};
}

std::optional<Answer> StandIns::fault(const Service& service, const std::string& route) {
  const std::uint32_t asked = routes_[route]++;
  if (asked < options_.faults.fail_first) return service.unavailable();
  if (asked - options_.faults.fail_first < options_.faults.rate_limit_first) return service.rate_limited();
  return std::nullopt;
}

std::optional<Answer> StandIns::answer(Request request) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, base] : bases) {
    if (!request.path.starts_with(base) || (request.path.size() > base.size() && request.path[base.size()] != '/'))
      continue;
    request.path.erase(0, base.size());
    Service& service = *services_.find(name)->second;
    if (auto failed = fault(service, fmt::format("{} {} {}", name, request.method, request.path))) {
      write(name, request, *failed, "none", false);
      return failed;
    }
    const std::string key(request.header("Idempotency-Key"));
    const auto known = key.empty() ? known_.end() : known_.find(fmt::format("{} {}", name, key));
    if (known != known_.end() && is_write(request)) {
      write(name, request, known->second.answer, "repeated", false);
      return known->second.answer;
    }
    Answer answer = service.answer(request);
    bool dropped = false;
    if (answer.changed) {
      ++effects_;
      dropped = options_.faults.drop_connection_every != 0 && effects_ % options_.faults.drop_connection_every == 0;
      if (!key.empty()) known_.emplace(fmt::format("{} {}", name, key), Known{answer});
    }
    write(name, request, answer, answer.changed ? "recorded" : "none", dropped);
    if (dropped) return std::nullopt;
    return answer;
  }
  return json_answer(404, {{"message", "The stand-ins answer below /github, /jira and /slack/api."}});
}

void StandIns::write(std::string_view service, const Request& request, const Answer& answer, std::string_view effect,
                     bool dropped) {
  if (!journal_.is_open()) return;
  const std::string_view key = request.header("Idempotency-Key");
  json::object line = {{"service", service},
                       {"method", plain(request.method)},
                       {"path", plain(request.path)},
                       {"idempotency_key", key.empty() ? json::value(nullptr) : json::value(plain(key))},
                       {"effect", effect},
                       {"status", answer.status},
                       {"request", readable(request.body)},
                       {"answer", readable(answer.body)}};
  if (dropped) line["dropped"] = true;
  if (effect == "recorded") line["sent"] = request.body;
  journal_ << json::serialize(line) << '\n';
  journal_.flush();
  TRV_ASSERT(journal_.good());
}

}  // namespace trv::stand_ins
