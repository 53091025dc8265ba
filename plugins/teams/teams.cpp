// Microsoft Teams over Microsoft Graph, version 1.0 (learn.microsoft.com/graph/api/resources/teams-api-overview).

#include "plugins/rest/rest.hpp"

namespace teams {
namespace {

using namespace trv::sdk;
using rest::Answer;
using rest::Need;

const rest::Service& service() {
  static const std::vector<rest::Pick> message = {{"id", "id"},
                                                  {"url", "webUrl"},
                                                  {"created", "createdDateTime"},
                                                  {"author", "from.user.displayName"},
                                                  {"content", "body.content"},
                                                  {"content_type", "body.contentType"}};
  static const std::vector<rest::Field> content = {{"content", Need::required, "body.content"},
                                                   {"content_type", Need::optional, "body.contentType"},
                                                   {"subject"},
                                                   {"importance"},
                                                   {"attachments"},
                                                   {"mentions"}};
  static constexpr std::string_view html = R"({"body":{"contentType":"html"}})";
  static const rest::Service teams = {
      .name = "Microsoft Teams",
      .routes = {
          {.operation = "send-channel-message",
           .method = "POST",
           .path = "/teams/{team_id}/channels/{channel_id}/messages",
           .target = "channel {channel_id}",
           .body = content,
           .output = message,
           .constant_body = html},
          {.operation = "reply-to-message",
           .method = "POST",
           .path = "/teams/{team_id}/channels/{channel_id}/messages/{message_id}/replies",
           .target = "message {message_id}",
           .body = content,
           .output = message,
           .constant_body = html},
          {.operation = "send-chat-message",
           .method = "POST",
           .path = "/chats/{chat_id}/messages",
           .target = "chat {chat_id}",
           .body = content,
           .output = message,
           .constant_body = html},
          {.operation = "get-channel-message",
           .method = "GET",
           .path = "/teams/{team_id}/channels/{channel_id}/messages/{message_id}",
           .target = "message {message_id}",
           .output = message},
          {.operation = "list-channel-messages",
           .method = "GET",
           .path = "/teams/{team_id}/channels/{channel_id}/messages",
           .target = "channel {channel_id}",
           .query = {{"limit", Need::optional, "$top"}},
           .output = message,
           .answer = Answer::list,
           .list_at = "value"},
          {.operation = "list-teams",
           .method = "GET",
           .path = "/me/joinedTeams",
           .target = "the teams",
           .output = {{"id", "id"}, {"name", "displayName"}, {"description", "description"}},
           .answer = Answer::list,
           .list_at = "value"},
          {.operation = "list-channels",
           .method = "GET",
           .path = "/teams/{team_id}/channels",
           .target = "team {team_id}",
           .output = {{"id", "id"}, {"name", "displayName"}, {"type", "membershipType"}, {"url", "webUrl"}},
           .answer = Answer::list,
           .list_at = "value"},
          {.operation = "create-channel",
           .method = "POST",
           .path = "/teams/{team_id}/channels",
           .target = "team {team_id}",
           .body = {{"name", Need::required, "displayName"},
                    {"description"},
                    {"type", Need::optional, "membershipType"}},
           .output = {{"id", "id"}, {"name", "displayName"}, {"url", "webUrl"}}},
      }};
  return teams;
}

class Teams : public Plugin {
 public:
  static Operations<Teams> operations() { return rest::operations<Teams>(service(), &Teams::run); }

 private:
  Task run(Call& call) { return rest::run(call, service()); }
};

}  // namespace
}  // namespace teams

TRV_PLUGIN(teams::Teams, "teams", "1.0.0")
