// `authentication` of calls: basic, bearer, digest, oauth2 and oidc, in the text, by the name of a policy of
// use.authentications, or with credentials that a connection has.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view schemes[] = {"basic", "bearer", "digest", "oauth2", "oidc"};
constexpr std::string_view token_exchange = "urn:ietf:params:oauth:grant-type:token-exchange";

std::string meant_or(Problems& problems, std::string_view name, const std::vector<std::string_view>& known,
                     std::string_view otherwise) {
  const std::string_view meant = problems.suggest(name, known);
  return meant.empty() ? std::string(otherwise) : fmt::format("; did you mean '{}'?", meant);
}

/// A property that must be one of a few words, in the text itself.
std::string one_of(Fields& fields, std::string_view name, const Node* node,
                   const std::vector<std::string_view>& supported, const std::vector<std::string_view>& others) {
  if (node == nullptr) return {};
  if (std::ranges::find(supported, node->text) != supported.end()) return node->text;
  Problems& problems = fields.problems();
  if (std::ranges::find(others, node->text) != others.end()) {
    problems.unsupported(node->position, fmt::format("the {} '{}' of {}", name, node->text, fields.what()));
  } else {
    problems.add(node->position, fmt::format("'{}' of {} must be one of {}, not '{}'", name, fields.what(),
                                             fmt::join(supported, ", "), node->text));
  }
  return {};
}

void check_texts(Fields& fields, std::string_view name) {
  const Node* list = fields.get(name, Node::Kind::sequence);
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    if (item.is_string()) continue;
    fields.problems().add(item.position, fmt::format("'{}' of {} must be a list of strings, and one is {}", name,
                                                     fields.what(), describe(item.kind)));
  }
}

void check_token(Fields& fields, std::string_view name) {
  const Node* node = fields.get(name, Node::Kind::mapping);
  if (node == nullptr) return;
  Fields token(fields.problems(), *node, fmt::format("'{}' of {}", name, fields.what()));
  (void)token.require("token", Node::Kind::string);
  (void)token.require("type", Node::Kind::string);
  token.finish();
}

/// What oauth2 and oidc share.
void check_token_policy(Fields& policy, const Node& node, bool is_oidc) {
  Problems& problems = policy.problems();
  const Node* authority = policy.require("authority", Node::Kind::string);
  const bool is_literal = authority != nullptr && authority->text.find("${") == std::string::npos;
  if (is_literal && !authority->text.starts_with("https://") && !authority->text.starts_with("http://")) {
    problems.add(authority->position, fmt::format("'authority' of {} must be an http or https URI, not '{}'",
                                                  policy.what(), authority->text));
  }
  const std::string grant =
      one_of(policy, "grant", policy.require("grant", Node::Kind::string),
             {"client_credentials", "password", token_exchange}, {"authorization_code", "refresh_token"});
  std::string client_authentication;
  if (const Node* client = policy.get("client", Node::Kind::mapping)) {
    Fields fields(problems, *client, fmt::format("'client' of {}", policy.what()));
    client_authentication =
        one_of(fields, "authentication", fields.get("authentication", Node::Kind::string),
               {"client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt", "none"}, {});
    (void)fields.require("id", Node::Kind::string);
    const bool has_assertion = client->find("assertion") != nullptr;
    if (client_authentication == "private_key_jwt") {
      // The key stays with its owner, who makes the assertion.
      (void)fields.require("assertion", Node::Kind::string);
      fields.unsupported("secret");
    } else if (client_authentication == "client_secret_jwt" && has_assertion) {
      (void)fields.get("assertion", Node::Kind::string);
      fields.unsupported("secret");
    } else if (client_authentication == "none") {
      (void)fields.get("secret", Node::Kind::string);
    } else {
      (void)fields.require("secret", Node::Kind::string);
      if (has_assertion) {
        (void)fields.get("assertion");
        problems.add(client->find("assertion")->position,
                     fmt::format("'assertion' of {} is for the authentications client_secret_jwt and private_key_jwt",
                                 fields.what()));
      }
    }
    fields.finish();
  } else if (grant == "client_credentials") {
    problems.add(node.position, fmt::format("{} needs the property 'client' with 'id' and 'secret'", policy.what()));
  }
  if (const Node* request = policy.get("request", Node::Kind::mapping)) {
    Fields fields(problems, *request, fmt::format("'request' of {}", policy.what()));
    (void)one_of(fields, "encoding", fields.get("encoding", Node::Kind::string),
                 {"application/x-www-form-urlencoded", "application/json"}, {});
    fields.finish();
  }
  check_texts(policy, "issuers");
  if (!is_oidc) {
    if (const Node* endpoints = policy.get("endpoints", Node::Kind::mapping)) {
      Fields fields(problems, *endpoints, fmt::format("'endpoints' of {}", policy.what()));
      for (const std::string_view name : {"token", "revocation", "introspection"}) {
        (void)fields.get(name, Node::Kind::string);
      }
      fields.finish();
    }
  }
  check_texts(policy, "scopes");
  check_texts(policy, "audiences");
  for (const std::string_view name : {"username", "password"}) {
    (void)(grant == "password" ? policy.require(name, Node::Kind::string) : policy.get(name, Node::Kind::string));
  }
  check_token(policy, "subject");
  check_token(policy, "actor");
  if (grant == token_exchange && node.find("subject") == nullptr) {
    problems.add(node.position, fmt::format("{} needs the property 'subject'", policy.what()));
  }
}

