// What a plugin's process sends, any bytes: a frame that is read whole, or not a frame.

#include <cstring>
#include <vector>

#include "kernel/plugin_host/frame.hpp"
#include "kernel/plugin_host/frame_blob.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace frames = trv::frames;
using namespace trv::plugin_host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Packets arrive aligned.
  std::vector<std::uint64_t> aligned((size + 7) / 8);
  if (size > 0) std::memcpy(aligned.data(), data, size);
  const auto frame = read_frame({reinterpret_cast<const std::uint8_t*>(aligned.data()), size});
  if (!frame) return 0;
  switch ((*frame)->body_type()) {
    case frames::Body::Ready: (void)view((*frame)->body_as_Ready()->walls()).size(); break;
    case frames::Body::Refused: {
      const auto why = read_refused(*(*frame)->body_as_Refused());
      TRV_ASSERT(why.message().size() <= message_bytes_max);
      break;
    }
    case frames::Body::Answer: (void)is_json(view((*frame)->body_as_Answer()->output())); break;
    case frames::Body::Failed: {
      const OperationError failed = read_failed(*(*frame)->body_as_Failed());
      TRV_ASSERT(failed.message.size() <= message_bytes_max);
      TRV_ASSERT(failed.detail.empty() || is_json(failed.detail));
      break;
    }
    case frames::Body::HttpRequest: (void)read_http_request(*(*frame)->body_as_HttpRequest()); break;
    case frames::Body::Begin: (void)read_begin(*(*frame)->body_as_Begin()); break;
    case frames::Body::Invoke: (void)read_invoke(*(*frame)->body_as_Invoke()); break;
    case frames::Body::HttpError: (void)read_http_error(*(*frame)->body_as_HttpError()); break;
    case frames::Body::StoreRequest: {
      const auto request = read_store_request(*(*frame)->body_as_StoreRequest());
      if (request) (void)check_request(*request).has_value();
      break;
    }
    case frames::Body::SignRequest: {
      const auto request = read_sign_request(*(*frame)->body_as_SignRequest());
      if (request) (void)check_request(*request).has_value();
      break;
    }
    case frames::Body::BlobRequest: {
      const auto request = read_blob_request(*(*frame)->body_as_BlobRequest());
      if (request) (void)check_request(*request).has_value();
      break;
    }
    case frames::Body::BlobAnswer: (void)read_blob_answer(*(*frame)->body_as_BlobAnswer()); break;
    case frames::Body::EmitRequest:
      (void)check_request(read_emit_request(*(*frame)->body_as_EmitRequest())).has_value();
      break;
    case frames::Body::Serve: (void)read_serve(*(*frame)->body_as_Serve()).has_value(); break;
    case frames::Body::Respond: {
      auto response = read_respond(*(*frame)->body_as_Respond());
      if (!response || !check_response(*response)) break;
      TRV_ASSERT(response->status >= 200 && response->status <= 599 && response->body.size() <= web_body_bytes_max);
      for (const auto& header : response->headers) TRV_ASSERT(header.value.find_first_of("\r\n") == std::string::npos);
      break;
    }
    case frames::Body::RespondInParts: {
      auto head = read_respond_in_parts(*(*frame)->body_as_RespondInParts());
      if (head) (void)check_response(*head).has_value();
      break;
    }
    case frames::Body::Write: (void)std::string(view((*frame)->body_as_Write()->bytes())); break;
    case frames::Body::Part: (void)std::string(view((*frame)->body_as_Part()->bytes())); break;
    case frames::Body::StreamEnded: (void)read_stream_ended(*(*frame)->body_as_StreamEnded()).has_value(); break;
    case frames::Body::StoreAnswer: (void)read_store_answer(*(*frame)->body_as_StoreAnswer()); break;
    case frames::Body::RequestFailed: (void)read_request_failed(*(*frame)->body_as_RequestFailed()); break;
    default: break;
  }
  return 0;
}
