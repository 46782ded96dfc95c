#pragma once
#include <cstddef>

#include "model/config_fields.hpp"

namespace tessera::model {

/// OPT's class has switches that give a different network: blocks that normalize afterwards and
/// projected embeddings (both opt-350m), no biases, norms without weights, no final norm. Throws
/// InputError where one of them is on.
void refuse_opt_variants(const ConfigFields& fields, std::size_t hidden_size);

}  // namespace tessera::model