std::optional<CallAuthentication> compile_policy(Compiler& compiler, const Node& node, const std::string& what) {
  Problems& problems = compiler.problems();
  Fields fields(problems, node, what);
  if (!node.is_mapping()) return std::nullopt;
  fields.unsupported("certificate");
  CallAuthentication authentication;
  const Node* found = nullptr;
  int count = 0;
  for (const std::string_view scheme : schemes) {
    const Node* policy = fields.get(scheme, Node::Kind::mapping);
    if (policy == nullptr) continue;
    found = policy;
    authentication.scheme = scheme;
    ++count;
  }
  fields.finish();
  if (count != 1) {
    // Another property of it has been named already.
    if (count > 1 || node.entries.empty()) {
      problems.add(node.position, fmt::format("{} needs exactly one of {}", what, fmt::join(schemes, ", ")));
    }
    return std::nullopt;
  }
  Fields policy(problems, *found, fmt::format("'{}' of {}", authentication.scheme, what));
  if (const Node* secret = policy.get("use", Node::Kind::string)) {
    const std::vector<std::string_view>& known = compiler.secret_names();
    if (std::ranges::find(known, secret->text) == known.end()) {
      problems.add(secret->position,
                   fmt::format("'use.secrets' does not declare '{}'{}", secret->text,
                               meant_or(problems, secret->text, known,
                                        "; declare it there, and make a connection of that name with the secret")));
    }
    authentication.connection = secret->text;
    policy.finish();
    return authentication;
  }
  if (authentication.scheme == "bearer") {
    (void)policy.require("token", Node::Kind::string);
  } else if (authentication.scheme == "oauth2" || authentication.scheme == "oidc") {
    check_token_policy(policy, *found, authentication.scheme == "oidc");
  } else {
    (void)policy.require("username", Node::Kind::string);
    (void)policy.require("password", Node::Kind::string);
  }
  policy.finish();
  authentication.parameters = compiler.sent_value(*found, Site::body);
  const Node* client = found->find("client");
  for (const Node* secret :
       {found->find("password"), found->find("token"), client == nullptr ? nullptr : client->find("secret"),
        client == nullptr ? nullptr : client->find("assertion")}) {
    if (secret == nullptr || secret->text.contains("${")) continue;
    problems.warn(secret->position,
                  fmt::format("{} has a credential in the workflow's text, where everybody who may read workflows and "
                              "events sees it; keep it in a connection and write 'use: <connection>' in its place",
                              what));
  }
  return authentication;
}

}  // namespace

std::optional<CallAuthentication> compile_authentication(Compiler& compiler, const Node* node,
                                                         const std::string& what) {
  if (node == nullptr) return std::nullopt;
  Problems& problems = compiler.problems();
  if (node->is_mapping() && node->find("use") != nullptr) {
    Fields fields(problems, *node, fmt::format("'authentication' of {}", what));
    const Node* name = fields.get("use", Node::Kind::string);
    fields.finish();
    if (name == nullptr) return std::nullopt;
    const Node* policy = compiler.named_authentication(name->text);
    if (policy == nullptr) {
      problems.add(name->position, fmt::format("'use.authentications' has no policy '{}'{}", name->text,
                                               meant_or(problems, name->text, compiler.authentication_names(), "")));
      return std::nullopt;
    }
    if (!compiler.take_copy(*policy, name->position)) return std::nullopt;
    return compile_policy(compiler, *policy, fmt::format("the authentication '{}'", name->text));
  }
  return compile_policy(compiler, *node, fmt::format("'authentication' of {}", what));
}

void Compiler::use_authentications(const Node* secrets) {
  if (secrets != nullptr) {
    for (const Node& name : secrets->items) {
      if (name.is_string() && !name.text.empty()) {
        secrets_.push_back(name.text);
      } else {
        problems_.add(name.position, "'use.secrets' must be a list of names of connections");
      }
    }
  }
  if (authentications_ == nullptr) return;
  for (const Entry& entry : authentications_->entries) {
    (void)compile_policy(*this, entry.value, fmt::format("the authentication '{}'", entry.key));
  }
}

}  // namespace trv::definition
