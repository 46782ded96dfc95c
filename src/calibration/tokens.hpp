#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera::calibration {

/// A text as one stream of tokens, with what it was made from. scripts/tokenize makes the files.
struct TokenStream {
  std::vector<std::uint32_t> tokens;
  std::string text_digest;       ///< digest_of_texts of the text files
  std::string tokenizer_digest;  ///< SHA-256 of tokenizer.json
};

template <class Archive>
void archive(Archive& a, TokenStream& t) {
  a("tokens", t.tokens);
  a("text_digest", t.text_digest);
  a("tokenizer_digest", t.tokenizer_digest);
}

/// SHA-256 of the text files' bytes, in order; of one plain text it is what sha256sum says. A NUL
/// stands between two files, and "jsonl" and a NUL before JSON lines (named *.jsonl), since the
/// same bytes then give other tokens. Throws InputError for a file that cannot be opened,
/// MachineError for one that cannot be read.
std::string digest_of_texts(const std::vector<std::filesystem::path>& files);

/// Sample @p index of @p length tokens: samples follow each other in the stream without overlap,
/// from its start. Throws InputError when the stream is too short, saying how many tokens there are
/// and are wanted.
std::span<const std::uint32_t> sample(const TokenStream& stream, std::size_t index,
                                      std::size_t length);

/// Throws InputError, naming @p origin, when the stream has fewer than @p num_samples samples.
void require_samples(const TokenStream& stream, std::size_t num_samples, std::size_t length,
                     const std::string& origin);

}  // namespace tessera::calibration
