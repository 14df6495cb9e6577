#![no_main]

#[path = "../checks/archive.rs"]
mod archive;
#[path = "../checks/checksums.rs"]
mod checksums;

libfuzzer_sys::fuzz_target!(|data: &[u8]| archive::check(data));
