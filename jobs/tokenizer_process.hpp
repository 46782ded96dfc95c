#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/json_value.hpp"

namespace tessera::jobs {

/// A model's tokenizer, in a helper (tokenize --serve) that is asked as the text grows. Every
/// method throws InputError with the helper's words for a tokenizer it cannot open, and
/// MachineError when it ends too soon.
class TokenizerProcess {
 public:
  /// Starts `tokenize` of the folder @p helpers for @p model.
  TokenizerProcess(const std::filesystem::path& helpers, const std::filesystem::path& model);
  ~TokenizerProcess();
  TokenizerProcess(const TokenizerProcess&) = delete;
  TokenizerProcess& operator=(const TokenizerProcess&) = delete;

  /// The tokens of a prompt, with those its tokenizer puts around a text (a BOS). What is decoded
  /// from now on continues it.
  std::vector<std::uint32_t> encode(const std::string& prompt);
  /// What one more token adds to the text: nothing where it ends within a character, which comes
  /// whole with a later one.
  std::string decode(std::uint32_t token);
  /// The rest of the text.
  std::string finish();

 private:
  JsonValue ask(const JsonValue& request);
  void send_line(const std::string& line) const;
  std::string receive_line();

  std::filesystem::path program_;
  pid_t child_ = 0;
  int socket_ = -1;
  std::string received_;  // beyond the last line
};

}  // namespace tessera::jobs
