#include "tests/support/platform/platform.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <signal.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::platform {
namespace {

using base::ErrorCode;
using base::fail;

constexpr auto start_timeout = std::chrono::seconds(30);
constexpr std::string_view webhook_secret = "a secret that both sides know";

base::Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorCode::not_found, fmt::format("{} is not there; build it first", path.string()));
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::string port_of(std::string_view url) {
  const std::size_t host = url.find("127.0.0.1:");
  if (host == std::string_view::npos) return {};
  const std::string_view rest = url.substr(host + 10);
  return std::string(rest.substr(0, rest.find_first_not_of("0123456789")));
}

}  // namespace

Platform::Platform(PlatformOptions options) : options_(std::move(options)) {
  std::filesystem::remove_all(options_.folder);
  std::filesystem::create_directories(options_.folder);
}

base::Status Platform::start_services() {
  TRV_TRY_ASSIGN(auto child, processes::ChildProcess::start(options_.build / "bin/trv_stand_ins",
                                                            {"--port", services_port_, "--journal", journal().string(),
                                                             "--delay-ms", std::to_string(options_.service_delay_ms)}));
  const auto line = child.line(start_timeout);
  if (!line) return fail(ErrorCode::unavailable, "trv_stand_ins did not start");
  services_port_ = port_of(*line);
  services_ = std::move(child);
  return {};
}

void Platform::kill_services() {
  services_.reset();
}

base::Status Platform::start_once() {
  TRV_TRY_ASSIGN(auto child, processes::ChildProcess::start(options_.build / "bin/travd",
                                                            {"--data", data_folder().string(), "--port", port_}));
  std::string said;
  while (const auto line = child.line(start_timeout)) {
    said += *line + "\n";
    if (port_ == "0" && line->find(" is ready at ") != std::string::npos) port_ = port_of(*line);
    if (line->starts_with("  trv_") && operator_token_.empty()) operator_token_ = line->substr(2);
    // The last line of what every start says, and of what the first one adds.
    const bool first = operator_token_.empty() || owner_token_.empty();
    if (first ? line->find("tenant create") != std::string::npos : line->find("  plugins  ") == 0) {
      daemon_ = std::move(child);
      return {};
    }
  }
  return fail(ErrorCode::unavailable, fmt::format("travd did not start: {}", said));
}

base::Status Platform::start() {
  // Somebody else's connection may hold the port for a moment.
  base::Status status;
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (status = start_once(); status) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  return status;
}

void Platform::kill() {
  daemon_.reset();
}

std::optional<int> Platform::stop(std::chrono::milliseconds timeout) {
  if (!daemon_) return std::nullopt;
  daemon_->signal(SIGTERM);
  const auto code = daemon_->wait(timeout);
  daemon_.reset();
  return code;
}

std::string Platform::base_url() const {
  return "http://127.0.0.1:" + port_;
}

base::Result<std::string> Platform::ask(std::string_view method, std::string_view path, std::string body,
                                        std::string_view content_type) {
  const bool ours = path.starts_with(fmt::format("/v1/tenants/{}", tenant));
  TRV_TRY_ASSIGN(const auto answer,
                 client_.send({.method = std::string(method),
                               .url = base_url() + std::string(path),
                               .headers = {{"Authorization", "Bearer " + (ours ? owner_token_ : operator_token_)},
                                           {"Content-Type", std::string(content_type)}},
                               .body = std::move(body)}));
  if (answer.status < 200 || answer.status >= 300)
    return fail(ErrorCode::invalid, fmt::format("{} {}: {} {}", method, path, answer.status, answer.body));
  return answer.body;
}

base::Result<long> Platform::move_tenant(std::uint32_t shard) const {
  processes::HttpClient client;
  TRV_TRY_ASSIGN(
      const auto answer,
      client.send({.method = "POST",
                   .url = fmt::format("{}/v1/tenants/{}/move", base_url(), tenant),
                   .headers = {{"Authorization", "Bearer " + operator_token_}, {"Content-Type", "application/json"}},
                   .body = fmt::format(R"({{"shard":{}}})", shard)}));
  return answer.status;
}

