#![no_main]

#[path = "../checks/fix.rs"]
mod fix;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fix::check(data));
