// Writes the seed corpus/archive/small: write_archive_seed FILE
#include <vector>

#include "core/matrix.hpp"
#include "store/archive.hpp"
#include "tests/fuzz/archive_item.hpp"

int main(int argc, char** argv) {
  using namespace tessera;
  if (argc != 2) return 2;
  store::ArchiveWriter writer(argv[1], {{"kind", "seed"}, {"version", "1"}});
  writer("sum", Matrix<double>(3, 3), store::ArchiveWriter::LowerTriangle{});
  writer("matrix", Matrix<float>(2, 3));
  writer("text", std::string("abc"));
  writer("texts", std::vector<std::string>{"a", "bc"});
  writer("items", std::vector<fuzz::Item>{{1, {1.0f}}, {2, {}}});
  static_cast<void>(writer.close());
  return 0;
}
