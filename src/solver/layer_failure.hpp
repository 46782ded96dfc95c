#pragma once
#include "core/error.hpp"

namespace tessera::solver {

/// A layer cannot be solved as asked: its Hessian, or what came out, is not what the method needs.
/// The message is the problem alone; who asked knows the layer, and what to try next.
class LayerFailure : public Error {
 public:
  using Error::Error;
};

}  // namespace tessera::solver
