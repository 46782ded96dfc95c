#include "config/settings_list.hpp"

#include <algorithm>

#include "config/read_context.hpp"
#include "config/value_text.hpp"

namespace tessera::config {
namespace {

bool is_list_of_maps(const Node& node) {
  return !node.items.empty() && node.items.front().kind == Node::Kind::map;
}

void flatten(const Node& map, const std::string& section, std::vector<Setting>& settings) {
  for (const Entry& entry : map.entries) {
    const std::string key = join_key(section, entry.key);
    if (entry.value.kind == Node::Kind::map) {
      flatten(entry.value, key, settings);
    } else if (is_list_of_maps(entry.value)) {
      for (std::size_t i = 0; i < entry.value.items.size(); ++i) {
        flatten(entry.value.items[i], key + "[" + std::to_string(i) + "]", settings);
      }
    } else {
      settings.push_back({key, one_line(entry.value), entry.has_effect});
    }
  }
}

const Setting* find(const std::vector<Setting>& settings, const std::string& key) {
  const auto found = std::ranges::find(settings, key, &Setting::key);
  return found == settings.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Setting> settings_in(const Node& tree) {
  std::vector<Setting> settings;
  flatten(tree, "", settings);
  return settings;
}

std::vector<Difference> differences(const std::vector<Setting>& first,
                                    const std::vector<Setting>& second) {
  std::vector<Difference> found;
  for (const Setting& setting : first) {
    const Setting* other = find(second, setting.key);
    const std::string value = other == nullptr ? "none" : other->value;
    if (setting.has_effect && setting.value != value) {
      found.push_back({setting.key, setting.value, value});
    }
  }
  for (const Setting& setting : second) {
    if (setting.has_effect && find(first, setting.key) == nullptr && setting.value != "none") {
      found.push_back({setting.key, "none", setting.value});
    }
  }
  return found;
}

}  // namespace tessera::config
