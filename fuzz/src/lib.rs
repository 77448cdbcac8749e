//! What several fuzz targets have in common.

pub mod io;
pub mod pipe;
pub mod wire;
