#include "kernel/cli/commands/plugin_requests.hpp"

#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

constexpr int asked_max = 60;

base::Result<HttpResponse> await_outcome(Session& session, HttpResponse response) {
  const std::string target(response.header("location"));
  for (int asked = 0; response.status == 202 || asked > 0; ++asked) {
    TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
    const std::string name = fmt::format("plugin {} {}", member_text(answer, "id"), member_text(answer, "version"));
    const std::string status = member_text(answer, "status");
    if (status == "refused") {
      return base::fail(base::ErrorCode::denied, fmt::format("{} is refused: {}", name, member_text(answer, "reason")));
    }
    if (status != "pending") break;
    if (asked == asked_max) {
      return base::fail(base::ErrorCode::denied, fmt::format("{} is still pending: `trav plugin list` shows what "
                                                             "becomes of it",
                                                             name));
    }
    if (asked == 0) session.note(name + " is stored; the server tries its library…");
    TRV_TRY_ASSIGN(response, session.call(Speaker::operator_, {.target = target, .headers = {"Prefer: wait=10"}}));
  }
  return response;
}

}  // namespace

base::Result<HttpResponse> install_package(Session& session, std::string bytes) {
  TRV_TRY_ASSIGN(HttpResponse first, session.call(Speaker::operator_, {.method = "POST",
                                                                       .target = "/v1/plugins",
                                                                       .content_type = "application/octet-stream",
                                                                       .body = std::move(bytes),
                                                                       .headers = {"Prefer: wait=2"}}));
  return await_outcome(session, std::move(first));
}

base::Result<HttpResponse> enable_plugin(Session& session, const std::string& id, const std::string& version,
                                         const ConsentArguments& consent) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins/" + percent_encoded(id)));
  return send_with_consent(session, {.method = "PUT", .target = target}, version, consent);
}

}  // namespace trv::cli
