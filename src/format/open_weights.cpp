#include "format/open_weights.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/integer_folder.hpp"
#include "format/packed_config.hpp"
#include "format/vptq_folder.hpp"
#include "format/vptq_layer_config.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {

std::unique_ptr<model::TensorSource> open_weights(const std::filesystem::path& folder) {
  const std::string config_file = (folder / "config.json").string();
  const std::string method = quant_method_of(read_config_json(folder), config_file);
  if (method.empty()) return std::make_unique<model::SafetensorsFolder>(folder);
  if (method == "vptq") return std::make_unique<VptqFolder>(folder);
  if (method == "compressed-tensors" || method == "gptq") {
    return std::make_unique<IntegerFolder>(folder);
  }
  throw InputError(
      fmt::format("{}: quant_method is {} (this program reads plain models, 'vptq', "
                  "'compressed-tensors' and 'gptq'). Name the folder of such a model.",
                  config_file, model::quote_name(method)));
}

}  // namespace tessera::format
