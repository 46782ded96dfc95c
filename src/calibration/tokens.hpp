#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::calibration {

/// A text as one stream of tokens, with what it was made from.
struct TokenStream {
  std::vector<std::uint32_t> tokens;
  std::string text_digest;       ///< SHA-256 of the text files' bytes, in order
  std::string tokenizer_digest;  ///< SHA-256 of tokenizer.json
};

template <class Archive>
void archive(Archive& a, TokenStream& t) {
  a("tokens", t.tokens);
  a("text_digest", t.text_digest);
  a("tokenizer_digest", t.tokenizer_digest);
}

/// Sample @p index of @p length tokens: samples follow each other in the stream without overlap, from its start.
/// Throws InputError when the stream is too short, saying how many tokens there are and are wanted.
std::span<const std::uint32_t> sample(const TokenStream& stream, std::size_t index, std::size_t length);
void require_samples(const TokenStream& stream, std::size_t num_samples, std::size_t length,
                     const std::string& origin);

}  // namespace tessera::calibration
