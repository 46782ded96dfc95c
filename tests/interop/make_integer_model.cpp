// make_integer_model MODEL OUTPUT [--format compressed-tensors|gptq] [--bits 4] [--group 0]
// [--asym]
//                    [--inputs dynamic|static|static-asym] [--dtype float16] [--bias] [--mixed]
//                    [--leave PART-OF-NAME] [--shard-bytes N]
// Packs the linear layers of a model folder as random integers: a valid checkpoint without a
// solver. Its weights mean nothing; what matters is that every reader finds the same ones.
#include <map>
#include <string>

#include <fmt/core.h>

#include "tests/format/integer_fixtures.hpp"

namespace tessera {
namespace {

using format::IntegerFormat;

/// "--name value" and "--flag" pairs after the two folders.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 3; i < argc; ++i) {
      const std::string name = argv[i];
      const bool has_value = i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--";
      values_[name] = has_value ? argv[++i] : "";
    }
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return has(name) ? values_.at(name) : otherwise;
  }
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    return has(name) ? std::stoull(values_.at(name)) : otherwise;
  }

 private:
  std::map<std::string, std::string> values_;
};

StoredType stored_type(const std::string& name) {
  if (name == "bfloat16") return StoredType::bfloat16;
  return name == "float32" ? StoredType::float32 : StoredType::float16;
}

void set_inputs(const std::string& kind, test::RandomIntegers& layer) {
  if (kind.empty()) return;
  layer.input.emplace();
  layer.input->is_dynamic = kind == "dynamic";
  if (kind == "static-asym") layer.input->zero_point = -17;
}

/// Other bits for some layers, other groups for others.
void mix(const std::string& name, test::RandomIntegers& layer) {
  if (name.find("down_proj") != name.npos) layer.bits = 3;
  if (name.find("1.self_attn.q_proj") != name.npos) layer.bits = 8, layer.group_size = 0;
  if (name.find("up_proj") != name.npos) layer.group_size = layer.in_features;
}

void pack(const char* folder, const char* output, const Options& options) {
  const bool is_gptq = options.text("--format", "compressed-tensors") == "gptq";
  const std::string left_alone = options.text("--leave", "");
  const auto wishes = [&](const std::string& name, test::RandomIntegers& layer) {
    layer.bits = options.number("--bits", 4);
    layer.group_size = options.number("--group", 0);
    layer.is_symmetric = !options.has("--asym");
    layer.scale_type = stored_type(options.text("--dtype", "float16"));
    layer.has_bias = layer.has_bias || options.has("--bias");
    if (options.has("--mixed")) mix(name, layer);
    set_inputs(options.text("--inputs", ""), layer);
    return left_alone.empty() || name.find(left_alone) == name.npos;
  };
  test::pack_integer_model(folder, output,
                           is_gptq ? IntegerFormat::gptq : IntegerFormat::compressed_tensors,
                           wishes, {options.has("--bias"), options.has("--bias")},
                           options.number("--shard-bytes", std::uint64_t{1} << 40));
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "make_integer_model MODEL OUTPUT [options, see the source]\n");
    return 2;
  }
  try {
    tessera::pack(argv[1], argv[2], tessera::Options(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
