#include "format/integer_file_config.hpp"

#include <cstdlib>

#include <fmt/core.h>

#include "model/config_fields.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using model::ConfigFields;
using Layout = IntegerFileConfig::Layout;

constexpr std::size_t kMaxGroupSize = std::size_t{1} << 24;

std::uint64_t read_bits(const ConfigFields& fields, const char* key) {
  const std::uint64_t bits = fields.size(key, 32);
  if (bits == 2 || bits == 3 || bits == 4 || bits == 8) return bits;
  fields.fail(key, fmt::format("is {} (this program reads 2, 3, 4 and 8)", bits));
}

/// -1 and null mean one scale a row: 0.
std::uint64_t read_group_size(const ConfigFields& fields) {
  if (!fields.has("group_size") || fields.at("group_size").to_text() == "-1") return 0;
  return fields.size("group_size", kMaxGroupSize);
}

/// Text or nothing.
void expect(const ConfigFields& fields, const char* key, const std::string& wanted) {
  const std::string found = fields.text_or(key, wanted);
  if (found == wanted) return;
  fields.fail(key, fmt::format("is {} (this program reads {})", model::quote_name(found), wanted));
}

void expect_flag(const ConfigFields& fields, const char* key, bool wanted) {
  if (fields.flag_or(key, wanted) == wanted) return;
  fields.fail(key, fmt::format("is {} (this program reads {})", !wanted, wanted));
}

/// Null, or nothing in it.
void expect_nothing(const ConfigFields& fields, const char* key) {
  if (!fields.has(key)) return;
  const std::string text = fields.at(key).to_text();
  if (text == "{}" || text == "[]") return;
  fields.fail(key, "asks for what this program does not do. Only models without it can be read.");
}

void read_weights(const ConfigFields& weights, IntegerScheme& scheme) {
  scheme.bits = read_bits(weights, "num_bits");
  scheme.is_symmetric = weights.flag_or("symmetric", true);
  if (!scheme.is_symmetric) weights.fail("symmetric", "is false (this program reads true)");
  expect(weights, "type", "int");
  expect_flag(weights, "dynamic", false);
  expect_nothing(weights, "actorder");
  expect_nothing(weights, "block_structure");
  const std::string strategy = weights.text("strategy");
  scheme.group_size = read_group_size(weights);
  if (strategy == "channel" ? scheme.group_size != 0
                            : strategy != "group" || scheme.group_size == 0) {
    weights.fail(
        "strategy",
        fmt::format("is {} with group_size {} (this program reads channel without one, and "
                    "group with one)",
                    model::quote_name(strategy), scheme.group_size));
  }
}

void read_inputs(const ConfigFields& inputs, IntegerScheme& scheme) {
  InputQuantization input;
  input.is_dynamic = inputs.flag_or("dynamic", false);
  scheme.input_is_symmetric = inputs.flag_or("symmetric", true);
  if (inputs.size("num_bits", 32) != 8) inputs.fail("num_bits", "is not 8 (this program reads 8)");
  expect(inputs, "type", "int");
  expect(inputs, "strategy", input.is_dynamic ? "token" : "tensor");
  if (input.is_dynamic) expect_flag(inputs, "symmetric", true);
  scheme.input = input;
}

/// 3-bit codes are dense from 0.18 on and padded before; the version is the only tell.
void check_version(const ConfigFields& fields, std::uint64_t bits) {
  if (bits != 3) return;
  const std::string version = fields.text_or("version", "");
  char* end = nullptr;
  const long major = std::strtol(version.c_str(), &end, 10);
  const long minor = *end == '.' ? std::strtol(end + 1, nullptr, 10) : 0;
  if (major > 0 || minor >= 18) return;
  fields.fail("version",
              fmt::format("is {} (this program reads 3-bit weights as compressed-tensors 0.18 and "
                          "later pack them)",
                          model::quote_name(version)));
}

void read_left_alone(const ConfigFields& fields, IntegerFileConfig& config) {
  if (!fields.has("ignore")) return;
  const JsonValue& list = fields.at("ignore");
  if (!list.is_list()) fields.fail("ignore", "is no list (names of layers are expected)");
  for (const JsonValue& name : list.items()) {
    if (!name.is_text()) fields.fail("ignore", "holds what is no text (names are expected)");
    if (name.text().starts_with("re:")) config.has_patterns = true;
    config.left_alone.insert(name.text());
  }
}

