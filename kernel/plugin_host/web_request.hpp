#pragma once
// HTTP that a plugin serves: sdk/abi/ext/serve.h. Values and pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t web_body_bytes_max = 1'000'000;  ///< of a request and of a response
inline constexpr std::size_t web_headers_max = 32;            ///< of a response
inline constexpr std::size_t web_header_bytes_max = 4'096;    ///< of one value of a response

inline constexpr std::size_t stream_room_bytes = 262'144;     ///< of a body in parts: TRV_STREAM_ROOM_BYTES
inline constexpr std::size_t stream_part_bytes_max = 65'536;  ///< of one part: TRV_STREAM_PART_BYTES

/// Of a client that the kernel knows.
struct WebRequest {
  std::string principal;
  std::string principal_name;
  std::string role;
  std::string method;
  std::string path;  ///< below the prefix; begins with '/'
  std::string query;
  std::vector<egress::Header> headers;  ///< those that pass, see passes_to_plugin
  std::string body;
};

struct WebResponse {
  std::uint32_t status = 200;
  std::vector<egress::Header> headers;
  std::string body;
};

/// Takes an answer in parts on behalf of a client. Any thread; no function blocks. The call's outcome says whether what
/// was taken is whole.
class PartReceiver {
 public:
  /// So many bytes have gone to the client. Any thread, also from inside begin and part, and after the call has ended.
  using Taken = std::function<void(std::size_t byte_count)>;

  virtual ~PartReceiver() = default;
  /// Once, before the parts; the body of `head` is the first.
  virtual void begin(WebResponse head, Taken taken) = 0;
  /// At most stream_part_bytes_max; what was not taken is at most stream_room_bytes.
  virtual void part(std::string_view part) = 0;
};

/// Reads the body of a request. Any thread, one function at a time; none blocks.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// Borrowed; not empty, at most stream_part_bytes_max. Over the first stream_room_bytes only what was taken comes.
  virtual void part(std::string_view part) = 0;
  /// Once, last: it is whole, or why the rest will not come. Errors: unavailable (the client has gone), timeout,
  /// too_large, invalid.
  virtual void end(base::Status status) = 0;
};

/// The body of a client's request that comes in parts. Any thread; no function blocks.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// Once. From now on it comes to `reader`, also from inside here.
  virtual void read(std::shared_ptr<BodyReader> reader) = 0;
  /// So many bytes more may come, of those that have.
  virtual void take(std::uint64_t byte_count) = 0;
  /// Nothing more of it is wanted; may be called again, and without read.
  virtual void drop() = 0;
};

/// A request that is a call, and its answer once the call has ended well.
struct WebExchange {
  WebRequest request;
  WebResponse response = {};                         ///< empty where it came in parts
  std::shared_ptr<PartReceiver> receiver = nullptr;  ///< nullptr: nobody takes parts
  std::shared_ptr<BodySource> body = nullptr;        ///< nullptr: the body is that of `request`
};

/// Whether a header of a client is shown to plugins. `name` in small letters. None that says who the client is, none of
/// the connection, none with state of a browser.
[[nodiscard]] bool passes_to_plugin(std::string_view name) noexcept;

/// Whether a plugin may answer with this, and the names of its headers in small letters: what decides about the
/// client's security, its cookies and the connection is the kernel's. Errors: invalid, too_large; name the header.
[[nodiscard]] base::Status check_response(WebResponse& response);
/// The same for the head of an answer in parts, with the first part as its body.
[[nodiscard]] base::Status check_head(WebResponse& head);

}  // namespace trv::plugin_host
