#include "kernel/http/request_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::http {
namespace {

namespace beast = boost::beast;
using BeastError = beast::http::error;

std::string_view view(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

constexpr std::size_t method_bytes_max = 32;
constexpr std::size_t last_chunk_bytes_min = 5;
/// What the framing of a chunked body may take for each byte of it, beyond the head's limit: a chunk of one byte has
/// five.
constexpr std::size_t framing_bytes_per_byte = 8;
/// A length is a claim; beyond this, memory is taken as bytes arrive.
constexpr std::size_t reserved_bytes_max = 256 * 1024;

/// Whether a line of the head that `text` goes on with ends with LF alone.
bool has_bare_line_feed(std::string_view text) noexcept {
  const std::string_view head = text.substr(0, text.find("\r\n\r\n"));
  for (std::size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    if (at == 0 || head[at - 1] != '\r') return true;
  }
  return false;
}

/// Whether the line of the head that `text` begins with has CR without LF.
bool has_bare_carriage_return(std::string_view text) noexcept {
  const std::string_view line = text.substr(0, text.find("\r\n"));
  const std::size_t at = line.find('\r');
  return at != std::string_view::npos && at + 1 < line.size();
}

/// Whether a header goes on in the next line (obs-fold, RFC 9112 §5.2). `lines` begins with a line.
bool has_folded_line(std::string_view lines) noexcept {
  for (std::size_t at = lines.find("\r\n"); at != std::string_view::npos; at = lines.find("\r\n", at + 2)) {
    if (lines.substr(at + 2).starts_with("\r\n")) return false;
    if (at + 2 < lines.size() && (lines[at + 2] == ' ' || lines[at + 2] == '\t')) return true;
  }
  return false;
}

}  // namespace

/// Stores what Beast finds into the request. A virtual sets `failure` and an error together where our rules refuse.
struct RequestParser::State {
  struct Parser final : beast::http::basic_parser<true> {
    explicit Parser(State& owner) : state_(owner) {}

    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int http_version,
                         beast::error_code& ec) override {
      state_.version = http_version;
      if (method.size() > method_bytes_max) {
        return state_.refuse(ec, 501, "not_implemented", "the method is longer than any that is known here");
      }
      state_.request->set_method(view(method));
      if (base::Status parsed = state_.request->set_target(view(target)); !parsed) {
        state_.refuse(ec, 400, "invalid", parsed.error().message());
      }
    }

    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

    void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                       beast::error_code& ec) override {
      if (state_.head_done) return;  // a trailer: read over, as RFC 9110 §6.5.1 allows
      if (state_.request->header_count() == headers_max) {
        return state_.refuse(ec, 431, "too_large", fmt::format("the request has more than {} headers", headers_max));
      }
      if (field == beast::http::field::content_length) {
        if (++state_.content_lengths > 1 || value.find(',') != beast::string_view::npos) {
          return state_.refuse(ec, 400, "invalid", "the request has more than one Content-Length");
        }
      } else if (field == beast::http::field::transfer_encoding) {
        if (++state_.transfer_encodings > 1 || state_.version < 11 ||
            !base::equal_ignoring_case(view(value), "chunked")) {
          return state_.refuse(ec, 400, "invalid",
                               "the only Transfer-Encoding taken is \"chunked\", once, in HTTP/1.1");
        }
      } else if (field == beast::http::field::host) {
        if (!is_authority(view(value))) {
          return state_.refuse(ec, 400, "invalid", "the Host header must be host or host:port");
        }
        ++state_.hosts;
      }
      if (state_.content_lengths > 0 && state_.transfer_encodings > 0) {
        return state_.refuse(ec, 400, "invalid", "the request has both Content-Length and Transfer-Encoding");
      }
      state_.request->add_header(view(name), view(value));
    }

    void on_header_impl(beast::error_code& ec) override {
      if (state_.hosts > 1 || (state_.hosts == 0 && state_.version == 11)) {
        state_.refuse(ec, 400, "invalid", "an HTTP/1.1 request needs one Host header");
      }
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>& length, beast::error_code&) override {
      state_.announced_bytes = length.value_or(0);
      state_.request->reserve_body(std::min<std::size_t>(state_.announced_bytes, reserved_bytes_max));
    }
    std::size_t on_body_impl(beast::string_view bytes, beast::error_code&) override {
      // Part of it is here: growing step by step would take up to twice as much.
      const bool is_large = state_.body_bytes + bytes.size() > reserved_bytes_max;
      if (is_large && state_.into == nullptr) state_.request->reserve_body(state_.announced_bytes);
      state_.append(view(bytes));
      return bytes.size();
    }
    void on_chunk_header_impl(std::uint64_t size, beast::string_view, beast::error_code& ec) override {
      if (size > state_.body_bytes_max - state_.body_bytes) state_.refuse_body(ec);
    }
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, beast::error_code&) override {
      state_.append(view(bytes));
      return bytes.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    State& state_;
  };

  void refuse(beast::error_code& ec, int status, std::string_view code, std::string detail) {
    failure = {status, std::string(code), std::move(detail)};
    ec = BeastError::bad_value;
  }
  void refuse_body(beast::error_code& ec) {
    refuse(ec, 413, "too_large", fmt::format("the body is larger than {} bytes", body_bytes_max));
  }
  void refuse_fold() { failure = {400, "invalid", "a header is folded over two lines; write it in one"}; }
  /// `rest` is what was not read yet.
  void explain(beast::error_code ec, std::string_view rest) {
    if (!failure.code.empty()) return;
    if (!head_done && has_folded_line(rest)) {
      refuse_fold();
    } else if (!head_done && has_bare_line_feed(rest)) {
      failure = {400, "invalid", "a line of the head ends with a bare LF; lines end with CR LF"};
    } else if (!head_done && has_bare_carriage_return(rest)) {
      failure = {400, "invalid", "a line of the head has a CR without LF; lines end with CR LF"};
    } else if (ec == BeastError::header_limit) {
      failure = {431, "too_large", fmt::format("request line and headers are larger than {} bytes", header_bytes_max)};
    } else if (ec == BeastError::bad_version) {
      failure = {505, "version", "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    } else {
      failure = {400, "invalid", fmt::format("this is not an HTTP request: {}", ec.message())};
    }
  }

  void append(std::string_view bytes) {
    body_bytes += bytes.size();
    into == nullptr ? request->append_body(bytes) : static_cast<void>(into->append(bytes));
  }

  std::size_t header_bytes_max = 0;
  std::size_t body_bytes_max = 0;
  std::size_t body_bytes = 0;
  std::string* into = nullptr;  // instead of the request
  Request* request = nullptr;
  std::optional<Parser> parser;
  ParseFailure failure;
  int version = 11;
  int content_lengths = 0;
  int transfer_encodings = 0;
  int hosts = 0;
  std::size_t head_bytes = 0;
  std::size_t announced_bytes = 0;    // of the body; 0 where its chunks say it
  std::size_t framed_body_bytes = 0;  // with the chunks' own lines and the trailers
  bool head_done = false;
};

