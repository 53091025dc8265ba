#pragma once
// A mail as bytes: RFC 5322 with the parts of MIME (RFC 2045 to 2047, 2183, 2231). Every line ends with CR LF and has
// at most 78 bytes but for long addresses; what is not plain ASCII is encoded. C++20; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

struct Attachment {
  std::string name;
  std::string media_type;
  std::string bytes;
};

struct Message {
  std::string from;  ///< addresses have passed the manifest's schema
  std::string from_name;
  std::vector<std::string> to;
  std::vector<std::string> cc;
  std::string reply_to;
  std::string in_reply_to;
  std::string subject;
  std::string text;
  std::string html;
  std::vector<Attachment> attachments;
  std::string key;          ///< the same for the same mail sent again; not shown
  std::int64_t time_s = 0;  ///< since 1970
};

/// <…@domain of the sender>: the same for the same key.
[[nodiscard]] std::string message_id(const Message& message);
[[nodiscard]] std::string to_bytes(const Message& message);

}  // namespace smtp
