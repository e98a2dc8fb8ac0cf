// keyPositions i32 [S]: in any order, so every key must be looked at.

const KEYS_IN_ORDER = false;

@group(0) @binding(POSITIONS_AT) var<storage, read> positions: array<i32>;

fn key_position(s: u32) -> i32 {
  return positions[params.position_at + s * params.position_s];
}
