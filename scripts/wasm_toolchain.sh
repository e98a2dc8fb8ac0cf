#!/usr/bin/env bash
# Installs what building the Rust kernels to WebAssembly needs on a Debian machine, as root:
#   - Debian's rustc-web and cargo-web (a current Rust) with clippy, rustfmt and the library's sources, and lld
#   - std for wasm32-unknown-unknown, built once from those sources with atomics, so that one std serves both builds;
#     with its bitcode, so that lto reaches into it
#   - wasm-bindgen and wasm-pack from the Rust package registry
# What is there already is left alone. scripts/build_wasm.ts runs this where rustc has no such target.
# Elsewhere: a nightly toolchain with rust-src and the wasm32-unknown-unknown target, and `cargo install wasm-pack
# wasm-bindgen-cli`; the versions are below.
set -euo pipefail

BINDGEN_VERSION=0.2.130
WASM_PACK_VERSION=0.15.1
TARGET=wasm32-unknown-unknown
STD_DIR=/usr/lib/rustlib/$TARGET/lib
export DEBIAN_FRONTEND=noninteractive
export PATH=/usr/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

if ! [ -x /usr/bin/wasm-ld-22 ] || ! [ -d /usr/lib/rustlib/src/rust/library ] || ! [ -x /usr/bin/cargo-clippy ] ||
  ! [ -x /usr/bin/rustfmt ]; then
  apt-get update -qq
  apt-get install -y -qq rustc-web cargo-web rust-web-src libstd-rust-web-dev rust-web-clippy rustfmt-web lld-22 >/dev/null
fi

if ! ls "$STD_DIR"/libstd-*.rlib >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/src" "$work/.cargo"
  printf '[package]\nname = "stdseed"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/Cargo.toml"
  : >"$work/src/lib.rs"
  cat >"$work/.cargo/config.toml" <<'T'
[source.crates-io]
replace-with = "std-vendor"
[source.std-vendor]
directory = "/usr/lib/rustlib/src/rust/library/vendor"
T
  (cd "$work" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="-Cembed-bitcode=yes -Ctarget-feature=+atomics,+bulk-memory,+mutable-globals" \
    /usr/bin/cargo build --release --target $TARGET -Zbuild-std=std,panic_abort --offline)
  mkdir -p "$STD_DIR"
  cp "$work"/target/$TARGET/release/deps/*.rlib "$STD_DIR/"
  rm -f "$STD_DIR"/libstdseed-*
fi

# With the libraries that each was released with; with their newest, where the registry in use lacks one of those.
install() {
  local name=$1 version=$2
  cargo install --locked "$name" --version "$version" || cargo install "$name" --version "$version"
}

has() { "$1" --version 2>/dev/null | grep -qF "$2"; }
has wasm-bindgen "$BINDGEN_VERSION" || install wasm-bindgen-cli "$BINDGEN_VERSION"
has wasm-pack "$WASM_PACK_VERSION" || install wasm-pack "$WASM_PACK_VERSION"
