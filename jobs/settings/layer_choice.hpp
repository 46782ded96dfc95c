#pragma once
#include <string_view>

#include "jobs/settings/job_settings.hpp"

// Which layers are quantized, and how. A pattern is an ECMAScript regular expression; it matches a
// layer when it matches the whole of its module path or of a tail that begins after a dot:
// "down_proj", "mlp\.down_proj", "layers\.0\..*" and ".*_proj" all match
// "model.layers.0.mlp.down_proj"; "proj" and "layers\.0" do not.
namespace tessera::jobs {

/// @throws InputError when @p pattern is no regular expression
bool matches(std::string_view pattern, std::string_view layer_name);

/// True when some pattern of `targets` matches and none of `ignore` does.
bool is_target(const QuantizeSettings& settings, std::string_view layer_name);

/// True when some override matches.
bool has_override(const QuantizeSettings& settings, std::string_view layer_name);

/// Those of the first override that matches, else the section's own; seeded with the section's
/// seed.
solver::VptqSettings vptq_settings_for(const QuantizeSettings& settings,
                                       std::string_view layer_name);
/// The same of a method that makes integers; gptq and rtn are aweq without equalization and
/// correction.
/// @pre settings.method is not vptq
solver::AweqSettings integer_settings_for(const QuantizeSettings& settings,
                                          std::string_view layer_name);

}  // namespace tessera::jobs
