//! Placeholder until the library grows.
fn main() {}