RequestParser::RequestParser(std::size_t header_bytes_max) : state_(std::make_unique<State>()) {
  TRV_EXPECTS(header_bytes_max <= std::numeric_limits<std::uint32_t>::max());
  state_->header_bytes_max = header_bytes_max;
}

RequestParser::~RequestParser() = default;

void RequestParser::start(Request& request) {
  State& state = *state_;
  state.request = &request;
  state.parser.emplace(state);
  state.parser->header_limit(static_cast<std::uint32_t>(state.header_bytes_max));
  state.parser->body_limit(boost::none);  // ours depends on the route and is checked here
  state.failure = {};
  state.version = 11;
  state.content_lengths = state.transfer_encodings = state.hosts = 0;
  state.head_bytes = state.framed_body_bytes = state.announced_bytes = state.body_bytes = 0;
  state.into = nullptr;
  state.head_done = false;
}

RequestParser::Outcome RequestParser::parse(std::string_view input, std::size_t& consumed) {
  State& state = *state_;
  TRV_EXPECTS(state.parser.has_value());
  consumed = 0;
  for (;;) {
    if (state.head_done && state.parser->is_done()) return Outcome::done;
    beast::error_code ec;
    const std::string_view rest = input.substr(consumed);
    // Beast asserts that a last chunk which it has begun to read comes again with more than it had. No chunked body
    // that goes on has fewer bytes left than "0\r\n\r\n", so waiting for as many loses nothing.
    if (state.head_done && state.parser->chunked() && rest.size() < last_chunk_bytes_min) return Outcome::need_more;
    const std::size_t used = state.parser->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
    TRV_ASSERT(used <= rest.size());
    consumed += used;
    (state.head_done ? state.framed_body_bytes : state.head_bytes) += used;
    // Beast looks behind a line's end before it takes the line, so a fold is never cut.
    if ((!state.head_done || state.parser->is_done()) && has_folded_line(rest.substr(0, used))) {
      state.refuse_fold();
      return Outcome::failed;
    }
    const std::size_t framing_bytes = state.framed_body_bytes - std::min(state.framed_body_bytes, state.body_bytes);
    if (framing_bytes > state.header_bytes_max + framing_bytes_per_byte * state.body_bytes) {
      state.failure = {431, "too_large", "the chunks' sizes, extensions and trailers take too many bytes"};
      return Outcome::failed;
    }
    if (ec == BeastError::need_more || (!ec && consumed == input.size() && !state.parser->is_header_done())) {
      // Also the line of a chunk is held to the header's limit: Beast has none for it.
      const std::size_t held = input.size() - consumed + (state.head_done ? 0 : state.head_bytes);
      if (held < state.header_bytes_max) return Outcome::need_more;
      ec = BeastError::header_limit;
    }
    if (!ec && !state.head_done && state.head_bytes > state.header_bytes_max) ec = BeastError::header_limit;
    if (ec) {
      state.explain(ec, input.substr(consumed));
      return Outcome::failed;
    }
    if (!state.head_done && state.parser->is_header_done()) {
      state.head_done = true;
      return Outcome::head_done;
    }
    if (state.head_done && !state.parser->is_done() && consumed == input.size()) return Outcome::need_more;
  }
}

const ParseFailure& RequestParser::failure() const noexcept {
  return state_->failure;
}

bool RequestParser::set_body_bytes_max(std::size_t bytes_max) {
  TRV_EXPECTS(state_->head_done);
  state_->body_bytes_max = bytes_max;
  const auto length = state_->parser->content_length();
  if (!length || *length <= bytes_max) return true;
  beast::error_code ec;
  state_->refuse_body(ec);
  return false;
}

void RequestParser::put_body_into(std::string& body) noexcept {
  state_->into = &body;
}

bool RequestParser::has_body() const noexcept {
  TRV_EXPECTS(state_->head_done);
  return !state_->parser->is_done();
}

bool RequestParser::keep_alive() const noexcept {
  return state_->head_done && state_->parser->keep_alive();
}

bool RequestParser::is_http_1_0() const noexcept {
  return state_->version < 11;
}

}  // namespace trv::http
