// trav webhook: where events come in from outside without a plugin and without a token of the API.

#include <fmt/format.h>

#include <optional>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/secret_input.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct WebhookArguments {
  std::string name;
  std::string type;
  std::string source;
  std::string verify;
  std::string secret_file;
  std::string secret_env;
  std::string header;
  std::string prefix;
  std::string encoding;
  std::string secret_encoding;
  std::string signed_text;
  std::string timestamp_header;
  std::string tolerance_s;
  std::string id_header;
  bool new_token = false;
  std::string limit;
  std::string cursor;
};

base::Result<json::Value> verification_of(const WebhookArguments& arguments) {
  json::Value verification = {{"scheme", arguments.verify.empty() ? "hmac-sha256" : arguments.verify}};
  const auto add = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) verification.set(name, text);
  };
  add("header", arguments.header);
  add("prefix", arguments.prefix);
  add("encoding", arguments.encoding);
  add("secret_encoding", arguments.secret_encoding);
  add("signed", arguments.signed_text);
  add("timestamp_header", arguments.timestamp_header);
  if (!arguments.tolerance_s.empty()) {
    const auto seconds = whole_number(arguments.tolerance_s);
    if (!seconds || *seconds > 1'000'000) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("--tolerance: '{}' is not a number of seconds", arguments.tolerance_s));
    }
    verification.set("tolerance_s", static_cast<std::int64_t>(*seconds));
  }
  return verification;
}

base::Result<ExitCode> create(Session& session, const WebhookArguments& arguments) {
  TRV_TRY_ASSIGN(const auto secret, secret_of(session, "--secret", arguments.secret_file, arguments.secret_env));
  if (secret && arguments.verify == "token") {
    return base::fail(base::ErrorCode::invalid,
                      "--secret-file and --secret-env are for --verify hmac-sha256; with token the path is the secret");
  }
  TRV_TRY_ASSIGN(const json::Value verification, verification_of(arguments));
  json::Value body = {{"type", arguments.type}};
  if (!arguments.source.empty()) body.set("source", arguments.source);
  body.set("verification", verification);
  if (!arguments.id_header.empty()) body.set("id_header", arguments.id_header);
  if (secret) body.set("secret", *secret);
  if (arguments.new_token) body.set("new_token", true);
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/hooks/" + percent_encoded(arguments.name)));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "PUT",
                                                                             .target = target,
                                                                             .content_type = "application/json",
                                                                             .body = json::serialize(body)}));
  session.print_object(response, {{"name", "name"},
                                  {"type", "type"},
                                  {"source", "source"},
                                  {"verification", "verification.scheme"},
                                  {"header", "verification.header"},
                                  {"signed", "verification.signed"},
                                  {"tolerance (s)", "verification.tolerance_s"},
                                  {"id header", "id_header"},
                                  {"path", "path"}});
  if (session.as_json()) return ExitCode::ok;
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  TRV_TRY_ASSIGN(const std::string url, session.url());
  const std::string path = member_text(answer, "path");
  const bool has_token = member_text(answer, "verification.scheme") == "token" && !path.ends_with("}");
  session.print(fmt::format("Deliveries go to {}{}", url, path));
  if (has_token) session.print("The address is the proof, and it is shown this once: keep it secret.");
  return ExitCode::ok;
}

}  // namespace

void add_webhook(CommandTree& tree) {
  Noun noun = tree.noun("webhook", "Webhooks: what is delivered there becomes an event that starts workflows");
  noun.example("trav webhook create orders --type com.example.order.created --secret-file secret.txt")
      .example("trav webhook create paid --type com.example.paid --verify token      a path that cannot be guessed")
      .example("trav webhook create shop --type com.example.sold --secret-env SHOP --signed '{timestamp}.{body}'");
  const auto arguments = std::make_shared<WebhookArguments>();
  noun.verb("create", "Make a webhook, or replace it")
      .argument("NAME", arguments->name, "The last part of its path")
      .option("--type", "TYPE", arguments->type, "Of the events, such as com.example.order.created", Need::required)
      .option("--source", "URI", arguments->source, "Of the events (default the path of the webhook)")
      .choice("--verify", {"hmac-sha256", "token"}, arguments->verify,
              "How senders prove who they are: they sign with a secret (default), or know the path")
      .option("--secret-file", "FILE", arguments->secret_file, "With which deliveries are signed; - is standard input")
      .option("--secret-env", "NAME", arguments->secret_env, "Environment variable with the secret")
      .option("--header", "NAME", arguments->header, "The one with the signature (default X-Signature-256)")
      .option("--prefix", "TEXT", arguments->prefix, "May be before the digest in it (default sha256=)")
      .choice("--encoding", {"hex", "base64"}, arguments->encoding, "Of the digest (default hex)")
      .choice("--secret-encoding", {"text", "base64"}, arguments->secret_encoding,
              "What the secret is: the key itself (default), or its base64, with whsec_ before it or without")
      .option("--signed", "TEXT", arguments->signed_text,
              "What is signed (default {body}); {timestamp} and {id} may be beside it")
      .option("--timestamp-header", "NAME", arguments->timestamp_header,
              "The one with {timestamp}, in seconds since 1970 (default X-Timestamp)")
      .option("--tolerance", "SECONDS", arguments->tolerance_s, "How old {timestamp} may be (default 300)")
      .option("--id-header", "NAME", arguments->id_header,
              "The one with the id of a delivery, which is taken once (default X-Delivery-Id)")
      .flag("--new-token", arguments->new_token,
            "With --verify token: another path; the old one is refused from then on")
      .does([arguments](Session& session) { return create(session, *arguments); });
  noun.verb("list", "List webhooks, never their secrets")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/hooks"));
        return session.print_list(
            Speaker::member, {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
            {{"NAME", "name"}, {"TYPE", "type"}, {"VERIFICATION", "verification.scheme"}, {"PATH", "path"}},
            "No webhooks yet: trav webhook create NAME --type TYPE --secret-file FILE");
      });
  noun.verb("remove", "Remove a webhook and its secret")
      .argument("NAME", arguments->name, "The webhook")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/hooks/" + percent_encoded(arguments->name)));
        TRV_TRY(session.call(Speaker::member, {.method = "DELETE", .target = target}));
        if (!session.as_json()) session.print("Webhook " + arguments->name + " is removed.");
        return ExitCode::ok;
      });
}

}  // namespace trv::cli
