#![no_main]

#[path = "../checks/format.rs"]
mod format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| format::check(data));
