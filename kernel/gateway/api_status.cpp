#include "kernel/gateway/status.hpp"
#include "kernel/gateway/status_css.h"
#include "kernel/gateway/status_html.h"
#include "kernel/gateway/status_js.h"
#include "kernel/http/conditional.hpp"
#include "sdk/base/digest.hpp"

namespace trv::gateway {
namespace {

/// What a browser may do with it: show what is of this origin alone, in no frame.
http::Response of_page(std::string type, std::string_view bytes) {
  http::Response response;
  response.content_type = std::move(type);
  response.body = bytes;
  return std::move(response)
      .with("Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
      .with("X-Content-Type-Options", "nosniff")
      .with("Referrer-Policy", "no-referrer")
      .with("Cache-Control", "no-cache");
}

template <std::size_t size>
void add_file(http::Router& router, std::string_view path, std::string type, const unsigned char (&bytes)[size]) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  router.route("GET", path,
               [text, type = std::move(type), tag = "\"" + base::to_hex(base::sha256(base::as_bytes(text))) + "\""](
                   const http::Request& request, http::Responder responder) {
                 responder.send(http::tagged(request, tag, of_page(type, text)));
               },
               {.before_open = true});
}

}  // namespace

void add_status_routes(http::Router& router, const Watching& watching) {
  router.route("GET", "/health",
               [health = watching.health](const http::Request&, http::Responder responder) {
                 const Health now = health();
                 http::Response response = http::json(now.is_failing ? 503 : 200, now.document);
                 response.content_type = "application/health+json";
                 responder.send(std::move(response).with("Cache-Control", "no-cache"));
               },
               {.may_wait = true, .before_open = true});
  router.route("GET", "/status.json",
               [status = watching.status](const http::Request&, http::Responder responder) {
                 responder.send(http::json(200, status()).with("Cache-Control", "no-cache"));
               },
               {.may_wait = true, .before_open = true});
  add_file(router, "/status", "text/html; charset=utf-8", status_html);
  add_file(router, "/status.css", "text/css; charset=utf-8", status_css);
  add_file(router, "/status.js", "text/javascript; charset=utf-8", status_js);
}

}  // namespace trv::gateway
