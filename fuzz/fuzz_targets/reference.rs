#![no_main]

#[path = "../checks/reference.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| reference::check(data));
