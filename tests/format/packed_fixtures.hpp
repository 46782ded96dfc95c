#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "format/vptq_format.hpp"
#include "tests/format/random_vptq_layer.hpp"

namespace tessera::test {

/// config.json of a model of one block and seven linear layers with sizes that nothing divides:
/// hidden 40, intermediate 52, 5 heads of 8 over one key-value head, 33 tokens. @p more is spliced
/// in, as "\"attention_bias\": true,".
std::string tiny_config_json(const std::string& more = "\"tie_word_embeddings\": true,");

/// Writes config.json and random float32 weights for it.
void write_tiny_model(const std::filesystem::path& folder,
                      const std::string& more = "\"tie_word_embeddings\": true,");

/// The same for any config.json.
void write_random_model(const std::filesystem::path& folder, const std::string& config_json);

/// What to pack a tiny model's linear layers as; shape and name are filled in.
using LayerWishes = std::function<void(const std::string& layer, RandomLayer& wanted)>;

/// Packs the tiny model in @p folder into @p output with random layers. Returns the layers as they
/// were given to the writer.
std::map<std::string, solver::VptqLayer> pack_tiny_model(
    const std::filesystem::path& folder, const std::filesystem::path& output,
    const LayerWishes& wishes = [](const std::string&, RandomLayer&) {},
    format::Permutation permutation = format::Permutation::absorbed,
    std::size_t max_shard_bytes = std::size_t{1} << 30);

}  // namespace tessera::test
