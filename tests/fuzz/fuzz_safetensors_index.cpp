// A model.safetensors.index.json; whatever is accepted survives the round trip.
#include <string_view>

#include "core/error.hpp"
#include "model/safetensors_index.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto index =
        model::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "input");
    const std::string json = model::safetensors_index_json(index, 0);
    require(model::parse_safetensors_index(json, "own") == index,
            "an index survives the round trip");
    for (const auto& [tensor, shard] : index) {
      require(shard.find('/') == std::string::npos, "shards lie beside the index");
    }
  } catch (const InputError&) {
  }
  return 0;
}
