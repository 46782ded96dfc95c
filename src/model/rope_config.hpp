#pragma once
#include "model/config_fields.hpp"
#include "model/model_config.hpp"

namespace tessera::model {

struct RopeConfig {
  double theta = 10000;
  RopeScaling scaling;
};

/// How positions are rotated, in both spellings: rope_theta and rope_scaling (transformers 4; the
/// kind under rope_type or the older type), or rope_parameters, which holds both (transformers 5).
/// @param default_theta of the family
RopeConfig read_rope(const ConfigFields& config, double default_theta = 10000);

}  // namespace tessera::model
