#pragma once
#include <functional>
#include <string>
#include <utility>

namespace tessera::format {

/// The layer whose tensors are being written: one in memory at a time, loaded once when tensors are
/// filled layer after layer. Not for several threads.
template <class Layer>
class LayerInTurn {
 public:
  explicit LayerInTurn(std::function<Layer(const std::string& layer)> load)
      : load_(std::move(load)) {}

  /// @param prepare checks or changes a layer that was just loaded; what it throws passes through
  template <class Prepare>
  const Layer& get(const std::string& name, Prepare&& prepare) {
    if (name == name_) return layer_;
    name_.clear();
    layer_ = Layer();  // frees the last one before the next comes
    layer_ = load_(name);
    prepare(layer_);
    name_ = name;
    return layer_;
  }

 private:
  std::function<Layer(const std::string&)> load_;
  std::string name_;
  Layer layer_;
};

}  // namespace tessera::format
