#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "format/integer_format.hpp"
#include "tests/format/random_integer_layer.hpp"

namespace tessera::test {

/// Writes a plain model of two blocks with sizes that GPTQ can hold, all multiples of 32: hidden
/// 64, intermediate 96, 2 heads of 32 over one key-value head, 33 tokens. @p more is spliced into
/// config.json, as "\"attention_bias\": true,".
void write_small_model(const std::filesystem::path& folder,
                       const std::string& more = "\"tie_word_embeddings\": true,");

/// What to pack a model's linear layer as; name, shape and the model's own bias are filled in.
/// False leaves the layer alone.
using IntegerWishes = std::function<bool(const std::string& layer, RandomIntegers& wanted)>;

/// Packs the linear layers of the model in @p folder into @p output as random integers, config
/// files and all. Returns the layers as they were given to the writer.
std::map<std::string, solver::IntegerLayer> pack_integer_model(
    const std::filesystem::path& folder, const std::filesystem::path& output,
    format::IntegerFormat format, const IntegerWishes& wishes, format::DeclaredBiases biases = {},
    std::size_t max_shard_bytes = std::size_t{1} << 30);

}  // namespace tessera::test
