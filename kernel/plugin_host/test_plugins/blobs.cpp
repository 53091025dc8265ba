// A plugin that keeps blobs (trv.blob/1), for clients: /put?bytes=&seed=&name=, /read?digest=, /entry?digest=,
// /erase?digest=, /list?count=, /hold?bytes= (writes and never stores), /many?count= (writes that many at once),
// /greedy (writes two parts at once).

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sdk/cpp/plugin.hpp"

namespace {

using namespace trv::sdk;

// What blob `seed` has at `at`.
std::string bytes_of(std::uint64_t seed, std::uint64_t at, std::uint64_t count) {
  std::string bytes(count, '\0');
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t value = (at + i) / 8 * 0x9e3779b97f4a7c15 + seed;
    value ^= value >> 29;
    bytes[i] = static_cast<char>(value >> ((at + i) % 8 * 8));
  }
  return bytes;
}

class Keeper : public Plugin {
 public:
  /// Those of the other tests' manifest, which do nothing.
  static Operations<Keeper> operations() {
    return {{"echo", &Keeper::nothing},     {"about", &Keeper::nothing}, {"keep", &Keeper::nothing},
            {"kept", &Keeper::nothing},     {"sign", &Keeper::nothing},  {"emit", &Keeper::nothing},
            {"too-late", &Keeper::nothing}, {"die", &Keeper::nothing},   {"recurse", &Keeper::nothing}};
  }

  Task serve(Call& call) {
    const std::string& path = call.request().path;
    if (path == "/put" || path == "/hold") return put(call);
    if (path == "/read") return read(call);
    if (path == "/many") return many(call);
    if (path == "/greedy") return greedy(call);
    return ask(call);
  }

 private:
  static std::uint64_t number(const Call& call, const char* name) {
    const auto text = call.request().parameter(name);
    return text ? std::stoull(*text) : 0;
  }
  static std::string digest(const Call& call) { return call.request().parameter("digest").value_or(""); }

  Task nothing(Call&) { co_return std::string("null"); }

  Task put(Call& call) {
    constexpr std::uint64_t write_bytes = 1'000'000;  // more than a part
    const std::uint64_t size = number(call, "bytes");
    auto blob = call.blobs().begin();
    for (std::uint64_t at = 0; at < size; at += write_bytes) {
      const std::string bytes = bytes_of(number(call, "seed"), at, std::min(write_bytes, size - at));
      auto written = blob.write(bytes);
      co_await written;
      if (!written) co_return written.failure();
    }
    if (call.request().path == "/hold") {
      auto pause = call.wait(std::chrono::minutes(5));
      co_await pause;
    }
    auto stored = blob.store("application/octet-stream", call.request().parameter("name").value_or(""));
    co_await stored;
    if (!stored) co_return stored.failure();
    co_return text_response(200, std::string(stored->digest()));
  }

  Task read(Call& call) {
    const std::string name = digest(call);
    auto first = call.blobs().read(name);
    co_await first;
    if (!first) co_return first.failure();
    auto out = call.respond_in_parts({.status = 200, .headers = {{"content-type", "application/octet-stream"}}});
    auto begun = out.write(first->bytes);
    co_await begun;
    if (!begun) co_return begun.failure();
    bool has_more = first->has_more;
    for (std::uint64_t at = first->bytes.size(); has_more;) {
      auto part = call.blobs().read(name, at);
      co_await part;
      if (!part) co_return part.failure();
      at += part->bytes.size();
      has_more = part->has_more;
      auto written = out.write(part->bytes);
      co_await written;
      if (!written) co_return written.failure();
    }
    co_return out.end();
  }

  Task many(Call& call) {
    std::vector<std::unique_ptr<BlobWriting>> blobs;
    const std::uint64_t count = number(call, "count");
    for (std::uint64_t i = 0; i < count; ++i) {
      blobs.push_back(std::unique_ptr<BlobWriting>(new BlobWriting(call.blobs().begin())));
    }
    for (const auto& blob : blobs) {
      auto written = blob->write("x");
      co_await written;
      if (!written) co_return written.failure();
    }
    co_return text_response(200, "written");
  }

  Task greedy(Call& call) {
    auto blob = call.blobs().begin();
    auto first = blob.write("first");
    auto second = blob.write("second");
    co_await second;
    co_await first;
    auto stored = blob.store();
    co_await stored;
    if (!stored) co_return stored.failure();
    co_return text_response(200, std::string(stored->digest()));
  }

  Task ask(Call& call) {
    const std::string& path = call.request().path;
    const auto count = static_cast<std::uint32_t>(number(call, "count"));
    const std::string name = digest(call);
    auto asked = path == "/entry"   ? call.blobs().read(name, 0, 0)
                 : path == "/erase" ? call.blobs().erase(name)
                                    : call.blobs().list(name, count);
    co_await asked;
    if (!asked) co_return asked.failure();
    std::string text;
    for (const auto& one : asked->entries) {
      text += one.digest + " " + std::to_string(one.byte_count) + " " + one.media_type + " " + one.name + "\n";
    }
    co_return text_response(200, text + (asked->has_more ? "more" : "all"));
  }
};

}  // namespace

TRV_PLUGIN(Keeper, "tracker", "1.5.0")
