#pragma once
// From method and path to handler.
//
// A pattern is `/` and segments: a literal, `{name}` for exactly one non-empty segment, or, last only, `{name...}` for
// one or more segments joined by `/`. Literals are compared with decoded segments; a literal beats a parameter. There
// are not regular expressions, no normalisation and no redirects: `/v1/x/` and `/v1//x` are other paths than `/v1/x`.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/http/request.hpp"
#include "kernel/http/responder.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

/// Called on a server thread, which it must not block, or on a worker, see RouteOptions. It answers now, or moves the
/// responder to who will.
using Handler = std::function<void(const Request&, Responder)>;

struct RouteOptions {
  std::optional<std::size_t> body_bytes_max = {};  ///< instead of the server's
  bool may_wait = false;  ///< the handler waits for a plugin, a file or a scan: it is called on a worker
  /// Whether the handler reads the body of this request itself, in parts: it is called once the head is there, and
  /// Responder::body() is that body. On a server thread; must be quick. Empty: it does not.
  std::function<bool(const Request&)> body_in_parts = {};
  /// Of a pattern that ends in {name...}: a segment may hold an encoded '/', which the parameter cannot tell from one
  /// between segments; the handler looks at path().
  bool takes_encoded_slash = false;
  bool before_open = false;  ///< served from start() on, not only from open() on
};

struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
  RouteOptions options;
};

/// Built by one thread, then read by any number of them.
class Router {
 public:
  Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  /// Errors: invalid for a bad method or pattern, conflict where the method has that path already, or another name at
  /// the place of a parameter.
  [[nodiscard]] base::Status add(std::string_view method, std::string_view pattern, Handler handler,
                                 RouteOptions options = {});
  /// add() of a pattern that is part of our own text. Contract: add() succeeds. Returns *this.
  Router& route(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options = {});

  struct Match {
    const Route* route = nullptr;  ///< null: none; then `allow` says whether the path is known
    std::string_view allow;        ///< methods of the path, as in the Allow header; empty for an unknown path
  };
  /// Finds the route of the request's method and target, and stores its pattern and parameters in the request. HEAD
  /// finds the GET route where it has none of its own. The match is valid as long as the router.
  [[nodiscard]] Match match(Request& request) const;

  /// Every route, ordered by pattern and method; borrowed from the router until the next add().
  [[nodiscard]] std::vector<const Route*> routes() const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace trv::http
