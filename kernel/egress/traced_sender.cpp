#include "kernel/egress/traced_sender.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "sdk/base/field_text.hpp"

namespace trv::egress {
namespace {

/// Without user, path and query, which may hold what is nobody else's business.
std::string_view host_of(std::string_view url) {
  const std::size_t from = url.find("://");
  if (from == std::string_view::npos) return {};
  url.remove_prefix(from + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  return url.substr(url.rfind('@') == std::string_view::npos ? 0 : url.rfind('@') + 1);
}

void end(const trace::SpanSink& spans, trace::Span span, const base::Clock& clock, const base::Error* error,
         std::uint32_t status) {
  span.ended = clock.now();
  if (status != 0) span.attributes.add("http.response.status_code", status);
  span.is_failed = error != nullptr || status >= 400;
  if (error != nullptr) {
    span.problem = base::to_string(error->code());
    span.attributes.add("error.type", span.problem);
  }
  spans(std::move(span));
}

}  // namespace

class TracedSender::Receiver final : public PartReceiver {
 public:
  Receiver(std::shared_ptr<PartReceiver> receiver, trace::Span span, const trace::SpanSink& spans,
           const base::Clock& clock)
      : receiver_(std::move(receiver)), span_(std::move(span)), spans_(spans), clock_(clock) {}

  void head(Response head) override {
    status_ = head.status;
    receiver_->head(std::move(head));
  }
  void part(std::string_view bytes) override { receiver_->part(bytes); }
  void end(base::Status status) override {
    egress::end(spans_, std::move(span_), clock_, status ? nullptr : &status.error(), status_);
    receiver_->end(std::move(status));
  }

 private:
  const std::shared_ptr<PartReceiver> receiver_;
  trace::Span span_;
  const trace::SpanSink spans_;
  const base::Clock& clock_;
  std::uint32_t status_ = 0;
};

std::optional<trace::Span> TracedSender::begin(Request& request) {
  const auto header = std::ranges::find_if(
      request.headers, [](const Header& one) { return base::equal_ignoring_case(one.name, "traceparent"); });
  if (header == request.headers.end()) return std::nullopt;
  const auto context = trace::Context::parse(header->value);
  if (!context || !context->is_sampled) return std::nullopt;
  trace::Span span{.context = context->child("request " + std::to_string(++count_)),
                   .parent = context->span,
                   .kind = trace::SpanKind::client,
                   .name = request.method,
                   .began = clock_.now(),
                   .attributes = {{"http.request.method", request.method}, {"tenant", request.tenant.value()}}};
  if (!request.plugin.empty()) span.attributes.add("plugin", request.plugin);
  if (!request.connection.empty()) span.attributes.add("connection", request.connection);
  if (!request.url.empty()) span.attributes.add("server.address", host_of(request.url));
  header->value = span.context.to_traceparent();
  return span;
}

RequestId TracedSender::send(Request request, Completion completion) {
  auto span = begin(request);
  if (!span) return sender_.send(std::move(request), std::move(completion));
  return sender_.send(std::move(request), [this, span = *std::move(span), completion = std::move(completion)](
                                              base::Result<Response> response) mutable {
    end(spans_, std::move(span), clock_, response ? nullptr : &response.error(), response ? response->status : 0);
    completion(std::move(response));
  });
}

RequestId TracedSender::send_in_parts(Request request, std::shared_ptr<PartReceiver> receiver) {
  auto span = begin(request);
  if (!span) return sender_.send_in_parts(std::move(request), std::move(receiver));
  return sender_.send_in_parts(std::move(request),
                               std::make_shared<Receiver>(std::move(receiver), *std::move(span), spans_, clock_));
}

}  // namespace trv::egress
