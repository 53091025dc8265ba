#pragma once
// The language server for definitions: JSON-RPC 2.0 in frames with Content-Length (Language Server Protocol 3.17), over
// standard input and output. Texts are kept as the editor sends them; nothing of them is read from the disk. One
// thread.

#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cli/commands/block_yaml.hpp"
#include "kernel/cli/commands/operations.hpp"
#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::cli {

class LanguageServer {
 public:
  /// What operations there are; asked once, when an editor first wants one.
  using OperationSource = std::function<base::Result<Operations>()>;

  LanguageServer(std::istream& in, std::ostream& out, OperationSource source = {})
      : in_(in), out_(out), source_(std::move(source)) {}

  /// Serves until `exit` or the end of the input; whether it was asked to shut down before.
  bool run();

  static constexpr std::size_t frame_bytes_max = std::size_t{8} * 1024 * 1024;
  static constexpr std::size_t documents_max = 256;

 private:
  struct Document {
    std::string text;
    definition::Format format = definition::Format::yaml;
  };
  struct Place {
    int line = 0;  ///< from 0
    std::size_t byte = 0;
  };

  /// nullopt at the end of the input; an empty text for a frame that was refused.
  std::optional<std::string> next_frame();
  void send(json::Value message);
  void refuse(const json::Value& id, int code, std::string_view message);
  void handle(std::string_view frame);
  json::Value answer(std::string_view method, const json::Value& parameters);
  void changed(const std::string& uri, std::string text);

  [[nodiscard]] json::Value capabilities(const json::Value& parameters);
  [[nodiscard]] json::Value diagnostics(const Document& document) const;
  [[nodiscard]] json::Value completion(const Document& document, const Place& at);
  [[nodiscard]] json::Value hover(const Document& document, const Place& at);
  /// What is shown of a word at a place; which begins at that byte; empty for nothing.
  [[nodiscard]] std::string help_of(const Document& document, const Place& at, std::size_t begin,
                                    std::string_view word);
  /// Empty where they are not known.
  [[nodiscard]] const Operations& operations();
  [[nodiscard]] json::Value definition_of(const std::string& uri, const Document& document, const Place& at) const;
  [[nodiscard]] json::Value symbols(const Document& document) const;

  [[nodiscard]] std::optional<Place> place_of(const Document& document, const json::Value& parameters) const;
  /// A place of the protocol: line from 0, characters in the encoding that the client knows.
  [[nodiscard]] json::Value position(std::string_view text, int line, std::size_t byte) const;
  [[nodiscard]] json::Value range(std::string_view text, int line, std::size_t byte, std::size_t length) const;

  std::istream& in_;
  std::ostream& out_;
  OperationSource source_;
  std::optional<Operations> operations_;
  std::map<std::string, Document, std::less<>> documents_;
  bool is_utf8_ = false;
  bool is_initialized_ = false;
  bool was_shut_down_ = false;
  bool ends_ = false;
};

}  // namespace trv::cli
