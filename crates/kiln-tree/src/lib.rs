//! kiln-tree
