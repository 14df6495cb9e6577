#![no_main]

#[path = "../checks/shell.rs"]
mod shell;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shell::check(data));
