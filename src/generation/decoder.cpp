#include "generation/decoder.hpp"

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::generation {
namespace {

/// Tokens of a prompt that go through the blocks together: bounds the hidden states.
constexpr std::size_t kPromptTokens = 2048;

}  // namespace

Decoder::Decoder(Log& log, const model::ModelConfig& config, const model::TensorSource& weights,
                 std::size_t capacity, const BlockHook& hook)
    : config_(config),
      ends_(config, weights),
      forward_(config, capacity),
      logits_(1, config.vocab_size),
      capacity_(capacity) {
  model::require_positions(config, capacity, "the length of the sequence");
  for (std::size_t b = 0; b < config.num_blocks; ++b) {
    blocks_.push_back(forward::load_block(config, weights, b, linalg::WeightOrder::plain));
    if (hook) hook(b, blocks_.back());
    caches_.emplace_back(config, capacity);
    const double share = static_cast<double>(b + 1) / static_cast<double>(config.num_blocks);
    log.progress({"load", "blocks", b + 1, config.num_blocks, share, ""});
  }
}

std::span<const float> Decoder::append(Threads& threads, std::span<const std::uint32_t> tokens) {
  require(!tokens.empty() && length_ + tokens.size() <= capacity_,
          "Decoder::append: the tokens fit into the sequence");
  for (std::size_t i = 0; i < num_tiles(tokens.size(), kPromptTokens); ++i) {
    const Tile part = tile_at(i, kPromptTokens, tokens.size());
    Matrix<float> hidden(part.size(), config_.hidden_size);
    ends_.embed(tokens.subspan(part.begin, part.size()), part.size(), hidden, length_);
    push(threads, hidden);
    length_ += part.size();
    if (part.end < tokens.size()) continue;
    ends_.logits(threads, hidden.view().middle_rows(part.size() - 1, 1), logits_);
  }
  return logits_.span();
}

void Decoder::push(Threads& threads, MatrixView<float> hidden) {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    forward_.extend(threads, blocks_[b], length_, hidden, caches_[b]);
  }
}

}  // namespace tessera::generation
