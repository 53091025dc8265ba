#include "kernel/gateway/page_file.hpp"
#include "kernel/gateway/status.hpp"
#include "kernel/gateway/status_css.h"
#include "kernel/gateway/status_html.h"
#include "kernel/gateway/status_js.h"
#include "kernel/gateway/status_parts_js.h"

namespace trv::gateway {
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
  add_page_file(router, "/status", "text/html; charset=utf-8", text_of(status_html));
  add_page_file(router, "/status.css", "text/css; charset=utf-8", text_of(status_css));
  add_page_file(router, "/status.js", "text/javascript; charset=utf-8", text_of(status_js));
  add_page_file(router, "/status-parts.js", "text/javascript; charset=utf-8", text_of(status_parts_js));
}

}  // namespace trv::gateway
