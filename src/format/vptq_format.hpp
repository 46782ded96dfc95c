#pragma once
// The checkpoint format of the `vptq` package and of transformers 4.48 to 4.57 (vptq.md section 3),
// in one include.
#include "format/companion_files.hpp"  // what is copied from the original folder
#include "format/index_packing.hpp"    // the bits of one row of indices
#include "format/manifest.hpp"         // tessera_manifest.json: written last, read back, verified
#include "format/model_card.hpp"       // README.md
#include "format/packed_model.hpp"     // every tensor of a packed model; bits per weight
#include "format/vptq_config.hpp"      // config.json
#include "format/vptq_folder.hpp"      // the independent reader
#include "format/vptq_sizes.hpp"       // what sizes the format and the engines allow
#include "format/vptq_tensors.hpp"     // the tensors of one layer
