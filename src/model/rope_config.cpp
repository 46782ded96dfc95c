#include "model/rope_config.hpp"

#include <string>

#include <fmt/core.h>

#include "model/quoted_name.hpp"

namespace tessera::model {
namespace {

std::string kind_of(const ConfigFields& rope) {
  const std::string kind = rope.text_or("rope_type", rope.text_or("type", "default"));
  if (rope.has("rope_type") && rope.has("type") && rope.text("type") != kind) {
    rope.fail("type", fmt::format("is {}, but rope_type is {}", quote_name(rope.text("type")),
                                  quote_name(kind)));
  }
  return kind;
}

RopeScaling read_scaling(const ConfigFields& rope) {
  RopeScaling scaling;
  const std::string kind = kind_of(rope);
  if (kind == "default") return scaling;
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::linear;
    scaling.factor = rope.number("factor", 1);
    return scaling;
  }
  if (kind != "llama3") {
    rope.fail(
        rope.has("rope_type") ? "rope_type" : "type",
        fmt::format("is {} (this program knows default, linear and llama3)", quote_name(kind)));
  }
  scaling.kind = RopeScaling::Kind::llama3;
  scaling.factor = rope.number("factor", 1);
  scaling.low_freq_factor = rope.number("low_freq_factor", 0);
  scaling.high_freq_factor = rope.number("high_freq_factor", 0);
  scaling.original_max_positions = rope.number("original_max_position_embeddings", 1);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    rope.fail("high_freq_factor",
              fmt::format("is {:g} (it must be above low_freq_factor, which is {:g})",
                          scaling.high_freq_factor, scaling.low_freq_factor));
  }
  return scaling;
}

/// Only whole heads are rotated here.
void refuse_partial(const ConfigFields& fields) {
  if (fields.number_or("partial_rotary_factor", 0, 1) == 1) return;
  fields.fail("partial_rotary_factor",
              fmt::format("is {} (this program rotates whole heads only: 1)",
                          fields.at("partial_rotary_factor").to_text()));
}

}  // namespace

RopeConfig read_rope(const ConfigFields& config, double default_theta) {
  RopeConfig rope;
  refuse_partial(config);
  const bool has_theta = config.has("rope_theta");
  rope.theta = config.number_or("rope_theta", 0, default_theta);
  if (config.has("rope_scaling")) rope.scaling = read_scaling(config.object("rope_scaling"));
  if (!config.has("rope_parameters")) return rope;

  const ConfigFields both = config.object("rope_parameters");
  for (const char* kind_of_layer : {"full_attention", "sliding_attention"}) {
    if (both.has(kind_of_layer)) {
      both.fail(kind_of_layer, "is there (rotations that differ between layers are not known)");
    }
  }
  refuse_partial(both);
  const RopeScaling scaling = read_scaling(both);
  if (config.has("rope_scaling") && scaling.kind != rope.scaling.kind) {
    config.fail("rope_scaling", "and rope_parameters differ in kind. Keep one of them.");
  }
  const double theta = both.number_or("rope_theta", 0, rope.theta);
  if (has_theta && theta != rope.theta) {
    config.fail("rope_theta",
                fmt::format("is {:g}, but rope_parameters.rope_theta is {:g}. Keep one of "
                            "them.",
                            rope.theta, theta));
  }
  return {theta, scaling};
}

}  // namespace tessera::model
