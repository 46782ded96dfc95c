#pragma once
#include "forward/block.hpp"

namespace tessera::forward {

/// Expects that three sequences, a tile of attention and a bit long, come out of a block of random
/// weights with the same bits one by one and together, on 1, 2 and 3 threads; on 2 with @p
/// listener, since hearing inputs changes nothing.
void expect_same_bits_in_any_batch(const model::ModelConfig& config, InputListener* listener);

}  // namespace tessera::forward
