// What a program sends, any line: a frame, or why it is not one.

#include "kernel/plugin_host/frame_text.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv::plugin_host;
  const auto line = read_line({reinterpret_cast<const char*>(data), size});
  if (!line) return 0;
  if (const auto* answer = std::get_if<AnswerLine>(&*line)) TRV_ASSERT(is_json(answer->output));
  if (const auto* failed = std::get_if<FailedLine>(&*line)) {
    TRV_ASSERT(failed->error.message.size() <= message_bytes_max);
    TRV_ASSERT(failed->error.detail.empty() || is_json(failed->error.detail));
  }
  if (const auto* web = std::get_if<RespondLine>(&*line)) {
    WebResponse response = web->response;
    if (check_response(response)) TRV_ASSERT(response.body.size() <= web_body_bytes_max);
  }
  const auto* service = std::get_if<ServiceLine>(&*line);
  if (service != nullptr && service->request) (void)check_request(*service->request).has_value();
  return 0;
}
