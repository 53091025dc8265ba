// trav token: the tokens of a tenant.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::cli {
namespace {

struct TokenArguments {
  std::string name;
  std::string role;
  std::string expires;
  std::string certificate;
  bool as_operator = false;
  std::string limit;
  std::string cursor;
};

// "30d", "12h", "15m", "90s", "2w"
std::optional<std::int64_t> seconds_of(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count <= 0 || count > 1'000'000 || end + 1 != text.data() + text.size()) return {};
  switch (*end) {
    case 's': return count;
    case 'm': return count * 60;
    case 'h': return count * 3600;
    case 'd': return count * 86'400;
    case 'w': return count * 7 * 86'400;
    default: return {};
  }
}

// Of the first certificate in a PEM file its fingerprint; any other text is a name already.
base::Result<std::string> certificate_name(const std::string& given) {
  constexpr std::size_t file_bytes_max = 65'536;
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view end = "-----END CERTIFICATE-----";
  constexpr std::string_view kinds[] = {"sha256:", "uri:", "dns:", "email:", "cn:"};
  if (std::ranges::any_of(kinds, [&](std::string_view kind) { return given.starts_with(kind); })) return given;
  TRV_TRY_ASSIGN(const std::string pem, read_file(given, file_bytes_max));
  const auto from = pem.find(begin);
  const auto to = pem.find(end, from);
  std::optional<base::Bytes> bytes;
  if (to != std::string::npos) {
    std::string text = pem.substr(from + begin.size(), to - from - begin.size());
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
    bytes = base::from_base64(text);
  }
  if (bytes) return "sha256:" + base::to_hex(base::sha256(*bytes));
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("--certificate-of {}: no certificate in PEM form is in it", given));
}

base::Result<ExitCode> create(Session& session, const TokenArguments& arguments) {
  json::Value body = {{"name", arguments.name}, {"role", arguments.role}};
  if (!arguments.expires.empty()) {
    const auto seconds = seconds_of(arguments.expires);
    if (!seconds) {
      return base::fail(
          base::ErrorCode::invalid,
          fmt::format("--expires {}: write a number and s, m, h, d or w, for example 30d", arguments.expires));
    }
    body.set("expires_in_seconds", *seconds);
  }
  if (!arguments.certificate.empty()) {
    TRV_TRY_ASSIGN(const std::string name, certificate_name(arguments.certificate));
    body.set("certificate", name);
  }
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/tokens"));
  TRV_TRY_ASSIGN(
      const HttpResponse response,
      session.call(
          arguments.as_operator ? Speaker::operator_ : Speaker::member,
          {.method = "POST", .target = target, .content_type = "application/json", .body = json::serialize(body)}));
  session.print_object(response, {{"id", "id"},
                                  {"name", "name"},
                                  {"role", "role"},
                                  {"expires", "expires"},
                                  {"certificate", "certificate"},
                                  {"token", "token"}});
  if (!session.as_json() && arguments.certificate.empty()) session.note("The token is shown once; keep it now.");
  return ExitCode::ok;
}

/// The id of a token that is named by its id or by a name that no other token has.
base::Result<std::string> id_of(Session& session, const std::string& named) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/tokens"));
  std::vector<std::string> ids;
  std::string cursor;
  for (std::size_t requests = 0; requests < list_requests_max; ++requests) {
    const std::string query = query_of({{"limit", std::to_string(list_limit_max)}, {"cursor", cursor}});
    TRV_TRY_ASSIGN(const json::Value page, session.call_json(Speaker::member, {.target = target + query}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& item : items) {
      if (member_text(item, "id") == named) return named;
      if (member_text(item, "name") == named) ids.push_back(member_text(item, "id"));
    }
    cursor = member_text(page, "next_cursor");
    if (cursor.empty()) break;
  }
  if (ids.size() == 1) return ids.front();
  if (ids.empty()) {
    return base::fail(base::ErrorCode::not_found,
                      fmt::format("no token has the id or name '{}'; see `trav token list`", named));
  }
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("{} tokens are named '{}'; give an id: {}", ids.size(), named, fmt::join(ids, ", ")));
}

}  // namespace

void add_token(CommandTree& tree) {
  Noun noun = tree.noun("token", "Tokens: access of users and programs to a tenant");
  noun.example("trav token create dashboard --role viewer --expires 30d").example("trav token revoke dashboard");
  const auto arguments = std::make_shared<TokenArguments>();
  noun.verb("create", "Make a token; it is shown once")
      .argument("NAME", arguments->name, "What it is for")
      .choice("--role", {"viewer", "owner"}, arguments->role, "What it may do", Need::required)
      .option("--expires", "TIME", arguments->expires, "30d, 12h, 15m; default never")
      .option("--certificate-of", "NAME|FILE", arguments->certificate,
              "Proved by a client certificate: sha256:FINGERPRINT, uri:, dns:, email: or cn:NAME, or its PEM file")
      .flag("--as-operator", arguments->as_operator, "For a tenant that has no owner token left")
      .does([arguments](Session& session) { return create(session, *arguments); });
  noun.verb("list", "List tokens, never their secrets")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/tokens"));
        return session.print_list(Speaker::member,
                                  {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
                                  {{"ID", "id", Fit::id},
                                   {"NAME", "name"},
                                   {"ROLE", "role"},
                                   {"EXPIRES", "expires", Fit::time},
                                   {"CERTIFICATE", "certificate"}},
                                  "No tokens.");
      });
  noun.verb("revoke", "End a token at once")
      .argument("ID|NAME", arguments->name, "As `trav token list` shows it; a name has to be one token's alone")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string id, id_of(session, arguments->name));
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/tokens/" + percent_encoded(id)));
        TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
        if (!session.as_json()) session.print(fmt::format("Token {} is revoked.", id));
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
