#pragma once
#include <string>

#include "format/integer_sizes.hpp"

namespace tessera::format {

/// How a format presents itself in a model card.
struct FormatText {
  std::string tag;      ///< for the model hub: "vptq"
  std::string method;   ///< "vector-quantized (VPTQ)"
  std::string parts;    ///< what packed layers consist of
  std::string loading;  ///< Markdown: packages, versions, the call, what to know
};

FormatText vptq_text(bool has_tied_head, bool stores_tied_head);
FormatText integer_text(IntegerFormat format, const IntegerScheme& scheme);

}  // namespace tessera::format