/// What a group says of its weights and inputs; its targets are the caller's.
IntegerScheme read_group(const ConfigFields& fields, const ConfigFields& group) {
  IntegerScheme scheme;
  read_weights(group.object("weights"), scheme);
  if (group.has("input_activations")) read_inputs(group.object("input_activations"), scheme);
  expect_nothing(group, "output_activations");
  const char* format = scheme.input ? "int-quantized" : "pack-quantized";
  expect(fields, "format", format);
  expect(group, "format", format);
  if (scheme.input && (scheme.bits != 8 || scheme.group_size != 0)) {
    group.fail("weights", "are not of 8 bits with one scale a row (which quantized inputs need)");
  }
  check_version(fields, scheme.bits);
  return scheme;
}

void check_targets(const ConfigFields& group) {
  if (group.at("targets").to_text() == R"(["Linear"])") return;
  group.fail("targets", R"(is not ["Linear"] (a single group is of all layers))");
}

/// One group of several: layers by their whole names.
void take_named_group(const ConfigFields& fields, const ConfigFields& group,
                      IntegerFileConfig& config) {
  const IntegerScheme scheme = read_group(fields, group);
  if (scheme.input) {
    group.fail("input_activations", "is given (this program reads it in a single group alone)");
  }
  const JsonValue& targets = group.at("targets");
  if (!targets.is_list()) group.fail("targets", "is no list (names of layers are expected)");
  for (const JsonValue& name : targets.items()) {
    if (!name.is_text() || name.text().starts_with("re:") || name.text() == "Linear") {
      group.fail("targets",
                 "holds what is no layer's name (of several groups this program reads "
                 "those that name their layers)");
    }
    if (config.scheme_of.emplace(name.text(), scheme).second) continue;
    group.fail("targets", fmt::format("holds {}, which an earlier group holds, too",
                                      model::quote_name(name.text())));
  }
}

IntegerFileConfig read_compressed_tensors(const ConfigFields& fields) {
  IntegerFileConfig config;
  const JsonValue& json = fields.at("config_groups");
  if (!json.is_object() || json.entries().empty()) {
    fields.fail("config_groups", "is no object of groups (some are expected)");
  }
  const ConfigFields groups = fields.object("config_groups");
  if (json.entries().size() == 1) {
    const ConfigFields group = groups.object(json.entries().front().first);
    check_targets(group);
    config.scheme = read_group(fields, group);
  } else {
    for (const auto& [name, group] : json.entries()) {
      take_named_group(fields, groups.object(name), config);
    }
  }
  config.layout = config.scheme.input ? Layout::int_quantized : Layout::pack_quantized;
  expect(fields, "quantization_status", "compressed");
  for (const char* key : {"kv_cache_scheme", "sparsity_config", "transform_config"}) {
    expect_nothing(fields, key);
  }
  read_left_alone(fields, config);
  return config;
}

/// Only exclusions ("-:" and a pattern) can be read, not settings for some layers.
void read_exclusions(const ConfigFields& fields, IntegerFileConfig& config) {
  if (!fields.has("dynamic")) return;
  const JsonValue& patterns = fields.at("dynamic");
  if (!patterns.is_object()) fields.fail("dynamic", "is no object (patterns are expected)");
  for (const auto& [pattern, settings] : patterns.entries()) {
    if (!pattern.starts_with("-:")) {
      fields.fail("dynamic", fmt::format("has {} (this program reads one scheme for all layers)",
                                         model::quote_name(pattern)));
    }
    config.has_patterns = true;
  }
}

IntegerFileConfig read_gptq(const ConfigFields& fields) {
  IntegerFileConfig config;
  config.layout = Layout::gptq;
  config.scheme.bits = read_bits(fields, "bits");
  config.scheme.group_size = read_group_size(fields);
  config.scheme.is_symmetric = fields.flag_or("sym", true);
  expect(fields, "pack_dtype", "int32");
  expect_flag(fields, "lm_head", false);
  expect_flag(fields, "desc_act", false);
  const std::string form = fields.text_or("checkpoint_format", "gptq");
  if (form != "gptq" && form != "gptq_v2") {
    fields.fail("checkpoint_format", fmt::format("is {} (this program reads gptq and gptq_v2)",
                                                 model::quote_name(form)));
  }
  config.has_whole_zero_points = form == "gptq_v2";
  read_exclusions(fields, config);
  if (fields.has("modules_in_block_to_quantize")) config.has_patterns = true;
  return config;
}

}  // namespace

IntegerFileConfig read_integer_config(const JsonValue& config, const std::string& origin) {
  const ConfigFields fields = ConfigFields(config, origin).object("quantization_config");
  const std::string method = fields.text("quant_method");
  if (method == "compressed-tensors") return read_compressed_tensors(fields);
  if (method == "gptq") return read_gptq(fields);
  fields.fail("quant_method", fmt::format("is {} (a model of integers has compressed-tensors or "
                                          "gptq). Name the folder of such a model.",
                                          model::quote_name(method)));
}

}  // namespace tessera::format
