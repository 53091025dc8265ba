#pragma once
// The secrets of one HTTP call: what its input leaves out is put in when the request is made, goes to its own service
// only, and is taken out of everything that comes back.
//
// Redacted are the text as it is, in base64, percent-encoded, and in base64 after the user's name and a colon, wherever
// they are in texts and names of the answer. A service that gives a secret back in another form is not noticed.
//
// One thread.

#include <string>
#include <string_view>
#include <vector>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/json/value.hpp"

namespace trv::effects {

class CallSecrets {
 public:
  /// Reveals what "secrets" of the input names and puts it in there. Errors: denied (no such secret, or not a
  /// workflow's), invalid (it lacks the property), and those of the sources.
  [[nodiscard]] base::Status put_into(json::Value& input, const base::TenantId& tenant,
                                      egress::ConnectionSource& connections, egress::SecretSource& sources);

  enum class Where : std::uint8_t { request, authentication, document };
  /// Whether what is used there may go to the address: it must be below the base URL of the secret's connection. Error:
  /// denied.
  [[nodiscard]] base::Status may_go_to(std::string_view address, Where where) const;

  /// The user's name that goes with a secret of basic authentication.
  void note_user(std::string_view user);

  [[nodiscard]] bool empty() const noexcept { return known_.empty(); }
  [[nodiscard]] std::string redacted(std::string text) const;
  [[nodiscard]] TryResult redacted(TryResult result) const;

 private:
  struct Known {
    std::string name;
    std::string base_url;
    Where where = Where::request;
    std::string text;
  };
  struct Form {
    std::string text;
    std::string redaction;
  };
  [[nodiscard]] base::Result<Known> reveal(const json::Value& secret, const base::TenantId& tenant,
                                           egress::ConnectionSource& connections, egress::SecretSource& sources) const;
  void add_form(std::string text, std::string_view name);
  [[nodiscard]] json::Value redacted(const json::Value& value, int depth) const;
  [[nodiscard]] std::string redacted_json(const std::string& text) const;

  std::vector<Known> known_;
  std::vector<Form> forms_;  ///< longer ones first
};

}  // namespace trv::effects
