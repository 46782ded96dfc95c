#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/packed_config.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/gate/check_layers.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

/// Keys of config.json that packing sets: the stored type, what is packed and how, declared biases.
constexpr const char* kOwnKeys[] = {"torch_dtype", "dtype", "quantization_config", "attention_bias",
                                    "mlp_bias"};

void compare_config(const model::ModelConfig& original, const std::filesystem::path& folder,
                    Verdict& verdict) {
  const JsonValue found = format::read_config_json(folder);
  const JsonValue wanted = JsonValue::parse(original.json, "the original's config.json");
  for (const auto& [key, value] : wanted.entries()) {
    if (std::ranges::find(kOwnKeys, key) != std::end(kOwnKeys)) continue;
    const std::string text = found.contains(key) ? found.at(key).to_text() : "missing";
    if (text == value.to_text()) continue;
    verdict.add(
        "config", key,
        fmt::format("config.json: {} is {} (the original's is {}).", key, text, value.to_text()));
  }
}

std::size_t count_of(const model::NamedShape& tensor) {
  std::size_t count = 1;
  for (const std::size_t side : tensor.shape) count *= side;
  return count;
}

/// What a tensor has to hold, and in which type.
struct Wanted {
  std::vector<float> values;
  StoredType type;
};

void compare(const std::string& name, const Wanted& wanted, const model::TensorSource& packed,
             Verdict& verdict) {
  std::vector<float> found(wanted.values.size());
  packed.read(name, found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float stored = rounded_to(wanted.type, wanted.values[i]);
    if (found[i] == stored) continue;
    verdict.add("originals", name,
                fmt::format("tensor {} holds {} as element {} (the original's is {}, as {}).", name,
                            found[i], i, stored, name_of(dtype_of(wanted.type))));
    return;
  }
}

/// The bias of a layer of integers is packed with it.
Wanted solved_bias(const PreparedRun& prepared, const WorkFolder& work, const std::string& layer,
                   std::size_t count) {
  const auto solved = load_corrected(prepared, work, layer_named(prepared, layer));
  const auto& integers = std::get<solver::IntegerLayer>(solved.layer);
  Wanted bias{integers.bias, integers.scale_type};
  bias.values.resize(count);  // zeros where only its class has one
  return bias;
}

class OriginalsChecker {
 public:
  OriginalsChecker(const PreparedRun& prepared, const PackedSizes& sizes, const WorkFolder& work,
                   const EqualizedWeights& original, const model::TensorSource& packed,
                   Verdict& verdict)
      : prepared_(prepared),
        sizes_(sizes),
        work_(work),
        original_(original),
        packed_(packed),
        verdict_(verdict) {}

  void check(const model::NamedShape& tensor) {
    const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
    const bool is_bias = tensor.name.ends_with(".bias");
    const bool is_packed = sizes_.integers.contains(module) || sizes_.vptq.contains(module);
    if (is_packed && !is_bias) return;
    ++verdict_.check("originals").num_looked_at;
    compare(tensor.name,
            sizes_.integers.contains(module)
                ? solved_bias(prepared_, work_, module, count_of(tensor))
                : of_original(tensor),
            packed_, verdict_);
  }

 private:
  /// A bias that config.json declares for its whole class and the original has none of is zero.
  Wanted of_original(const model::NamedShape& tensor) const {
    Wanted wanted{std::vector<float>(count_of(tensor)), prepared_.job.output.dtype};
    if (original_.contains(tensor.name)) original_.read(tensor.name, wanted.values);
    return wanted;
  }

  const PreparedRun& prepared_;
  const PackedSizes& sizes_;
  const WorkFolder& work_;
  const EqualizedWeights& original_;
  const model::TensorSource& packed_;
  Verdict& verdict_;
};

}  // namespace

void check_originals(const PreparedRun& prepared, const PackedSizes& sizes, const WorkFolder& work,
                     const EqualizedWeights& original, const model::TensorSource& packed,
                     Share share, Verdict& verdict) {
  verdict.check("originals");
  OriginalsChecker checker(prepared, sizes, work, original, packed, verdict);
  const model::ModelConfig config =
      model::read_model_config(packed.origin());  // may declare biases
  if (share.has(0)) compare_config(prepared.config, packed.origin(), verdict);
  std::size_t i = 0;
  for (const model::NamedShape& tensor : model::expected_tensors(config)) {
    if (!share.has(i++)) continue;
    try {
      checker.check(tensor);
    } catch (const InputError& error) {
      verdict.add("originals", tensor.name, error.what());
    }
  }
}

}  // namespace tessera::jobs
