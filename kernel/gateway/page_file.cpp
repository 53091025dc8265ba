#include "kernel/gateway/page_file.hpp"

#include "kernel/http/conditional.hpp"
#include "sdk/base/digest.hpp"

namespace trv::gateway {

http::Response page_file(std::string type, std::string_view text) {
  http::Response response;
  response.content_type = std::move(type);
  response.body = text;
  return std::move(response)
      .with("Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
      .with("X-Content-Type-Options", "nosniff")
      .with("Referrer-Policy", "no-referrer")
      .with("Cache-Control", "no-cache");
}

void add_page_file(http::Router& router, std::string_view path, std::string type, std::string_view text) {
  router.route("GET", path,
               [text, type = std::move(type), tag = "\"" + base::to_hex(base::sha256(base::as_bytes(text))) + "\""](
                   const http::Request& request, http::Responder responder) {
                 responder.send(http::tagged(request, tag, page_file(type, text)));
               },
               {.before_open = true});
}

}  // namespace trv::gateway
