#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/embedding.hpp"

namespace tessera::forward {

/// Two models' opinion of one next token, in nats.
struct TokenScore {
  double original_loss = 0;  ///< negative log-likelihood of the token that follows
  double quantized_loss = 0;
  double divergence = 0;  ///< Kullback-Leibler, sum_i p_i log(p_i / q_i): p the original's
};

/// What the head of a model makes of hidden states (num_tokens, hidden_size) that left its last
/// block.
struct HeadInput {
  const EmbeddingAndHead& head;
  MatrixView<const float> hidden;
};

/// One score for each row and the token in @p targets that follows it. The losses have the bits of
/// EmbeddingAndHead::negative_log_likelihood. The divergence is exactly 0 where the logits are
/// equal, and may be below 0 by the rounding of fp32 logits (about 1e-7 of their largest). One slab
/// of each head is in memory at a time; tiles of rows share out over the threads, each takes the
/// slabs in panels.
/// @param parts as in EmbeddingAndHead::negative_log_likelihood; other rows' scores are 0
/// @pre both have one vocabulary and as many rows as there are targets
std::vector<TokenScore> score_tokens(Threads& threads, const HeadInput& original,
                                     const HeadInput& quantized,
                                     std::span<const std::uint32_t> targets,
                                     std::span<const Tile> parts = {});

}  // namespace tessera::forward
