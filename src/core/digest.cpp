#include "core/digest.hpp"

#include <array>
#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "core/error.hpp"

namespace tessera {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest() : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "SHA-256 does not start");
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

Digest& Digest::add(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1,
          "SHA-256 does not update");
  return *this;
}

Digest& Digest::add_text(std::string_view text) {
  const std::size_t length = text.size();
  add(std::as_bytes(std::span(&length, 1)));
  return add(std::as_bytes(std::span(text)));
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  require(EVP_DigestFinal_ex(state_->context, value.data(), &length) == 1, "SHA-256 does not end");
  return fmt::format("{:02x}", fmt::join(value.begin(), value.begin() + length, ""));
}

std::string digest_of_bytes(std::span<const std::byte> bytes) {
  return Digest().add(bytes).hex();
}
std::string digest_of_text(std::string_view text) {
  return digest_of_bytes(std::as_bytes(std::span(text)));
}

std::string digest_of_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw InputError(MachineError::from_errno("cannot open " + file.string()).what());
  std::vector<char> piece(std::size_t{1} << 20);
  Digest digest;
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    digest.add(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) throw MachineError::from_errno("cannot read " + file.string());
  return digest.hex();
}

}  // namespace tessera
