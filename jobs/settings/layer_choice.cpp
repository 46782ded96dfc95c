#include "jobs/settings/layer_choice.hpp"

#include <algorithm>
#include <regex>

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::jobs {

bool matches(std::string_view pattern, std::string_view layer_name) {
  try {
    const std::regex tail(fmt::format("(?:.*\\.)?(?:{})", pattern));
    return std::regex_match(layer_name.begin(), layer_name.end(), tail);
  } catch (const std::regex_error& error) {
    throw InputError(
        fmt::format("the pattern {} cannot be used ({}). Mend it.", pattern, error.what()));
  }
}

bool is_target(const QuantizeSettings& settings, std::string_view layer_name) {
  const auto matches_layer = [&](const std::string& pattern) {
    return matches(pattern, layer_name);
  };
  return std::ranges::any_of(settings.targets, matches_layer) &&
         std::ranges::none_of(settings.ignore, matches_layer);
}

namespace {

const LayerOverride* first_match(const QuantizeSettings& settings, std::string_view layer_name) {
  const auto first = std::ranges::find_if(settings.overrides, [&](const LayerOverride& item) {
    return matches(item.match, layer_name);
  });
  return first == settings.overrides.end() ? nullptr : &*first;
}

}  // namespace

bool has_override(const QuantizeSettings& settings, std::string_view layer_name) {
  return first_match(settings, layer_name) != nullptr;
}

solver::VptqSettings vptq_settings_for(const QuantizeSettings& settings,
                                       std::string_view layer_name) {
  const LayerOverride* own = first_match(settings, layer_name);
  auto chosen = own == nullptr ? settings.vptq : own->vptq;
  chosen.seed = settings.seed;
  return chosen;
}

solver::AweqSettings integer_settings_for(const QuantizeSettings& settings,
                                          std::string_view layer_name) {
  require(settings.method != Method::vptq, "codebooks have settings of their own");
  if (settings.method == Method::aweq) {
    const LayerOverride* own = first_match(settings, layer_name);
    return own == nullptr ? settings.aweq : own->aweq;
  }
  solver::AweqSettings plain;
  plain.integers = settings.method == Method::gptq ? settings.gptq : settings.rtn;
  plain.equalize = solver::Equalize::none;
  plain.bias_correction = solver::BiasCorrection::off;
  return plain;
}

}  // namespace tessera::jobs
