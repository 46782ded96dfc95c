#include "jobs/tokenizer_process.hpp"

#include <cerrno>
#include <utility>

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/child_process.hpp"
#include "core/error.hpp"

namespace tessera::jobs {

// One socket for both directions: unlike a pipe it can be written to without a signal when the
// other end is gone.
TokenizerProcess::TokenizerProcess(const std::filesystem::path& helpers,
                                   const std::filesystem::path& model)
    : program_(helpers / "tokenize") {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw MachineError::from_errno("cannot make a socket");
  }
  socket_ = ends[0];
  try {
    child_ = start_child({program_.string(), model.string(), "--serve"},
                         {.in = ends[1], .out = ends[1], .err = {}});
  } catch (...) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
}

TokenizerProcess::~TokenizerProcess() {
  close(socket_);  // the end of its requests is its end
  if (child_ == 0) return;
  try {
    wait_for_child(child_);
  } catch (const MachineError&) {
    return;  // nothing is left to be told
  }
}

std::vector<std::uint32_t> TokenizerProcess::encode(const std::string& prompt) {
  const JsonValue answer = ask(JsonValue::object().set("encode", prompt));
  std::vector<std::uint32_t> tokens;
  for (const JsonValue& token : answer.at("tokens").items()) {
    tokens.push_back(static_cast<std::uint32_t>(token.integer()));
  }
  return tokens;
}

std::string TokenizerProcess::decode(std::uint32_t token) {
  return ask(JsonValue::object().set("decode", token)).at("text").text();
}

std::string TokenizerProcess::finish() {
  return ask(JsonValue::object().set("finish", true)).at("text").text();
}

JsonValue TokenizerProcess::ask(const JsonValue& request) {
  send_line(request.to_text() + "\n");
  JsonValue answer = JsonValue::parse(receive_line(), program_.string());
  if (answer.contains("error")) throw InputError(answer.at("error").text());
  return answer;
}

void TokenizerProcess::send_line(const std::string& line) const {
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;  // it has ended: reading tells how
    sent += static_cast<std::size_t>(count);
  }
}

std::string TokenizerProcess::receive_line() {
  char buffer[4096];
  std::size_t end = received_.find('\n');
  while (end == std::string::npos) {
    const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int code = wait_for_child(std::exchange(child_, 0));
      throw MachineError(fmt::format(
          "{} ended with exit code {} while it was asked for tokens (what it said stands above). "
          "Run scripts/setup-python --force.",
          program_.string(), code));
    }
    received_.append(buffer, static_cast<std::size_t>(count));
    end = received_.find('\n');
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

}  // namespace tessera::jobs