base::Result<std::vector<boost::json::value>> Platform::list(std::string_view path) {
  std::vector<boost::json::value> items;
  std::string cursor;
  for (;;) {
    TRV_TRY_ASSIGN(const std::string text,
                   ask("GET", cursor.empty() ? std::string(path) : fmt::format("{}&cursor={}", path, cursor)));
    boost::system::error_code error;
    const auto page = boost::json::parse(text, error);
    if (error) return fail(ErrorCode::invalid, fmt::format("{}: {}", path, error.message()));
    const auto& found = page.at("items").as_array();
    items.insert(items.end(), found.begin(), found.end());
    if (!page.at("next_cursor").is_string()) return items;
    cursor = page.at("next_cursor").as_string().c_str();
  }
}

base::Status Platform::use_plugin(std::string_view id, std::string_view connection) {
  TRV_TRY_ASSIGN(std::string package, read_file(options_.build / fmt::format("packages/{}-1.0.0.trvp", id)));
  TRV_TRY(ask("POST", "/v1/plugins", std::move(package), "application/octet-stream"));
  TRV_TRY(ask("PUT", fmt::format("/v1/tenants/{}/plugins/{}", tenant, id),
              R"({"version":"1.0.0","permissions":["http","webhooks"]})"));
  TRV_TRY(ask("PUT", fmt::format("/v1/tenants/{}/connections/{}", tenant, id), std::string(connection)));
  return {};
}

base::Status Platform::set_up() {
  TRV_TRY(start_services());
  TRV_TRY(start());
  TRV_TRY_ASSIGN(const std::string made, ask("POST", "/v1/tenants", fmt::format(R"({{"id":"{}"}})", tenant)));
  owner_token_ = boost::json::parse(made).at("token").at("token").as_string().c_str();
  const auto connection = [this](std::string_view plugin, std::string_view path, std::string_view auth,
                                 std::string_view secret) {
    return fmt::format(R"({{"plugin":"{}","base_url":"http://127.0.0.1:{}{}","auth":{},"secret":"{}",)"
                       R"("webhook_secret":"{}","allow_private_network":true}})",
                       plugin, services_port_, path, auth, secret, webhook_secret);
  };
  TRV_TRY(use_plugin("github", connection("github", "/github", R"({"scheme":"bearer"})", "github-token")));
  TRV_TRY(
      use_plugin("jira", connection("jira", "/jira", R"({"scheme":"basic","user":"bot@example.com"})", "jira-token")));
  TRV_TRY(use_plugin("slack", connection("slack", "/slack/api", R"({"scheme":"bearer"})", "slack-token")));
  return {};
}

processes::HttpRequest Platform::signed_webhook(std::string_view delivery_id, int issue_number) const {
  const std::string body = boost::json::serialize(boost::json::value{
      {"action", "opened"},
      {"delivery", delivery_id},
      {"issue",
       {{"number", issue_number},
        {"title", fmt::format("Issue {}", issue_number)},
        {"html_url", fmt::format("https://github.example/octo-org/hello/issues/{}", issue_number)},
        {"labels", boost::json::array{{{"name", "bug"}}}}}},
      {"repository", {{"full_name", "octo-org/hello"}, {"name", "hello"}, {"owner", {{"login", "octo-org"}}}}}});
  const base::Digest signature = base::hmac_sha256(base::as_bytes(webhook_secret), base::as_bytes(body));
  return {.method = "POST",
          .url = fmt::format("{}/v1/tenants/{}/webhooks/github/events", base_url(), tenant),
          .headers = {{"Content-Type", "application/json"},
                      {"X-GitHub-Event", "issues"},
                      {"X-GitHub-Delivery", std::string(delivery_id)},
                      {"X-Hub-Signature-256", "sha256=" + base::to_hex(signature)}},
          .body = body};
}

}  // namespace trv::platform
