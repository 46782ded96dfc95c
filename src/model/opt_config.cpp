#include "model/opt_config.hpp"

#include <fmt/core.h>

namespace tessera::model {
namespace {

void require_flag(const ConfigFields& fields, const char* key, bool wanted, const char* why) {
  if (fields.flag_or(key, wanted) == wanted) return;
  fields.fail(key, fmt::format("is {} ({}). Choose another OPT.", !wanted, why));
}

}  // namespace

void refuse_opt_variants(const ConfigFields& fields, std::size_t hidden_size) {
  constexpr std::size_t kMaxWidth = std::size_t{1} << 22;
  require_flag(fields, "do_layer_norm_before", true,
               "as in opt-350m; this program knows blocks that normalize before attention and MLP");
  const std::size_t width = fields.size_or("word_embed_proj_dim", kMaxWidth, hidden_size);
  if (width != hidden_size) {
    fields.fail("word_embed_proj_dim",
                fmt::format("is {}, but hidden_size is {} (as in opt-350m; this program knows "
                            "embeddings that are not projected). Choose another OPT.",
                            width, hidden_size));
  }
  require_flag(fields, "enable_bias", true,
               "this program knows OPT with a bias in every linear layer");
  require_flag(fields, "layer_norm_elementwise_affine", true,
               "this program knows norms with weights and biases");
  require_flag(fields, "_remove_final_layer_norm", false,
               "this program knows OPT with a norm before its head");
}

}  // namespace tessera::model
